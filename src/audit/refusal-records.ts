import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost, BatchWriter, unavailable } from '#platform';
import type { AnonymousQuota } from './anonymous-quota.js';

const QUEUE = 10_000;
const PER_MINUTE = 100;
const FLUSH_MS = 250;
const FLUSH_ROWS = 500;
const FAILURE = 'Refusals could not be recorded';
/** When the server stops. */
const CLOSE_MS = 2000;

/** How refusals of one kind are written. */
export interface RefusalWriter<Row> {
  /** Each as a row of its own. */
  write(rows: Row[]): Promise<void>;
  /** Many as one row with a count; `sample` is the first of them. @returns its id. */
  writeCount(sample: Row, count: number): Promise<number>;
  /** `sample` as it was given to `writeCount`. */
  addToCount(id: number, count: number, sample: Row): Promise<void>;
}

export interface Refusal<Row> {
  /** What belongs together, as a key and a reason: 100 rows a minute, then one with a count. Strangers must not be able to invent these. */
  slot: string;
  row: Row;
  /** The address of somebody who has shown no secret that exists: their rows come out of the strangers' shares. */
  stranger?: { address: string | null };
}

/** One slot in one minute. */
interface Minute<Row> {
  rows: number;
  overflow: number;
  overflowRow?: number;
  sample: Row;
}

/**
 * What was refused, recorded after the answer through a bounded queue (docs/claims.md rule 2). Nothing is left out, but what comes too often is
 * summed up: beyond a slot's rows of a minute, beyond the strangers' shares, and while the queue is full.
 */
export class RefusalRecords<Row> {
  private readonly logger = new Logger(RefusalRecords.name);
  private readonly minutes = new LRUCache<string, Minute<Row>>(atMost(QUEUE));
  private readonly rows: BatchWriter<Row>;

  constructor(
    private readonly shares: AnonymousQuota,
    private readonly writer: RefusalWriter<Row>,
  ) {
    this.rows = new BatchWriter<Row>(RefusalRecords.name, {
      capacity: QUEUE,
      batch: FLUSH_ROWS,
      everyMs: FLUSH_MS,
      failure: FAILURE,
      write: (rows) => this.writer.write(rows),
      afterRows: () => this.writeCounts(),
    });
  }

  add({ slot, row, stranger }: Refusal<Row>): void {
    const key = `${slot}\n${Math.floor(Date.now() / 60_000)}`;
    const minute = this.minutes.get(key) ?? { rows: 0, overflow: 0, sample: row };
    this.minutes.set(key, minute);
    const isRow = minute.rows < PER_MINUTE && (!stranger || this.shares.take(stranger.address)) && this.rows.add(row);
    if (isRow) minute.rows++;
    else {
      minute.overflow++;
      this.rows.wake();
    }
  }

  /** Writes what waits, within a bound; for the end of the process. @returns what was left, in words. */
  async close(): Promise<string | undefined> {
    const left = await this.rows.stop(CLOSE_MS);
    return left > 0 ? `${left} rows` : undefined;
  }

  /** @throws what says that it cannot be written now. */
  private async writeCounts(): Promise<void> {
    for (const minute of this.minutes.values()) {
      if (minute.overflow === 0) continue;
      const count = minute.overflow;
      const { overflowRow } = minute;
      try {
        if (overflowRow === undefined) minute.overflowRow = await this.writer.writeCount(minute.sample, count);
        else await this.writer.addToCount(overflowRow, count, minute.sample);
      } catch (error) {
        if (unavailable(error)) throw error;
        // What PostgreSQL refuses is given up, or it would keep all that follows.
        this.logger.error({ err: error, count }, FAILURE);
      }
      minute.overflow -= count;
    }
  }
}
