import { beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import { Hooks } from '#platform';
import { ApiKeysService } from '../../src/access/index.js';
import type { JobView } from '../../src/jobs/index.js';
import type { SiteActionPreview } from '../../src/operations/site-actions/site-actions.dto.js';
import {
  app,
  audit,
  changeOrg,
  events,
  orgId,
  post,
  returnTo,
  type Site,
  setUpApprovals,
  site,
} from '../support/approvals.js';
import { until } from '../support/server.js';
import { operator } from '../support/test-app.js';

/** Sites of which everything fails in the database. */
const broken = new Set<number>();
setUpApprovals();
beforeAll(() => {
  app.get(Hooks).siteSuspended.register(async (tx, _org, id) => {
    if (broken.has(id)) await tx.query('SELECT 1 / 0');
  });
});

type Details = JobView & { results: { item: string; outcome: string; failed: boolean; message: string | null }[] };
const path = () => `/org/${orgId}/site-actions`;
const foresee = (body: object) => app.root.expect<SiteActionPreview>('POST', path(), { ...body, dryRun: true });
const start = async (body: object, api = app.root) => {
  const reply = await api.post<JobView>(path(), body);
  expect(reply).toMatchObject({ status: 202, body: { data: { kind: 'sites.act', done: 0 } } });
  return reply.body.data.jobId;
};
const ended = (jobId: number) =>
  until(async () => {
    const job = await app.root.expect<Details>('GET', `/org/${orgId}/jobs/${jobId}?limit=1000`);
    return job.finishedAt !== null && job;
  });
const act = async (body: object, api = app.root) => ended(await start(body, api));
const outcomes = (job: Details) => Object.fromEntries(job.results.map(({ item, outcome }) => [item, outcome]));
const read = (s: Site) =>
  app.root.expect<{
    labels: object;
    groupIds: number[];
    profileId: number | null;
    status: string;
    suspendedAt: unknown;
  }>('GET', `/site/${s.siteId}`);
const group = async (name: string) =>
  (await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, { name })).groupId;
const profile = async () =>
  (await app.root.expect<{ profileId: number }>('PUT', `/org/${orgId}/provisioning-profile`, { name: 'p' })).profileId;

/** One site of each kind that acts treat differently. */
async function everyKind(): Promise<Record<string, Site>> {
  const full = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`l${i}`, 'x']));
  const sites = {
    fresh: await site(),
    approved: await site({ status: 'approved', labels: { wave: '1' } }),
    suspended: await site({ status: 'approved' }),
    revoked: await site({ status: 'approved' }),
    suspendedRevoked: await site({ status: 'approved' }),
    labelled: await site({ status: 'approved', labels: full }),
    nameless: await site({ status: 'approved', hardwareId: null }),
  };
  for (const one of [sites.suspended, sites.suspendedRevoked])
    expect((await post(one, { status: 'pending' })).status).toBe(200);
  for (const one of [sites.revoked, sites.suspendedRevoked])
    await app.root.expect('POST', `/site/${one.siteId}/revoke`, {});
  await app.sql(
    `INSERT INTO site_presence (site_id, org_id, session_id) VALUES ($1, $2, gen_random_uuid())
     ON CONFLICT (site_id) DO UPDATE SET session_id = excluded.session_id`,
    [sites.approved.siteId, orgId],
  );
  return sites;
}

/** What each act makes of them; the others it is done to. */
const EXPECTED: Record<string, Record<string, string>> = {
  suspend: { fresh: 'unchanged', suspended: 'unchanged', revoked: 'conflict', suspendedRevoked: 'conflict' },
  resume: {
    fresh: 'conflict',
    approved: 'unchanged',
    labelled: 'unchanged',
    nameless: 'unchanged',
    revoked: 'conflict',
    suspendedRevoked: 'conflict',
  },
  revoke: { revoked: 'unchanged', suspendedRevoked: 'unchanged' },
  delete: { suspended: 'conflict' },
  add_labels: { approved: 'unchanged', labelled: 'conflict' },
  remove_labels: {
    fresh: 'unchanged',
    suspended: 'unchanged',
    revoked: 'unchanged',
    suspendedRevoked: 'unchanged',
    labelled: 'unchanged',
    nameless: 'unchanged',
  },
  add_groups: {},
  remove_groups: Object.fromEntries(
    ['fresh', 'approved', 'suspended', 'revoked', 'suspendedRevoked', 'labelled', 'nameless'].map((kind) => [
      kind,
      'unchanged',
    ]),
  ),
  set_profile: {},
  restart: Object.fromEntries(
    ['fresh', 'suspended', 'revoked', 'suspendedRevoked', 'labelled', 'nameless'].map((kind) => [kind, 'unchanged']),
  ),
  allow_reclaim: { revoked: 'conflict', suspendedRevoked: 'conflict', nameless: 'conflict' },
  rotate_credential: { revoked: 'conflict', suspendedRevoked: 'conflict' },
};

async function parametersOf(action: string): Promise<object> {
  if (action === 'add_labels') return { labels: { wave: '1' } };
  if (action === 'remove_labels') return { labelKeys: ['wave'] };
  if (action.endsWith('_groups')) return { groupIds: [await group('g')] };
  return action === 'set_profile' ? { profileId: await profile() } : {};
}

describe('POST /org/{orgId}/site-actions', () => {
  it.each(Object.keys(EXPECTED))('%s: does to sites of every kind what a dry run says', async (action) => {
    const sites = await everyKind();
    const body = {
      action,
      ...(await parametersOf(action)),
      siteIds: [...Object.values(sites).map((s) => s.siteId), 999999999],
    };
    const foreseen = await foresee(body);
    const before = await audit();
    const job = await act(body);
    const came = outcomes(job);
    expect(Object.fromEntries(Object.entries(sites).map(([kind, s]) => [kind, came[s.siteId]]))).toEqual(
      Object.fromEntries(Object.keys(sites).map((kind) => [kind, EXPECTED[action]![kind] ?? 'done'])),
    );
    expect(came[999999999]).toBe('not_found');
    const count = (...words: string[]) => job.results.filter(({ outcome }) => words.includes(outcome)).length;
    expect(foreseen).toMatchObject({
      dryRun: true,
      action,
      total: 8,
      unchanged: count('unchanged'),
      refused: count('conflict', 'not_found'),
      touches: { sites: count('done') },
    });
    const told = job.results.filter(({ failed }) => failed).map(({ item, message }) => [Number(item), message]);
    expect(foreseen.refusals.flatMap(({ siteIds, message }) => siteIds.map((id) => [id, message])).sort()).toEqual(
      told.sort(),
    );
    expect(job).toMatchObject({ status: 'succeeded', total: 8, done: 8, failed: told.length });
    expect((await audit()).length - before.length).toBe(count('done'));
    // Done again, nothing is done twice.
    if (['restart', 'allow_reclaim', 'rotate_credential'].includes(action)) return;
    expect((await act(body)).results.filter(({ outcome }) => outcome === 'done')).toEqual([]);
  });

  it('leaves other labels and groups as they are', async () => {
    const [a, b] = [await group('a'), await group('b')];
    const one = await site({ status: 'approved', labels: { hall: 'b', line: '4' } });
    await post(one, { groupIds: [a] });
    await act({ siteIds: [one.siteId], action: 'add_labels', labels: { line: '5', wave: '2' } });
    await act({ siteIds: [one.siteId], action: 'remove_labels', labelKeys: ['hall', 'other'] });
    await act({ siteIds: [one.siteId], action: 'add_groups', groupIds: [b] });
    expect(await read(one)).toMatchObject({ labels: { line: '5', wave: '2' }, groupIds: [a, b] });
    await act({ siteIds: [one.siteId], action: 'remove_groups', groupIds: [a] });
    const profileId = await profile();
    await act({ filter: { group: 'b' }, action: 'set_profile', profileId });
    expect(await read(one)).toMatchObject({ groupIds: [b], profileId });
    await act({ filter: { profileId }, action: 'set_profile', profileId: null });
    expect(await read(one)).toMatchObject({ profileId: null });
  });

  it('means by a filter what there was when it was asked, or what somebody had looked at', async () => {
    const sites = await Promise.all([1, 2, 3].map(() => site({ status: 'approved' })));
    sites.sort((a, b) => a.siteId - b.siteId);
    const upToSiteId = sites[1]!.siteId;
    expect(await foresee({ filter: {}, upToSiteId, action: 'suspend' })).toMatchObject({
      total: 2,
      touches: { sites: 2 },
    });
    expect(outcomes(await act({ filter: {}, upToSiteId, action: 'suspend' }))).toEqual({
      [sites[0]!.siteId]: 'done',
      [sites[1]!.siteId]: 'done',
    });
    let jobId: number;
    await app.db.tx(async (tx) => {
      await tx.query('SELECT 1 FROM site WHERE site_id = $1 FOR UPDATE', [sites[0]!.siteId]);
      jobId = await start({ filter: {}, action: 'revoke' });
      await site({ status: 'approved' });
    });
    expect((await ended(jobId!)).results.map(({ item }) => Number(item))).toEqual(sites.map((s) => s.siteId));
  });

  it('goes on when one fails, and tells and audits each that was done', async () => {
    const sites = await Promise.all(Array.from({ length: 60 }, () => site({ status: 'approved' })));
    broken.add(sites[30]!.siteId);
    const key = await app.orgKey(orgId, 'listSites', 'updateSite');
    const job = await act({ filter: { status: 'approved' }, action: 'suspend', note: 'recall' }, key);
    const { jobs } = await app.root.expect<{ jobs: object[] }>('GET', `/org/${orgId}/jobs`);
    expect(jobs).toContainEqual(expect.objectContaining({ kind: 'sites.act', act: 'suspend' }));
    expect(job).toMatchObject({ status: 'succeeded', total: 60, done: 60, failed: 1 });
    expect(job.results.filter(({ failed }) => failed)).toEqual([
      {
        item: String(sites[30]!.siteId),
        outcome: 'failed',
        failed: true,
        message: expect.stringContaining('left as it is'),
      },
    ]);
    expect(await read(sites[30]!)).toMatchObject({ status: 'approved', suspendedAt: null });
    expect((await events()).filter((event) => event.startsWith('site.suspended'))).toHaveLength(59);
    const rows = await app.sql<{ actor: string; details: object }>(
      `SELECT actor_type AS actor, details FROM audit WHERE org_id = $1 AND action = 'site.suspend'`,
      [orgId],
    );
    expect(rows).toHaveLength(59);
    expect(rows[0]).toEqual({
      actor: 'api_key',
      details: { bulk: true, jobId: job.jobId, changed: true, note: 'recall' },
    });
    expect(await app.sql(`SELECT 1 FROM audit WHERE org_id = $1 AND action = 'job.create'`, [orgId])).toHaveLength(1);
  });

  it.each([
    ['suspend', 'updateSite'],
    ['restart', 'updateSite'],
    ['revoke', 'revokeSite'],
    ['delete', 'deleteSite'],
    ['allow_reclaim', 'allowReclaim'],
  ] as [string, Action][])('%s needs %s, when it is asked and when it is done', async (action, needed) => {
    const one = await site({ status: 'approved' });
    const others = (['updateSite', 'revokeSite', 'deleteSite', 'allowReclaim', 'updateApprovals'] as const).filter(
      (name) => name !== needed,
    );
    const body = { siteIds: [one.siteId], action };
    for (const dryRun of [true, false])
      expect(await (await app.orgKey(orgId, 'listSites', ...others)).post(path(), { ...body, dryRun })).toMatchObject({
        status: 403,
        body: { code: 'permission_denied', message: expect.stringContaining(needed) },
      });
    const key = await app.orgKey(orgId, 'listSites', needed);
    const jobId = await start({ ...body, siteIds: [one.siteId, 999999998, 999999999], pace: 1 }, key);
    await app.root.expect('POST', `/org/${orgId}/jobs/${jobId}/pause`);
    await app
      .get(ApiKeysService)
      .setActions(operator, orgId, key.authorization!.split('.')[0]!, ['listSites', ...others]);
    await app.root.expect('POST', `/org/${orgId}/jobs/${jobId}/resume`);
    const job = await ended(jobId);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'permission_denied' } });
    expect(job.done).toBeLessThan(3);
  });

  it.each([
    [{ action: 'suspend' }, 'siteIds'],
    [{ action: 'suspend', siteIds: [1], filter: {} }, 'siteIds'],
    [{ action: 'suspend', siteIds: [1], upToSiteId: 3 }, 'upToSiteId'],
    [{ action: 'suspend', siteIds: [] }, 'siteIds'],
    [{ action: 'approve', siteIds: [1] }, 'action'],
    [{ action: 'suspend', siteIds: [1], labels: { a: 'b' } }, 'labels'],
    [{ action: 'add_labels', siteIds: [1] }, 'labels'],
    [{ action: 'add_labels', siteIds: [1], labels: { '-': 'b' } }, 'labels'],
    [{ action: 'remove_labels', siteIds: [1], labelKeys: [] }, 'labelKeys'],
    [{ action: 'add_groups', siteIds: [1] }, 'groupIds'],
    [{ action: 'set_profile', siteIds: [1] }, 'profileId'],
    [{ action: 'restart', siteIds: [1], note: 'why' }, 'note'],
    [{ action: 'suspend', filter: { colour: 'red' } }, 'filter.colour'],
  ])('refuses %j', async (body, field) => {
    for (const dryRun of [true, false])
      expect(await app.root.post(path(), { ...body, dryRun })).toMatchObject({
        status: 400,
        body: { fields: [{ path: expect.stringContaining(field) }] },
      });
    expect(await app.root.expect('GET', `/org/${orgId}/jobs`)).toMatchObject({ jobs: [] });
  });

  it('takes ten thousand ids and no more', async () => {
    const siteIds = Array.from({ length: 10_000 }, (_, i) => 900_000_000 + i);
    expect(await foresee({ action: 'suspend', siteIds })).toMatchObject({ total: 10_000, refused: 10_000 });
    expect(await app.root.post(path(), { action: 'suspend', siteIds: [...siteIds, 1] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'siteIds' }] },
    });
  });

  it("knows nothing of another organization's sites, groups and profiles", async () => {
    const theirs = await site({ status: 'approved' });
    const [groupId, profileId] = [await group('theirs'), await profile()];
    const before = await changeOrg();
    try {
      const ours = await site({ status: 'approved' });
      const siteIds = [theirs.siteId, ours.siteId];
      expect(await foresee({ siteIds, action: 'revoke' })).toMatchObject({
        refused: 1,
        refusals: [{ outcome: 'not_found', siteIds: [theirs.siteId] }],
      });
      expect(outcomes(await act({ siteIds, action: 'revoke' }))).toEqual({
        [theirs.siteId]: 'not_found',
        [ours.siteId]: 'done',
      });
      for (const body of [
        { action: 'add_groups', groupIds: [groupId] },
        { action: 'set_profile', profileId },
        { action: 'suspend', siteIds: undefined, filter: { group: String(groupId) } },
      ])
        for (const dryRun of [true, false])
          expect((await app.root.post(path(), { siteIds, ...body, dryRun })).status).toBe(404);
    } finally {
      returnTo(before);
    }
    expect(await read(theirs)).toMatchObject({ status: 'approved', suspendedAt: null });
  });

  it('one Idempotency-Key starts one job', async () => {
    const one = await site({ status: 'approved' });
    const api = app.root.as(app.root.authorization, { 'idempotency-key': 'once' });
    const body = { siteIds: [one.siteId], action: 'rotate_credential' };
    const replies = await Promise.all([1, 2, 3].map(() => api.post<JobView>(path(), body)));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    await ended(replies[0]!.body.data.jobId);
    expect((await audit()).filter((row) => row.startsWith('site.rotate_credential'))).toHaveLength(1);
  });
});
