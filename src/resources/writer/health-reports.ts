import type { EntityManager } from 'typeorm';
import { type Db, PeriodicTask } from '#platform';
import type { HealthResult } from './target-health.js';

/** Results of one transaction. */
const RESULTS = 1000;
const WRITE_MS = 100;
const RETRY_MS = 1000;

/**
 * What was found out about targets, until it is written: many at a time, the newest of each target. There are never more than targets that somebody
 * was told to check.
 */
export class HealthReports {
  private readonly results = new Map<number, HealthResult>();
  private readonly task = new PeriodicTask('Health of targets', {
    failure: 'The health of targets could not be written; trying again',
    retryMs: RETRY_MS,
    run: () => this.flush(),
  });

  constructor(
    private readonly db: Db,
    private readonly write: (tx: EntityManager, results: HealthResult[]) => Promise<void>,
  ) {}

  take(results: readonly HealthResult[]): void {
    for (const result of results) this.results.set(result.targetId, result);
    if (results.length > 0) this.task.wake(WRITE_MS);
  }

  /** Writes by itself no more. */
  async stop(): Promise<void> {
    await this.task.stop();
  }

  /** Writes what is not written yet. @throws what PostgreSQL says; it stays here */
  async flush(): Promise<void> {
    while (this.results.size > 0) {
      const entries = [...this.results].slice(0, RESULTS);
      await this.db.tx((tx) =>
        this.write(
          tx,
          entries.map(([, result]) => result),
        ),
      );
      for (const [key, result] of entries) if (this.results.get(key) === result) this.results.delete(key);
    }
  }
}
