import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Db,
  type ExportFormat,
  Exports,
  type PageQuery,
  type Principal,
  shapeA,
  windowOf,
} from '#platform';
import { EventsService } from '../../audit/index.js';
import { JobsService, type JobView } from '../../jobs/index.js';
import {
  ROLLOUT,
  type RolloutChange,
  type RolloutInput,
  type RolloutProgress,
  sameThing,
  settingsOf,
} from './rollout.js';
import type { RolloutSettings } from './rollout-settings.js';
import type { RolloutList, RolloutView } from './rollouts.dto.js';
import { RolloutsRepository } from './rollouts.repository.js';

const COLUMNS: Columns<RolloutView> = {
  jobId: true,
  status: true,
  change: true,
  canary: true,
  perMinute: true,
  stopAtFailurePercent: true,
  total: true,
  offered: true,
  applied: true,
  failed: true,
  waiting: true,
  createdBy: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
  error: true,
};

/** Changes of documents and secrets on their way to sites (docs/instances.md §5). `RolloutJobs` does the steps. */
@Injectable()
export class RolloutsService {
  constructor(
    private readonly db: Db,
    private readonly repository: RolloutsRepository,
    private readonly jobs: JobsService,
    private readonly events: EventsService,
    private readonly exports: Exports,
  ) {}

  /**
   * Brings a change to the sites that it concerns, in the transaction that made it and holds its row: it is the newest version, or the current
   * revision, by now. An unfinished rollout of the same thing is cancelled. Where it concerns no site it is settled at once.
   * @returns the job, or null where it concerns nobody
   * @throws conflict when too many jobs of the organization are not finished
   */
  async start(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    change: RolloutChange,
    settings: RolloutSettings = {},
  ): Promise<JobView | null> {
    await this.jobs.cancel(tx, principal, orgId, ROLLOUT, { change: sameThing(change) });
    if (!(await this.repository.concernsAny(tx, orgId, change))) {
      await this.repository.settle(tx, change);
      return null;
    }
    const total = await this.repository.countSites(tx, orgId, change);
    const input: RolloutInput = { change, ...settingsOf(settings, total) };
    const { perMinute, ...rest } = input;
    const job = await this.jobs.start(tx, principal, orgId, {
      kind: ROLLOUT,
      input,
      total,
      pace: perMinute === null ? null : perMinute / 60,
    });
    await this.events.emit(tx, {
      orgId,
      type: 'rollout.started',
      data: { jobId: job.jobId, total, perMinute, ...rest },
    });
    return job;
  }

  /** Newest first. */
  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<RolloutList | StreamableFile> {
    if (format) {
      const list = { name: 'rollouts', columns: COLUMNS, rows: this.counted.bind(this) };
      return this.exports.start(orgId, format, this.jobs.allOfKind(orgId, ROLLOUT, list));
    }
    const window = windowOf(page, 1000);
    const { jobs, total } = await this.jobs.ofKind(this.db.manager, orgId, ROLLOUT, window);
    return { rollouts: await this.counted(jobs), pagination: shapeA(total, window) };
  }

  private async counted(jobs: (JobView & { progress: object | null })[]): Promise<RolloutView[]> {
    const counts = await this.repository.counts(
      this.db.manager,
      jobs.map(({ jobId }) => jobId),
    );
    return jobs.map((job): RolloutView => {
      const { change, canary, perMinute, stopAtFailurePercent } = job.input as RolloutInput;
      const { applied, failed, waiting } = (job.progress as RolloutProgress | null)?.result ??
        counts.get(job.jobId) ?? { applied: 0, failed: 0, waiting: 0 };
      const { jobId, status, createdBy, createdAt, startedAt, finishedAt, error } = job;
      return {
        jobId,
        status,
        change: viewOf(change),
        canary,
        perMinute,
        stopAtFailurePercent,
        total: job.total!,
        offered: job.done,
        applied,
        failed,
        waiting,
        createdBy,
        createdAt,
        startedAt,
        finishedAt,
        error,
      };
    });
  }
}

const viewOf = (change: RolloutChange): RolloutView['change'] =>
  change.kind === 'secret'
    ? { kind: 'secret', secret: change.name, profileId: null, version: change.version }
    : { kind: 'bootstrap', secret: null, profileId: change.profileId, version: change.revision };
