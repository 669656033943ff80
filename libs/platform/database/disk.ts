import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { isDiskFull } from '../errors.js';

const PROBE_EVERY_MS = 5000;

const full = new Gauge({ name: 'gatehouse_database_disk_full', help: '1 while the disk of the database is full' });

/**
 * Knows whether the disk of the database is full. Reads go on, and so may small writes; every write that PostgreSQL refuses is 503 by itself.
 * What is told once, here: to the log, the metrics and `/readyz`, until a temporary file of a few megabytes can be written again.
 */
@Injectable()
export class DatabaseDisk implements OnApplicationShutdown {
  private readonly logger = new Logger(DatabaseDisk.name);
  private timer: NodeJS.Timeout | undefined;
  private heardAt = 0;

  constructor(private readonly dataSource: DataSource) {}

  get isFull(): boolean {
    return this.timer !== undefined;
  }

  /** Looks at what PostgreSQL refused. */
  heard(error: unknown): void {
    if (!isDiskFull(error)) return;
    this.heardAt = performance.now();
    if (this.timer) return;
    this.timer = setInterval(() => void this.probe(), PROBE_EVERY_MS).unref();
    full.set(1);
    this.logger.error({ err: error }, 'The disk of the database is full: what cannot be written is answered 503');
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async probe(): Promise<void> {
    try {
      await this.dataSource.transaction(async (tx) => {
        // The rows of a function go to a temporary file once they are more than this.
        await tx.query(`SET LOCAL work_mem = '64kB'`);
        await tx.query('SELECT count(*) FROM generate_series(1, 200000)');
      });
    } catch {
      return;
    }
    if (performance.now() - this.heardAt < PROBE_EVERY_MS) return;
    clearInterval(this.timer);
    this.timer = undefined;
    full.set(0);
    this.logger.log('The disk of the database has room again');
  }
}
