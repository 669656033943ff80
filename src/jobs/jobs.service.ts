import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  type LastingKind,
  notFound,
  OrgExports,
  type PageQuery,
  type Principal,
  type PrincipalRef,
  Retention,
  shapeA,
  systemPrincipal,
  TenantResolvers,
  type Window,
  windowOf,
} from '#platform';
import { AuditService, EventsService } from '../audit/index.js';
import { JobHandlers } from './job-handlers.js';
import type {
  JobDetails,
  JobError,
  JobItem,
  JobList,
  JobResult,
  JobStatus,
  JobView,
  ListJobsQuery,
} from './jobs.dto.js';
import { type JobState, JobsRepository, type NewJob } from './jobs.repository.js';

const RESULT_COLUMNS: Columns<JobResult & { id: number }> = {
  id: true,
  item: true,
  outcome: true,
  failed: true,
  message: true,
};

const JOB_COLUMNS: Columns<JobItem> = {
  jobId: true,
  orgId: true,
  kind: true,
  act: true,
  status: true,
  total: true,
  done: true,
  failed: true,
  pace: true,
  createdBy: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
  error: true,
};

/** Unfinished jobs of one organization. */
const MAX_UNFINISHED = 100;

const CHANGES = {
  pause: { from: ['queued', 'running'], to: 'paused' },
  resume: { from: ['paused'], to: 'queued' },
  cancel: { from: ['queued', 'running', 'paused'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly JobStatus[]; to: JobStatus }>;
export type JobChange = keyof typeof CHANGES;

/** Long work in steps: who starts it, looks at it, stops it (docs/integration-api.md §3.17, ADR 0028). `JobWorker` does it. */
@Injectable()
export class JobsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: JobsRepository,
    private readonly handlers: JobHandlers,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly resolvers: TenantResolvers,
    private readonly retention: Retention,
    private readonly hooks: Hooks,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.resolvers.registerNumber('jobId', (id) => this.repository.orgOf(this.db.manager, id));
    // Items before jobs: those of a job that may go are all old enough to have gone, in small batches.
    this.retention.register({ table: 'job_item', id: 'job_item_id' });
    this.retention.register({ table: 'job', id: 'job_id', since: 'finished_at' });
    this.whole.register('jobs', 'listJobs', ({ orgId }) => this.all(orgId));
    this.hooks.orgDeleting.register(async (tx, orgId) => {
      while ((await this.repository.deleteSomeItems(tx, orgId)) > 0);
    });
  }

  /**
   * Starts a job in the caller's transaction: it exists exactly when that commits, and begins right after. It acts for the principal, who
   * must have been allowed it.
   * @throws conflict when too many jobs of the organization are not finished
   */
  async start(tx: EntityManager, principal: Principal, orgId: string, job: NewJob): Promise<JobView> {
    this.handlers.of(job.kind);
    if ((await this.repository.lockUnfinished(tx, orgId)) >= MAX_UNFINISHED)
      throw conflict(`${MAX_UNFINISHED} jobs of this organization are not finished; wait for one, or cancel it`);
    const made = await this.repository.insert(tx, orgId, job, refOf(principal));
    await this.audit.record(tx, principal, {
      orgId,
      action: 'job.create',
      target: { type: 'job', id: made.jobId },
      details: { kind: job.kind, total: job.total },
    });
    return made;
  }

  /** GET /org/{orgId}/jobs, shape A, newest first, or all of them in a format. */
  async list(
    _principal: Principal,
    orgId: string,
    filter: ListJobsQuery,
    format?: ExportFormat,
  ): Promise<JobList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId, filter.status));
    const window = windowOf(filter, 1000);
    const jobs = await this.repository.list(this.db.manager, orgId, filter.status, window);
    const total = await this.repository.count(this.db.manager, orgId, filter.status);
    return { jobs, pagination: shapeA(total, window) };
  }

  private all(orgId: string, status?: JobStatus): ExportSource<JobItem, number> {
    return {
      name: 'jobs',
      columns: JOB_COLUMNS,
      page: (before, limit) => this.repository.before(this.db.manager, orgId, status, before, limit),
      keyOf: (job) => job.jobId,
    };
  }

  /** GET /org/{orgId}/jobs/{jobId}, with a page of what came of its items, or all of that in a format. @throws not_found */
  async get(
    _principal: Principal,
    orgId: string,
    jobId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<JobDetails | StreamableFile> {
    const em = this.db.manager;
    const job = await this.repository.find(em, orgId, jobId);
    if (!job) throw notFound('Job');
    if (format)
      return this.exports.start<JobResult & { id: number }, number>(orgId, format, {
        name: `job-${jobId}`,
        columns: RESULT_COLUMNS,
        page: (after, limit) => this.repository.resultsAfter(em, jobId, after, limit),
        keyOf: (result) => result.id,
      });
    const window = windowOf(page, 1000);
    const results = await this.repository.results(em, jobId, window);
    return { ...job, results, pagination: shapeA(await this.repository.countResults(em, jobId), window) };
  }

  /**
   * Pauses, resumes or cancels. Waits for a step that runs, so that nothing of the job happens after the answer to a pause or a cancel.
   * @throws not_found, conflict when its status does not allow it
   */
  async change(principal: Principal, orgId: string, jobId: number, change: JobChange): Promise<JobView> {
    return this.db.tx(async (tx) => {
      const job = await this.changeIn(tx, principal, orgId, jobId, change);
      if (!job) throw await this.whyNot(tx, orgId, jobId, change);
      return job;
    });
  }

  /** Cancels the unfinished jobs of a kind whose input holds this; waits for a step that runs. @returns those that were */
  async cancel(tx: EntityManager, principal: Principal, orgId: string, kind: string, input: object): Promise<number[]> {
    const cancelled: number[] = [];
    for (const jobId of await this.repository.unfinished(tx, orgId, kind, input))
      if (await this.changeIn(tx, principal, orgId, jobId, 'cancel')) cancelled.push(jobId);
    return cancelled;
  }

  /** A job that stops by itself, within its step. */
  async pause(tx: EntityManager, orgId: string, jobId: number, reason: JobError): Promise<void> {
    await this.repository.pause(tx, jobId, reason);
    await this.audit.record(tx, systemPrincipal('jobs'), {
      orgId,
      action: 'job.pause',
      target: { type: 'job', id: jobId },
      details: { reason: reason.code },
    });
  }

  /** Jobs of one kind, newest first, with what their handler remembers; their number is counted too. */
  async ofKind(
    em: EntityManager,
    orgId: string,
    kind: string,
    window: Window,
  ): Promise<{ jobs: (JobView & { progress: object | null })[]; total: number }> {
    const jobs = await this.repository.listOfKind(em, orgId, kind, window);
    return { jobs, total: await this.repository.countOfKind(em, orgId, kind) };
  }

  /** Jobs of one kind, newest first, as an export reads them. @param list its name and columns, and what a row shows of a job */
  allOfKind<Row extends { jobId: number }>(
    orgId: string,
    kind: string,
    {
      rows,
      ...list
    }: {
      name: string;
      columns: Columns<Row>;
      rows: (jobs: (JobView & { progress: object | null })[]) => Promise<Row[]>;
    },
  ): ExportSource<Row, number> {
    return {
      ...list,
      page: async (before, limit) =>
        rows(await this.repository.ofKindBefore(this.db.manager, orgId, kind, before, limit)),
      keyOf: ({ jobId }) => jobId,
    };
  }

  /** The event of a job that has come further, or to its end, in the transaction of that. */
  async tell(tx: EntityManager, type: 'job.progress' | 'job.finished', job: JobState): Promise<void> {
    const { orgId, jobId, kind, status, done, failed } = job;
    await this.events.emit(tx, { orgId, type, data: { jobId, kind, status, done, failed } });
  }

  private async changeIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    jobId: number,
    change: JobChange,
  ): Promise<JobView | null> {
    const { from, to } = CHANGES[change];
    const job = await this.repository.change(tx, orgId, jobId, from, to);
    if (!job) return null;
    await this.audit.record(tx, principal, { orgId, action: `job.${change}`, target: { type: 'job', id: jobId } });
    if (change === 'cancel') await this.tell(tx, 'job.finished', job);
    return job;
  }

  private async whyNot(tx: EntityManager, orgId: string, jobId: number, change: JobChange): Promise<Error> {
    const job = await this.repository.find(tx, orgId, jobId);
    if (!job) return notFound('Job');
    if (change === 'resume') return conflict(`The job is ${job.status}; only a paused one can be resumed`);
    return conflict(job.status === 'paused' ? 'The job is paused already' : `The job has ended: it is ${job.status}`);
  }
}

const LASTING: readonly Principal['kind'][] = ['user', 'api_key', 'root_key', 'system'] satisfies LastingKind[];

function refOf({ kind, id, name }: Principal): PrincipalRef {
  if (!LASTING.includes(kind)) throw new Error(`No job is started by ${kind}`);
  return { kind: kind as LastingKind, id, name };
}
