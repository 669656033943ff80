import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Checker } from '#checks';
import { Db, Drain, PeriodicTask, PgNotifications } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { HealthReports, ResourceWriter } from '../../resources/index.js';
import { type LocalCheck, LocalChecksRepository } from './local-checks.repository.js';
import { LocalDialing } from './local-dialing.js';

const DUTY = 'local health checks';
/** Within which a duty is taken over, and what no notice told is seen. */
const ROUND_MS = 5_000;
/** Changes within this time are read together. */
const SOON_MS = 200;
/** Without a word of the database for so long another process may have the duty: its lease is 30 s. */
const DOUBT_MS = 20_000;

/**
 * Checks the targets of local sites (docs/health.md rules 9 and 10), which no agent serves: one process at a time, which has the duty, dials what LOCAL_TARGETS
 * lists. Where nothing is listed it does nothing.
 */
@Injectable()
export class LocalChecks implements OnModuleInit, OnApplicationBootstrap {
  private readonly checker: Checker<LocalCheck>;
  private readonly reports: HealthReports;
  /** By target. */
  private checks = new Map<number, LocalCheck>();
  private sureAt = performance.now();
  private readonly task = new PeriodicTask(LocalChecks.name, {
    failure: 'The health checks of local sites could not be read; trying again',
    everyMs: ROUND_MS,
    run: () => this.round(),
  });

  constructor(
    private readonly db: Db,
    private readonly repository: LocalChecksRepository,
    private readonly lease: ServerLease,
    private readonly notifications: PgNotifications,
    private readonly dialing: LocalDialing,
    writer: ResourceWriter,
    drain: Drain,
  ) {
    const { dialer } = dialing;
    this.checker = new Checker({
      dial: ({ orgId }, to, signal) => dialer.tcp(orgId, to, signal),
      sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
      random: Math.random,
      found: ({ targetId, ...result }) => {
        const check = this.checks.get(targetId);
        if (check) this.reports.take([{ siteId: check.siteId, targetId, ...result }]);
      },
    });
    // Who has lost the duty meanwhile has nothing to say, and begins anew when it is back.
    this.reports = new HealthReports(db, async (tx, results) => {
      if (await lease.holdDuty(tx, DUTY)) await writer.recordHealth(tx, results);
      else this.apply([]);
    });
    drain.register('stop accepting', 'health checks of local sites', () => this.stop());
    drain.register('flush', 'health of local targets', () => this.reports.flush());
  }

  onModuleInit(): void {
    if (this.dialing.policy.orgIds.length === 0) return;
    this.notifications.on('site_changed', () => this.task.wake(SOON_MS));
  }

  onApplicationBootstrap(): void {
    if (this.dialing.policy.orgIds.length > 0) this.task.wake(SOON_MS);
  }

  private async stop(): Promise<void> {
    await this.task.stop();
    await this.reports.stop();
    this.checker.stop();
  }

  private async round(): Promise<void> {
    try {
      if (!(await this.lease.takeDuty(DUTY))) return this.apply([]);
      const rows = await this.repository.of(this.db.manager, this.dialing.policy.orgIds);
      await this.dialing.refresh();
      this.sureAt = performance.now();
      this.apply(rows);
    } catch (error) {
      if (performance.now() - this.sureAt > DOUBT_MS) this.apply([]);
      throw error;
    }
  }

  private apply(checks: LocalCheck[]): void {
    this.checks = new Map(checks.map((check) => [check.targetId, check]));
    this.checker.apply(checks);
  }
}
