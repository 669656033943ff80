import { describe, expect, it } from 'vitest';
import { AppError } from '#platform';
import { ApiKeysService } from '../../src/access/index.js';
import { JobsRepository, type TakenStep } from '../../src/jobs/jobs.repository.js';
import {
  app,
  audit,
  blocked,
  doneItems,
  duringSteps,
  ended,
  events,
  gate,
  hurry,
  orgId,
  post,
  read,
  setUpJobs,
  start,
  upTo,
} from '../support/jobs.js';
import { until } from '../support/server.js';
import { operator } from '../support/test-app.js';

setUpJobs();

describe('what goes wrong', () => {
  it('a failing step is tried again with nothing of it left, one item at a time', async () => {
    let failures = 0;
    const sizes: number[] = [];
    duringSteps((_job, items) => {
      sizes.push(items);
      if (items > 1 && failures++ < 1) throw new Error('too much at once');
    });
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
    duringSteps((job) => {
      if ((job.progress?.next ?? 0) < 25) return;
      attempts++;
      throw error;
    });
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

  it('a full disk of the database counts against no job, however long it stays full', async () => {
    let refused = 0;
    duringSteps(() => {
      if (refused === 10) return;
      refused++;
      throw Object.assign(new Error('could not extend file'), { code: '53100' });
    });
    const { jobId } = await start(60);
    const job = await until(async () => {
      await app.sql(
        `WITH j AS (UPDATE job SET due_at = now() WHERE job_id = $1 AND due_at > now() RETURNING job_id) SELECT pg_notify('job_due', job_id::text) FROM j`,
        [jobId],
      );
      const { finishedAt } = await read(jobId);
      return finishedAt && read(jobId);
    });
    expect(job).toMatchObject({ status: 'succeeded', done: 60 });
    expect(await doneItems(jobId)).toEqual(upTo(60));
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

  it('nothing is in sight where there are no jobs', async () => {
    expect(await app.get(JobsRepository).nextDueMs(app.db.manager, ['of nobody'])).toBeUndefined();
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
    const key = await keys.create(operator, orgId, { name: 'starter' });
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
