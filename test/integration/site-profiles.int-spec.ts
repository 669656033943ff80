// The rules are those of docs/instances.md.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError, Hooks, type Principal } from '#platform';
import { newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let profile: number;
let other: number;
/** What modules are asked when a site gets another profile. */
let asked: [Principal['kind'], string, number, number | null][] = [];
let refusing = false;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  [profile, other] = [await newProfile(), await newProfile()];
  app.get(Hooks).siteProfileChanging.register(async (_tx, { kind }, orgId, siteId, profileId) => {
    asked.push([kind, orgId, siteId, profileId]);
    if (refusing) throw new AppError('permission_denied', 'not this one');
  });
});
afterAll(() => app?.close());
afterEach(() => {
  asked = [];
  refusing = false;
});

const newProfile = async (of = org, body: object = {}) =>
  (
    await app.root.expect<{ profileId: number }>('PUT', of.path('provisioning-profile'), {
      name: newHardwareId(),
      ...body,
    })
  ).profileId;
interface Site {
  siteId: number;
  profileId: number | null;
  templateId: number | null;
  labels: object;
  groupIds: number[];
}
const siteOf = (siteId: number) => app.root.expect<Site>('GET', `/site/${siteId}`);
const change = (siteId: number, body: object) => app.root.post<Site>(`/site/${siteId}`, body);
async function claim(template: Record<string, unknown>): Promise<Site> {
  const key = await org.keyUnder(template);
  const { status, body } = await provision(app.root.url, { provision_key: key.siteProvisioningKey });
  expect(status).toBe(201);
  const [row] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return siteOf(row!.siteId);
}
const byHand = () =>
  app.root.expect<Site>('PUT', org.path('site'), { name: 'by hand', type: 'newt' }).then(({ siteId }) => siteId);

describe('the profile of a site', () => {
  it('is the one of the template that it was claimed under, and stays when the template gets another', async () => {
    const site = await claim({ profileId: profile });
    expect(site.profileId).toBe(profile);
    await app.root.expect('POST', org.path(`provisioning-template/${site.templateId}`), { profileId: other });
    expect((await siteOf(site.siteId)).profileId).toBe(profile);
    expect((await claim({})).profileId).toBeNull();
    expect((await siteOf(await byHand())).profileId).toBeNull();
  });

  it('is changed and taken away, labels and groups stay; the version of the site counts it, and modules are asked', async () => {
    const { groupId } = await app.root.expect<{ groupId: number }>('PUT', org.path('group'), { name: 'fleet' });
    const labelled = await newProfile(org, { labels: { hall: 'b' }, groupIds: [groupId] });
    const { siteId } = await claim({ profileId: labelled });
    const tag = async () => (await app.root.get(`/site/${siteId}`)).headers.get('etag');
    const first = await tag();
    expect((await change(siteId, { profileId: other })).body.data).toMatchObject({
      profileId: other,
      labels: { hall: 'b' },
      groupIds: [groupId],
    });
    expect(await tag()).not.toBe(first);
    // The same again is no change, and nobody is asked for it.
    expect((await change(siteId, { profileId: other, name: 'again' })).status).toBe(200);
    expect((await change(siteId, { profileId: null })).body.data).toMatchObject({
      profileId: null,
      labels: { hall: 'b' },
    });
    expect((await change(siteId, { name: 'no profile named' })).body.data.profileId).toBeNull();
    expect(asked).toEqual([
      ['root_key', org.orgId, siteId, other],
      ['root_key', org.orgId, siteId, null],
    ]);
  });

  it('stays as it was, as all else, where a module refuses', async () => {
    const siteId = await byHand();
    refusing = true;
    expect(await change(siteId, { profileId: profile, name: 'changed' })).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
    expect(await siteOf(siteId)).toMatchObject({ profileId: null, name: 'by hand' });
  });

  it('is one of the same organization', async () => {
    const siteId = await byHand();
    const foreign = await newProfile(await TestOrg.create(app.root));
    for (const profileId of [foreign, 999_999_999])
      expect(await change(siteId, { profileId })).toMatchObject({
        status: 404,
        body: { message: 'Provisioning profile not found' },
      });
    for (const profileId of ['1', 0, 1.5])
      expect(await change(siteId, { profileId })).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'profileId' }] },
      });
    expect(await change(999_999_999, { profileId: profile })).toMatchObject({ status: 404 });
    expect(asked).toEqual([]);
  });

  it('narrows lists; one of another organization is 404', async () => {
    const own = await newProfile();
    const { siteId } = await claim({ profileId: own });
    expect((await org.sites(`&profileId=${own}`)).sites.map((site) => site.siteId)).toEqual([siteId]);
    expect((await app.root.get(org.path('sites?profileId=999999999'))).status).toBe(404);
    expect((await app.root.get(org.path('sites?profileId=x'))).status).toBe(400);
  });
});

it('a claim that meets the deletion of its profile waits, and its site has none', async () => {
  const doomed = await newProfile();
  const { templateId } = await org.template({ profileId: doomed });
  const key = await org.key({ templateId });
  const client = new pg.Client({ connectionString: app.database.url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('UPDATE provisioning_template SET profile_id = NULL WHERE profile_id = $1', [doomed]);
    await client.query('DELETE FROM provisioning_profile WHERE profile_id = $1', [doomed]);
    const claiming = provision(app.root.url, { provision_key: key.siteProvisioningKey });
    await until(
      async () =>
        (
          await app.sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).length > 0,
    );
    await client.query('COMMIT');
    const { status, body } = await claiming;
    expect(status).toBe(201);
    expect(await app.sql('SELECT profile_id FROM site WHERE device_id = $1', [body.device_id])).toEqual([
      { profile_id: null },
    ]);
  } finally {
    await client.end();
  }
});
