import { beforeAll, describe, expect, it } from 'vitest';
import { Hooks } from '#platform';
import type { JobView } from '../../src/jobs/index.js';
import { SiteLifecycleService } from '../../src/sites/index.js';
import { app, decide, events, orgId, post, type Site, setUpApprovals, site, tombstones } from '../support/approvals.js';
import { until } from '../support/server.js';

/** Sites whose approval fails in the database. */
const refused = new Set<number>();
setUpApprovals();
beforeAll(() => {
  app.get(Hooks).siteApproved.register(async (tx, _org, id) => {
    if (refused.has(id)) await tx.query('SELECT 1 / 0');
  });
});

describe('POST /org/{orgId}/approvals as a job', () => {
  type Details = JobView & { results: { item: string; outcome: string; failed: boolean; message: string | null }[] };
  const decideAsJob = async (body: object, api = app.root) => {
    const reply = await api.post<JobView>(`/org/${orgId}/approvals`, { ...body, asJob: true });
    expect(reply).toMatchObject({ status: 202, body: { data: { kind: 'sites.decide', done: 0 } } });
    return reply.body.data.jobId;
  };
  const ended = (jobId: number) =>
    until(async () => {
      const job = await app.root.expect<Details>('GET', `/org/${orgId}/jobs/${jobId}`);
      return job.finishedAt !== null && job;
    });
  const statuses = async (sites: Site[]) =>
    (
      await app.sql<{ status: string }>('SELECT status FROM site WHERE site_id = ANY ($1) ORDER BY site_id', [
        sites.map((s) => s.siteId),
      ])
    ).map((row) => row.status);

  it('decides on all that match, more than a call takes, and on nothing that was claimed later', async () => {
    const made = await app.db.tx((tx) =>
      app.get(SiteLifecycleService).insertMany(
        tx,
        orgId,
        Array.from({ length: 1003 }, (_, i) => ({
          name: null,
          status: 'pending',
          hardwareId: `hw${i}`,
          address: null,
        })),
      ),
    );
    const siteIds = made.map((one) => one!.siteId);
    const key = await app.orgKey(orgId, 'updateApprovals');
    let jobId: number;
    let later: Site;
    await app.db.tx(async (tx) => {
      // Nothing is decided before there is a newer site.
      await tx.query('SELECT 1 FROM site WHERE site_id = $1 FOR UPDATE', [siteIds[0]]);
      jobId = await decideAsJob({ filter: {}, decision: 'approve', note: 'floor 2' }, key);
      later = await site();
    });
    const job = await ended(jobId!);
    expect(job).toMatchObject({
      status: 'succeeded',
      total: 1003,
      done: 1003,
      failed: 0,
      input: { decision: 'approve', note: 'floor 2', filter: {} },
      createdBy: { type: 'api_key', name: 'test' },
    });
    expect(await statuses([later!])).toEqual(['pending']);
    expect(job.results.map(({ item }) => Number(item))).toEqual(siteIds.slice(0, 1000));
    expect((await events()).filter((event) => !/^(job|api_key)\./.test(event)).sort()).toEqual(
      siteIds.map((id) => `site.approved ${id}`).sort(),
    );
    const rows = await app.sql<{ id: number; actor: string; details: object }>(
      `SELECT target_id::int AS id, actor_type AS actor, details FROM audit WHERE org_id = $1 AND action = 'site.approve' ORDER BY 1`,
      [orgId],
    );
    expect(rows.map(({ id }) => id)).toEqual(siteIds);
    expect(rows[0]).toMatchObject({
      actor: 'api_key',
      details: { bulk: true, changed: true, jobId: jobId!, note: 'floor 2' },
    });
  });

  it('gives each site the result that a call gives it: one that cannot be decided stops no other', async () => {
    const make = async () => {
      const [pending, approved, second, broken] = [
        await site(),
        await site({ status: 'approved' }),
        await site(),
        await site(),
      ];
      return { sites: [pending, approved, second, broken], broken };
    };
    const [called, worked] = [await make(), await make()];
    refused.add(called.broken.siteId).add(worked.broken.siteId);
    for (const decision of ['approve', 'reject']) {
      const ids = ({ sites }: typeof called) => [...sites.map((s) => s.siteId), 999999999];
      const { results } = await decide({ siteIds: ids(called), decision });
      const job = await ended(await decideAsJob({ siteIds: ids(worked).reverse(), decision }));
      const outcomes = job.results.map(({ outcome, message }) => ({ outcome, message }));
      expect(outcomes).toEqual(results.map(({ outcome, message }) => ({ outcome, message })));
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(
        decision === 'approve'
          ? ['approved', 'unchanged', 'approved', 'failed', 'not_found']
          : ['conflict', 'conflict', 'conflict', 'rejected', 'not_found'],
      );
      expect(job.failed).toBe(job.results.filter(({ failed }) => failed).length);
      expect(job.failed).toBe(decision === 'approve' ? 2 : 4);
    }
    expect((await tombstones()).sort()).toEqual([called.broken, worked.broken].map((s) => `rejected ${s.key}`).sort());
  });

  it('leaves suspended sites alone when a filter chose, and takes tombstone: false', async () => {
    const suspended = await site({ status: 'approved' });
    await post(suspended, { status: 'pending' });
    const fresh = await site();
    const job = await ended(await decideAsJob({ filter: { status: 'pending' }, decision: 'reject', tombstone: false }));
    expect(job.results).toEqual([{ item: String(fresh.siteId), outcome: 'rejected', failed: false, message: null }]);
    expect(await statuses([suspended, fresh])).toEqual(['pending']);
    expect(await tombstones()).toEqual([]);
  });

  it('one Idempotency-Key starts one job, whose answer is repeated; a decision at once takes none', async () => {
    await site();
    const api = app.root.as(app.root.authorization, { 'idempotency-key': 'once' });
    const body = { filter: {}, decision: 'reject', asJob: true };
    const replies = await Promise.all([1, 2, 3].map(() => api.post<JobView>(`/org/${orgId}/approvals`, body)));
    expect(replies.map(({ status }) => status)).toEqual([202, 202, 202]);
    await ended(replies[0]!.body.data.jobId);
    const later = await site();
    const again = await api.post<JobView>(`/org/${orgId}/approvals`, body);
    expect([again.status, again.text]).toEqual([202, replies[0]!.text]);
    expect(await app.root.expect('GET', `/org/${orgId}/jobs`)).toMatchObject({ pagination: { total: 1 } });
    expect(await statuses([later])).toEqual(['pending']);
    const other = await api.post(`/org/${orgId}/approvals`, { ...body, decision: 'approve' });
    expect(other).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await api.post(`/org/${orgId}/approvals`, { ...body, asJob: false })).status).toBe(200);
    expect(await statuses([later])).toEqual([]);
  });

  it('has no site to decide on, and ends', async () => {
    expect(await ended(await decideAsJob({ filter: {}, decision: 'approve' }))).toMatchObject({
      status: 'succeeded',
      total: 0,
      done: 0,
    });
  });

  it.each([
    [{ decision: 'approve', filter: {}, asJob: true, dryRun: true }, 'asJob'],
    [{ decision: 'approve', filter: {}, pace: 5 }, 'pace'],
    [{ decision: 'approve', filter: {}, asJob: true, pace: 0 }, 'pace'],
    [{ decision: 'approve', filter: { status: 'approved' }, asJob: true }, 'filter.status'],
    [{ decision: 'approve', asJob: true }, 'siteIds'],
  ])('refuses %j', async (body, path) => {
    expect(await app.root.post(`/org/${orgId}/approvals`, body)).toMatchObject({
      status: 400,
      body: { fields: [{ path }] },
    });
    expect(await app.root.expect('GET', `/org/${orgId}/jobs`)).toMatchObject({ jobs: [] });
  });

  it('is 404 for a group that is not there', async () => {
    const body = { decision: 'approve', filter: { group: '999999999' }, asJob: true };
    expect((await app.root.post(`/org/${orgId}/approvals`, body)).status).toBe(404);
  });
});
