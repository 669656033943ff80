import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await TestOrg.create(app.root);
});

const key = async () => (await org.key({ approveNewSites: true })).siteProvisioningKey;
async function claim(provisionKey: string, hardwareId = newHardwareId()): Promise<{ status: number; siteId: number }> {
  const { status } = await provision(app.root.url, { provision_key: provisionKey, hardware_id: hardwareId });
  const [row] = await app.sql<{ siteId: number }>(
    'SELECT site_id::int AS "siteId" FROM site WHERE org_id = $1 AND hardware_id = $2',
    [org.orgId, hardwareId],
  );
  return { status, siteId: row?.siteId ?? 0 };
}
const replace = (siteId: number, body: object) =>
  app.root.post<{ state: string; expiresAt: string }>(`/site/${siteId}/replace`, body);

it('a replacement that was prepared is listed while it waits, and nothing of it is left once it is withdrawn', async () => {
  const [old, another] = [await claim(await key()), await claim(await key())];
  const hardwareId = newHardwareId();
  await replace(another.siteId, { hardwareId: newHardwareId(), expiresInSeconds: 3600 });
  const { body } = await replace(old.siteId, { hardwareId, expiresInSeconds: 7200 });
  const list = async (query = '') =>
    (await app.root.expect<{ replacements: object[] }>('GET', org.path(`site-replacements${query}`))).replacements;
  expect(await list()).toMatchObject([{ siteId: another.siteId }, { siteId: old.siteId }]);
  const { niceId, name } = await app.root.expect<{ niceId: string; name: string }>('GET', `/site/${old.siteId}`);
  const { expiresAt } = body.data;
  expect(await list(`?siteId=${old.siteId}`)).toEqual([
    { siteId: old.siteId, niceId, name, hardwareId, askedBy: 'test', askedAt: expect.any(String), expiresAt },
  ]);
  const withdraw = () => app.root.delete(`/site/${old.siteId}/replace`);
  expect((await withdraw()).status).toBe(200);
  expect((await withdraw()).status).toBe(404);
  expect(await list(`?siteId=${old.siteId}`)).toEqual([]);
  expect(
    await app.sql(`SELECT details FROM audit WHERE org_id = $1 AND action = 'site.withdraw_replacement'`, [org.orgId]),
  ).toEqual([{ details: { hardwareId } }]);
  const device = await claim(await key(), hardwareId);
  expect(device).toMatchObject({ status: 201 });
  expect(device.siteId).not.toBe(old.siteId);
  // What another site was done with is not withdrawn, nor is what has expired.
  expect(await replace(old.siteId, { bySiteId: device.siteId })).toMatchObject({ status: 200 });
  expect((await withdraw()).status).toBe(404);
  expect(await replace(old.siteId, { bySiteId: device.siteId })).toMatchObject({ body: { data: { state: 'done' } } });
  expect((await app.root.get(org.path('site-replacements?siteId=999999999'))).status).toBe(404);
});

it('what the site has come to counts for the key of its new device from then on', async () => {
  const [first, second] = [await org.key({ approveNewSites: true }), await org.key({ approveNewSites: true })];
  const old = await claim(first.siteProvisioningKey);
  const [other, byHand] = [
    await claim(second.siteProvisioningKey),
    await app.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: 'by hand', type: 'newt' }),
  ];
  const progress = (siteId: number) => app.sql('SELECT key_id AS key FROM site_progress WHERE site_id = $1', [siteId]);
  const connect = (siteId: number) =>
    app.sql('UPDATE site_presence SET connected_at = now(), last_seen_at = now() WHERE site_id = $1', [siteId]);
  const connected = async ({ siteProvisioningKeyId }: TestKey) =>
    (
      await app.root.expect<{ claimed: number; connected: number }>(
        'GET',
        org.path(`site-provisioning-key/${siteProvisioningKeyId}/rollout`),
      )
    ).connected;
  await connect(old.siteId);
  expect([await connected(first), await connected(second)]).toEqual([1, 0]);
  expect((await replace(old.siteId, { bySiteId: other.siteId })).status).toBe(200);
  expect(await progress(old.siteId)).toEqual([{ key: second.siteProvisioningKeyId }]);
  expect(await progress(other.siteId)).toEqual([]);
  expect([await connected(first), await connected(second)]).toEqual([0, 1]);
  // A device that came by no key is counted for none, and one that follows it for its own again.
  expect((await replace(old.siteId, { bySiteId: byHand.siteId })).status).toBe(200);
  expect(await progress(old.siteId)).toEqual([]);
  const third = await claim(first.siteProvisioningKey);
  expect((await replace(old.siteId, { bySiteId: third.siteId })).status).toBe(200);
  expect(await progress(old.siteId)).toEqual([{ key: first.siteProvisioningKeyId }]);
  expect([await connected(first), await connected(second)]).toEqual([1, 0]);
});
