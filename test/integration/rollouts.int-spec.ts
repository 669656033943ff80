// The rules are those of docs/instances.md §5.
import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import type { RolloutChange } from '../../src/instances/rollouts/rollout.js';
import { RolloutsService } from '../../src/instances/rollouts/rollouts.service.js';
import { BundleOrg, documentWith } from '../support/bundles.js';
import { RolloutBench } from '../support/rollouts.js';
import { secretValue } from '../support/secret-values.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let bench: RolloutBench;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  bench = new RolloutBench(app, org);
  await org.secret('TOKEN');
  await org.secret('OTHER');
  await org.revision(documentWith('TOKEN', 'OTHER'));
});

/** Saves a revision of the document and rolls it out. */
async function saveRevision(secrets: string[], settings: object): Promise<{ jobId: number; revision: number }> {
  const [before] = await app.sql<{ settled: number }>(
    'SELECT settled_revision AS settled FROM bootstrap WHERE profile_id = $1',
    [org.profileId],
  );
  const revision = await org.revision(documentWith(...secrets));
  await app.sql('UPDATE bootstrap SET settled_revision = $2 WHERE profile_id = $1', [org.profileId, before!.settled]);
  const job = await startOf({ kind: 'bootstrap', profileId: org.profileId, revision }, settings);
  return { jobId: job!.jobId, revision };
}
const startOf = (change: RolloutChange, settings: object = {}) =>
  app.db.tx((tx) => app.get(RolloutsService).start(tx, operator, org.org.orgId, change, settings));
const settledRevision = async () =>
  (
    await app.sql<{ settled: number }>('SELECT settled_revision AS settled FROM bootstrap WHERE profile_id = $1', [
      org.profileId,
    ])
  )[0]!.settled;

describe('a new version of a secret', () => {
  it('goes to a first site, then to the others, and is what all get once these have answered', async () => {
    const sites = await bench.sites(4);
    const [first, ...others] = sites;
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    expect(await bench.reached(jobId, 1)).toMatchObject({
      status: 'running',
      change: { kind: 'secret', secret: 'TOKEN', profileId: null, version: 2 },
      canary: 1,
      perMinute: null,
      stopAtFailurePercent: 5,
      total: 4,
      offered: 1,
      applied: 0,
      waiting: 1,
    });
    expect(await bench.offered('TOKEN', sites)).toEqual([2, 1, 1, 1]);
    // Who is claimed meanwhile gets what is settled, and its turn like the others.
    const late = await org.site();
    await bench.offerSettled(late);
    expect(await bench.offered('TOKEN', [late])).toEqual([1]);
    await bench.answer(first!, 'applied');
    await bench.reached(jobId, 5);
    expect(await bench.offered('TOKEN', [...sites, late])).toEqual([2, 2, 2, 2, 2]);
    expect(await bench.settled('TOKEN')).toBe(1);
    for (const site of [...others, late]) await bench.answer(site, 'applied');
    expect(await bench.became(jobId, 'succeeded')).toMatchObject({ offered: 5, applied: 5, failed: 0, waiting: 0 });
    expect(await bench.settled('TOKEN')).toBe(2);
    expect((await bench.events(jobId)).map(({ type, data }) => [type, data])).toEqual([
      ['rollout.started', expect.objectContaining({ total: 4, canary: 1, perMinute: null })],
      ['rollout.finished', expect.objectContaining({ offered: 5, applied: 5, failed: 0, waiting: 0 })],
    ]);
    const next = await org.site();
    await bench.offerSettled(next);
    expect(await bench.offered('TOKEN', [next])).toEqual([2]);
  });

  it('keeps its pace after the first site, a tenth of the sites per minute unless told otherwise', async () => {
    const sites = await bench.sites(3);
    const jobId = await bench.addVersion('TOKEN');
    await bench.reached(jobId, 1);
    expect(await bench.read(jobId)).toMatchObject({ perMinute: 1, total: 3 });
    await bench.answer(sites[0]!, 'applied');
    await bench.reached(jobId, 2);
    const [row] = await app.sql<{ seconds: number }>(
      `SELECT extract(epoch FROM due_at - (SELECT max(created_at) FROM job_item i WHERE i.job_id = j.job_id))::float8 AS seconds FROM job j WHERE job_id = $1`,
      [jobId],
    );
    expect(row!.seconds).toBeCloseTo(60);
    await bench.change(jobId, 'cancel');
  });

  it('stops by itself when the first site fails, which gets back what it ran with; resumed, it passes that one over', async () => {
    const sites = await bench.sites(3);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    await bench.answer(sites[0]!, 'failed');
    expect(await bench.became(jobId, 'paused')).toMatchObject({
      offered: 1,
      failed: 1,
      error: { code: 'stopped', message: '1 of 1 sites that answered have failed; the limit is 5 %' },
    });
    expect(await bench.offered('TOKEN', sites)).toEqual([1, 1, 1]);
    expect((await bench.rows(sites))[0]).toMatchObject({ state: 'failed', returned: true });
    expect((await bench.events(jobId)).at(-1)).toMatchObject({
      type: 'rollout.stopped',
      data: { jobId, applied: 0, failed: 1, reason: expect.stringContaining('1 of 1') },
    });
    await bench.change(jobId, 'resume');
    await bench.reached(jobId, 3);
    for (const site of sites.slice(1)) await bench.answer(site, 'applied');
    expect(await bench.became(jobId, 'succeeded')).toMatchObject({ applied: 2, failed: 1, error: null });
    expect(await bench.offered('TOKEN', sites)).toEqual([1, 2, 2]);
    // The next version is for all.
    const next = await bench.addVersion('TOKEN', { perMinute: null, canary: 0 });
    await bench.reached(next, 3);
    expect(await bench.offered('TOKEN', sites)).toEqual([3, 3, 3]);
  });

  it('stops when too many fail while it goes on', async () => {
    const sites = await bench.sites(40);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null, canary: 0, stopAtFailurePercent: 10 });
    await bench.reached(jobId, 40);
    for (const site of sites.slice(0, 18)) await bench.answer(site, 'applied');
    for (const site of sites.slice(18, 20)) await bench.answer(site, 'failed');
    // Two of twenty are the limit; three of 21 are above it.
    expect(await bench.read(jobId)).toMatchObject({ status: 'running', applied: 18, failed: 2 });
    await bench.answer(sites[20]!, 'failed');
    expect(await bench.became(jobId, 'paused')).toMatchObject({
      error: { message: expect.stringContaining('3 of 21') },
    });
    expect(await bench.settled('TOKEN')).toBe(1);
  });

  it('is overtaken by a newer one, which goes to all; the older rollout is cancelled', async () => {
    const sites = await bench.sites(3);
    const older = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(older, 1);
    const newer = await bench.addVersion('TOKEN', { perMinute: null });
    expect(await bench.read(older)).toMatchObject({ status: 'cancelled' });
    await bench.reached(newer, 1);
    await bench.answer(sites[0]!, 'applied');
    await bench.reached(newer, 3);
    for (const site of sites.slice(1)) await bench.answer(site, 'applied');
    await bench.became(newer, 'succeeded');
    expect([await bench.offered('TOKEN', sites), await bench.settled('TOKEN')]).toEqual([[3, 3, 3], 3]);
    expect((await bench.events(older)).map(({ type }) => type)).toEqual(['rollout.started']);
  });

  it('cancelled, stays where it is; the next one moves on from there', async () => {
    const sites = await bench.sites(2);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    await bench.change(jobId, 'cancel');
    await bench.answer(sites[0]!, 'applied');
    const late = await org.site();
    await bench.offerSettled(late);
    expect([await bench.offered('TOKEN', [...sites, late]), await bench.settled('TOKEN')]).toEqual([[2, 1, 1], 1]);
    const next = await bench.addVersion('TOKEN', { perMinute: null, canary: 0 });
    await bench.reached(next, 3);
    expect(await bench.offered('TOKEN', [...sites, late])).toEqual([3, 3, 3]);
  });

  it('of a secret that is deleted meanwhile goes no further', async () => {
    await bench.sites(2);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    await app.root.expect('DELETE', org.org.path('secret/TOKEN?force=true'));
    expect(await bench.became(jobId, 'succeeded')).toMatchObject({ offered: 1 });
    expect((await bench.events(jobId)).map(({ type }) => type)).toEqual(['rollout.started']);
  });

  it('goes on with the right to add versions alone, and ends with it', async () => {
    const sites = await bench.sites(2);
    const api = await app.orgKey(org.org.orgId, 'updateSecret');
    await api.expect('POST', org.org.path('secret/TOKEN/version'), {
      value: secretValue('two'),
      rollout: { perMinute: null },
    });
    const { jobId } = (await bench.list())[0]!;
    await bench.reached(jobId, 1);
    const [key] = await app.sql<{ id: string }>('SELECT created_by_id AS id FROM job WHERE job_id = $1', [jobId]);
    await app.root.expect('DELETE', org.org.path(`api-key/${key!.id}`));
    expect(await bench.became(jobId, 'failed')).toMatchObject({ error: { code: 'permission_denied' } });
    expect(await bench.offered('TOKEN', sites)).toEqual([2, 1]);
  });
});

describe('the first sites', () => {
  it('are connected ones, if there are', async () => {
    const sites = await bench.sites(3);
    await bench.connect(sites[2]!);
    const jobId = await bench.addVersion('TOKEN', { canary: 2, perMinute: null });
    await bench.reached(jobId, 2);
    expect(await bench.offered('TOKEN', sites)).toEqual([2, 1, 2]);
    await bench.change(jobId, 'cancel');
  });

  it('are not waited for when they are away', async () => {
    const sites = await bench.sites(3);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    await bench.waited(2, sites[0]!);
    await bench.reached(jobId, 3);
    // Nor are the others at the end.
    await bench.waited(2, ...sites);
    expect(await bench.became(jobId, 'succeeded')).toMatchObject({ applied: 0, waiting: 3 });
    expect(await bench.settled('TOKEN')).toBe(2);
  });

  it('stop it when they are connected and do not answer; resumed, it goes on without them', async () => {
    const sites = await bench.sites(2);
    await bench.connect(sites[0]!);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    await bench.waited(2, sites[0]!);
    const looks = () => app.sql<{ due: Date }>('SELECT due_at AS due FROM job WHERE job_id = $1', [jobId]);
    const [before] = await looks();
    await until(async () => Number((await looks())[0]!.due) > Number(before!.due));
    expect(await bench.read(jobId)).toMatchObject({ status: 'running', offered: 1 });
    await bench.waited(16, sites[0]!);
    expect(await bench.became(jobId, 'paused')).toMatchObject({
      error: { message: '1 of the first sites are connected and do not answer' },
    });
    await bench.change(jobId, 'resume');
    await bench.reached(jobId, 2);
    expect(await bench.offered('TOKEN', sites)).toEqual([2, 2]);
    await bench.change(jobId, 'cancel');
  });

  it('may be none', async () => {
    await bench.sites(2);
    const jobId = await bench.addVersion('TOKEN', { canary: 0, perMinute: null });
    await bench.reached(jobId, 2);
  });
});

describe('a new revision of a document', () => {
  it('goes to the sites of its profile alone', async () => {
    const sites = await bench.sites(2);
    const elsewhere = await org.site();
    await app.root.expect('POST', `/site/${elsewhere.siteId}`, { profileId: await org.profile() });
    await bench.offerSettled(elsewhere);
    const { jobId, revision } = await saveRevision(['TOKEN'], { perMinute: null, canary: 0 });
    expect(await bench.reached(jobId, 2)).toMatchObject({
      change: { kind: 'bootstrap', secret: null, profileId: org.profileId, version: revision },
      total: 2,
    });
    for (const site of sites) await bench.answer(site, 'applied');
    await bench.became(jobId, 'succeeded');
    const revisions = (await bench.rows([...sites, elsewhere])).map((row) => row?.inputs.revision);
    expect(revisions).toEqual([revision, revision, null]);
    expect(await settledRevision()).toBe(revision);
  });

  it('that concerns no site is settled at once, without a job', async () => {
    const empty = await BundleOrg.create(app);
    const revision = await empty.revision({});
    await app.sql('UPDATE bootstrap SET settled_revision = 0 WHERE profile_id = $1', [empty.profileId]);
    const started = await app.db.tx((tx) =>
      app
        .get(RolloutsService)
        .start(tx, operator, empty.org.orgId, { kind: 'bootstrap', profileId: empty.profileId, revision }),
    );
    expect(started).toBeNull();
    expect(
      await app.sql('SELECT settled_revision AS settled FROM bootstrap WHERE profile_id = $1', [empty.profileId]),
    ).toEqual([{ settled: revision }]);
  });

  it('that was deleted leaves sites with empty bundles', async () => {
    const sites = await bench.sites(2);
    await app.sql('DELETE FROM bootstrap WHERE profile_id = $1', [org.profileId]);
    const job = await startOf(
      { kind: 'bootstrap', profileId: org.profileId, revision: null },
      { canary: 0, perMinute: null },
    );
    await bench.reached(job!.jobId, 2);
    for (const site of sites) await bench.answer(site, 'applied');
    await bench.became(job!.jobId, 'succeeded');
    expect((await bench.rows(sites)).map((row) => [row?.inputs.revision, row?.inputs.secrets])).toEqual([
      [null, {}],
      [null, {}],
    ]);
  });
});

describe('rollouts at the same time', () => {
  it('of two secrets and a document all arrive everywhere', async () => {
    const sites = await bench.sites(30);
    const [token, other] = await Promise.all([
      bench.addVersion('TOKEN', { perMinute: null, canary: 0 }),
      bench.addVersion('OTHER', { perMinute: null, canary: 0 }),
    ]);
    const document = await saveRevision(['TOKEN', 'OTHER'], { perMinute: null, canary: 0 });
    const jobs = (await bench.list()).map(({ jobId }) => jobId);
    expect(new Set(jobs)).toEqual(new Set([token, other, document.jobId]));
    for (const jobId of jobs) await bench.reached(jobId, 30);
    for (const site of sites) await bench.answer(site, 'applied');
    for (const jobId of jobs) await bench.became(jobId, 'succeeded');
    for (const row of await bench.rows(sites))
      expect(row).toMatchObject({
        state: 'applied',
        inputs: { revision: document.revision, secrets: { TOKEN: { version: 2 }, OTHER: { version: 2 } } },
      });
    expect([await bench.settled('TOKEN'), await bench.settled('OTHER'), await settledRevision()]).toEqual([
      2,
      2,
      document.revision,
    ]);
  });

  it('a document that begins to name a secret behind its rollout gets the newest version before that ends', async () => {
    await org.revision(documentWith('OTHER'));
    const plain = await bench.sites(2);
    await org.revision(documentWith('TOKEN', 'OTHER'));
    const naming = await bench.sites(1);
    const jobId = await bench.addVersion('TOKEN', { perMinute: null });
    await bench.reached(jobId, 1);
    const { jobId: document } = await saveRevision(['TOKEN', 'OTHER'], { perMinute: null, canary: 0 });
    await bench.reached(document, 3);
    expect(await bench.offered('TOKEN', plain)).toEqual([1, 1]);
    await bench.answer(naming[0]!, 'applied');
    await until(async () => (await bench.offered('TOKEN', plain)).every((version) => version === 2));
    for (const site of plain) await bench.answer(site, 'applied');
    await bench.became(jobId, 'succeeded');
  });
});

it('a site that read what was settled before, and commits after it, is not left behind', async () => {
  const sites = await bench.sites(1);
  const jobId = await bench.addVersion('TOKEN', { perMinute: null });
  await bench.reached(jobId, 1);
  const late = await org.site();
  let [release, offered] = [() => {}, () => {}];
  const [hold, isOffered] = [new Promise<void>((go) => (release = go)), new Promise<void>((go) => (offered = go))];
  const slow = app.db.tx(async (tx) => {
    await tx.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await app.get(BundlesService).offer(tx, org.org.orgId, [late.siteId], (inputs) => inputs, null);
    offered();
    await hold;
  });
  await isOffered;
  await bench.answer(sites[0]!, 'applied');
  await until(async () => (await bench.settled('TOKEN')) === 2);
  const looked = async () =>
    (await app.sql<{ due: Date }>('SELECT due_at AS due FROM job WHERE job_id = $1', [jobId]))[0]!;
  const before = await looked();
  await until(async () => Number((await looked()).due) > Number(before.due));
  expect(await bench.read(jobId)).toMatchObject({ status: 'running' });
  release();
  await slow;
  expect(await bench.offered('TOKEN', [late])).toEqual([1]);
  expect(await bench.became(jobId, 'succeeded')).toMatchObject({ offered: 2 });
  expect(await bench.offered('TOKEN', [late])).toEqual([2]);
});

it('a rollout is seen by its organization alone, and by who may list sites', async () => {
  await bench.sites(1);
  await bench.addVersion('TOKEN');
  const path = org.org.path('rollouts');
  expect((await (await app.orgKey(org.org.orgId, 'listSites')).get(path)).status).toBe(200);
  expect((await (await app.orgKey(org.org.orgId, 'listJobs')).get(path)).status).toBe(403);
  const foreign = await BundleOrg.create(app);
  expect(await app.root.expect('GET', foreign.org.path('rollouts'))).toEqual({
    rollouts: [],
    pagination: { total: 0, limit: 1000, offset: 0 },
  });
});
