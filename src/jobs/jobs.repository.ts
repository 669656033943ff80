import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, type PrincipalRef, query, type Window } from '#platform';
import type { ItemResult } from './job-handlers.js';
import type { JobError, JobItem, JobResult, JobStatus, JobView } from './jobs.dto.js';

/** How long whoever took a step may take to begin with it. While the step runs, the lock on its row keeps others out. */
const LEASE = `interval '10 seconds'`;
/** Results that are kept of one job; further items are only counted. */
const KEPT_RESULTS = 100_000;
const ROWS_PER_STATEMENT = 5000;

export interface NewJob {
  kind: string;
  /** What the handler is to do. Shown to who reads the job, so never a secret. */
  input: object;
  total: number | null;
  pace: number | null;
}

/** A step that this process has taken. */
export interface TakenStep {
  jobId: number;
  orgId: string;
  kind: string;
  lease: string;
  /** The first is 1. */
  attempt: number;
}

/** What a step needs to know of its job. */
export interface StepState {
  input: object;
  progress: object | null;
  pace: number | null;
  createdBy: PrincipalRef;
}

/** How far a job has come, or what it has become. */
export interface JobState {
  jobId: number;
  orgId: string;
  kind: string;
  status: JobStatus;
  done: number;
  failed: number;
}

/** What belongs to a closed organization waits until that is reopened, which tells `job_due` (docs/adr/0077). */
const OF_OPEN_ORG = 'NOT EXISTS (SELECT FROM closed_org c WHERE c.org_id = job.org_id)';
const UNFINISHED = `('queued', 'running', 'paused')`;
const COLUMNS = `job_id AS "jobId", org_id AS "orgId", kind, act, status, total, done, failed, pace,
  jsonb_build_object('type', created_by_kind, 'id', created_by_id, 'name', created_by_name) AS "createdBy",
  created_at AS "createdAt", started_at AS "startedAt", finished_at AS "finishedAt",
  CASE WHEN error_code IS NOT NULL THEN jsonb_build_object('code', error_code, 'message', error_message) END AS error`;
const WITH_INPUT = `${COLUMNS}, input`;
const STATE = `job_id AS "jobId", org_id AS "orgId", kind, status, done, failed`;

/** All SQL of jobs. */
@Injectable()
export class JobsRepository {
  /** Starts of an organization's jobs wait for each other, so that their number can be bounded. @returns how many are not finished. */
  async lockUnfinished(tx: EntityManager, orgId: string): Promise<number> {
    await execute(tx, 'SELECT 1 FROM org WHERE org_id = $1 FOR NO KEY UPDATE', [orgId]);
    const [row] = await query<{ n: number }>(
      tx,
      `SELECT count(*) AS n FROM job WHERE org_id = $1 AND status IN ${UNFINISHED}`,
      [orgId],
    );
    return row!.n;
  }

  async insert(tx: EntityManager, orgId: string, job: NewJob, by: PrincipalRef): Promise<JobView> {
    const [row] = await query<JobView>(
      tx,
      `WITH made AS (
         INSERT INTO job (org_id, kind, input, total, pace, created_by_kind, created_by_id, created_by_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
       ) SELECT ${WITH_INPUT}, pg_notify('job_due', job_id::text) AS told FROM made`,
      [orgId, job.kind, JSON.stringify(job.input), job.total, job.pace, by.kind, by.id, by.name],
    );
    return withoutTold(row!);
  }

  async orgOf(em: EntityManager, jobId: number): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM job WHERE job_id = $1', [jobId]);
    return row?.orgId ?? null;
  }

  async find(em: EntityManager, orgId: string, jobId: number): Promise<JobView | null> {
    const [row] = await query<JobView>(em, `SELECT ${WITH_INPUT} FROM job WHERE org_id = $1 AND job_id = $2`, [
      orgId,
      jobId,
    ]);
    return row ?? null;
  }

  /** Newest first, without their inputs: a thousand of these would be megabytes. */
  async list(em: EntityManager, orgId: string, status: JobStatus | undefined, window: Window): Promise<JobItem[]> {
    return query<JobItem>(
      em,
      `SELECT ${COLUMNS} FROM job WHERE org_id = $1 AND ($2::text IS NULL OR status = $2) ORDER BY job_id DESC LIMIT $3 OFFSET $4`,
      [orgId, status ?? null, window.limit, window.offset],
    );
  }

  /** Those before one, newest first. */
  async before(
    em: EntityManager,
    orgId: string,
    status: JobStatus | undefined,
    jobId: number | undefined,
    limit: number,
  ): Promise<JobItem[]> {
    return query<JobItem>(
      em,
      `SELECT ${COLUMNS} FROM job WHERE org_id = $1 AND ($2::text IS NULL OR status = $2) AND job_id < $3 ORDER BY job_id DESC LIMIT $4`,
      [orgId, status ?? null, jobId ?? Number.MAX_SAFE_INTEGER, limit],
    );
  }

  /** Those of one kind, newest first, with inputs, which its module bounds, and progress. */
  async listOfKind(
    em: EntityManager,
    orgId: string,
    kind: string,
    window: Window,
  ): Promise<(JobView & { progress: object | null })[]> {
    return query(
      em,
      `SELECT ${WITH_INPUT}, progress FROM job WHERE org_id = $1 AND kind = $2 ORDER BY job_id DESC LIMIT $3 OFFSET $4`,
      [orgId, kind, window.limit, window.offset],
    );
  }

  /** Those before one. */
  async ofKindBefore(
    em: EntityManager,
    orgId: string,
    kind: string,
    jobId: number | undefined,
    limit: number,
  ): Promise<(JobView & { progress: object | null })[]> {
    return query(
      em,
      `SELECT ${WITH_INPUT}, progress FROM job WHERE org_id = $1 AND kind = $2 AND job_id < $3 ORDER BY job_id DESC LIMIT $4`,
      [orgId, kind, jobId ?? Number.MAX_SAFE_INTEGER, limit],
    );
  }

  async countOfKind(em: EntityManager, orgId: string, kind: string): Promise<number> {
    const [row] = await query<{ n: number }>(em, 'SELECT count(*) AS n FROM job WHERE org_id = $1 AND kind = $2', [
      orgId,
      kind,
    ]);
    return row!.n;
  }

  /** Unfinished jobs of a kind whose input holds this. */
  async unfinished(em: EntityManager, orgId: string, kind: string, input: object): Promise<number[]> {
    const rows = await query<{ jobId: number }>(
      em,
      `SELECT job_id AS "jobId" FROM job WHERE org_id = $1 AND kind = $2 AND status IN ${UNFINISHED} AND input @> $3::jsonb ORDER BY job_id`,
      [orgId, kind, JSON.stringify(input)],
    );
    return rows.map(({ jobId }) => jobId);
  }

  async count(em: EntityManager, orgId: string, status: JobStatus | undefined): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM job WHERE org_id = $1 AND ($2::text IS NULL OR status = $2)',
      [orgId, status ?? null],
    );
    return row!.n;
  }

  /** Results behind one, by id, which they came with. */
  async resultsAfter(
    em: EntityManager,
    jobId: number,
    after: number | undefined,
    limit: number,
  ): Promise<(JobResult & { id: number })[]> {
    return query(
      em,
      `SELECT job_item_id AS id, item, outcome, failed, message FROM job_item WHERE job_id = $1 AND job_item_id > $2 ORDER BY job_item_id LIMIT $3`,
      [jobId, after ?? 0, limit],
    );
  }

  async results(em: EntityManager, jobId: number, window: Window): Promise<JobResult[]> {
    return query<JobResult>(
      em,
      'SELECT item, outcome, failed, message FROM job_item WHERE job_id = $1 ORDER BY job_item_id LIMIT $2 OFFSET $3',
      [jobId, window.limit, window.offset],
    );
  }

  async countResults(em: EntityManager, jobId: number): Promise<number> {
    const [row] = await query<{ n: number }>(em, 'SELECT count(*) AS n FROM job_item WHERE job_id = $1', [jobId]);
    return row!.n;
  }

  /** Waits for a step that runs. @returns null when its status is none of `from`, or when it is not there. */
  async change(
    tx: EntityManager,
    orgId: string,
    jobId: number,
    from: readonly JobStatus[],
    to: 'queued' | 'paused' | 'cancelled',
  ): Promise<JobView | null> {
    const [row] = await query<JobView>(
      tx,
      `WITH changed AS (
         UPDATE job SET status = $4, lease = NULL, attempts = 0, due_at = now(), finished_at = CASE WHEN $4 = 'cancelled' THEN now() END,
           error_code = CASE WHEN $4 <> 'queued' THEN error_code END, error_message = CASE WHEN $4 <> 'queued' THEN error_message END
         WHERE org_id = $1 AND job_id = $2 AND status = ANY ($3) RETURNING *
       ) SELECT ${WITH_INPUT}, CASE WHEN $4 = 'queued' THEN pg_notify('job_due', job_id::text) END AS told FROM changed`,
      [orgId, jobId, from, to],
    );
    return row ? withoutTold(row) : null;
  }

  /** Takes the step of these kinds that is due longest. @returns null when none is due, or others hold them all. */
  async take(em: EntityManager, kinds: string[]): Promise<TakenStep | null> {
    const [row] = await query<TakenStep>(
      em,
      `UPDATE job SET status = 'running', started_at = coalesce(started_at, now()), lease = gen_random_uuid(), attempts = attempts + 1,
         due_at = now() + ${LEASE}
       WHERE job_id = (
         SELECT job_id FROM job WHERE status IN ('queued', 'running') AND due_at <= now() AND kind = ANY ($1) AND ${OF_OPEN_ORG}
         ORDER BY due_at, job_id LIMIT 1 FOR UPDATE SKIP LOCKED
       ) RETURNING job_id AS "jobId", org_id AS "orgId", kind, lease, attempts AS attempt`,
      [kinds],
    );
    return row ?? null;
  }

  /** @returns milliseconds until a step of these kinds is due, undefined when none is in sight. */
  async nextDueMs(em: EntityManager, kinds: string[]): Promise<number | undefined> {
    const [row] = await query<{ ms: number | null }>(
      em,
      `SELECT extract(epoch FROM min(due_at) - now())::float8 * 1000 AS ms FROM job
       WHERE status IN ('queued', 'running') AND kind = ANY ($1) AND ${OF_OPEN_ORG}`,
      [kinds],
    );
    return row!.ms === null ? undefined : Math.max(0, row!.ms);
  }

  /**
   * Locks the job for the step that was taken, and its organization against deletion, in the order in which a deletion locks.
   * @returns null when it is not this lease's any more: paused, cancelled, taken by others, or gone.
   */
  async lockForStep(tx: EntityManager, { jobId, orgId, lease }: TakenStep): Promise<StepState | null> {
    await execute(tx, 'SELECT 1 FROM org WHERE org_id = $1 FOR KEY SHARE', [orgId]);
    const [row] = await query<StepState>(
      tx,
      `SELECT input, progress, pace, jsonb_build_object('kind', created_by_kind, 'id', created_by_id, 'name', created_by_name) AS "createdBy"
       FROM job WHERE job_id = $1 AND lease = $2 AND status = 'running' FOR NO KEY UPDATE`,
      [jobId, lease],
    );
    return row ?? null;
  }

  /**
   * What a step did, and when the next one is due, counted from the beginning of this transaction. The row is locked.
   * @returns what is to be told of it: nothing within a second of the last time, unless nothing more comes for as long
   */
  async advance(
    tx: EntityManager,
    jobId: number,
    progress: object,
    results: ItemResult[],
    secondsToNext: number,
  ): Promise<JobState | null> {
    await execute(
      tx,
      `INSERT INTO job_item (job_id, item, outcome, failed, message)
       SELECT $1, r.item, r.outcome, r.failed, r.message
       FROM ROWS FROM (jsonb_to_recordset($2::jsonb) AS (item text, outcome text, failed boolean, message text)) WITH ORDINALITY AS r(item, outcome, failed, message, n)
       ORDER BY r.n LIMIT (SELECT greatest(0, ${KEPT_RESULTS} - done) FROM job WHERE job_id = $1)`,
      [jobId, JSON.stringify(results)],
    );
    const tell = `$3 > 0 AND ($5 >= 1 OR told_at IS NULL OR told_at <= now() - interval '1 second')`;
    const [row] = await query<JobState & { told: boolean | null }>(
      tx,
      `UPDATE job SET progress = $2, done = done + $3, failed = failed + $4, lease = NULL, attempts = 0, due_at = now() + make_interval(secs => $5),
         told_at = CASE WHEN ${tell} THEN now() ELSE told_at END
       WHERE job_id = $1 RETURNING ${STATE}, told_at = now() AS told`,
      [jobId, JSON.stringify(progress), results.length, results.filter((r) => r.failed).length, secondsToNext],
    );
    const { told, ...state } = row!;
    return told ? state : null;
  }

  /** Of a job whose row is locked. */
  async pause(tx: EntityManager, jobId: number, { code, message }: JobError): Promise<void> {
    await execute(
      tx,
      `UPDATE job SET status = 'paused', lease = NULL, error_code = $2, error_message = $3 WHERE job_id = $1`,
      [jobId, code, message],
    );
  }

  /** Of a job whose row is locked. */
  async finish(
    tx: EntityManager,
    jobId: number,
    status: 'succeeded' | 'failed',
    error: JobError | null,
  ): Promise<JobState> {
    const [row] = await query<JobState>(
      tx,
      `UPDATE job SET status = $2, finished_at = now(), lease = NULL, error_code = $3, error_message = $4 WHERE job_id = $1 RETURNING ${STATE}`,
      [jobId, status, error?.code ?? null, error?.message ?? null],
    );
    return row!;
  }

  /** Has a failed step tried again later, unless somebody else has the job by now. */
  async retryLater(em: EntityManager, { jobId, lease }: TakenStep, seconds: number): Promise<void> {
    await execute(
      em,
      `UPDATE job SET lease = NULL, due_at = now() + make_interval(secs => $3) WHERE job_id = $1 AND lease = $2 AND status = 'running'`,
      [jobId, lease, seconds],
    );
  }

  /** Has a step count as not taken, for another try when its lease is over, unless somebody else has the job by now. */
  async uncount(em: EntityManager, { jobId, lease }: TakenStep): Promise<void> {
    await execute(
      em,
      `UPDATE job SET lease = NULL, attempts = attempts - 1 WHERE job_id = $1 AND lease = $2 AND status = 'running'`,
      [jobId, lease],
    );
  }

  /** @returns how many rows of an organization's results went; 0 when none is left. */
  async deleteSomeItems(tx: EntityManager, orgId: string): Promise<number> {
    return execute(
      tx,
      `DELETE FROM job_item WHERE job_item_id IN (SELECT i.job_item_id FROM job_item i JOIN job j USING (job_id) WHERE j.org_id = $1 LIMIT ${ROWS_PER_STATEMENT})`,
      [orgId],
    );
  }

  async countByKindAndStatus(em: EntityManager): Promise<{ kind: string; status: JobStatus; n: number }[]> {
    return query(em, 'SELECT kind, status, count(*) AS n FROM job GROUP BY kind, status');
  }
}

/** `pg_notify` answers a column of its own. */
function withoutTold(row: JobView & { told?: unknown }): JobView {
  const { told: _told, ...job } = row;
  return job;
}
