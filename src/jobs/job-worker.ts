import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { grants } from '#contracts';
import {
  AppError,
  Config,
  Db,
  Drain,
  isDiskFull,
  isOutage,
  PeriodicTask,
  PgNotifications,
  Principals,
  systemPrincipal,
} from '#platform';
import { AuditService } from '../audit/index.js';
import { JobHandlers } from './job-handlers.js';
import type { JobError } from './jobs.dto.js';
import { JobsRepository, type TakenStep } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';
import { backoffSeconds, itemsOfStep, MAX_ATTEMPTS, secondsToNext } from './schedule.js';

/** Jobs whose steps one process runs side by side; the pool has other callers. */
const LANES = 2;
/** Notices may be missed. */
const POLL_MS = 5000;
/** What seems due may be in the hands of others. */
const SHORTEST_WAIT_MS = 100;

const DIED: JobError = { code: 'internal', message: 'The server stopped in each attempt at the next step' };
const NOT_ALLOWED: JobError = {
  code: 'permission_denied',
  message: 'Who created the job is gone, or is not allowed to do this any more',
};

/**
 * Does the steps of jobs, the longest due first, on every server with the role `jobs`. A step is taken under a lease, which counts the
 * attempt, and is done in one transaction with the memory of it: a process that dies has done nothing of it, and whoever takes it up does
 * nothing twice (ADR 0028).
 */
@Injectable()
export class JobWorker implements OnApplicationBootstrap {
  private readonly logger = new Logger(JobWorker.name);
  private readonly lanes: PeriodicTask[];
  private stopped = false;

  constructor(
    private readonly db: Db,
    private readonly repository: JobsRepository,
    private readonly handlers: JobHandlers,
    private readonly jobs: JobsService,
    private readonly audit: AuditService,
    private readonly principals: Principals,
    private readonly notifications: PgNotifications,
    private readonly config: Config,
    drain: Drain,
  ) {
    this.lanes = Array.from({ length: LANES }, () => {
      const lane: PeriodicTask = new PeriodicTask(JobWorker.name, {
        failure: 'Steps of jobs could not be taken',
        everyMs: POLL_MS,
        run: async () => {
          const dueMs = await this.doDueSteps();
          if (dueMs !== undefined) lane.wake(Math.max(SHORTEST_WAIT_MS, dueMs));
        },
      });
      return lane;
    });
    // A step that does not end in time is rolled back when its connection closes, and done by another server.
    drain.register('stop accepting', 'steps of jobs', () => void (this.stopped = true));
    drain.register('flush', 'steps of jobs', () => Promise.all(this.lanes.map((lane) => lane.stop())));
  }

  onApplicationBootstrap(): void {
    if (!this.config.cluster.roles.has('jobs')) return;
    const wake = () => this.lanes.forEach((lane) => lane.wake());
    this.notifications.on('job_due', wake);
    this.notifications.onReconnected(wake);
    wake();
  }

  /** Does steps until none is due. @returns milliseconds to the next one that is in sight. */
  private async doDueSteps(): Promise<number | undefined> {
    while (!this.stopped) {
      const step = await this.repository.take(this.db.manager, this.handlers.kinds);
      if (!step) return this.repository.nextDueMs(this.db.manager, this.handlers.kinds);
      await this.run(step);
    }
    return undefined;
  }

  private async run(step: TakenStep): Promise<void> {
    try {
      await this.db.tx((tx) => this.runIn(tx, step));
    } catch (error) {
      // Of what is wrong everywhere no job fails. That the database is away may be the doing of the step, and counts.
      if (isDiskFull(error)) await this.repository.uncount(this.db.manager, step);
      if (isOutage(error)) throw error;
      await this.afterFailure(step, error);
    }
  }

  private async runIn(tx: EntityManager, step: TakenStep): Promise<void> {
    const { jobId, orgId, kind, attempt } = step;
    const state = await this.repository.lockForStep(tx, step);
    if (!state) return;
    if (attempt > MAX_ATTEMPTS) return this.finish(tx, step, DIED);
    const handler = this.handlers.of(kind);
    const principal = await this.principals.find(tx, state.createdBy);
    const action = typeof handler.action === 'function' ? handler.action(state.input) : handler.action;
    if (!principal || grants(principal.authority, { kind: 'org', action, orgId }) !== 'granted')
      return this.finish(tx, step, NOT_ALLOWED);
    const { progress, results, done, waitSeconds, pause } = await handler.step(
      tx,
      { jobId, orgId, input: state.input, progress: state.progress, principal },
      itemsOfStep(state.pace, attempt, handler.stepItems),
    );
    const seconds = waitSeconds ?? secondsToNext(state.pace, results.length);
    const further = await this.repository.advance(tx, jobId, progress, results, seconds);
    if (further && !done) await this.jobs.tell(tx, 'job.progress', further);
    if (done) await this.finish(tx, step, null);
    else if (pause) await this.jobs.pause(tx, orgId, jobId, pause);
  }

  private async afterFailure(step: TakenStep, error: unknown): Promise<void> {
    this.logger.warn({ err: error, jobId: step.jobId, attempt: step.attempt }, 'A step of a job failed');
    if (step.attempt < MAX_ATTEMPTS)
      return this.repository.retryLater(this.db.manager, step, backoffSeconds(step.attempt));
    const told =
      error instanceof AppError
        ? { code: error.code, message: error.message }
        : { code: 'internal', message: 'An error occurred; the log of the server has it' };
    await this.db.tx(async (tx) => {
      if (await this.repository.lockForStep(tx, step)) await this.finish(tx, step, told);
    });
  }

  /** The row is locked. */
  private async finish(tx: EntityManager, { jobId, orgId }: TakenStep, error: JobError | null): Promise<void> {
    const finished = await this.repository.finish(tx, jobId, error ? 'failed' : 'succeeded', error);
    await this.jobs.tell(tx, 'job.finished', finished);
    await this.audit.record(tx, systemPrincipal('jobs'), {
      orgId,
      action: 'job.finish',
      target: { type: 'job', id: jobId },
      result: error ? 'failure' : 'success',
      details: { done: finished.done, failed: finished.failed, ...(error ? { error: error.code } : {}) },
    });
  }
}
