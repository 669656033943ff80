import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

interface Event {
  cursor: string;
  type: string;
  siteId: number | null;
  data: Record<string, unknown>;
}
const claims = async (query: string) =>
  (
    await app.root.expect<{ claims: { claimId: number; outcome: string; count: number }[] }>(
      'GET',
      org.path(`claims?${query}`),
    )
  ).claims;
const events = async (query: string) =>
  (await app.root.expect<{ events: Event[] }>('GET', org.path(`events?limit=1000&${query}`))).events;
const refusals = async (key: TestKey) =>
  (
    await app.root.expect<{
      refusals: { reason: string; count: number; keyName: string | null; lastAddress: string }[];
    }>('GET', org.path(`claims/refusals?keyId=${key.siteProvisioningKeyId}`))
  ).refusals;
const claim = (key: TestKey, hardwareId = newHardwareId()) =>
  provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: hardwareId });
const siteOf = async (deviceId: string) =>
  (await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE device_id = $1', [deviceId]))[0]!.id;

describe('the log of claims', () => {
  it('is found by site, address, range, hardware id and key', async () => {
    const key = await org.key();
    const hardwareId = newHardwareId();
    const siteId = await siteOf((await claim(key, hardwareId)).body.device_id);
    await claim(key);
    const [mine] = await claims(`siteId=${siteId}`);
    expect(await claims(`hardwareId=${hardwareId}`)).toEqual([mine]);
    expect(await claims(`keyId=${key.siteProvisioningKeyId}&address=127.0.0.0/8`)).toHaveLength(2);
    expect(await claims(`keyId=${key.siteProvisioningKeyId}&address=127.0.0.1&siteId=${siteId}`)).toEqual([mine]);
    expect(await claims('address=192.0.2.0/24')).toEqual([]);
    for (const wrong of ['192.0.2.0/33', 'fe80::1%251', 'home'])
      expect((await app.root.get(org.path(`claims?address=${wrong}`))).status).toBe(400);
  });

  it('has recognised re-claims of a site as one row a day, with a count and its own outcome', async () => {
    const key = await org.key();
    const hardwareId = newHardwareId();
    const siteId = await siteOf((await claim(key, hardwareId)).body.device_id);
    for (let i = 0; i < 3; i++) await claim(key, hardwareId);
    expect((await claims(`siteId=${siteId}`)).map(({ outcome, count }) => [outcome, count])).toEqual([
      ['recognised', 3],
      ['created', 1],
    ]);
    await app.sql(`UPDATE claim SET created_at = now() - interval '25 hours' WHERE site_id = $1`, [siteId]);
    await claim(key, hardwareId);
    expect((await claims(`siteId=${siteId}&outcome=recognised`)).map(({ count }) => count)).toEqual([1, 3]);
  });
});

describe('refusals of a key', () => {
  it('are summed up by reason beyond any limit of rows, and told at most once a minute, with all that came', async () => {
    const key = await org.key({ name: 'Hall B' });
    const path = org.path(`site-provisioning-key/${key.siteProvisioningKeyId}`);
    await app.root.expect('PATCH', path, { status: 'disabled' });
    await Promise.all(Array.from({ length: 130 }, () => claim(key)));
    const told = () => events(`type=key.refused&keyId=${key.siteProvisioningKeyId}`);
    await until(async () => (await refusals(key))[0]?.count === 130);
    expect(await refusals(key)).toMatchObject([
      { reason: 'disabled', count: 130, keyName: 'Hall B', lastAddress: '127.0.0.1' },
    ]);
    const [first, ...more] = await until(async () => {
      const all = await told();
      return all.length > 0 && all;
    });
    expect(more).toEqual([]);
    expect(first!.data).toMatchObject({ keyId: key.siteProvisioningKeyId, name: 'Hall B', address: '127.0.0.1' });
    const refused = first!.data['refused'] as number;
    expect(first!.data['reasons']).toEqual({ disabled: refused });
    // A minute later the next one tells of what came since.
    await app.sql(`UPDATE key_refusal_notice SET told_at = now() - interval '1 minute' WHERE key_id = $1`, [
      key.siteProvisioningKeyId,
    ]);
    await claim(key);
    const all = await until(async () => {
      const both = await told();
      return both.length > 1 && both;
    });
    expect(all.map(({ data }) => data['refused'] as number).reduce((a, b) => a + b)).toBe(131);
    expect(all).toHaveLength(2);
  });

  it('are nobody else’s', async () => {
    const { orgId } = await TestOrg.create(app.root);
    const other: Api = await app.orgKey(orgId, 'listClaims', 'listEvents');
    const { refusals: theirs } = await other.expect<{ refusals: unknown[] }>('GET', `/org/${orgId}/claims/refusals`);
    expect(theirs).toEqual([]);
    expect((await other.get(org.path('claims/refusals'))).status).toBe(404);
  });
});

describe('the feed', () => {
  it('is narrowed by site, hardware id, address, key and time, and read backwards', async () => {
    const key = await org.key({ approveNewSites: false });
    const hardwareId = newHardwareId();
    const siteId = await siteOf((await claim(key, hardwareId)).body.device_id);
    const other = await siteOf((await claim(key)).body.device_id);
    await app.root.expect('POST', org.path('approvals'), { siteIds: [siteId, other], decision: 'approve' });
    await until(async () => (await events(`siteId=${siteId}`)).some(({ type }) => type === 'site.approved'));
    const types = async (query: string) => (await events(query)).map(({ type }) => type);
    expect(await types(`siteId=${siteId}&type=device.provisioned`)).toEqual(['device.provisioned']);
    expect(await types(`hardwareId=${hardwareId}`)).toEqual(['device.provisioned', 'site.approved']);
    expect(await types(`hardwareId=${hardwareId}&order=desc`)).toEqual(['site.approved', 'device.provisioned']);
    expect((await events(`keyId=${key.siteProvisioningKeyId}&type=device.provisioned`)).map((e) => e.siteId)).toEqual([
      siteId,
      other,
    ]);
    const [newest, ...rest] = await events('order=desc');
    expect((await events(`order=desc&after=${newest!.cursor}`)).map(({ cursor }) => cursor)).toEqual(
      rest.map(({ cursor }) => cursor),
    );
    expect(await events('to=2020-01-01')).toEqual([]);
    expect(await events('from=2020-01-01&order=desc')).toEqual([newest, ...rest]);
    expect(await events('address=192.0.2.200')).toEqual([]);
  });
});

describe('rejections', () => {
  it('are told newest first with their tombstones, also when the sites are gone', async () => {
    const key = await org.key({ approveNewSites: false });
    const ids = [newHardwareId(), newHardwareId()];
    const sites: number[] = [];
    for (const hardwareId of ids) sites.push(await siteOf((await claim(key, hardwareId)).body.device_id));
    await app.root.expect('POST', org.path('approvals'), { siteIds: [sites[0]], decision: 'reject', note: 'odd' });
    await app.root.expect('POST', org.path('approvals'), { siteIds: [sites[1]], decision: 'reject', tombstone: false });
    const list = async (query = '') =>
      (await app.root.expect<{ rejections: object[] }>('GET', org.path(`rejections${query}`))).rejections;
    expect(await list()).toMatchObject([
      { siteId: sites[1], hardwareId: ids[1], tombstone: null, note: null },
      {
        siteId: sites[0],
        hardwareId: ids[0],
        tombstone: ids[0],
        note: 'odd',
        by: expect.any(String),
        rejectedAt: expect.any(String),
      },
    ]);
    expect(await list(`?hardwareId=${ids[0]}`)).toHaveLength(1);
    await app.root.expect('DELETE', org.path(`tombstone/${ids[0]}`));
    expect(await list(`?hardwareId=${ids[0]}`)).toMatchObject([{ tombstone: null }]);
  });
});
