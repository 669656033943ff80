// For which profiles a secret is: docs/instances.md §2 rule 8.
import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SecretsService } from '../../src/instances/index.js';
import type { Reply } from '../support/api.js';
import { BundleOrg, type BundleSite, documentWith } from '../support/bundles.js';
import { secretValue } from '../support/secret-values.js';
import { versionId } from '../support/secrets.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let site: BundleSite;
/** A profile of nothing. */
let other: number;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  other = await org.profile();
  site = await org.site();
  await org.bundleKey(site);
  await org.secret('TOKEN');
});

const path = (query = '') => org.org.path(`secret/TOKEN${query}`);
const set = (profileIds: number[] | null, query = '') => app.root.post(path(query), { profileIds });
const fetchBundle = (of = site): Promise<Reply<{ message: string }>> => app.root.as(of.apiKey).get('/device/bundle');
const offered = async (of = site) => (await org.bundle(of))!.inputs.secrets['TOKEN']?.version;
const users = () => ({
  profiles: { total: 1, profiles: [{ profileId: org.profileId, current: true }] },
  sites: { total: 1, sites: [{ siteId: site.siteId, offeredVersion: 1 }] },
});

it('are of the organization', async () => {
  const foreign = await BundleOrg.create(app);
  expect((await set([foreign.profileId])).status).toBe(404);
  expect((await set([other])).body.data).toMatchObject({ profileIds: [other] });
  expect((await set(null)).body.data).toMatchObject({ profileIds: null });
  expect((await app.root.post(path(), {})).status).toBe(400);
});

it('are not taken from documents that name it and sites that hold it, which the 409 and the dry run list', async () => {
  await org.revision(documentWith('TOKEN'));
  expect((await fetchBundle()).status).toBe(200);
  const refused = await set([other]);
  expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('force=true takes it')]);
  expect(refused.body.data).toMatchObject(users());
  const foreseen = await set([other], '?dryRun=true');
  expect([foreseen.status, foreseen.body.data]).toMatchObject([200, users()]);
  expect(await app.root.expect('GET', path())).toMatchObject({ profileIds: null });
  // Nobody is left out.
  expect((await set([other, org.profileId])).status).toBe(200);
  expect((await set([org.profileId])).status).toBe(200);
});

it('by force are taken: what is not for a profile is delivered to none of its sites, until it is again', async () => {
  await org.revision(documentWith('TOKEN'));
  await fetchBundle();
  const late = await org.site();
  await org.bundleKey(late);
  const before = (await org.bundle(site))!;
  expect((await set([other], '?force=true')).body.data).toMatchObject({ profileIds: [other] });
  const [audit] = await app.sql<{ details: object }>(
    `SELECT details FROM audit WHERE org_id = $1 AND action = 'secret.update' ORDER BY audit_id DESC LIMIT 1`,
    [org.org.orgId],
  );
  expect(audit!.details).toEqual({ fields: ['profileIds'], force: true, profiles: 1, sites: 1 });

  expect(await org.bundle(site)).toMatchObject({ version: before.version! + 1, digest: null, inputs: { secrets: {} } });
  for (const one of [site, late]) {
    const { status, body, text } = await fetchBundle(one);
    expect([status, body.message]).toEqual([409, expect.stringContaining('there is no value of the secret TOKEN')]);
    expect(text).not.toContain(secretValue('TOKEN'));
    expect((await app.root.post(`/site/${one.siteId}/bundle/resend`, {})).status).toBe(200);
    expect(await offered(one)).toBeUndefined();
  }
  // Neither a new version nor another change of the site brings it back.
  const { rollouts } = await app.root.expect<{ rollouts: object[] }>('GET', org.org.path('rollouts'));
  await app.root.expect('POST', path('/version'), { value: secretValue('next') });
  expect(await app.root.expect('GET', org.org.path('rollouts'))).toMatchObject({ rollouts });
  await app.root.expect('POST', `/site/${site.siteId}`, { name: 'other' });
  expect(await offered()).toBeUndefined();

  // What was taken is given back by who may let sites receive it.
  const api = await app.orgKey(org.org.orgId, 'updateSecret');
  expect((await api.post(path(), { profileIds: null })).status).toBe(403);
  expect((await api.post(path(), { profileIds: [] })).status).toBe(200);
  const both = await app.orgKey(org.org.orgId, 'updateSecret', 'useSecret');
  expect((await both.post(path(), { profileIds: [org.profileId] })).status).toBe(200);
  for (const one of [site, late]) expect((await fetchBundle(one)).status).toBe(200);
  expect([await offered(), await offered(late)]).toEqual([2, 2]);
});

it('are asked again where the value is read, whatever a bundle was offered', async () => {
  await org.revision(documentWith('TOKEN'));
  await fetchBundle();
  const id = await versionId(app, org.org.orgId, 'TOKEN', 1);
  // As an offer that was made at the same moment as the change.
  await app.sql('UPDATE secret SET profile_ids = $2 WHERE org_id = $1', [org.org.orgId, [other]]);
  const read = (profileId: number | null) =>
    app.get(SecretsService).values(app.db.manager, org.org.orgId, profileId, [id]);
  for (const profileId of [org.profileId, null])
    await expect(read(profileId)).rejects.toThrow('not for this profile any more');
  expect((await read(other)).get(id)).toEqual(Buffer.from(secretValue('TOKEN')));
  expect((await fetchBundle()).status).toBe(409);
  expect(await offered()).toBeUndefined();
});

it('once taken from a profile, are not asked for it again', async () => {
  await org.revision(documentWith('TOKEN'));
  await fetchBundle();
  await set([other], '?force=true');
  const third = await org.profile();
  expect((await set([third])).status).toBe(200);
  expect((await set([third, other])).status).toBe(200);
});

it('more than a hundred profiles that name it are all seen', async () => {
  await app.sql(
    `WITH p AS (INSERT INTO provisioning_profile (org_id, name) SELECT $1, 'p' || n FROM generate_series(1, 101) n RETURNING profile_id),
          r AS (INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) SELECT profile_id, 1, $1, '{}', 'test' FROM p),
          b AS (INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) SELECT profile_id, $1, 1, 1 FROM p)
     INSERT INTO bootstrap_secret (profile_id, revision, secret_id) SELECT profile_id, 1, secret_id FROM p, secret WHERE org_id = $1`,
    [org.org.orgId],
  );
  const all = await app.sql<{ id: number }>(
    'SELECT DISTINCT profile_id AS id FROM bootstrap_secret JOIN secret USING (secret_id) WHERE org_id = $1 ORDER BY 1',
    [org.org.orgId],
  );
  const refused = await set(all.slice(0, 100).map(({ id }) => id));
  expect([refused.status, refused.body.data]).toMatchObject([
    409,
    { profiles: { total: 1, profiles: [{ profileId: all.at(-1)!.id }] } },
  ]);
});
