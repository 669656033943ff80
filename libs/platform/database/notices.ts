import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { EntityManager } from 'typeorm';
import { query } from './db.js';

/**
 * site_changed: a site's desired state, status or credentials (payload: site id).
 * access_changed: `key:<api key id>`, `user:<user id>`, `org:<org id>` or `provisioning:<key id>`; caches drop what they hold of it.
 * event_added: payload org id; only a hint to look at the feed.
 */
export type Channel = 'site_changed' | 'access_changed' | 'event_added';
const CHANNELS: readonly Channel[] = ['site_changed', 'access_changed', 'event_added'];
const CHECK_EVERY_MS = 5000;

/** Sends a notice with the transaction: PostgreSQL delivers it on commit only, to every server process. One id per notice. */
export async function notify(tx: EntityManager, channel: Channel, payload: string): Promise<void> {
  await query(tx, 'SELECT pg_notify($1, $2)', [channel, payload]);
}

/**
 * Listens on one dedicated connection and fans notices out to the modules of this process (agent-session.md, Revocation).
 * The connection is checked every 5 s. While it is down `isDown` is true and caches must not be trusted;
 * once it is back `onReconnected` handlers run, because notices were missed.
 */
@Injectable()
export class Notices implements OnApplicationShutdown {
  private readonly logger = new Logger(Notices.name);
  private readonly handlers = new Map<Channel, ((payload: string) => void)[]>();
  private readonly reconnected: (() => void)[] = [];
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private connectedBefore = false;

  constructor(private readonly url: string) {}

  get isDown(): boolean {
    return this.client === undefined;
  }

  on(channel: Channel, handler: (payload: string) => void): void {
    this.handlers.set(channel, [...(this.handlers.get(channel) ?? []), handler]);
  }

  onReconnected(handler: () => void): void {
    this.reconnected.push(handler);
  }

  /** Connects and listens; later losses repair themselves. Called once, at boot. */
  async start(): Promise<void> {
    await this.tick();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private async tick(): Promise<void> {
    try {
      if (this.client) await this.client.query('SELECT 1');
      else await this.connect();
    } catch (error) {
      this.lost(error);
    }
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.tick(), this.client ? CHECK_EVERY_MS : 500);
    this.timer.unref();
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'gatehouse-notices',
      connectionTimeoutMillis: 3000,
      query_timeout: 3000,
      keepAlive: true,
    });
    client.on('error', (error) => this.client === client && this.lost(error));
    client.on('end', () => this.client === client && this.lost(new Error('the listening connection ended')));
    client.on('notification', ({ channel, payload }) => this.dispatch(channel as Channel, payload ?? ''));
    try {
      await client.connect();
      await client.query(CHANNELS.map((c) => `LISTEN ${c}`).join('; '));
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    if (this.stopped) return void client.end();
    this.client = client;
    if (this.connectedBefore) for (const handler of this.reconnected) handler();
    this.connectedBefore = true;
  }

  private dispatch(channel: Channel, payload: string): void {
    for (const handler of this.handlers.get(channel) ?? []) {
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
    if (client) this.logger.warn({ err: error }, 'The listening connection was lost; caches are bypassed until it is back');
    (client as unknown as { connection?: { stream?: { destroy(): void } } } | undefined)?.connection?.stream?.destroy();
  }
}
