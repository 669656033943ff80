import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';

const CHECK_EVERY_MS = 1000;
const CHECK_TIMEOUT_MS = 2000;

/**
 * Knows whether PostgreSQL answers. While it does not, requests are refused at once with 503 instead of queueing behind a pool
 * whose connections hang. Works on a connection of its own, so that a full pool is not mistaken for an absent database.
 */
@Injectable()
export class DatabaseHealth implements OnApplicationShutdown {
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private away = false;
  private checking = false;
  private stopped = false;

  constructor(private readonly url: string) {
    this.schedule();
  }

  get isAway(): boolean {
    return this.away;
  }

  /** Somebody's statement failed for want of a connection: check now rather than at the next tick. */
  suspect(): void {
    void this.check();
  }

  /** @returns true when PostgreSQL answered within two seconds. */
  async check(): Promise<boolean> {
    if (this.checking || this.stopped) return !this.away;
    this.checking = true;
    try {
      this.client ??= await this.connect();
      await this.client.query('SELECT 1');
      this.away = false;
    } catch {
      this.away = true;
      this.drop();
    } finally {
      this.checking = false;
    }
    return !this.away;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.drop();
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'gatehouse-health',
      connectionTimeoutMillis: CHECK_TIMEOUT_MS,
      query_timeout: CHECK_TIMEOUT_MS,
    });
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
    });
    await client.connect();
    return client;
  }

  private drop(): void {
    const client = this.client;
    this.client = undefined;
    (client as unknown as { connection?: { stream?: { destroy(): void } } } | undefined)?.connection?.stream?.destroy();
  }

  private schedule(): void {
    this.timer = setTimeout(() => void this.check().finally(() => this.stopped || this.schedule()), CHECK_EVERY_MS);
    this.timer.unref();
  }
}
