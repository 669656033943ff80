import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SiteCredentialsService } from '../../src/access/index.js';
import { type Api, newHardwareId, newNonce, provision, TestOrg } from '../support/api.js';
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

interface Device {
  siteId: number;
  hardwareId: string;
  deviceId: string;
  apiKey: string;
  nonce: string;
}
interface View {
  siteId: number;
  niceId: string;
  name: string;
  deviceId: string;
  hardwareId: string | null;
  labels: Record<string, string>;
  groupIds: number[];
  keyId: string | null;
  status: string;
  revokedAt: string | null;
  address: string;
}

/** Claims as a device. */
async function claim(
  key: string,
  hardwareId: string = newHardwareId(),
  nonce = newNonce(),
): Promise<Device & { status: number }> {
  const reply = await provision(app.root.url, { provision_key: key, hardware_id: hardwareId, claim_nonce: nonce });
  const { device_id: deviceId, api_key: apiKey } = reply.body as { device_id: string; api_key: string };
  const [row] = await app.sql<{ siteId: number }>(
    'SELECT site_id::int AS "siteId" FROM site WHERE org_id = $1 AND hardware_id = $2',
    [org.orgId, hardwareId],
  );
  return { status: reply.status, siteId: row?.siteId ?? 0, hardwareId, deviceId, apiKey, nonce };
}
const key = async (body: object = {}) => (await org.key({ approveNewSites: true, ...body })).siteProvisioningKey;
const site = (siteId: number) => app.root.expect<View>('GET', `/site/${siteId}`);
const replace = (siteId: number, body: object, api: Api = app.root) =>
  api.post<{ siteId: number; state: string; hardwareId: string | null }>(`/site/${siteId}/replace`, body);
const authenticates = async ({ apiKey }: Device) =>
  (await app.get(SiteCredentialsService).authenticateDeviceKey(apiKey)) as { siteId: number } | null;
const tombstones = () =>
  app.sql<{ hardwareId: string; reason: string }>(
    'SELECT hardware_id AS "hardwareId", reason FROM tombstone WHERE org_id = $1 ORDER BY created_at',
    [org.orgId],
  );
const told = () =>
  app.sql<{ siteId: number; data: { formerHardwareId: string; hardwareId: string } }>(
    `SELECT site_id::int AS "siteId", data FROM event WHERE org_id = $1 AND type = 'site.replaced'`,
    [org.orgId],
  );

/** A site in service, with all that is to stay when its device goes. */
async function press(): Promise<Device & { before: View; resourceId: number }> {
  const old = await claim(await key());
  const { groupId } = await app.root.expect<{ groupId: number }>('PUT', org.path('group'), { name: 'north' });
  await app.root.expect('POST', `/site/${old.siteId}`, {
    name: 'Press 14',
    labels: { hall: 'b' },
    groupIds: [groupId],
  });
  const { siteResourceId } = await app.root.expect<{ siteResourceId: number }>('PUT', org.path('site-resource'), {
    name: 'controls',
    mode: 'host',
    destination: '10.0.0.7',
    siteIds: [old.siteId],
  });
  return { ...old, before: await site(old.siteId), resourceId: siteResourceId };
}

/** What a replaced site must be, whoever did it. */
async function expectReplaced(old: Device & { before: View; resourceId: number }, by: Device): Promise<void> {
  const after = await site(old.siteId);
  const { siteId, niceId, name, labels, groupIds, address, status } = old.before;
  expect(after).toMatchObject({ siteId, niceId, name, labels, groupIds, address, status, revokedAt: null });
  expect(after).toMatchObject({ deviceId: by.deviceId, hardwareId: by.hardwareId });
  expect(await app.root.expect('GET', `/site-resource/${old.resourceId}`)).toMatchObject({ siteIds: [siteId] });
  // Before the other credential is used, which ends those that it follows.
  expect(await authenticates(old)).toBeNull();
  expect(await authenticates(by)).toMatchObject({ siteId, deviceId: by.deviceId });
  expect(await tombstones()).toEqual([{ hardwareId: old.hardwareId, reason: 'replaced' }]);
  expect(await told()).toMatchObject([
    { siteId, data: { formerHardwareId: old.hardwareId, hardwareId: by.hardwareId } },
  ]);
  expect(
    await app.sql(`SELECT 1 FROM audit WHERE org_id = $1 AND action = 'site.replace' AND target_id = $2`, [
      org.orgId,
      String(siteId),
    ]),
  ).toHaveLength(1);
}

describe('POST /site/{siteId}/replace by a site (docs/replacements.md)', () => {
  it.each([true, false])(
    'the device of a site, approved: %s, takes over with its credential',
    async (approveNewSites) => {
      const old = await press();
      const other = await claim(await key({ approveNewSites }));
      expect(await replace(old.siteId, { bySiteId: other.siteId })).toMatchObject({
        status: 200,
        body: { data: { siteId: old.siteId, state: 'done', hardwareId: other.hardwareId } },
      });
      await expectReplaced(old, other);
      expect((await app.root.get(`/site/${other.siteId}`)).status).toBe(404);
      // A lost answer asks again, and nothing happens twice.
      expect(await replace(old.siteId, { bySiteId: other.siteId })).toMatchObject({
        status: 200,
        body: { data: { state: 'done' } },
      });
      await expectReplaced(old, other);
    },
  );

  it('the device is known by its claim from then on, and the old one may not claim', async () => {
    const [old, later] = [await press(), await key()];
    const other = await claim(later);
    await replace(old.siteId, { bySiteId: other.siteId });
    expect(await claim(later, other.hardwareId)).toMatchObject({ status: 200, siteId: old.siteId });
    expect(await claim(later, old.hardwareId, old.nonce)).toMatchObject({ status: 403 });
  });

  it('brings a revoked site back, without the device that was revoked', async () => {
    const old = await press();
    await app.root.expect('POST', `/site/${old.siteId}/revoke`, {});
    const other = await claim(await key());
    expect((await replace(old.siteId, { bySiteId: other.siteId })).status).toBe(200);
    await expectReplaced(old, other);
  });

  it('of two at once one wins, and the other one keeps its site', async () => {
    const old = await press();
    const others = await Promise.all([claim(await key()), claim(await key())]);
    let replies: Awaited<ReturnType<typeof replace>>[] = [];
    await app.db.tx(async (tx) => {
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR UPDATE', [old.siteId]);
      const asked = others.map((one) => replace(old.siteId, { bySiteId: one.siteId }));
      const blocked = async () =>
        (
          await app.sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).length;
      while ((await blocked()) < 2);
      replies = [];
      void Promise.all(asked).then((all) => (replies = all));
    });
    while (replies.length < 2) await new Promise((done) => setImmediate(done));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    const winner = others[replies.findIndex(({ status }) => status === 200)]!;
    const loser = others.find((one) => one !== winner)!;
    await expectReplaced(old, winner);
    expect(await authenticates(loser)).toMatchObject({ siteId: loser.siteId });
  });

  it.each([
    [
      'suspended',
      async (d: Device) => void (await app.root.expect('POST', `/site/${d.siteId}`, { status: 'pending' })),
    ],
    ['revoked', async (d: Device) => void (await app.root.expect('POST', `/site/${d.siteId}/revoke`, {}))],
    [
      'resources',
      async (d: Device) =>
        void (await app.root.expect('PUT', org.path('site-resource'), {
          name: 'own',
          mode: 'host',
          destination: '10.0.0.8',
          siteIds: [d.siteId],
        })),
    ],
  ])('is 409 for a replacing site that is or has %s, and changes nothing', async (word, spoil) => {
    const old = await press();
    const other = await claim(await key());
    await spoil(other);
    expect(await replace(old.siteId, { bySiteId: other.siteId })).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining(word) },
    });
    expect(await site(old.siteId)).toMatchObject({ deviceId: old.deviceId });
    expect(await authenticates(old)).toMatchObject({ siteId: old.siteId });
  });

  it('is 404 for a site of another organization, and for one that is not there', async () => {
    const old = await press();
    const mine = org;
    org = await TestOrg.create(app.root);
    const theirs = await claim(await key());
    org = mine;
    for (const bySiteId of [theirs.siteId, 999_999_999])
      expect((await replace(old.siteId, { bySiteId })).status).toBe(404);
    expect(await authenticates(theirs)).toMatchObject({ siteId: theirs.siteId });
  });

  it('needs revokeSite and updateSite', async () => {
    const old = await press();
    const other = await claim(await key());
    for (const action of ['revokeSite', 'updateSite'] as const)
      expect((await replace(old.siteId, { bySiteId: other.siteId }, await app.orgKey(org.orgId, action))).status).toBe(
        403,
      );
    expect(
      (await replace(old.siteId, { bySiteId: other.siteId }, await app.orgKey(org.orgId, 'revokeSite', 'updateSite')))
        .status,
    ).toBe(200);
  });

  it.each([
    [{}, 'bySiteId'],
    [{ bySiteId: 1, hardwareId: 'a' }, 'bySiteId'],
    [{ bySiteId: 1, expiresInSeconds: 60 }, 'expiresInSeconds'],
    [{ hardwareId: 'a', expiresInSeconds: 59 }, 'expiresInSeconds'],
    [{ hardwareId: '' }, 'hardwareId'],
    [{ hardwareId: 'ü' }, 'hardwareId'],
  ])('refuses %j', async (body, path) => {
    const { siteId } = await claim(await key());
    expect(await replace(siteId, body)).toMatchObject({ status: 400, body: { fields: [{ path }] } });
  });
});

describe('POST /site/{siteId}/replace by a hardware id', () => {
  it('the next claim of the device becomes the site, and spends no use of the key', async () => {
    const old = await press();
    const hardwareId = newHardwareId();
    expect(await replace(old.siteId, { hardwareId })).toMatchObject({
      status: 200,
      body: { data: { state: 'waiting', hardwareId } },
    });
    expect(await authenticates(old)).toMatchObject({ siteId: old.siteId });
    const { siteProvisioningKey, siteProvisioningKeyId } = await org.key({ maxBatchSize: 5, approveNewSites: false });
    const device = await claim(siteProvisioningKey, hardwareId);
    expect(device).toMatchObject({ status: 201, siteId: old.siteId });
    // The answer of the claim was lost.
    expect(await claim(siteProvisioningKey, hardwareId, device.nonce)).toMatchObject({
      status: 201,
      siteId: old.siteId,
    });
    await expectReplaced(old, device);
    expect(await org.readKey(siteProvisioningKeyId)).toMatchObject({ numUsed: 0 });
    expect(await replace(old.siteId, { hardwareId })).toMatchObject({ status: 200, body: { data: { state: 'done' } } });
  });

  it('of many claims of the device at once one takes over, and none makes a site', async () => {
    const old = await press();
    const hardwareId = newHardwareId();
    await replace(old.siteId, { hardwareId });
    const [later, nonce] = [await key({ maxBatchSize: 3 }), newNonce()];
    const claims = await Promise.all(Array.from({ length: 12 }, () => claim(later, hardwareId, nonce)));
    expect(new Set(claims.map(({ siteId, deviceId }) => `${siteId} ${deviceId}`)).size).toBe(1);
    expect(claims.map(({ status }) => status)).toEqual(Array(12).fill(201));
    expect((await org.sites()).pagination.total).toBe(1);
    expect(await told()).toHaveLength(1);
  });

  it('knows a MAC address in any spelling', async () => {
    const old = await press();
    await replace(old.siteId, { hardwareId: 'AA-BB-CC-00-11-22' });
    expect(await claim(await key(), 'AA:bb:CC:00:11:22')).toMatchObject({ status: 201, siteId: old.siteId });
  });

  it('does nothing once it has expired, for another device, or with a key that claims nothing', async () => {
    const old = await press();
    const hardwareId = newHardwareId();
    await replace(old.siteId, { hardwareId });
    const used = await org.key({ maxBatchSize: 1, approveNewSites: true });
    const first = await claim(used.siteProvisioningKey);
    expect(first.siteId).not.toBe(old.siteId);
    expect(await claim(used.siteProvisioningKey, hardwareId)).toMatchObject({ status: 403, siteId: 0 });
    await app.sql(`UPDATE site_replacement SET expires_at = now() - interval '1 second' WHERE site_id = $1`, [
      old.siteId,
    ]);
    const late = await claim(await key(), hardwareId);
    expect(late).toMatchObject({ status: 201 });
    expect(late.siteId).not.toBe(old.siteId);
    expect(await authenticates(old)).toMatchObject({ siteId: old.siteId });
    expect(await told()).toEqual([]);
  });

  it('is 409 for a device that has a site, is tombstoned, or is to take over another site', async () => {
    const [old, another] = [await press(), await claim(await key())];
    await app.root.expect('POST', `/site/${another.siteId}/revoke`, {});
    const third = await claim(await key());
    const hardwareId = newHardwareId();
    expect((await replace(third.siteId, { hardwareId })).status).toBe(200);
    for (const taken of [third.hardwareId, another.hardwareId, hardwareId])
      expect(await replace(old.siteId, { hardwareId: taken })).toMatchObject({ status: 409 });
    // What waited for a site gives way to the next one.
    expect((await replace(third.siteId, { hardwareId: newHardwareId() })).status).toBe(200);
    expect((await replace(old.siteId, { hardwareId })).status).toBe(200);
  });

  it('goes with its site, and the device then makes one of its own', async () => {
    const old = await press();
    const hardwareId = newHardwareId();
    await replace(old.siteId, { hardwareId });
    await app.root.expect('DELETE', `/site/${old.siteId}`);
    const device = await claim(await key(), hardwareId);
    expect(device.status).toBe(201);
    expect(device.siteId).not.toBe(old.siteId);
  });

  it('a claim of the old device that was on its way gets nothing of the site', async () => {
    const old = await press();
    const { siteProvisioningKey } = await org.keyUnder({ reclaimPolicy: 'reissue' }, { approveNewSites: true });
    const other = await claim(siteProvisioningKey);
    let late: Promise<Device & { status: number }>;
    await app.db.tx(async (tx) => {
      // The claim has found the site, and waits for it; meanwhile the site gets another device.
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR UPDATE', [old.siteId]);
      late = claim(siteProvisioningKey, old.hardwareId);
      const waits = async () =>
        (
          await app.sql(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).length;
      while ((await waits()) === 0);
      await tx.query('UPDATE site SET hardware_id = $2 WHERE site_id = $1', [old.siteId, 'somebody-else']);
      await tx.query(`INSERT INTO tombstone (org_id, hardware_id, reason) VALUES ($1, $2, 'replaced')`, [
        org.orgId,
        old.hardwareId,
      ]);
    });
    expect(await late!).toMatchObject({ status: 403 });
    expect(await authenticates(other)).toMatchObject({ siteId: other.siteId });
  });
});
