import { Injectable, type StreamableFile } from '@nestjs/common';
import { CREDENTIAL_LIMITS } from '#contracts';
import {
  ApiResult,
  type Columns,
  Db,
  type ExportFormat,
  Exports,
  type PageQuery,
  type Principal,
  shapeA,
  windowOf,
} from '#platform';
import { JobsService, type JobView } from '../../jobs/index.js';
import { SiteReads, type SiteSelection } from '../../sites/index.js';
import { settingsOf } from '../rollouts/rollout.js';
import { FIRST_STEP, ROTATION, type RotationInput, type RotationProgress } from './rotation.js';
import type { FleetRotation, FleetRotationList, RotateFleetBody, RotationFilter } from './rotations.dto.js';
import { RotationsRepository } from './rotations.repository.js';

const COLUMNS: Columns<FleetRotation> = {
  jobId: true,
  status: true,
  filter: true,
  perMinute: true,
  stopAtFailurePercent: true,
  overlapSeconds: true,
  total: true,
  asked: true,
  rotated: true,
  waiting: true,
  cannotTake: true,
  failed: true,
  gone: true,
  createdBy: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
  error: true,
};

/** Rotations of the credentials of many sites (docs/credentials.md §3). `RotationJobs` does the steps. */
@Injectable()
export class RotationsService {
  constructor(
    private readonly db: Db,
    private readonly repository: RotationsRepository,
    private readonly jobs: JobsService,
    private readonly reads: SiteReads,
    private readonly exports: Exports,
  ) {}

  /** @throws not_found for what the filter names, conflict when too many jobs of the organization are not finished */
  async start(
    principal: Principal,
    orgId: string,
    { filter, overlapSeconds = CREDENTIAL_LIMITS.overlapSeconds, ...settings }: RotateFleetBody,
  ): Promise<ApiResult<JobView>> {
    // The whole answer out of the transaction, which stores it for an Idempotency-Key.
    return this.db.tx(async (tx) => {
      await this.reads.requireNamed(tx, orgId, filter);
      const { total, last } = await this.reads.extent(tx, orgId, selectionOf(filter));
      const { perMinute, stopAtFailurePercent } = settingsOf(settings, total);
      const input: RotationInput = { filter, upTo: last, overlapSeconds, perMinute, stopAtFailurePercent };
      const pace = perMinute === null ? null : perMinute / 60;
      const job = await this.jobs.start(tx, principal, orgId, { kind: ROTATION, input, total, pace });
      return new ApiResult(job, { status: 202, message: 'Credentials will be rotated by a job' });
    });
  }

  /** Newest first. */
  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<FleetRotationList | StreamableFile> {
    if (format) {
      const list = { name: 'credential-rotations', columns: COLUMNS, rows: this.counted.bind(this) };
      return this.exports.start(orgId, format, this.jobs.allOfKind(orgId, ROTATION, list));
    }
    const window = windowOf(page, 1000);
    const { jobs, total } = await this.jobs.ofKind(this.db.manager, orgId, ROTATION, window);
    return { rotations: await this.counted(jobs), pagination: shapeA(total, window) };
  }

  private async counted(jobs: (JobView & { progress: object | null })[]): Promise<FleetRotation[]> {
    const counts = await this.repository.counts(
      this.db.manager,
      jobs.map(({ jobId }) => jobId),
    );
    return jobs.map((job): FleetRotation => {
      const { filter, perMinute, stopAtFailurePercent, overlapSeconds } = job.input as RotationInput;
      const progress = (job.progress as RotationProgress | null) ?? FIRST_STEP;
      const { rotated: since, ...others } = counts.get(job.jobId)!;
      const rotated = progress.rotated + since;
      const { jobId, status, createdBy, createdAt, startedAt, finishedAt, error } = job;
      return {
        jobId,
        status,
        filter,
        perMinute,
        stopAtFailurePercent,
        overlapSeconds,
        total: job.total!,
        asked: progress.asked,
        rotated,
        ...others,
        gone: Math.max(0, progress.asked - rotated - others.waiting - others.cannotTake - others.failed),
        createdBy,
        createdAt,
        startedAt,
        finishedAt,
        error,
      };
    });
  }
}

/** Those of the filter that have a credential. */
export function selectionOf({ credentialKind: kind, caId, expiresBefore, ...sites }: RotationFilter): SiteSelection {
  return { ...sites, credential: { kind, caId, expiresBefore } };
}
