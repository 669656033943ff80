import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { clientOptions, DatabaseClient } from './database-client.js';

const PROBE_EVERY_MS = 1000;
/** A stopped or unreachable machine refuses nothing. So many rounds of this process's own event loop without an answer, a second each, and it counts as away. */
const SILENT_ROUNDS = 10;

/**
 * Knows whether PostgreSQL is away: it refuses connections, ends them, is not ready, or has said nothing at all for ten seconds. While it is,
 * requests are refused at once with 503. An answer that is merely late is none of these: then requests queue, within their own bounds.
 * Asks on a connection of its own, so that a full pool is not mistaken for an absent database.
 */
@Injectable()
export class DatabaseHealth implements OnApplicationShutdown {
  private client: DatabaseClient | undefined;
  private probe: Promise<void> | undefined;
  private silentRounds = 0;
  private away = false;
  private stopped = false;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly url: string) {
    this.timer = setInterval(() => this.round(), PROBE_EVERY_MS).unref();
  }

  get isAway(): boolean {
    return this.away;
  }

  /** Seconds for which PostgreSQL has owed an answer, while it is not away. */
  get silentFor(): number {
    return this.away ? 0 : this.silentRounds;
  }

  /** Somebody's statement failed for want of a connection: ask now rather than at the next round. */
  suspect(): void {
    void this.ask();
  }

  /** @returns false when PostgreSQL is away; as it was when last asked, where no answer comes within two seconds. */
  async check(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.ask(), new Promise((done) => (timer = setTimeout(done, 2 * PROBE_EVERY_MS)))]);
    clearTimeout(timer);
    return !this.away;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    this.drop();
  }

  private round(): void {
    if (!this.probe) return void this.ask();
    if (++this.silentRounds < SILENT_ROUNDS) return;
    this.away = true;
    this.drop();
  }

  private ask(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    this.probe ??= this.answer().finally(() => {
      this.probe = undefined;
      this.silentRounds = 0;
    });
    return this.probe;
  }

  private async answer(): Promise<void> {
    // The connection of before may have ended with a PostgreSQL that is back by now: a new one tells.
    for (let attempts = this.client ? 2 : 1; attempts > 0 && !this.stopped; attempts--) {
      try {
        if (!this.client) {
          this.client = new DatabaseClient(clientOptions(this.url, 'gatehouse-health'));
          await this.client.connect();
        }
        await this.client.query('SELECT 1');
        this.away = false;
        return;
      } catch {
        this.drop();
      }
    }
    this.away = true;
  }

  private drop(): void {
    this.client?.destroy();
    this.client = undefined;
  }
}
