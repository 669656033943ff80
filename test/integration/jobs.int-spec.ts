import { setTimeout as delay } from 'node:timers/promises';
import { register } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AppError, execute, Retention } from '#platform';
import { ApiKeysService } from '../../src/access/index.js';
import { JobHandlers, type JobInHand, JobsService, type JobView, type StepResult } from '../../src/jobs/index.js';
import { JobsRepository, type TakenStep } from '../../src/jobs/jobs.repository.js';
import { type StartedApp, startApp } from '../support/app.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

type Input = { items: number };
type Progress = { next: number };
type Step = (job: JobInHand<Input, Progress>, items: number, server: string) => unknown;

let app: TestApp;
let other: StartedApp;
let orgId: string;
/** What happens in each step after its items were written; it may wait, or throw. */
let inStep: Step = () => undefined;
let serial = 0;

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
        await inStep(job, items, server);
        return {
          progress: { next: next + chosen.length },
          results: chosen.map((i) => ({
            item: String(i),
            outcome: i % 10 === 9 ? 'odd' : 'even',
            failed: i % 10 === 9,
            message: i % 10 === 9 ? 'ends in 9' : null,
          })),
          done: next + chosen.length === job.input.items,
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
  orgId = `jobs${serial++}`;
  await app.makeOrg(orgId);
});

const start = (items: number, { pace = null as number | null, by = operator } = {}) =>
  app.db.tx((tx) => app.get(JobsService).start(tx, by, orgId, { kind: 'test', input: { items }, total: items, pace }));
type Details = JobView & {
  results: { item: string; outcome: string; message: string | null }[];
  pagination: object;
};
const read = (jobId: number) => app.root.expect<Details>('GET', `/org/${orgId}/jobs/${jobId}`);
const post = (jobId: number, change: string) => app.root.post<JobView>(`/org/${orgId}/jobs/${jobId}/${change}`);
const ended = (jobId: number) =>
  until(async () => {
    const job = await read(jobId);
    return job.finishedAt !== null && job;
  });
const doneItems = async (jobId: number) =>
  (await app.sql<{ item: number }>('SELECT item FROM done_item WHERE job_id = $1 ORDER BY item', [jobId])).map(
    (row) => row.item,
  );
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const audit = (jobId: number) =>
  app.sql<{ action: string; result: string; actor: string }>(
    `SELECT action, result, actor_type AS actor FROM audit WHERE target_type = 'job' AND target_id = $1 ORDER BY audit_id`,
    [jobId],
  );
const events = (jobId: number) =>
  app.sql<{ data: object }>(
    `SELECT data FROM event WHERE org_id = $1 AND type = 'job.finished' AND (data ->> 'jobId')::bigint = $2`,
    [orgId, jobId],
  );
/** Instead of waiting for what is due later. */
const hurry = (jobId: number) =>
  app.sql(
    `WITH j AS (UPDATE job SET due_at = now() WHERE job_id = $1 AND lease IS NULL AND attempts > 0 RETURNING job_id) SELECT pg_notify('job_due', job_id::text) FROM j`,
    [jobId],
  );
const blocked = async () =>
  (await app.sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
    .length > 0;

/** Holds steps inside their transactions until `release`. */
function gate() {
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

describe('a job', () => {
  it('of many items over two servers does each exactly once, and tells what came of each', async () => {
    const working = new Set<string>();
    // Each server begins one step before any goes on, so that both take part.
    inStep = async (_job, _items, server) => {
      working.add(server);
      while (working.size < 2) await delay(5);
    };
    const jobs = await Promise.all(upTo(6).map(() => start(103)));
    for (const { jobId } of jobs) {
      const job = await ended(jobId);
      expect(job).toMatchObject({
        status: 'succeeded',
        total: 103,
        done: 103,
        failed: 10,
        error: null,
        createdBy: { type: 'system', id: null, name: 'operator' },
        startedAt: expect.any(String),
      });
      expect(job.results.map(({ item }) => item)).toEqual(upTo(103).map(String));
      expect(job.results[9]).toEqual({ item: '9', outcome: 'odd', failed: true, message: 'ends in 9' });
      expect(await doneItems(jobId)).toEqual(upTo(103));
      expect(await events(jobId)).toEqual([
        { data: { jobId, kind: 'test', status: 'succeeded', done: 103, failed: 10 } },
      ]);
      expect(await audit(jobId)).toEqual([
        { action: 'job.create', result: 'success', actor: 'system' },
        { action: 'job.finish', result: 'success', actor: 'system' },
      ]);
    }
    expect(await app.sql('SELECT DISTINCT server FROM done_item ORDER BY 1')).toEqual([
      { server: 'a' },
      { server: 'b' },
    ]);
  });

  it('does not exist when the transaction that started it fails', async () => {
    await expect(
      app.db.tx(async (tx) => {
        await app
          .get(JobsService)
          .start(tx, operator, orgId, { kind: 'test', input: { items: 1 }, total: 1, pace: null });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await app.root.expect('GET', `/org/${orgId}/jobs`)).toMatchObject({ jobs: [], pagination: { total: 0 } });
  });

  it('of a kind that no server knows waits for one that does', async () => {
    const [row] = await app.sql<{ jobId: number }>(
      `INSERT INTO job (org_id, kind, input, created_by_kind, created_by_name) VALUES ($1, 'later', '{}', 'system', 's') RETURNING job_id AS "jobId"`,
      [orgId],
    );
    await ended((await start(1)).jobId);
    expect(await read(row!.jobId)).toMatchObject({ status: 'queued', startedAt: null });
  });

  it('keeps its pace: never more than it in a second, by the clock of the database', async () => {
    const { jobId } = await start(50, { pace: 20 });
    await ended(jobId);
    const steps = await app.sql<{ items: number; gap: number | null }>(
      `SELECT count(*) AS items, extract(epoch FROM lead(created_at) OVER (ORDER BY created_at) - created_at)::float8 AS gap
       FROM job_item WHERE job_id = $1 GROUP BY created_at ORDER BY created_at`,
      [jobId],
    );
    expect(steps.map(({ items }) => items)).toEqual([20, 20, 10]);
    for (const { items, gap } of steps.slice(0, -1)) expect(gap).toBeGreaterThanOrEqual(items / 20);
  });
});

describe('pause, resume and cancel', () => {
  it('a pause waits for the step that runs; then nothing happens until the job is resumed', async () => {
    const step = gate();
    const { jobId } = await start(60);
    await step.held;
    const pausing = post(jobId, 'pause');
    await until(blocked);
    step.release();
    const { status, body } = await pausing;
    expect([status, body.data.status]).toEqual([200, 'paused']);
    const { done } = body.data;
    expect(done).toBeLessThan(60);
    // Others go on meanwhile.
    await ended((await start(60)).jobId);
    expect(await read(jobId)).toMatchObject({ status: 'paused', done });
    expect(await doneItems(jobId)).toEqual(upTo(done));
    expect((await post(jobId, 'resume')).body.data.status).toBe('queued');
    expect(await ended(jobId)).toMatchObject({ status: 'succeeded', done: 60 });
    expect(await doneItems(jobId)).toEqual(upTo(60));
    expect((await audit(jobId)).map(({ action }) => action)).toEqual([
      'job.create',
      'job.pause',
      'job.resume',
      'job.finish',
    ]);
  });

  it('a cancelled job keeps what it did, and tells it', async () => {
    const step = gate();
    const { jobId } = await start(60);
    await step.held;
    const cancelling = post(jobId, 'cancel');
    await until(blocked);
    step.release();
    const { done, failed, status } = (await cancelling).body.data;
    expect(status).toBe('cancelled');
    expect(done).toBeGreaterThan(0);
    await ended((await start(60)).jobId);
    const job = await read(jobId);
    expect(job).toMatchObject({ status: 'cancelled', done, failed, finishedAt: expect.any(String), error: null });
    expect(job.results).toHaveLength(done);
    expect(await doneItems(jobId)).toEqual(upTo(done));
    expect(await events(jobId)).toEqual([{ data: { jobId, kind: 'test', status: 'cancelled', done, failed } }]);
    expect((await audit(jobId)).map(({ action }) => action)).toEqual(['job.create', 'job.cancel']);
  });

  it('what is impossible is a conflict that says why', async () => {
    const { jobId } = await start(60);
    await ended(jobId);
    const paused = (await start(60, { pace: 1 })).jobId;
    await post(paused, 'pause');
    const refused = async (id: number, change: string) => {
      const { status, body } = await post(id, change);
      return [status, body.code, body.message];
    };
    expect(await refused(paused, 'pause')).toEqual([409, 'conflict', 'The job is paused already']);
    expect(await refused(jobId, 'pause')).toEqual([409, 'conflict', 'The job has ended: it is succeeded']);
    expect(await refused(jobId, 'cancel')).toEqual([409, 'conflict', 'The job has ended: it is succeeded']);
    expect(await refused(jobId, 'resume')).toEqual([
      409,
      'conflict',
      'The job is succeeded; only a paused one can be resumed',
    ]);
    expect((await post(999999999, 'pause')).status).toBe(404);
    await post(paused, 'cancel');
  });

  it('of pause and cancel at the same moment each is done or refused, and audited once', async () => {
    for (let round = 0; round < 10; round++) {
      const { jobId } = await start(60, { pace: 1 });
      const [pause, cancel] = await Promise.all([post(jobId, 'pause'), post(jobId, 'cancel')]);
      expect(cancel.status).toBe(200);
      expect([200, 409]).toContain(pause.status);
      expect(await read(jobId)).toMatchObject({ status: 'cancelled' });
      const actions = (await audit(jobId)).map(({ action }) => action);
      expect(actions).toEqual(
        pause.status === 200 ? ['job.create', 'job.pause', 'job.cancel'] : ['job.create', 'job.cancel'],
      );
    }
  });
});

describe('what goes wrong', () => {
  it('a failing step is tried again with nothing of it left, one item at a time', async () => {
    let failures = 0;
    const sizes: number[] = [];
    inStep = (_job, items) => {
      sizes.push(items);
      if (items > 1 && failures++ < 1) throw new Error('too much at once');
    };
    const { jobId } = await start(60);
    await until(() => failures === 1);
    await hurry(jobId);
    expect(await ended(jobId)).toMatchObject({ status: 'succeeded', done: 60 });
    expect(await doneItems(jobId)).toEqual(upTo(60));
    expect(sizes).toEqual([25, 1, 25, 25, 25]);
  });

  it.each([
    [new AppError('capacity', 'The line is full'), { code: 'capacity', message: 'The line is full' }],
    [
      new Error('connect 10.1.2.3: secret details'),
      { code: 'internal', message: 'An error occurred; the log of the server has it' },
    ],
  ])('a step that fails each time fails the job, which keeps what it did and says why (%s)', async (error, told) => {
    let attempts = 0;
    inStep = (job) => {
      if ((job.progress?.next ?? 0) < 25) return;
      attempts++;
      throw error;
    };
    const { jobId } = await start(60);
    const job = await until(async () => {
      await hurry(jobId);
      const { finishedAt } = await read(jobId);
      return finishedAt && read(jobId);
    });
    expect(job).toMatchObject({ status: 'failed', done: 25, error: told });
    expect(attempts).toBe(8);
    expect(await doneItems(jobId)).toEqual(upTo(25));
    expect(await events(jobId)).toEqual([{ data: { jobId, kind: 'test', status: 'failed', done: 25, failed: 2 } }]);
    expect((await audit(jobId)).at(-1)).toEqual({ action: 'job.finish', result: 'failure', actor: 'system' });
  });

  it('a step in which every server died ends the job instead of the servers', async () => {
    const { jobId } = await start(60, { pace: 1 });
    await post(jobId, 'pause');
    const done = await doneItems(jobId);
    await app.sql(
      `UPDATE job SET status = 'running', started_at = now(), attempts = 8, lease = gen_random_uuid(), due_at = now() - interval '1 s' WHERE job_id = $1`,
      [jobId],
    );
    expect(await ended(jobId)).toMatchObject({
      status: 'failed',
      error: { code: 'internal', message: 'The server stopped in each attempt at the next step' },
    });
    expect(await doneItems(jobId)).toEqual(done);
  });

  it('nobody takes a job while a step of it runs, though the lease has run out', async () => {
    const step = gate();
    const { jobId } = await start(30);
    await step.held;
    const jobs = app.get(JobsRepository);
    const expired = await app.sql('SELECT 1 FROM job WHERE job_id = $1 FOR UPDATE SKIP LOCKED', [jobId]);
    expect([expired, await jobs.take(app.db.manager, ['test'])]).toEqual([[], null]);
    step.release();
    expect(await ended(jobId)).toMatchObject({ status: 'succeeded', done: 30 });
  });

  it('a step is done under the last lease only, and not after a pause', async () => {
    const jobs = app.get(JobsRepository);
    const [{ jobId }] = (await app.sql<{ jobId: number }>(
      `INSERT INTO job (org_id, kind, input, created_by_kind, created_by_name) VALUES ($1, 'by hand', '{}', 'system', 's') RETURNING job_id AS "jobId"`,
      [orgId],
    )) as [{ jobId: number }];
    const take = () => jobs.take(app.db.manager, ['by hand']);
    const mayRun = (step: TakenStep | null) => app.db.tx(async (tx) => (await jobs.lockForStep(tx, step!)) !== null);
    const first = await take();
    expect([first, await take()]).toMatchObject([{ jobId, attempt: 1 }, null]);
    expect(await mayRun(first)).toBe(true);
    // Whoever took it has been silent for too long.
    await app.sql(`UPDATE job SET due_at = now() WHERE job_id = $1`, [jobId]);
    const second = await take();
    expect(second).toMatchObject({ jobId, attempt: 2 });
    expect([await mayRun(first), await mayRun(second)]).toEqual([false, true]);
    await post(jobId, 'pause');
    expect(await mayRun(second)).toBe(false);
    await post(jobId, 'resume');
    expect(await mayRun(second)).toBe(false);
    const third = await take();
    expect(third).toMatchObject({ attempt: 1 });
    expect(await mayRun(third)).toBe(true);
    await post(jobId, 'cancel');
    expect([await mayRun(third), await take()]).toEqual([false, null]);
  });

  it('an organization that is deleted takes its jobs along, also in the middle of a step', async () => {
    const step = gate();
    const { jobId } = await start(60);
    await step.held;
    const deleting = app.root.delete(`/org/${orgId}`);
    await until(blocked);
    step.release();
    expect((await deleting).status).toBe(200);
    expect(
      await app.sql('SELECT 1 FROM job WHERE job_id = $1 UNION ALL SELECT 1 FROM job_item WHERE job_id = $1', [jobId]),
    ).toEqual([]);
    const done = await doneItems(jobId);
    expect(done.length).toBeLessThan(60);
    await app.makeOrg(orgId);
    expect(await app.root.expect('GET', `/org/${orgId}/jobs`)).toMatchObject({ jobs: [] });
    await ended((await start(60)).jobId);
    expect(await doneItems(jobId)).toEqual(done);
  });
});

describe('whose authority', () => {
  const denied = { status: 'failed', error: { code: 'permission_denied', message: expect.any(String) } };

  it('a key that is deleted, or loses the action, stops its jobs; in between it is asked at each step', async () => {
    const keys = app.get(ApiKeysService);
    const key = await keys.create(operator, orgId, 'starter');
    await keys.setActions(operator, orgId, key.apiKeyId, ['updateSite']);
    const by = (await keys.authenticate(key.apiKeyId, key.apiKey))!;
    const jobs = [];
    for (let i = 0; i < 3; i++) {
      const { jobId } = await start(5, { pace: 1, by: { ...by, address: null } });
      await post(jobId, 'pause');
      jobs.push(jobId);
    }
    const resumed = async (jobId: number) => {
      await app.sql('UPDATE job SET pace = NULL WHERE job_id = $1', [jobId]);
      await post(jobId, 'resume');
      return ended(jobId);
    };
    expect(await resumed(jobs[0]!)).toMatchObject({
      status: 'succeeded',
      createdBy: { type: 'api_key', id: key.apiKeyId, name: 'starter' },
    });
    await keys.setActions(operator, orgId, key.apiKeyId, ['getSite']);
    const { done } = await read(jobs[1]!);
    expect(await resumed(jobs[1]!)).toMatchObject({ ...denied, done });
    await keys.setActions(operator, orgId, key.apiKeyId, ['updateSite']);
    await keys.delete(operator, orgId, key.apiKeyId);
    expect(await resumed(jobs[2]!)).toMatchObject(denied);
    expect((await audit(jobs[2]!)).map(({ action, result, actor }) => [action, result, actor])).toEqual([
      ['job.create', 'success', 'api_key'],
      ['job.pause', 'success', 'root_key'],
      ['job.resume', 'success', 'root_key'],
      ['job.finish', 'failure', 'system'],
    ]);
  });

  it('a person who left the organization stops theirs; one with the right role does not need to be logged in', async () => {
    const [{ userId }] = (await app.sql<{ userId: string }>(
      `INSERT INTO "user" (user_id, email, username, email_verified) VALUES (gen_random_uuid()::text, $1, $1, true) RETURNING user_id AS "userId"`,
      [`${orgId}@example.com`],
    )) as [{ userId: string }];
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, userId]);
    await app.sql('INSERT INTO membership_role SELECT org_id, $2, role_id FROM role WHERE org_id = $1 AND is_admin', [
      orgId,
      userId,
    ]);
    const by = { ...operator, kind: 'user' as const, id: userId, name: 'somebody' };
    expect(await ended((await start(5, { by })).jobId)).toMatchObject({
      status: 'succeeded',
      createdBy: { type: 'user', id: userId },
    });
    await app.root.expect('DELETE', `/org/${orgId}/user/${userId}`);
    expect(await ended((await start(5, { by })).jobId)).toMatchObject({ ...denied, done: 0 });
  });
});

describe('the API', () => {
  it('lists newest first, by status, in pages; results have pages too', async () => {
    const jobs = [];
    for (let i = 0; i < 3; i++) jobs.push((await start(30)).jobId);
    for (const jobId of jobs) await ended(jobId);
    const { jobId: paused } = await start(30, { pace: 1 });
    await post(paused, 'pause');
    const list = async (query: string) => {
      const { jobs: page, pagination } = await app.root.expect<{ jobs: JobView[]; pagination: object }>(
        'GET',
        `/org/${orgId}/jobs${query}`,
      );
      return [page.map((job) => job.jobId), pagination];
    };
    expect(await list('')).toEqual([[paused, ...[...jobs].reverse()], { total: 4, limit: 1000, offset: 0 }]);
    expect(await list('?status=succeeded&limit=2&offset=1')).toEqual([
      [jobs[1], jobs[0]],
      { total: 3, limit: 2, offset: 1 },
    ]);
    expect((await app.root.get(`/org/${orgId}/jobs?status=done`)).status).toBe(400);
    const page = await app.root.expect<Details>('GET', `/org/${orgId}/jobs/${jobs[0]}?limit=2&offset=28`);
    expect([page.results.map(({ item }) => item), page.pagination]).toEqual([
      ['28', '29'],
      { total: 30, limit: 2, offset: 28 },
    ]);
  });

  it('shows and changes nothing of another organization, and needs its actions', async () => {
    const { jobId } = await start(5, { pace: 1 });
    await post(jobId, 'pause');
    const mine = orgId;
    orgId = `jobs${serial++}`;
    await app.makeOrg(orgId);
    const foreign = await app.orgKey(orgId, 'listJobs', 'getJob', 'updateJob');
    const weak = await app.orgKey(mine, 'getOrg');
    const calls: [string, string][] = [
      ['GET', `/org/${mine}/jobs/${jobId}`],
      ['POST', `/org/${mine}/jobs/${jobId}/cancel`],
      ['GET', `/org/${mine}/jobs`],
    ];
    for (const [method, path] of calls) {
      expect((await foreign.send(method, path)).status).toBe(404);
      expect((await foreign.send(method, path.replace(mine, orgId))).status).toBe(path.endsWith('jobs') ? 200 : 404);
      expect((await weak.send(method, path)).status).toBe(403);
    }
    orgId = mine;
    expect(await read(jobId)).toMatchObject({ status: 'paused' });
  });

  it('an organization has at most a hundred unfinished jobs, however many are started at once', async () => {
    await app.sql(
      `INSERT INTO job (org_id, kind, input, created_by_kind, created_by_name) SELECT $1, 'later', '{}', 'system', 's' FROM generate_series(1, 98)`,
      [orgId],
    );
    inStep = () => delay(50);
    const starts = await Promise.allSettled(upTo(6).map(() => start(30, { pace: 1 })));
    expect(starts.filter((one) => one.status === 'fulfilled')).toHaveLength(2);
    expect(starts.flatMap((one) => (one.status === 'rejected' ? [(one.reason as AppError).code] : []))).toEqual(
      upTo(4).map(() => 'conflict'),
    );
    await app.sql(`UPDATE job SET status = 'cancelled', finished_at = now() WHERE org_id = $1`, [orgId]);
  });
});

describe('metrics', () => {
  it('count jobs by kind and status', async () => {
    for (const { jobId } of [await start(5), await start(5)]) await ended(jobId);
    const counted = await app.sql<{ value: number; status: string }>(
      `SELECT count(*) AS value, status FROM job WHERE kind = 'test' GROUP BY status ORDER BY status`,
    );
    const { values } = await register.getSingleMetric('gatehouse_jobs')!.get();
    const ofTest = values.filter(({ labels }) => labels['kind'] === 'test');
    expect(ofTest.map(({ value, labels }) => ({ value, status: labels['status'] })).sort(byStatus)).toEqual(counted);
  });
});
const byStatus = (a: { status: unknown }, b: { status: unknown }) => (String(a.status) < String(b.status) ? -1 : 1);

describe('retention', () => {
  it('deletes results with their age, and jobs when they ended long ago; those that are not finished stay', async () => {
    const [old, young, paused] = [await start(30), await start(30), await start(30, { pace: 1 })];
    await post(paused.jobId, 'pause');
    for (const { jobId } of [old, young]) await ended(jobId);
    const age = (jobId: number, columns: string[]) =>
      app.sql(
        `UPDATE job SET ${columns.map((c) => `${c} = ${c} - interval '4000 days'`).join(', ')} WHERE job_id = $1`,
        [jobId],
      );
    await age(old.jobId, ['created_at', 'finished_at']);
    await age(young.jobId, ['created_at']);
    await age(paused.jobId, ['created_at']);
    await app.sql(`UPDATE job_item SET created_at = created_at - interval '4000 days' WHERE job_id = $1`, [old.jobId]);
    await app.get(Retention).sweep();
    expect((await app.root.get(`/org/${orgId}/jobs/${old.jobId}`)).status).toBe(404);
    expect(await app.sql('SELECT 1 FROM job_item WHERE job_id = $1', [old.jobId])).toEqual([]);
    expect((await read(young.jobId)).results).toHaveLength(30);
    expect(await read(paused.jobId)).toMatchObject({ status: 'paused' });
  });
});
