// The rules are those of docs/instances.md §4.
import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import type { BundleInputs } from '../../src/instances/bundles/bundle-inputs.js';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import { openSession } from '../support/bundle-sessions.js';
import { BundleOrg, type BundleSite } from '../support/bundles.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let site: BundleSite;
let bundles: BundlesService;
beforeAll(async () => {
  app = await openTestApp();
  bundles = app.get(BundlesService);
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  site = await org.site();
});

const same = (inputs: BundleInputs) => inputs;
const offer = (
  change: (inputs: BundleInputs) => BundleInputs = same,
  rolloutId: number | null = null,
  sites: BundleSite[] = [site],
) =>
  app.db.tx((tx) =>
    bundles.offer(
      tx,
      org.org.orgId,
      sites.map(({ siteId }) => siteId),
      change,
      rolloutId,
    ),
  );
const desired = async () =>
  (await app.sql<{ n: number }>('SELECT desired_version AS n FROM site WHERE site_id = $1', [site.siteId]))[0]!.n;
const first = EPOCH + 1;

describe('an offer', () => {
  it('to a site that has none is what is settled, and empty without a bootstrap', async () => {
    expect(await offer()).toBe(1);
    expect(await org.bundle(site)).toMatchObject({
      version: first,
      state: 'offered',
      inputs: { profileId: org.profileId, revision: null, secrets: {}, site: {}, labels: {} },
    });

    const secret = await org.secret('DB_PASSWORD');
    await org.revision({ env: { DB: '{{secret.DB_PASSWORD}}' } });
    const other = await org.site();
    await offer(same, null, [other]);
    expect(await org.bundle(other)).toMatchObject({
      version: first,
      inputs: { revision: 1, secrets: { DB_PASSWORD: secret } },
    });
    expect(await app.sql('SELECT secrets FROM site_bundle WHERE site_id = $1', [other.siteId])).toEqual([
      { secrets: [secret.secretVersionId] },
    ]);
  });

  it('makes a new version only where inputs differ, and tells only those agents', async () => {
    await offer();
    const before = await desired();
    expect(await offer()).toBe(0);
    expect(await desired()).toBe(before);
    expect((await org.bundle(site))!.version).toBe(first);

    await org.revision({});
    const other = await org.site();
    await offer(same, null, [other]);
    expect(await offer((inputs) => ({ ...inputs, revision: 1 }), 7, [other, site, other])).toBe(1);
    expect(await org.bundle(site)).toMatchObject({ version: first + 1, rollout: 7, inputs: { revision: 1 } });
    expect(await org.bundle(other)).toMatchObject({ version: first, rollout: null });
    expect(await desired()).toBe(before + 1);
  });

  it('keeps versions of secrets that the document names, fills in those that it names newly, and drops the others', async () => {
    const [kept] = [await org.secret('KEPT'), await org.secret('DROPPED')];
    await org.revision({ env: { A: '{{secret.KEPT}}', B: '{{secret.DROPPED}}' } });
    await offer();
    await org.secret('KEPT');
    const added = await org.secret('ADDED');
    const revision = await org.revision({ env: { A: '{{secret.KEPT}}', B: '{{secret.ADDED}}' } });
    await offer((inputs) => ({ ...inputs, revision }), 1);
    expect((await org.bundle(site))!.inputs.secrets).toEqual({ KEPT: kept, ADDED: added });
  });

  it('is no business of another organization', async () => {
    const stranger = await BundleOrg.create(app);
    expect(await app.db.tx((tx) => bundles.offer(tx, stranger.org.orgId, [site.siteId], same, null))).toBe(0);
    expect(await org.bundle(site)).toBeUndefined();
  });

  it('has versions that only grow, whoever offers at the same moment, and none is lost', async () => {
    await org.revision({});
    await offer();
    const rounds = 12;
    const times = <T>(work: (i: number) => Promise<T>) =>
      Promise.all(Array.from({ length: rounds }, (_, i) => work(i)));
    await times((i) => offer((inputs) => ({ ...inputs, revision: null }), i + 1));
    expect((await org.bundle(site))!.version).toBe(first + 1);

    await org.revision({});
    const sites = [site, await org.site(), await org.site()];
    // Always the other one of two revisions: every offer is a new version.
    const turn = (inputs: BundleInputs) => ({ ...inputs, revision: inputs.revision === 1 ? 2 : 1 });
    expect(await times((i) => offer(turn, i, i % 2 ? sites : sites.toReversed()))).toEqual(Array(rounds).fill(3));
    expect((await org.bundle(sites[0]!))!.version).toBe(first + 1 + rounds);
    for (const fresh of sites.slice(1)) expect((await org.bundle(fresh))!.version).toBe(first + rounds - 1);
  });

  it('of an epoch that is over comes again in the present one', async () => {
    await offer();
    await app.sql('UPDATE bundle_epoch SET epoch = epoch + 1');
    try {
      expect(await offer()).toBe(1);
      expect((await org.bundle(site))!.version).toBe(2 * EPOCH + 1);
      expect(await offer()).toBe(0);
    } finally {
      await app.sql('UPDATE bundle_epoch SET epoch = epoch - 1');
    }
  });

  it('freshInputs says what a new site would get', async () => {
    const secret = await org.secret('A');
    await org.revision({ env: { A: '{{secret.A}}', N: '{{site.name}}' } });
    const other = await org.site();
    const fresh = await bundles.freshInputs(app.db.manager, org.org.orgId, [site.siteId, other.siteId]);
    const named = { name: expect.any(String) };
    const inputs = { profileId: org.profileId, revision: 1, secrets: { A: secret }, site: named, labels: {} };
    expect([...fresh]).toEqual([
      [site.siteId, inputs],
      [other.siteId, inputs],
    ]);
  });
});

describe('a change of the site', () => {
  it('to another profile is a new version of what is settled there; without a profile the bundle is empty', async () => {
    await org.revision({});
    await offer((inputs) => inputs, 3);
    const profileId = await org.profile();
    await app.root.expect('POST', `/site/${site.siteId}`, { profileId });
    expect(await org.bundle(site)).toMatchObject({
      version: first + 1,
      inputs: { profileId, revision: null },
      rollout: null,
    });
    await app.root.expect('POST', `/site/${site.siteId}`, { profileId: null });
    expect(await org.bundle(site)).toMatchObject({ version: first + 2, inputs: { profileId: null, revision: null } });
  });

  it('that its document names is a new version, in the rollout of the one before; any other is none', async () => {
    await org.revision({
      env: { NAME: '{{site.name}}', HARDWARE: '{{site.hardwareId}}', ZONE: '{{label.zone | default "none"}}' },
    });
    const change = (body: object) => app.root.expect('POST', `/site/${site.siteId}`, body);
    await change({ name: 'One', labels: { other: 'x' } });
    await offer(same, 9);
    expect((await org.bundle(site))!.inputs).toMatchObject({ site: { name: 'One' }, labels: { zone: null } });
    await change({ labels: { other: 'y' } });
    await change({ name: 'One', niceId: `nice-${site.siteId}` });
    expect((await org.bundle(site))!.version).toBe(first);
    await change({ name: 'Two' });
    await change({ labels: { zone: 'eu' } });
    await change({ labels: { zone: 'us' } });
    expect(await org.bundle(site)).toMatchObject({
      version: first + 3,
      state: 'offered',
      rollout: 9,
      inputs: { site: { name: 'Two' }, labels: { zone: 'us' } },
    });
    await change({ labels: {} });
    expect((await org.bundle(site))!.inputs.labels).toEqual({ zone: null });
  });

  it('goes through where rules of today refuse the document of then', async () => {
    const revision = await org.revision({ env: { NAME: '{{site.name}}' } });
    await offer();
    await app.sql(
      `UPDATE bootstrap_revision SET revision = 9, document = '{"env": {"PATH": "x"}}' WHERE profile_id = $1`,
      [org.profileId],
    );
    await app.sql(`UPDATE site_bundle SET inputs = jsonb_set(inputs, '{revision}', '9') WHERE site_id = $1`, [
      site.siteId,
    ]);
    await app.root.expect('POST', `/site/${site.siteId}`, { name: 'Renamed' });
    expect(await org.bundle(site)).toMatchObject({ version: first + 1, inputs: { site: { name: 'Renamed' } } });
    expect(revision).toBe(1);
  });

  it('is told to its connected agent with the change itself', async () => {
    await org.revision({ env: { NAME: '{{site.name}}' } });
    await offer();
    const session = await openSession(app, site);
    await app.root.expect('POST', `/site/${site.siteId}`, { name: 'Told' });
    await session.message('agent/state', ({ bundle }) => (bundle as { version: number }).version === first + 1);
    await session.close();
  });

  it('without a bundle row makes none', async () => {
    await app.root.expect('POST', `/site/${site.siteId}`, { name: 'Another', labels: { a: 'b' } });
    expect(await org.bundle(site)).toBeUndefined();
  });
});

describe('the desired state', () => {
  it('carries the version to a connected agent at once, and its digest once it was fetched', async () => {
    const session = await openSession(app, site);
    const state = session.received.find(({ type }) => type === 'agent/state')!;
    expect(state.data).not.toHaveProperty('bundle');
    await offer();
    const { data } = await session.message('agent/state', ({ bundle }) => bundle !== undefined);
    expect(data['bundle']).toEqual({ version: first });
    await app.sql(`UPDATE site_bundle SET digest = 'of-it' WHERE site_id = $1`, [site.siteId]);
    await app.root.expect('POST', `/site/${site.siteId}`, { dockerSocketEnabled: false });
    const told = await session.message('agent/state', ({ dockerSocketEnabled }) => dockerSocketEnabled === false);
    expect(told.data['bundle']).toEqual({ version: first, digest: 'of-it' });
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    const pending = await session.message('agent/state', ({ status }) => status === 'pending');
    expect(pending.data).not.toHaveProperty('bundle');
    await session.close();
  });

  it('names the first version of the present epoch where the one that is offered is of an earlier one', async () => {
    await offer();
    await app.sql(`UPDATE site_bundle SET digest = 'of-it' WHERE site_id = $1`, [site.siteId]);
    await app.sql('UPDATE bundle_epoch SET epoch = epoch + 1');
    try {
      const session = await openSession(app, site);
      const { data } = await session.message('agent/state');
      expect(data['bundle']).toEqual({ version: 2 * EPOCH + 1 });
      await session.close();
    } finally {
      await app.sql('UPDATE bundle_epoch SET epoch = epoch - 1');
    }
  });
});

describe('operators', () => {
  it('see bundles of their organization, by profile, version and state, a page at a time', async () => {
    const sites = [site, await org.site(), await org.site()];
    await offer(same, 5, sites);
    await app.sql(`UPDATE site_bundle SET state = 'failed', reason = 'no disk' WHERE site_id = $1`, [site.siteId]);
    const list = (query = '') =>
      app.root.expect<{ bundles: { siteId: number }[]; pagination: object }>('GET', org.org.path(`bundles${query}`));
    const all = await list();
    expect(all.bundles.map(({ siteId }) => siteId)).toEqual(sites.map(({ siteId }) => siteId));
    expect(all.bundles[0]).toEqual({
      siteId: site.siteId,
      niceId: expect.any(String),
      name: expect.any(String),
      profileId: org.profileId,
      version: first,
      revision: null,
      state: 'failed',
      reason: 'no disk',
      returned: false,
      changedAt: expect.any(String),
      appliedVersion: null,
      appliedRevision: null,
      rolloutId: 5,
      sealed: false,
      takesBundles: false,
    });
    expect((await list('?state=failed')).bundles).toHaveLength(1);
    expect((await list(`?version=${first}&state=offered`)).pagination).toMatchObject({ total: 2 });
    expect((await list(`?version=${first + 1}`)).bundles).toEqual([]);
    expect((await list(`?profileId=${org.profileId}&pageSize=2&page=2`)).bundles).toMatchObject([
      { siteId: sites[2]!.siteId },
    ]);
    expect((await list(`?profileId=${await org.profile()}`)).bundles).toEqual([]);
    const stranger = await BundleOrg.create(app);
    expect((await app.root.get(org.org.path(`bundles?profileId=${stranger.profileId}`))).status).toBe(404);
    expect((await app.root.get(org.org.path('bundles?state=gone'))).status).toBe(400);
    expect(await app.root.expect('GET', stranger.org.path('bundles'))).toMatchObject({ bundles: [] });
  });

  it('see names and versions of secrets of one site, and send it its bundle again', async () => {
    await org.secret('B');
    await org.secret('B');
    await org.secret('A');
    await org.revision({ env: { A: '{{secret.A}}', B: '{{secret.B}}' } });
    await offer();
    const view = await app.root.expect<object>('GET', `/site/${site.siteId}/bundle`);
    const secrets = [
      { name: 'A', version: 1 },
      { name: 'B', version: 2 },
    ];
    expect(view).toMatchObject({ version: first, revision: 1, secrets, appliedSecrets: [], lease: null });
    const before = await desired();
    const sent = await app.root.expect<object>('POST', `/site/${site.siteId}/bundle/resend`);
    expect(sent).toMatchObject({ version: first + 1, state: 'offered', secrets });
    expect(await desired()).toBe(before + 1);
  });

  it('may not by reading alone', async () => {
    const reader = await app.orgKey(org.org.orgId, 'getSite', 'listSites');
    expect((await reader.get(`/site/${site.siteId}/bundle`)).status).toBe(200);
    expect((await reader.post(`/site/${site.siteId}/bundle/resend`)).status).toBe(403);
    const writer = await app.orgKey(org.org.orgId, 'updateSite');
    expect((await writer.get(`/site/${site.siteId}/bundle`)).status).toBe(403);
    expect((await writer.post(`/site/${site.siteId}/bundle/resend`)).status).toBe(200);
  });
});
