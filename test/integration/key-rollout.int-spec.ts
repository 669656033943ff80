// The rules are those of docs/claims.md and docs/integration-api.md §3.16.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceView, KeyRolloutView, SiteLookupView } from '../../src/provisioning/rollout/rollout.dto.js';
import { newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

const at = (key: TestKey, rest: string) => org.path(`site-provisioning-key/${key.siteProvisioningKeyId}/${rest}`);
const rollout = (key: TestKey, query = '') => app.root.expect<KeyRolloutView>('GET', at(key, `rollout${query}`));
const claim = (key: TestKey, hardwareId: string = newHardwareId()) =>
  provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: hardwareId });
const lookUp = (hardwareIds: string[], key?: TestKey, within = org) =>
  app.root.expect<SiteLookupView>('POST', within.path('site-lookup'), {
    hardwareIds,
    ...(key ? { siteProvisioningKeyId: key.siteProvisioningKeyId } : {}),
  });
const siteOf = async (hardwareId: string, within = org) => {
  const [row] = await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE org_id = $1 AND hardware_id = $2', [
    within.orgId,
    hardwareId,
  ]);
  return row!.id;
};
const decide = (siteId: number, decision: string) =>
  app.root.expect('POST', org.path('approvals'), { siteIds: [siteId], decision });
const connect = (siteId: number) =>
  app.sql(
    `INSERT INTO site_presence (site_id, org_id, connected_at, last_seen_at) VALUES ($1, $2, now(), now())
     ON CONFLICT (site_id) DO UPDATE SET connected_at = now(), last_seen_at = now()`,
    [siteId, org.orgId],
  );
const apply = (siteId: number, error: string | null) =>
  app.sql(
    `INSERT INTO agent_report (site_id, org_id, applied_version, applied_error) VALUES ($1, $2, 1, $3)
     ON CONFLICT (site_id) DO UPDATE SET applied_version = 1, applied_error = excluded.applied_error`,
    [siteId, org.orgId, error],
  );
const stages = ({ claimed, connected, approved, configured }: KeyRolloutView) => [
  claimed,
  connected,
  approved,
  configured,
];
const standings = (devices: DeviceView[]) => Object.fromEntries(devices.map((d) => [d.hardwareId, d.standing]));

describe('the rollout of a key', () => {
  it('counts how far its sites have come, each once, and leaves out those that are gone', async () => {
    const key = await org.keyUnder({ approveNewSites: false }, { maxBatchSize: 9 });
    const other = await org.keyUnder({ approveNewSites: false });
    const ids = [newHardwareId(), newHardwareId(), newHardwareId()] as const;
    for (const id of ids) expect((await claim(key, id)).status).toBe(201);
    await claim(other);
    expect(await rollout(key)).toMatchObject({
      expected: 9,
      expectedBy: 'maxBatchSize',
      unexpected: null,
      missing: null,
    });
    expect(stages(await rollout(key))).toEqual([3, 0, 0, 0]);
    const [a, b] = [await siteOf(ids[0]), await siteOf(ids[1])];
    for (const site of [a, a, b]) await connect(site);
    await decide(a, 'approve');
    await apply(a, 'no such port');
    expect(stages(await rollout(key))).toEqual([3, 2, 1, 0]);
    await apply(a, null);
    await apply(a, 'no such port');
    await apply(a, null);
    expect(stages(await rollout(key))).toEqual([3, 2, 1, 1]);
    await app.root.expect('DELETE', `/site/${a}`);
    expect(stages(await rollout(key))).toEqual([2, 1, 0, 0]);
    expect((await rollout(key)).numUsed).toBe(3);
    expect(await app.sql('SELECT FROM site_progress WHERE site_id = $1', [a])).toEqual([]);
    expect(stages(await rollout(other))).toEqual([1, 0, 0, 0]);
  });

  it('tells of refusals by reason, summed up ones too, and of arrivals in each hour', async () => {
    const key = await org.keyUnder({ hardwareIdPattern: '^good-[0-9a-f-]+$' });
    for (let i = 0; i < 2; i++) expect((await claim(key, `good-${newHardwareId()}`)).status).toBe(201);
    for (let i = 0; i < 3; i++) expect((await claim(key, `bad-${i}`)).status).not.toBe(201);
    const { refusals } = await until(async () => {
      const view = await rollout(key);
      return view.refusals[0]?.count === 3 && view;
    });
    expect(refusals).toEqual([{ reason: 'pattern', count: 3, lastAt: expect.any(String) }]);
    await app.sql(
      `WITH c AS (SELECT org_uid, org_id FROM org WHERE org_id = $1)
       INSERT INTO claim (org_id, org_uid, key_id, door, outcome, reason, count) SELECT org_id, org_uid, $2, 'device', 'refused', 'disabled', 7 FROM c`,
      [org.orgId, key.siteProvisioningKeyId],
    );
    await app.sql(`UPDATE claim SET count = count + 5 WHERE key_id = $1 AND reason = 'disabled'`, [
      key.siteProvisioningKeyId,
    ]);
    // What arrived an hour ago, and before the window.
    await app.sql(
      `INSERT INTO claim_minute (key_id, org_uid, minute, what, n) SELECT $1, org_uid, date_trunc('hour', now(), 'UTC') - make_interval(mins => back), 'created', back
       FROM org, unnest('{1,60,61,1000}'::int[]) AS back WHERE org_id = $2`,
      [key.siteProvisioningKeyId, org.orgId],
    );
    const view = await rollout(key, '?hours=3');
    expect(view.refusals.map(({ reason, count }) => [reason, count])).toEqual([
      ['disabled', 12],
      ['pattern', 3],
    ]);
    expect(view.arrivals.map((a) => a.count)).toEqual([61, 61, 2]);
    expect((await rollout(key)).arrivals).toHaveLength(24);
    expect(view.arrivals.map((a) => new Date(a.hour).getTime() % 3_600_000)).toEqual([0, 0, 0]);
    expect((await app.root.get(at(key, 'rollout?hours=169'))).status).toBe(400);
  });
});

describe('the devices that are to come', () => {
  const macs = ['AA-BB-CC-00-00-01', 'aabb.cc00.0002', 'aa:bb:cc:00:00:03', 'AABBCC000004', 'aa:bb:cc:00:00:05'];
  const kept = [1, 2, 3, 4, 5].map((n) => `aa:bb:cc:00:00:0${n}`);
  let key: TestKey;
  beforeAll(async () => {
    key = await org.keyUnder({ hardwareIdForm: 'mac', approveNewSites: false });
  });

  it('are kept in the form of the template, each once, and counted instead of the uses', async () => {
    const set = (body: object) => app.root.put(at(key, 'expected'), body);
    expect((await set({ hardwareIds: [...macs, kept[0]] })).body).toMatchObject({
      status: 200,
      data: { expected: 5, expectedBy: 'list' },
    });
    expect(await app.root.expect('GET', at(key, 'expected?limit=2&offset=1'))).toEqual({
      expected: 5,
      expectedBy: 'list',
      hardwareIds: [kept[1], kept[2]],
      pagination: { total: 5, limit: 2, offset: 1 },
    });
    expect((await set({})).status).toBe(400);
    expect((await set({ count: 3, hardwareIds: ['x'] })).status).toBe(400);
    expect((await set({ hardwareIds: ['fine', 'gr\u00fcn'] })).body).toMatchObject({
      status: 400,
      fields: [{ path: 'hardwareIds.1' }],
    });
    expect((await set({ hardwareIds: Array.from({ length: 10_001 }, (_, n) => `id-${n}`) })).status).toBe(400);
  });

  it('are missing until they come by this key, each with what is known of it', async () => {
    const [known, blocked, refused, otherKey] = kept as [string, string, string, string];
    expect((await claim(key, macs[0])).status).toBe(201);
    expect((await claim(key, blocked)).status).toBe(201);
    await decide(await siteOf(blocked), 'reject');
    const closed = await org.keyUnder({ hardwareIdForm: 'mac' }, { status: 'disabled' });
    expect((await claim(closed, refused)).status).not.toBe(201);
    const second = await org.keyUnder({ hardwareIdForm: 'mac' });
    expect((await claim(second, otherKey)).status).toBe(201);
    expect((await claim(key, 'aa:bb:cc:00:00:99')).status).toBe(201);
    await until(async () => (await lookUp([refused], key)).counts.refused === 1);
    const view = await rollout(key);
    expect(view).toMatchObject({ expected: 5, claimed: 2, unexpected: 1, missing: { pagination: { total: 4 } } });
    expect(view.unexpectedSites.map(({ hardwareId }) => hardwareId)).toEqual(['aa:bb:cc:00:00:99']);
    expect(standings(view.missing!.devices)).toEqual({
      [blocked]: 'blocked',
      [refused]: 'refused',
      [otherKey]: 'other_key',
      [kept[4]!]: 'never_seen',
    });
    const [first, lastRefused, , never] = view.missing!.devices;
    expect(first).toMatchObject({ site: null, state: null, blocked: { reason: 'rejected', note: null } });
    expect(lastRefused).toMatchObject({
      blocked: null,
      lastRefusal: {
        reason: 'disabled',
        siteProvisioningKeyId: closed.siteProvisioningKeyId,
        address: '127.0.0.1',
        count: 1,
      },
    });
    expect(never).toEqual({
      hardwareId: kept[4],
      standing: 'never_seen',
      state: null,
      site: null,
      lastRefusal: null,
      blocked: null,
    });
    const page = await rollout(key, '?limit=1&offset=1');
    expect(page.missing!.devices.map((d) => d.hardwareId)).toEqual([refused]);
    expect(standings((await lookUp([known], key)).devices)).toEqual({ [known]: 'enrolled' });
  });

  it('may be a number, or as many again as the key has uses', async () => {
    expect(await app.root.expect('PUT', at(key, 'expected'), { count: 250 })).toEqual({
      expected: 250,
      expectedBy: 'count',
    });
    expect(await rollout(key)).toMatchObject({ expected: 250, missing: null, unexpected: null });
    expect(await app.root.expect('GET', at(key, 'expected'))).toMatchObject({
      hardwareIds: [],
      pagination: { total: 0 },
    });
    expect(await app.root.expect('DELETE', at(key, 'expected'))).toEqual({ expected: null, expectedBy: null });
  });

  it('go with their key', async () => {
    const gone = await org.key();
    await app.root.expect('PUT', at(gone, 'expected'), { hardwareIds: ['x'] });
    await app.root.expect('DELETE', org.path(`site-provisioning-key/${gone.siteProvisioningKeyId}`));
    expect(
      await app.sql('SELECT FROM provisioning_key_expected WHERE key_id = $1', [gone.siteProvisioningKeyId]),
    ).toEqual([]);
  });
});

describe('looking devices up', () => {
  it('finds them in any spelling, with or without a key, each once and in the order of the request', async () => {
    const form = await org.keyUnder({ hardwareIdForm: 'mac' });
    const plain = await org.keyUnder({});
    expect((await claim(form, '02-00-00-00-00-01')).status).toBe(201);
    expect((await claim(plain, '02-00-00-00-00-02')).status).toBe(201);
    const asked = ['02-00-00-00-00-02', 'Serial 7', '020000000001', '02:00:00:00:00:01'];
    const { devices, counts } = await lookUp(asked);
    expect(devices.map((d) => [d.hardwareId, d.standing])).toEqual([
      ['02-00-00-00-00-02', 'enrolled'],
      ['Serial 7', 'never_seen'],
      ['02:00:00:00:00:01', 'enrolled'],
    ]);
    expect(counts).toEqual({ enrolled: 2, other_key: 0, blocked: 0, refused: 0, seen_before: 0, never_seen: 1 });
    expect(devices[0]).toMatchObject({
      state: 'never_connected',
      site: { siteId: await siteOf('02-00-00-00-00-02'), siteProvisioningKeyId: plain.siteProvisioningKeyId },
    });
    expect(standings((await lookUp(asked, plain)).devices)).toMatchObject({ '02:00:00:00:00:01': 'other_key' });
  });

  it('remembers a device whose site is gone', async () => {
    const key = await org.key();
    const id = newHardwareId();
    await claim(key, id);
    await app.root.expect('DELETE', `/site/${await siteOf(id)}`);
    expect((await lookUp([id])).devices).toMatchObject([{ standing: 'seen_before', site: null, state: null }]);
  });

  it('tells nothing of another organization, and takes no key of one', async () => {
    const foreign = await TestOrg.create(app.root, { subnet: '100.91.0.0/17' });
    const key = await foreign.key({ maxBatchSize: 1 });
    const [id, refused] = [newHardwareId(), newHardwareId()];
    await claim(key, id);
    await claim(key, refused);
    await until(async () => (await lookUp([refused], undefined, foreign)).counts.refused === 1);
    expect((await lookUp([id, refused])).counts).toMatchObject({ never_seen: 2 });
    expect((await lookUp([id], key, foreign)).counts).toMatchObject({ enrolled: 1 });
    const body = { hardwareIds: [id], siteProvisioningKeyId: key.siteProvisioningKeyId };
    expect((await app.root.post(org.path('site-lookup'), body)).status).toBe(404);
  });

  it('answers ten thousand at once', async () => {
    const ids = Array.from({ length: 10_000 }, (_, n) => `0011${n.toString(16).padStart(8, '0')}`);
    const { devices, counts } = await lookUp(ids);
    expect([devices.length, counts.never_seen]).toEqual([10_000, 10_000]);
  });
});
