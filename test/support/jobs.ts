import { afterAll, beforeAll, beforeEach } from 'vitest';
import { execute } from '#platform';
import { JobHandlers, type JobInHand, JobsService, type JobView, type StepResult } from '../../src/jobs/index.js';
import { type StartedApp, startApp } from './app.js';
import { until } from './server.js';
import { openTestApp, operator, type TestApp } from './test-app.js';

export type Input = { items: number };
export type Progress = { next: number };
export type Step = (job: JobInHand<Input, Progress>, items: number, server: string) => unknown;

export let app: TestApp;
export let orgId: string;
let other: StartedApp;
/** What happens in each step after its items were written; it may wait, throw, or say more of what the step answers. */
let inStep: Step = () => undefined;
let serial = 0;

/** Sets what happens in each step from now on, until the end of the test. */
export function duringSteps(step: Step): void {
  inStep = step;
}
/** Makes an organization, where everything here happens from now on. @returns the one before. */
export async function changeOrg(): Promise<string> {
  const before = orgId;
  orgId = `jobs${serial++}`;
  await app.makeOrg(orgId);
  return before;
}
export function returnTo(org: string): void {
  orgId = org;
}

/** Two servers on one database whose jobs count items, and an organization of its own for each test. */
export function setUpJobs(): void {
  beforeAll(async () => {
    app = await openTestApp();
    // Without a unique index: what is done twice shall be seen.
    await app.sql('CREATE TABLE done_item (job_id bigint, item int, server text)');
    other = await startApp(app.database.url);
    for (const [server, handlers] of [
      ['a', app.get(JobHandlers)],
      ['b', other.app.get(JobHandlers)],
    ] as const)
      handlers.register<Input, Progress>('test', {
        action: 'updateSite',
        async step(tx, job, items): Promise<StepResult<Progress>> {
          const next = job.progress?.next ?? 0;
          const chosen = Array.from({ length: Math.min(items, job.input.items - next) }, (_, i) => next + i);
          await execute(tx, 'INSERT INTO done_item SELECT $1, i, $2 FROM unnest($3::int[]) i', [
            job.jobId,
            server,
            chosen,
          ]);
          // A test may hold a step for as long as it likes.
          await execute(tx, 'SET LOCAL idle_in_transaction_session_timeout = 0');
          const more = await inStep(job, items, server);
          return {
            progress: { next: next + chosen.length },
            results: chosen.map((i) => ({
              item: String(i),
              outcome: i % 10 === 9 ? 'odd' : 'even',
              failed: i % 10 === 9,
              message: i % 10 === 9 ? 'ends in 9' : null,
            })),
            done: next + chosen.length === job.input.items,
            ...(more as Partial<StepResult<Progress>> | undefined),
          };
        },
      });
  });
  afterAll(async () => {
    await other?.close();
    await app?.close();
  });
  beforeEach(async () => {
    inStep = () => undefined;
    await changeOrg();
  });
}

export const start = (items: number, { pace = null as number | null, by = operator } = {}) =>
  app.db.tx((tx) => app.get(JobsService).start(tx, by, orgId, { kind: 'test', input: { items }, total: items, pace }));
export type Details = JobView & {
  results: { item: string; outcome: string; message: string | null }[];
  pagination: object;
};
export const read = (jobId: number) => app.root.expect<Details>('GET', `/org/${orgId}/jobs/${jobId}`);
export const post = (jobId: number, change: string) => app.root.post<JobView>(`/org/${orgId}/jobs/${jobId}/${change}`);
export const ended = (jobId: number) =>
  until(async () => {
    const job = await read(jobId);
    return job.finishedAt !== null && job;
  });
export const doneItems = async (jobId: number) =>
  (await app.sql<{ item: number }>('SELECT item FROM done_item WHERE job_id = $1 ORDER BY item', [jobId])).map(
    (row) => row.item,
  );
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
export const audit = (jobId: number) =>
  app.sql<{ action: string; result: string; actor: string }>(
    `SELECT action, result, actor_type AS actor FROM audit WHERE target_type = 'job' AND target_id = $1 ORDER BY audit_id`,
    [jobId],
  );
export const events = (jobId: number) =>
  app.sql<{ data: object }>(
    `SELECT data FROM event WHERE org_id = $1 AND type = 'job.finished' AND (data ->> 'jobId')::bigint = $2`,
    [orgId, jobId],
  );
/** Instead of waiting for what is due later. */
export const hurry = (jobId: number) =>
  app.sql(
    `WITH j AS (UPDATE job SET due_at = now() WHERE job_id = $1 AND lease IS NULL AND attempts > 0 RETURNING job_id) SELECT pg_notify('job_due', job_id::text) FROM j`,
    [jobId],
  );
export const blocked = async () =>
  (await app.sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
    .length > 0;

/** Holds steps inside their transactions until `release`. */
export function gate() {
  let release!: () => void;
  let reached!: () => void;
  const open = new Promise<void>((resolve) => (release = resolve));
  const held = new Promise<void>((resolve) => (reached = resolve));
  inStep = () => {
    reached();
    return open;
  };
  return { held, release };
}
