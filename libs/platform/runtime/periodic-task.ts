import { Logger } from '@nestjs/common';
import { isOutage } from '../errors.js';
import { withTimeout } from './timeout.js';

/** For a round that runs when its task stops. */
const STOP_MS = 1000;

export interface PeriodicWork {
  /** A sentence for the log when a round fails. */
  failure: string;
  /** From the end of a round to the next. Absent: rounds come only when the task is woken. */
  everyMs?: number;
  /** The same after a round that failed; default `everyMs`. */
  retryMs?: number;
  run(): unknown;
}

/**
 * Work in rounds, in the background: never two at a time, the next one counted from the end of the last. A round that throws is tried again;
 * only the first of a row of failures is logged, and nothing where the database is away or full, which is logged once for all elsewhere.
 * Keeps no process alive.
 */
export class PeriodicTask {
  private readonly logger: Logger;
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Number.POSITIVE_INFINITY;
  private isRunning = false;
  private round: Promise<void> = Promise.resolve();
  private stopped = false;
  private failing = false;

  /** @param owner whose work it is, in the log */
  constructor(
    owner: string,
    private readonly work: PeriodicWork,
  ) {
    this.logger = new Logger(owner);
  }

  /** Has the next round begin within this time: right after the present one at the earliest. */
  wake(withinMs = 0): void {
    const dueAt = performance.now() + withinMs;
    if (this.stopped || this.dueAt <= dueAt) return;
    this.dueAt = dueAt;
    if (!this.isRunning) this.schedule();
  }

  /** Begins no more rounds, and waits for the one that runs. @returns false when it took longer. */
  async stop(withinMs = STOP_MS): Promise<boolean> {
    this.stopped = true;
    clearTimeout(this.timer);
    return withTimeout(withinMs, this.round).then(
      () => true,
      () => false,
    );
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.round = this.runRound()), Math.max(0, this.dueAt - performance.now()));
    this.timer.unref();
  }

  private async runRound(): Promise<void> {
    this.isRunning = true;
    this.dueAt = Number.POSITIVE_INFINITY;
    const { run, everyMs, retryMs = everyMs, failure } = this.work;
    let pauseMs = everyMs;
    try {
      await run();
      this.failing = false;
    } catch (error) {
      pauseMs = retryMs;
      if (!isOutage(error)) {
        if (!this.failing) this.logger.error({ err: error }, failure);
        this.failing = true;
      }
    }
    this.isRunning = false;
    if (this.stopped) return;
    if (pauseMs !== undefined) this.dueAt = Math.min(this.dueAt, performance.now() + pauseMs);
    if (this.dueAt < Number.POSITIVE_INFINITY) this.schedule();
  }
}
