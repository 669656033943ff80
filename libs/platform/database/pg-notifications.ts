import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { clientOptions, DatabaseClient, DatabaseUrlError } from './database-client.js';

/**
 * site_changed: a site's desired state, status or credentials (payload: site id).
 * access_changed: `key:<api key id>`, `user:<user id>`, `org:<org id>`, `provisioning:<key id>`, `psk:<identity>` or
 * `resource_session:<id>`; caches drop what they hold of it.
 * event_added: payload org id; only a hint to look at the feed.
 * resource_changed: `{"orgId", "kind": "public" | "private", "ids"}`, ids null: any of them. Triggers send it, nobody else (ADR 0026).
 * job_due: a job can begin or go on (payload: job id).
 * health_changed: targets of these public resources are healthy or not any more (payload: up to 400 ids, as JSON).
 * site_restart: the agent of a site is to connect again (payload: site id).
 * server_changed: a server process has come, is reached elsewhere, or has gone (payload: its id).
 */
const CHANNELS = [
  'site_changed',
  'access_changed',
  'event_added',
  'resource_changed',
  'health_changed',
  'job_due',
  'site_restart',
  'server_changed',
] as const;
export type Channel = (typeof CHANNELS)[number];
type Handler = (payload: string) => void;

export interface Notice {
  channel: Channel;
  payload: string;
}
const CHECK_EVERY_MS = 5000;
const RECONNECT_MS = 500;
/** Longer than a busy machine keeps an answer; then the connection counts as lost. */
const SILENT_MS = 10_000;
const PROOF_EVERY_MS = 50;

/**
 * One session's notice must reach another (docs/agent-protocol.md rule 17): a pooler per transaction passes every statement and loses these.
 * @throws DatabaseUrlError when it does not reach `listener`.
 */
export async function proveNotifications(listener: DatabaseClient, url: string): Promise<void> {
  const channel = `proof_${randomUUID()}`;
  const sender = new DatabaseClient({
    ...clientOptions(url, 'gatehouse-notices'),
    connectionTimeoutMillis: SILENT_MS,
    query_timeout: SILENT_MS,
  });
  let arrived = false;
  const hear = (notice: { channel: string }): void => void (arrived ||= notice.channel === channel);
  listener.on('notification', hear);
  try {
    await listener.query(`LISTEN "${channel}"`);
    await sender.connect();
    await sender.query('SELECT pg_notify($1, $2)', [channel, '']);
    // PostgreSQL has signalled the listener before the sender was answered; the rounds are for a signal that is still on its way.
    for (const until = Date.now() + SILENT_MS; !arrived && Date.now() < until; ) {
      await listener.query('SELECT 1');
      if (!arrived) await delay(PROOF_EVERY_MS);
    }
    await listener.query(`UNLISTEN "${channel}"`);
  } finally {
    listener.off('notification', hear);
    sender.end().catch(() => undefined);
  }
  if (arrived) return;
  throw new DatabaseUrlError(
    'DATABASE_URL must be a direct or session-pooled connection; on this one no notice (LISTEN, NOTIFY) arrives, as behind a transaction pooler.',
  );
}

/**
 * Listens on one dedicated connection and fans notices out to the modules of this process (docs/agent-protocol.md rule 17).
 * The connection is checked every 5 s. While it is down `isDown` is true and caches must not be trusted;
 * once it is back `onReconnected` handlers run, because notices were missed.
 */
@Injectable()
export class PgNotifications implements OnApplicationShutdown {
  private readonly logger = new Logger(PgNotifications.name);
  private readonly handlers = new Map<Channel, Handler[]>();
  private readonly early = new Map<Channel, Handler[]>();
  private readonly reconnected: (() => void)[] = [];
  private client: DatabaseClient | undefined;
  private provedAt = performance.now();
  private readonly task = new PeriodicTask(PgNotifications.name, {
    failure: 'The listening connection could not be checked',
    run: () => this.check(),
  });
  private stopped = false;
  private connectedBefore = false;
  private failure: unknown;

  constructor(private readonly url: string) {}

  get isDown(): boolean {
    return this.client === undefined;
  }

  /**
   * When the listening connection was last known to live (`performance.now()`): what was committed before has been heard. While `onReconnected`
   * handlers run it is still of the connection that was lost.
   */
  get heardUntil(): number {
    return this.provedAt;
  }

  on(channel: Channel, handler: Handler): void {
    this.handlers.set(channel, [...(this.handlers.get(channel) ?? []), handler]);
  }

  /**
   * Like `on`, for caches: they also hear of what this process itself has committed, at once. Who changes something and then asks the same
   * server must not be answered from before. The notice comes again by PostgreSQL.
   */
  onEarly(channel: Channel, handler: Handler): void {
    this.on(channel, handler);
    this.early.set(channel, [...(this.early.get(channel) ?? []), handler]);
  }

  /** A transaction of this process has committed this notice. */
  committed({ channel, payload }: Notice): void {
    this.dispatch(this.early, channel, payload);
  }

  onReconnected(handler: () => void): void {
    this.reconnected.push(handler);
  }

  /**
   * Connects and listens; later losses repair themselves. Called once, at boot.
   * @throws DatabaseUrlError where notices cannot arrive at all.
   */
  async start(): Promise<void> {
    await this.check();
    if (this.failure instanceof DatabaseUrlError) throw this.failure;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
    await this.task.stop();
  }

  private async check(): Promise<void> {
    const askedAt = performance.now();
    try {
      if (this.client) await this.client.query('SELECT 1');
      else await this.connect();
      this.provedAt = askedAt;
      this.failure = undefined;
    } catch (error) {
      this.lost(error);
    }
    this.task.wake(this.client ? CHECK_EVERY_MS : RECONNECT_MS);
  }

  private async connect(): Promise<void> {
    const client = new DatabaseClient({
      ...clientOptions(this.url, 'gatehouse-notices'),
      connectionTimeoutMillis: SILENT_MS,
      query_timeout: SILENT_MS,
    });
    client.on('error', (error) => this.client === client && this.lost(error));
    client.on('end', () => this.client === client && this.lost(new Error('the listening connection ended')));
    client.on('notification', ({ channel, payload }) =>
      this.dispatch(this.handlers, channel as Channel, payload ?? ''),
    );
    try {
      await client.connect();
      await client.query(CHANNELS.map((c) => `LISTEN ${c}`).join('; '));
      await proveNotifications(client, this.url);
    } catch (error) {
      client.destroy();
      throw error;
    }
    if (this.stopped) return void client.end();
    this.client = client;
    if (this.connectedBefore) for (const handler of this.reconnected) handler();
    this.connectedBefore = true;
  }

  private dispatch(handlers: ReadonlyMap<Channel, Handler[]>, channel: Channel, payload: string): void {
    for (const handler of handlers.get(channel) ?? []) {
      try {
        handler(payload);
      } catch (error) {
        this.logger.error({ err: error, channel }, 'A notice handler failed');
      }
    }
  }

  private lost(error: unknown): void {
    const client = this.client;
    this.client = undefined;
    if (this.stopped) return;
    if (error instanceof DatabaseUrlError && this.connectedBefore && !(this.failure instanceof DatabaseUrlError))
      this.logger.error(error.message);
    this.failure = error;
    if (client)
      this.logger.warn({ err: error }, 'The listening connection was lost; caches are bypassed until it is back');
    client?.destroy();
  }
}
