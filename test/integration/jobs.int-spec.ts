import { setTimeout as delay } from 'node:timers/promises';
import { register } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { AppError, Retention } from '#platform';
import { JobsService, type JobView } from '../../src/jobs/index.js';
import {
  app,
  audit,
  blocked,
  changeOrg,
  type Details,
  doneItems,
  duringSteps,
  ended,
  events,
  gate,
  orgId,
  post,
  read,
  returnTo,
  setUpJobs,
  start,
  upTo,
} from '../support/jobs.js';
import { until } from '../support/server.js';
import { operator } from '../support/test-app.js';

setUpJobs();

describe('a job', () => {
  it('of many items over two servers does each exactly once, and tells what came of each', async () => {
    const working = new Set<string>();
    // Each server begins one step before any goes on, so that both take part.
    duringSteps(async (_job, _items, server) => {
      working.add(server);
      while (working.size < 2) await delay(5);
    });
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

describe('a job whose handler says so', () => {
  it('waits before its next step, without a pace too', async () => {
    let steps = 0;
    duringSteps(() => (steps++ === 0 ? { waitSeconds: 1 } : {}));
    const { jobId } = await start(30);
    await ended(jobId);
    const [row] = await app.sql<{ gap: number }>(
      `SELECT extract(epoch FROM max(created_at) - min(created_at))::float8 AS gap FROM job_item WHERE job_id = $1`,
      [jobId],
    );
    expect(row!.gap).toBeGreaterThanOrEqual(1);
  });

  it('pauses by itself and says why; resumed, it goes on where it was, and has nothing to explain', async () => {
    let pauses = 0;
    duringSteps(() => (pauses++ === 0 ? { pause: { code: 'stopped', message: 'Too many odd ones' } } : {}));
    const { jobId } = await start(60);
    const paused = await until(async () => {
      const job = await read(jobId);
      return job.status === 'paused' && job;
    });
    expect(paused).toMatchObject({ done: 25, error: { code: 'stopped', message: 'Too many odd ones' } });
    expect((await post(jobId, 'resume')).body.data).toMatchObject({ status: 'queued', error: null });
    expect(await ended(jobId)).toMatchObject({ status: 'succeeded', done: 60, error: null });
    expect(await doneItems(jobId)).toEqual(upTo(60));
    expect((await audit(jobId)).map(({ action }) => action)).toEqual([
      'job.create',
      'job.pause',
      'job.resume',
      'job.finish',
    ]);
  });
});

it('the unfinished jobs of a kind about one thing are cancelled together, by its input', async () => {
  const mine = [await start(60, { pace: 1 }), await start(60, { pace: 1 })];
  const [others, done] = [await start(61, { pace: 1 }), await start(1)];
  await post(mine[1]!.jobId, 'pause');
  await ended(done.jobId);
  const jobs = app.get(JobsService);
  const cancelled = await app.db.tx((tx) => jobs.cancel(tx, operator, orgId, 'test', { items: 60 }));
  expect(cancelled).toEqual(mine.map(({ jobId }) => jobId));
  for (const { jobId } of mine) {
    expect(await read(jobId)).toMatchObject({ status: 'cancelled' });
    expect(await events(jobId)).toHaveLength(1);
  }
  expect((await read(others.jobId)).finishedAt).toBeNull();
  await post(others.jobId, 'cancel');
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

  it('is listed without its input, of which a page of a thousand would be megabytes', async () => {
    const { jobId } = await start(3);
    const job = await ended(jobId);
    expect(job.input).toEqual({ items: 3 });
    expect(job.act).toBeNull();
    const { input: _input, results: _results, pagination: _page, ...item } = job;
    expect((await app.root.expect<{ jobs: object[] }>('GET', `/org/${orgId}/jobs`)).jobs).toEqual([item]);
  });

  it('shows and changes nothing of another organization, and needs its actions', async () => {
    const { jobId } = await start(5, { pace: 1 });
    await post(jobId, 'pause');
    const mine = await changeOrg();
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
    returnTo(mine);
    expect(await read(jobId)).toMatchObject({ status: 'paused' });
  });

  it('an organization has at most a hundred unfinished jobs, however many are started at once', async () => {
    await app.sql(
      `INSERT INTO job (org_id, kind, input, created_by_kind, created_by_name) SELECT $1, 'later', '{}', 'system', 's' FROM generate_series(1, 98)`,
      [orgId],
    );
    duringSteps(() => delay(50));
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
