import { Logger } from '@nestjs/common';
import { clientOptions, DatabaseClient } from './database-client.js';

/** Waiting for somebody's transaction to end is ordinary; for longer than this it is somebody who stopped. */
const PATIENCE_MS = 1000;
const AGAIN_MS = 100;
/** Its own connection is made ahead: on a busy machine that takes a while. */
const CONNECT_AFTER_MS = 500;

/** A transaction of a Gatehouse server that was ended. */
export interface EndedTransaction {
  pid: number;
  /** Seconds since it began. */
  age: number;
  state: string;
}

/**
 * Ends all that a backend waits for, directly or behind others, as far as it is pooled connections of Gatehouse servers under the same role
 * and on the same database; nobody else's. Who that is has to be known to the last before the first is ended, hence the subquery: as a
 * condition of the join it would be asked of rows that the join leaves out.
 */
const END_BLOCKERS = `
  WITH RECURSIVE blocker (pid) AS (
    SELECT unnest(pg_blocking_pids($1)) UNION SELECT unnest(pg_blocking_pids(blocker.pid)) FROM blocker),
  held AS (
    SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int AS age, state FROM blocker JOIN pg_stat_activity USING (pid)
    WHERE application_name = 'gatehouse' AND datname = current_database() AND usename = current_user AND pid <> $1)
  SELECT pid, age, state FROM jsonb_to_recordset((SELECT jsonb_agg(to_jsonb(held)) FROM held)) AS h (pid int, age int, state text)
  WHERE pg_terminate_backend(pid)`;

/**
 * For one transaction that must not wait for others, as it takes something away from them: a key that leaked. From the second second on,
 * those that hold what it waits for are ended; a stopped server may hold it for as long as PostgreSQL lets it. PostgreSQL rolls them back
 * before it lets this one go on, so nothing of them is committed afterwards, and their servers answer 503.
 */
export class RightOfWay {
  private static readonly logger = new Logger(RightOfWay.name);
  private readonly found: EndedTransaction[] = [];
  private pid: number | undefined;
  private client: Promise<DatabaseClient> | undefined;
  private timer: NodeJS.Timeout;
  private looking: Promise<void> = Promise.resolve();
  private over = false;

  constructor(private readonly url: string) {
    this.timer = setTimeout(() => {
      this.connect().catch(() => undefined);
      this.timer = setTimeout(() => this.look(), PATIENCE_MS - CONNECT_AFTER_MS);
    }, CONNECT_AFTER_MS);
  }

  /** The backend of the transaction, once it has one. */
  give(pid: number): void {
    this.pid = pid;
  }

  /** @returns those ended so far. */
  async ended(): Promise<EndedTransaction[]> {
    await this.looking;
    return this.found;
  }

  async close(): Promise<void> {
    this.over = true;
    clearTimeout(this.timer);
    await this.looking;
    await this.client?.then((client) => client.end()).catch(() => undefined);
  }

  /** Of its own: the pool may be full of those who wait for the same. */
  private connect(): Promise<DatabaseClient> {
    this.client ??= new DatabaseClient({ ...clientOptions(this.url, 'gatehouse-right-of-way'), connectionTimeoutMillis: 10_000, query_timeout: 10_000 }).connect();
    return this.client;
  }

  private look(): void {
    this.looking = this.endBlockers()
      .catch((error: unknown) => {
        void this.client?.then((client) => client.destroy()).catch(() => undefined);
        this.client = undefined;
        RightOfWay.logger.warn({ err: error }, 'Transactions in the way could not be ended');
      })
      .finally(() => {
        if (!this.over) this.timer = setTimeout(() => this.look(), AGAIN_MS);
      });
  }

  private async endBlockers(): Promise<void> {
    if (this.pid === undefined) return;
    const client = await this.connect();
    const { rows } = await client.query<EndedTransaction>(END_BLOCKERS, [this.pid]);
    for (const transaction of rows) RightOfWay.logger.warn(transaction, 'A transaction that held what is being revoked was ended');
    this.found.push(...rows);
  }
}
