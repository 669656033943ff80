import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { unavailable } from '#platform';
import type { StrangerShares } from './stranger-shares.js';

const QUEUE = 10_000;
const PER_MINUTE = 100;
const FLUSH_MS = 250;
const FLUSH_ROWS = 500;

/** How refusals of one kind are written. */
export interface RefusalWriter<Row> {
  /** Each as a row of its own. */
  write(rows: Row[]): Promise<void>;
  /** Many as one row with a count; `sample` is the first of them. @returns its id. */
  writeCount(sample: Row, count: number): Promise<number>;
  addToCount(id: number, count: number): Promise<void>;
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
  private readonly minutes = new LRUCache<string, Minute<Row>>({ max: QUEUE });
  private queue: Row[] = [];
  private flushing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly shares: StrangerShares,
    private readonly writer: RefusalWriter<Row>,
  ) {}

  add({ slot, row, stranger }: Refusal<Row>): void {
    const key = `${slot}\n${Math.floor(Date.now() / 60_000)}`;
    const minute = this.minutes.get(key) ?? { rows: 0, overflow: 0, sample: row };
    this.minutes.set(key, minute);
    if (minute.rows >= PER_MINUTE || this.queue.length >= QUEUE || (stranger && !this.shares.take(stranger.address)))
      minute.overflow++;
    else {
      minute.rows++;
      this.queue.push(row);
    }
    this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what waits; for the end of the process. */
  async close(): Promise<void> {
    await this.flushing;
    clearTimeout(this.timer);
    await this.flush();
    clearTimeout(this.timer);
  }

  private get unwritten(): boolean {
    return this.queue.length > 0 || [...this.minutes.values()].some((minute) => minute.overflow > 0);
  }

  private flush(): Promise<void> {
    this.flushing ??= this.write()
      .catch(() => undefined)
      .finally(() => {
        this.flushing = undefined;
        this.timer = undefined;
        // Also what came while it wrote: nobody else may come to wake it.
        if (this.unwritten) this.timer = setTimeout(() => void this.flush(), FLUSH_MS).unref();
      });
    return this.flushing;
  }

  private async write(): Promise<void> {
    const rows = this.queue.slice(0, FLUSH_ROWS);
    if (rows.length > 0) {
      await this.tried(rows.length, () => this.writer.write(rows));
      this.queue = this.queue.slice(rows.length);
    }
    for (const minute of this.minutes.values()) {
      if (minute.overflow === 0) continue;
      const count = minute.overflow;
      const { overflowRow } = minute;
      await this.tried(count, async () => {
        if (overflowRow === undefined) minute.overflowRow = await this.writer.writeCount(minute.sample, count);
        else await this.writer.addToCount(overflowRow, count);
      });
      minute.overflow -= count;
    }
  }

  /** What PostgreSQL refuses is given up, or it would keep all that follows. @throws when it cannot do it now: later. */
  private async tried(count: number, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (unavailable(error)) throw error;
      this.logger.error({ err: error, count }, 'Refusals could not be recorded');
    }
  }
}
