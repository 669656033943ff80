import { Injectable } from '@nestjs/common';
import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { AppError, databaseAway, isDatabaseAway, sqlState } from '../errors.js';
import { BlockerTerminator, type EndedTransaction } from './blocker-terminator.js';
import { DatabaseDisk } from './disk.js';
import { DatabaseHealth } from './health.js';
import { CopyQuery, streamOf } from './pg-internals.js';
import { type Channel, type Notice, PgNotifications } from './pg-notifications.js';
import { clientOf, poolOf } from './typeorm-internals.js';

const RETRIED = new Set(['40001', '40P01']);
const ATTEMPTS = 3;

type Around = <T>(tx: EntityManager, run: () => Promise<T>) => Promise<T>;

/** "Current transaction is aborted": all that a statement hears after another one failed. */
const ABORTED = '25P02';

/** How a transaction goes. */
interface Course {
  /** Statements come after its work. */
  wrapped: boolean;
  /** Its COMMIT, sent along with its last statements. */
  ending?: Promise<QueryResult>;
  /** What failed first: of statements sent together, one that only heard of it may be waited for first. */
  failure?: unknown;
  /** What it tells others when it commits. */
  notices: Notice[];
}
const courses = new WeakMap<QueryRunner, Course>();

/** Who hears of a full disk. */
const disks = new WeakMap<DataSource, DatabaseDisk>();

/** Access to PostgreSQL: transactions, and a manager for single statements. */
@Injectable()
export class Db {
  private wrap: () => Around | null = () => null;
  private readonly way: BlockerTerminator;

  constructor(
    readonly dataSource: DataSource,
    private readonly health: DatabaseHealth,
    disk: DatabaseDisk,
    private readonly notifications: PgNotifications,
  ) {
    disks.set(dataSource, disk);
    this.way = new BlockerTerminator((dataSource.options as { url: string }).url);
  }

  /** Registers what the present call wants inside its transaction, around its work, or null: one thing, the idempotency keys. */
  around(wrap: () => Around | null): void {
    this.wrap = wrap;
  }

  /** For single statements outside a transaction. */
  get manager(): EntityManager {
    return this.dataSource.manager;
  }

  /**
   * Runs `fn` in one transaction. The whole `fn` runs again, on a fresh transaction, after a serialization failure or a deadlock
   * (SQLSTATE 40001, 40P01), at most three times in all. Hashing, HTTP and sockets belong before or after, never inside.
   * @throws AppError `database_unavailable` when PostgreSQL cannot be reached.
   */
  async tx<T>(fn: (tx: EntityManager) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(fn);
      } catch (error) {
        if (!RETRIED.has(sqlState(error) ?? '') || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Like `tx`, for what takes something away from others and must not wait for them: after a second, transactions of Gatehouse servers that
   * hold what it waits for are ended (`BlockerTerminator`). `ended` tells which, once the lock is there.
   */
  async txFirst<T>(fn: (tx: EntityManager, ended: () => Promise<EndedTransaction[]>) => Promise<T>): Promise<T> {
    const taking = this.way.enter();
    try {
      return await this.tx(async (tx) => {
        const [own] = await query<{ pid: number }>(
          tx,
          `SELECT pg_backend_pid() AS pid, set_config('application_name', $1, true)`,
          [this.way.applicationName],
        );
        taking.pid = own!.pid;
        try {
          return await fn(tx, () => this.way.endedFor(taking));
        } finally {
          // From here on the backend may be somebody else's.
          taking.pid = undefined;
        }
      });
    } finally {
      this.way.leave(taking);
    }
  }

  /**
   * The last statements of a transaction, which leave with its COMMIT in one packet: one round trip less. For statements whose answers decide
   * nothing: what must not be has to fail in PostgreSQL, which then rolls back instead. `sent` is called when they have left.
   * @returns what they answered. @throws what the first that failed threw.
   */
  async commitWith<const T extends readonly unknown[]>(
    tx: EntityManager,
    statements: T,
    sent?: () => void,
  ): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
    const all = Promise.all(statements);
    const course = courses.get(tx.queryRunner!)!;
    if (course.wrapped) return all;
    let failed = false;
    all.catch(() => (failed = true));
    const client = (await target(tx)) as PoolClient;
    const stream = streamOf(client);
    stream.cork();
    // Then each of them is on its way, or has failed before it became a statement: nothing of the others may stay.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    if (!failed) {
      course.ending = client.query('COMMIT');
      course.ending.catch(() => undefined);
    }
    stream.uncork();
    sent?.();
    return all;
  }

  private async once<T>(fn: (tx: EntityManager) => Promise<T>): Promise<T> {
    if (this.health.isAway) throw databaseAway();
    const runner = this.dataSource.createQueryRunner() as QueryRunner & { isTransactionActive: boolean };
    const around = this.wrap();
    const course: Course = { wrapped: around !== null, notices: [] };
    courses.set(runner, course);
    let client: PoolClient | undefined;
    try {
      client = (await runner.connect()) as PoolClient;
      // Sent along with the first statement instead of waited for; TypeORM needs to know, or its `save` would begin one of its own.
      sendTogether(client);
      const begun = client.query('START TRANSACTION');
      begun.catch(() => undefined);
      runner.isTransactionActive = true;
      const result = around ? await around(runner.manager, () => fn(runner.manager)) : await fn(runner.manager);
      await begun;
      const { command } = await (course.ending ?? client.query('COMMIT'));
      // PostgreSQL's answer to the COMMIT of a transaction in which something failed.
      if (command !== 'COMMIT') throw new Error(`A transaction ended with ${command}`);
      for (const notice of course.notices) this.notifications.committed(notice);
      return result;
    } catch (thrown) {
      const error = sqlState(thrown) === ABORTED ? (course.failure ?? thrown) : thrown;
      if (isDatabaseAway(error)) {
        // A connection that hangs would hang on ROLLBACK too: drop it instead; the server rolls back by itself.
        this.health.suspect();
        if (client) abandon(client);
        throw error instanceof AppError ? error : databaseAway();
      }
      disks.get(this.dataSource)?.heard(error);
      await (course.ending ?? client?.query('ROLLBACK'))?.catch(() => undefined);
      throw error;
    } finally {
      runner.isTransactionActive = false;
      await runner.release().catch(() => undefined);
    }
  }
}

const abandon = (client: PoolClient) => streamOf(client).destroy();

/** The pg client of a transaction, or the pool for single statements. */
async function target(em: EntityManager): Promise<Pool | PoolClient> {
  if (!em.queryRunner) return poolOf(em.dataSource);
  const client = await clientOf(em.queryRunner);
  if (courses.get(em.queryRunner)?.ending !== undefined)
    throw new Error('A statement after the last of its transaction');
  sendTogether(client);
  return client;
}

/**
 * Statements of a transaction that are asked for at once (`Promise.all`) leave in one packet and run in this order (pg's pipeline mode): one
 * round trip, where each would have waited for the one before.
 */
function sendTogether(client: PoolClient): void {
  const stream = streamOf(client);
  if (stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

async function run<Row extends object>(em: EntityManager, statement: QueryConfig): Promise<QueryResult<Row>> {
  const client = await target(em);
  try {
    return await client.query<Row>(statement);
  } catch (error) {
    const course = em.queryRunner && courses.get(em.queryRunner);
    if (!course) disks.get(em.dataSource)?.heard(error);
    if (course && sqlState(error) !== ABORTED) course.failure ??= error;
    throw error;
  }
}

/** Runs one statement and answers its rows (columns as selected; int8 as number, jsonb parsed). */
export async function query<Row extends object>(
  em: EntityManager,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await run<Row>(em, { text, values })).rows;
}

/** Like `query`, as a named prepared statement: for the hot path. One name, one text. */
export async function prepared<Row extends object>(
  em: EntityManager,
  name: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await run<Row>(em, { name, text, values })).rows;
}

/**
 * A row as `COPY` reads it in its text format, without the line end. `join` makes it in one piece: a text that `+` made would be kept with all
 * its pieces.
 */
export const copyRow = (values: readonly (string | number | boolean | null)[]): string =>
  values.map(copyField).join('\t');

function copyField(value: string | number | boolean | null): string | number | boolean {
  if (value === null) return '\\N';
  return typeof value === 'string' && /[\\\t\n\r]/.test(value)
    ? value.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char]!)
    : value;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/**
 * Adds rows to a table by one `COPY … FROM STDIN`, in a transaction of its own: some two thirds of what an INSERT costs PostgreSQL.
 * @param rows made by `copyRow`, each with a line end behind it
 */
export async function copyRows(dataSource: DataSource, statement: string, rows: string): Promise<void> {
  try {
    // Of a pool, `query` answers by a promise whatever it is given.
    await (poolOf(dataSource).query(new CopyQuery(statement, rows)) as unknown as Promise<QueryResult>);
  } catch (error) {
    disks.get(dataSource)?.heard(error);
    throw error;
  }
}

/**
 * Sends a notice with the transaction: PostgreSQL delivers it on commit only, to every server process; caches of this one hear of it at the
 * commit. One id per notice.
 */
export async function notify(tx: EntityManager, channel: Channel, payload: string): Promise<void> {
  courses.get(tx.queryRunner!)!.notices.push({ channel, payload });
  await query(tx, 'SELECT pg_notify($1, $2)', [channel, payload]);
}

/**
 * Runs `fn` so that what it wrote is undone when it throws, and the transaction goes on: for one of many things that a transaction does.
 * @throws what `fn` throws
 */
export async function savepoint<T>(tx: EntityManager, fn: () => Promise<T>): Promise<T> {
  await execute(tx, 'SAVEPOINT one');
  try {
    const result = await fn();
    await execute(tx, 'RELEASE SAVEPOINT one');
    return result;
  } catch (error) {
    await execute(tx, 'ROLLBACK TO SAVEPOINT one');
    await execute(tx, 'RELEASE SAVEPOINT one');
    delete courses.get(tx.queryRunner!)!.failure;
    throw error;
  }
}

/** Runs one statement and answers how many rows it changed. */
export async function execute(em: EntityManager, text: string, values: unknown[] = []): Promise<number> {
  return (await run(em, { text, values })).rowCount ?? 0;
}
