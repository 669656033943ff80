import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Config } from '../config/config.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { Db, execute, prepared, query } from './db.js';

const EVERY_MS = 3_600_000;
const BATCH = 5000;
/** One server at a time; the others skip their turn. */
const LOCK = 7_241_964;

/** A table whose rows have a time of their own, as SQL over the row. */
export interface Expiring {
  table: string;
  expired: string;
}

/** A table that grows for ever unless old rows go. */
export interface Retained {
  table: string;
  /** Ascending primary key. */
  id: string;
  /** The column from which on its age counts; rows without it stay [created_at]. */
  since?: string;
  /** SQL over alias `r` that must hold for a row to go, beside its age. */
  unless?: string;
}

/** A table of which its module knows how the rows that are to go are found. */
export interface Swept {
  table: string;
  /** Deletes at most so many. @returns how many went; fewer: there are no more. */
  sweep(limit: number): Promise<number>;
}

/** Deletes what is older than RETENTION_DAYS or has expired, hourly, in small batches. Modules register their tables at init. */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Retention.name);
  private readonly tables: (Retained | Expiring | Swept)[] = [];
  private readonly task = new PeriodicTask(Retention.name, {
    failure: 'The retention sweep failed',
    everyMs: EVERY_MS,
    run: async () => {
      const gone = await this.sweep();
      if (gone > 0) this.logger.log({ gone }, 'Rows older than RETENTION_DAYS were deleted');
    },
  });
  private stopped = false;

  constructor(
    private readonly db: Db,
    private readonly config: Config,
  ) {}

  register(table: Retained | Expiring | Swept): void {
    this.tables.push(table);
  }

  onApplicationBootstrap(): void {
    // Spread over the hour, so that servers started together do not sweep together.
    this.task.wake(Math.random() * EVERY_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.task.stop();
  }

  /** One sweep over all tables. @returns how many rows went. */
  async sweep(): Promise<number> {
    let gone = 0;
    for (const table of this.tables) {
      if (!('id' in table)) {
        for (let deleted = BATCH; deleted === BATCH && !this.stopped; gone += deleted)
          deleted = await ('sweep' in table ? table.sweep(BATCH) : this.deleteExpired(table));
        continue;
      }
      for (let after = 0, more = true; more && !this.stopped; ) {
        const batch = await this.deleteBatch(table, after);
        gone += batch.deleted;
        after = batch.last;
        more = batch.seen === BATCH;
      }
    }
    return gone;
  }

  private async deleteBatch(
    { table, id, since = 'created_at', unless }: Retained,
    after: number,
  ): Promise<{ seen: number; deleted: number; last: number }> {
    return this.db.tx(async (tx) => {
      const [lock] = await query<{ mine: boolean }>(tx, 'SELECT pg_try_advisory_xact_lock($1) AS mine', [LOCK]);
      if (!lock!.mine) return { seen: 0, deleted: 0, last: after };
      const [row] = await prepared<{ seen: number; deleted: number; last: number | null }>(
        tx,
        `retention-${table}`,
        `WITH old AS (SELECT ${id} AS id FROM ${table} WHERE ${id} > $1 AND ${since} < now() - make_interval(days => $2) ORDER BY ${id} LIMIT ${BATCH}),
           gone AS (DELETE FROM ${table} r USING old WHERE r.${id} = old.id ${unless ? `AND NOT (${unless})` : ''} RETURNING 1)
         SELECT (SELECT count(*) FROM old) AS seen, (SELECT count(*) FROM gone) AS deleted, (SELECT max(id) FROM old) AS last`,
        [after, this.config.retention.days],
      );
      return { seen: row!.seen, deleted: row!.deleted, last: row!.last ?? after };
    });
  }

  private deleteExpired({ table, expired }: Expiring): Promise<number> {
    return execute(
      this.db.manager,
      `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${expired} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`,
    );
  }
}
