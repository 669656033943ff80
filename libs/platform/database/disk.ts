import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { isDiskFull } from '../errors.js';
import { PeriodicTask } from '../runtime/periodic-task.js';

const PROBE_EVERY_MS = 5000;

const fullGauge = new Gauge({ name: 'gatehouse_database_disk_full', help: '1 while the disk of the database is full' });

/**
 * Knows whether the disk of the database is full. Reads go on, and so may small writes; every write that PostgreSQL refuses is 503 by itself.
 * What is told once, here: to the log, the metrics and `/readyz`, until a temporary file of a few megabytes can be written again.
 */
@Injectable()
export class DatabaseDisk implements OnApplicationShutdown {
  private readonly logger = new Logger(DatabaseDisk.name);
  private readonly task = new PeriodicTask(DatabaseDisk.name, {
    failure: 'Whether the disk of the database has room again could not be asked',
    retryMs: PROBE_EVERY_MS,
    run: () => this.probe(),
  });
  private full = false;
  private heardAt = 0;

  constructor(private readonly dataSource: DataSource) {}

  get isFull(): boolean {
    return this.full;
  }

  /** Looks at what PostgreSQL refused. */
  heard(error: unknown): void {
    if (!isDiskFull(error)) return;
    this.heardAt = performance.now();
    if (this.full) return;
    this.full = true;
    this.task.wake(PROBE_EVERY_MS);
    fullGauge.set(1);
    this.logger.error({ err: error }, 'The disk of the database is full: what cannot be written is answered 503');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** @throws while nothing can be written. */
  private async probe(): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      // The rows of a function go to a temporary file once they are more than this.
      await tx.query(`SET LOCAL work_mem = '64kB'`);
      await tx.query('SELECT count(*) FROM generate_series(1, 200000)');
    });
    if (performance.now() - this.heardAt < PROBE_EVERY_MS) return this.task.wake(PROBE_EVERY_MS);
    this.full = false;
    fullGauge.set(0);
    this.logger.log('The disk of the database has room again');
  }
}
