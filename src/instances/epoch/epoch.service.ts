import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { EPOCH } from '#contracts';
import { Db, notify, PeriodicTask, PgNotifications, type Principal } from '#platform';
import { AuditService } from '../../audit/index.js';
import { LeasesRepository } from '../leases/leases.repository.js';
import { EpochRepository } from './epoch.repository.js';

const NOTICE = 'epoch';
const RETRY_MS = 1000;

/**
 * Counts how often the database went back in time (docs/instances.md §3). What machines compare by a version, bundles and desired states, begins with
 * it, so that a server that was restored from a backup is not refused as a rollback. Chains of leases begin anew with it: what was leased after
 * the backup would be taken for a clone.
 */
@Injectable()
export class Epoch implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(Epoch.name);
  private epoch = 0;
  private readonly task = new PeriodicTask(Epoch.name, {
    failure: 'The epoch of the database could not be read',
    retryMs: RETRY_MS,
    run: () => this.settle(),
  });

  constructor(
    private readonly db: Db,
    private readonly repository: EpochRepository,
    private readonly leases: LeasesRepository,
    private readonly audit: AuditService,
    notifications: PgNotifications,
  ) {
    notifications.on('access_changed', (name) => name === NOTICE && this.task.wake());
    // The connection was lost: what is there now may be another database.
    notifications.onReconnected(() => this.task.wake());
  }

  async onModuleInit(): Promise<void> {
    await this.settle();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  current(): number {
    return this.epoch;
  }

  /** What is added to versions of desired states: nothing in a database that never went back, so that versions stay as they were. */
  stateBase(): number {
    return (this.epoch - 1) * EPOCH;
  }

  /** After files of the database were put back, which nothing in them shows. @returns the new one */
  async raise(principal: Principal): Promise<number> {
    await this.db.tx(async (tx) => {
      await this.repository.raise(tx);
      await this.leases.beginAll(tx);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'epoch.raise',
        target: { type: 'epoch', id: 'epoch' },
      });
      await notify(tx, 'access_changed', NOTICE);
    });
    await this.settle();
    return this.epoch;
  }

  private async settle(): Promise<void> {
    const raised = await this.db.tx(async (tx) => {
      const moved = await this.repository.settle(tx);
      if (moved) {
        await this.leases.beginAll(tx);
        await notify(tx, 'access_changed', NOTICE);
      }
      return moved;
    });
    this.epoch = await this.repository.read(this.db.manager);
    if (raised)
      this.logger.warn({ epoch: this.epoch }, 'The database was restored, moved or failed over: a new epoch begins');
  }
}
