import { Logger } from '@nestjs/common';
import { unavailable } from '../errors.js';
import { PeriodicTask } from './periodic-task.js';
import { withTimeout } from './timeout.js';

export interface BatchOptions<Row> {
  /** Rows that may wait; more are counted instead. */
  capacity: number;
  /** What rows that wait may take together, where senders choose how long they are; more are counted likewise. */
  room?: { bytes: number; of(row: Row): number };
  /** Rows of one write: so many are written at once, fewer after `everyMs`. */
  batch: number;
  everyMs: number;
  /** A sentence for the log when rows are given up. */
  failure: string;
  write(rows: Row[]): Promise<void>;
  /** What is to be written beside rows: runs after them, in each round and at the end. */
  afterRows?(): Promise<void>;
}

/**
 * Rows that need not be written at once, written many at a time in the order in which they came. What PostgreSQL cannot take now waits; what
 * it refuses is given up, or it would keep back all that follows.
 */
export class BatchWriter<Row> {
  private readonly logger: Logger;
  private readonly task: PeriodicTask;
  private rows: Row[] = [];
  /** Of each row, where `room` says it. */
  private sizes: number[] = [];
  private bytes = 0;
  private dropped = 0;

  /** @param owner whose rows they are, in the log */
  constructor(
    owner: string,
    private readonly options: BatchOptions<Row>,
  ) {
    this.logger = new Logger(owner);
    const { failure, everyMs } = options;
    this.task = new PeriodicTask(owner, { failure, retryMs: everyMs, run: () => this.writeBatch() });
  }

  /** Rows that did not fit or were given up, since the beginning. */
  get droppedRows(): number {
    return this.dropped;
  }

  get waitingRows(): number {
    return this.rows.length;
  }

  /** Has a round come, with or without rows. */
  wake(): void {
    this.task.wake(this.options.everyMs);
  }

  /** @returns false, and counts the row, when too many wait. */
  add(row: Row): boolean {
    const { capacity, batch, everyMs, room } = this.options;
    const bytes = room?.of(row) ?? 0;
    if (this.rows.length >= capacity || (room && this.bytes + bytes > room.bytes)) {
      this.dropped++;
      return false;
    }
    this.rows.push(row);
    if (room) this.sizes.push(bytes);
    this.bytes += bytes;
    // Once: while PostgreSQL is away the rows beyond a batch wait for the next try.
    this.task.wake(this.rows.length === batch ? 0 : everyMs);
    return true;
  }

  /** Takes no time of its own any more and writes what waits, within a bound. @returns how many rows are left unwritten. */
  async stop(withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs;
    if (await this.task.stop(withinMs))
      await withTimeout(Math.max(0, deadline - performance.now()), this.writeAll()).catch(() => undefined);
    return this.rows.length;
  }

  private async writeAll(): Promise<void> {
    while (this.rows.length > 0) await this.writeOnce();
    await this.options.afterRows?.();
  }

  private async writeBatch(): Promise<void> {
    if (this.rows.length > 0) await this.writeOnce();
    const { batch, everyMs, afterRows } = this.options;
    if (this.rows.length > 0) this.task.wake(this.rows.length >= batch ? 0 : everyMs);
    await afterRows?.();
  }

  /** @throws what says that it cannot be written now. */
  private async writeOnce(): Promise<void> {
    const rows = this.rows.slice(0, this.options.batch);
    try {
      await this.options.write(rows);
    } catch (error) {
      if (unavailable(error)) throw error;
      this.dropped += rows.length;
      this.logger.error({ err: error, count: rows.length }, this.options.failure);
    }
    this.rows = this.rows.slice(rows.length);
    for (const bytes of this.sizes.splice(0, rows.length)) this.bytes -= bytes;
  }
}
