import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { clientOptions, DatabaseClient } from './database-client.js';

/** Waiting for somebody's transaction to end is ordinary; for longer than this it is somebody who stopped. */
const PATIENCE_MS = 1000;
const AGAIN_MS = 100;
/** The connection that ends others is made ahead: on a busy machine that takes a while. */
const CONNECT_AFTER_MS = 500;

/** What transactions that go first are called in PostgreSQL, with the id of their server, until their locks are gone. */
const GOES_FIRST = 'gatehouse first ';

/** A transaction of a Gatehouse server that was ended. */
export interface EndedTransaction {
  pid: number;
  /** Seconds since it began. */
  age: number;
  state: string;
}

/** A transaction that goes first. */
interface Taking {
  since: number;
  /** Its backend, while its work runs there. */
  pid: number | undefined;
  readonly ended: EndedTransaction[];
}

/**
 * Ends all that backends wait for, directly or behind others, as far as it is pooled connections of Gatehouse servers under the same role
 * and on the same database, whose transactions are older than what waiting ordinarily takes; nobody else's. A queue in front of a row is no
 * reason to end anybody: each in it is young, and all move on. Who it is has to be known to the last before the first is ended, hence the
 * subquery: as a condition of the join it would be asked of rows that the join leaves out.
 */
const END_BLOCKERS = `
  WITH RECURSIVE blocker (waiter, pid) AS (
    SELECT waiter, unnest(pg_blocking_pids(waiter)) FROM unnest($1::int[]) AS waiter
    UNION SELECT waiter, unnest(pg_blocking_pids(blocker.pid)) FROM blocker),
  held AS (
    SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int AS age, state, array_agg(waiter) AS waiters
    FROM blocker JOIN pg_stat_activity USING (pid)
    WHERE (application_name = 'gatehouse' OR starts_with(application_name, '${GOES_FIRST}')) AND application_name <> $2
      AND datname = current_database() AND usename = current_user
      AND xact_start < clock_timestamp() - interval '${PATIENCE_MS} milliseconds'
    GROUP BY pid, xact_start, state)
  SELECT pid, age, state, waiters FROM jsonb_to_recordset((SELECT jsonb_agg(to_jsonb(held)) FROM held)) AS h (pid int, age int, state text, waiters int[])
  WHERE pg_terminate_backend(pid)`;

/**
 * For transactions that must not wait for others, as they take something away from them: a key that leaked. From the second second on, those
 * that hold what one waits for are ended; a stopped server may hold it for as long as PostgreSQL lets it. PostgreSQL rolls them back
 * before it lets this one go on, so nothing of them is committed afterwards, and their servers answer 503. However many go first at once,
 * one connection looks for all of them, and they do not end each other.
 */
export class BlockerTerminator {
  private readonly logger = new Logger(BlockerTerminator.name);
  private readonly takings = new Set<Taking>();
  private client: Promise<DatabaseClient> | undefined;
  private looking: Promise<void> = Promise.resolve();
  private readonly task = new PeriodicTask(BlockerTerminator.name, {
    failure: 'Transactions in the way could not be ended',
    run: () => this.look(),
  });

  /** Set for the length of a transaction that goes first (`application_name`); those of one server do not end each other. */
  readonly applicationName = `${GOES_FIRST}${randomUUID()}`;

  constructor(private readonly url: string) {}

  /** Begins to count the time of a transaction; `leave` ends it. */
  enter(): Taking {
    const taking: Taking = { since: performance.now(), pid: undefined, ended: [] };
    this.takings.add(taking);
    this.task.wake(AGAIN_MS);
    return taking;
  }

  /** @returns those ended so far for it. */
  async endedFor(taking: Taking): Promise<EndedTransaction[]> {
    await this.looking;
    return taking.ended;
  }

  leave(taking: Taking): void {
    this.takings.delete(taking);
  }

  private async look(): Promise<void> {
    const ended = this.endBlockers();
    this.looking = ended.catch(() => undefined);
    try {
      await ended;
    } catch (error) {
      this.client?.then((client) => client.destroy()).catch(() => undefined);
      this.client = undefined;
      throw error;
    } finally {
      if (this.takings.size > 0) this.task.wake(AGAIN_MS);
      else this.rest();
    }
  }

  private rest(): void {
    this.client?.then((client) => client.end()).catch(() => undefined);
    this.client = undefined;
  }

  private async endBlockers(): Promise<void> {
    const oldest = Math.min(...[...this.takings].map(({ since }) => since));
    if (performance.now() - oldest < CONNECT_AFTER_MS) return;
    // Of its own: the pool may be full of those who wait for the same.
    this.client ??= new DatabaseClient({
      ...clientOptions(this.url, 'gatehouse-right-of-way'),
      connectionTimeoutMillis: 10_000,
      query_timeout: 10_000,
    }).connect();
    const client = await this.client;
    // Who goes first by now: on a busy machine the connection took a while.
    const now = performance.now();
    const takings = [...this.takings];
    const patient = takings.flatMap(({ pid, since }) => (pid !== undefined && now - since >= PATIENCE_MS ? pid : []));
    if (patient.length === 0) return;
    const { rows } = await client.query<EndedTransaction & { waiters: number[] }>(END_BLOCKERS, [
      patient,
      this.applicationName,
    ]);
    for (const { waiters, ...transaction } of rows) {
      this.logger.warn({ transaction }, 'A transaction that held what is being revoked was ended');
      for (const taking of takings)
        if (taking.pid !== undefined && waiters.includes(taking.pid)) taking.ended.push(transaction);
    }
  }
}
