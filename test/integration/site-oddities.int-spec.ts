// The rules are those of docs/claims.md; oddities are its rule 39.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, deviceToken, newHardwareId, newNonce, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp({ TRUST_PROXY: 'loopback', REFUSALS_PER_MINUTE: '100000', CLAIM_REFUSAL_FLOOR_MS: '0' });
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

interface Site {
  siteId: number;
  name: string;
  hardwareId: string;
  oddities: string[];
  claimedFrom: string | null;
  description: string | null;
  facts: object | null;
  version: number;
}
const newKey = async () => (await org.key({ approveNewSites: false })).siteProvisioningKey;
const read = (siteId: number) => app.root.expect<Site>('GET', `/site/${siteId}`);
const change = (siteId: number, body: object) => app.root.expect<Site>('POST', `/site/${siteId}`, body);

async function send(key: string, from: string, more: Record<string, unknown> = {}) {
  const reply = await fetch(`${app.root.url}/api/v1/provision`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
    body: JSON.stringify({ provision_key: key, hardware_id: newHardwareId(), ...more }),
  });
  return (await reply.json()) as { device_id: string; api_key: string; error?: string };
}
/** @returns the site of a claim, with what only the device knows. */
async function claim(key: string, from: string, more: Record<string, unknown> = {}) {
  const body = await send(key, from, more);
  const [row] = await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE device_id = $1', [body.device_id]);
  return { ...(await read(row!.id)), apiKey: body.api_key };
}
const oddOf = async (siteId: number) => (await read(siteId)).oddities;

describe('seen at the claim', () => {
  it('the first site of a key from another network than those before, of IPv4 by /24, of IPv6 by /48', async () => {
    const key = await newKey();
    const seen: [string, string[]][] = [
      ['203.0.113.7', []],
      ['203.0.113.200', []],
      ['198.51.100.1', ['new_network']],
      ['198.51.100.2', []],
      ['2001:db8:7:1::1', ['new_network']],
      ['2001:db8:7:ffff::1', []],
      ['203.0.113.9', []],
    ];
    for (const [from, oddities] of seen) expect(await claim(key, from)).toMatchObject({ claimedFrom: from, oddities });
    // What is new for one key is so for each.
    const other = await newKey();
    expect((await claim(other, '192.0.2.1')).oddities).toEqual([]);
    expect((await claim(other, '203.0.113.7')).oddities).toEqual(['new_network']);
    expect(await app.sql('SELECT FROM provisioning_key_network')).toHaveLength(5);
  });

  it('among claims that come at once, each is judged once: one of a network is the first', async () => {
    const key = await newKey();
    await claim(key, '203.0.113.7');
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => claim(key, `198.51.100.${i}`)));
    expect(made.flatMap(({ oddities }) => oddities)).toEqual(['new_network']);
  });

  it('a claim that makes no site makes no network known', async () => {
    const key = (await org.key({ approveNewSites: false, maxBatchSize: 1 })).siteProvisioningKey;
    await claim(key, '203.0.113.7');
    await send(key, '198.51.100.1');
    expect(
      await app.sql(`SELECT FROM provisioning_key_network WHERE network = '198.51.100.0/24' AND key_id = $1`, [
        key.split('.')[0],
      ]),
    ).toEqual([]);
  });

  it('a name that a site of the organization has, at another moment or at the same', async () => {
    const key = await newKey();
    await app.root.expect('PUT', `/org/${org.orgId}/site`, { name: 'Press 14', type: 'newt' });
    expect((await claim(key, '203.0.113.7', { device_name: 'Press 14' })).oddities).toEqual(['name_taken']);
    expect((await claim(key, '203.0.113.7', { device_name: 'press 14' })).oddities).toEqual([]);
    const twins = await Promise.all(
      Array.from({ length: 8 }, () => claim(key, '203.0.113.7', { device_name: 'All the same' })),
    );
    expect(twins.filter(({ oddities }) => oddities.length > 0)).toHaveLength(7);
    const other = await TestOrg.create(app.root);
    const elsewhere = (await other.key({ approveNewSites: false })).siteProvisioningKey;
    expect((await claim(elsewhere, '203.0.113.7', { device_name: 'Press 14' })).oddities).toEqual([]);
  });

  it('a hardware id that was blocked before, of a new site and of one that comes back', async () => {
    const key = await newKey();
    const lift = (hardwareId: string) =>
      app.root.expect('DELETE', `/org/${org.orgId}/tombstone/${encodeURIComponent(hardwareId)}`);
    const rejected = await claim(key, '203.0.113.7');
    await app.root.expect('DELETE', `/site/${rejected.siteId}`);
    await lift(rejected.hardwareId);
    const again = await claim(key, '203.0.113.7', { hardware_id: rejected.hardwareId });
    expect(again.oddities).toEqual(['hardware_id_blocked_before']);
    const other = await TestOrg.create(app.root);
    const elsewhere = (await other.key({ approveNewSites: false })).siteProvisioningKey;
    expect((await claim(elsewhere, '203.0.113.7', { hardware_id: rejected.hardwareId })).oddities).toEqual([]);

    const revoked = await claim(key, '203.0.113.7');
    await app.root.expect('POST', `/site/${revoked.siteId}/revoke`, {});
    await lift(revoked.hardwareId);
    const back = await claim(key, '203.0.113.7', { hardware_id: revoked.hardwareId });
    expect([back.siteId, back.oddities]).toEqual([revoked.siteId, ['hardware_id_blocked_before']]);
  });
});

describe('seen later', () => {
  const contest = async (key: string) => {
    const site = await claim(key, '203.0.113.7', { claim_nonce: newNonce() });
    for (let i = 0; i < 2; i++)
      await send(key, '198.51.100.1', { hardware_id: site.hardwareId, claim_nonce: newNonce() });
    return site;
  };

  it('a claim that contests the site, until somebody has looked into it, and again with the next one', async () => {
    const key = await newKey();
    const site = await contest(key);
    expect(await oddOf(site.siteId)).toEqual(['contested']);
    expect((await change(site.siteId, { clearOddities: ['contested'] })).oddities).toEqual([]);
    await send(key, '198.51.100.1', { hardware_id: site.hardwareId, claim_nonce: newNonce() });
    expect(await oddOf(site.siteId)).toEqual(['contested']);
    const [audit] = await app.sql<{ details: object }>(
      `SELECT details FROM audit WHERE action = 'site.update' AND target_id = $1::text`,
      [site.siteId],
    );
    expect(audit!.details).toEqual({ fields: ['clearOddities'] });
  });

  it('a contest is over once an operator hands the site over', async () => {
    const key = await newKey();
    const site = await contest(key);
    await app.root.expect('POST', `/site/${site.siteId}/allow-reclaim`, {});
    await claim(key, '203.0.113.7', { hardware_id: site.hardwareId, claim_nonce: newNonce() });
    expect(await oddOf(site.siteId)).toEqual([]);
  });

  it('two agents that take one session from each other', async () => {
    const { siteId, apiKey } = await claim(await newKey(), '203.0.113.7');
    const { token } = (await deviceToken(app.root.url, apiKey)).body.data;
    const wsUrl = `${app.root.url.replace('http', 'ws')}/api/v1/ws`;
    const sessions: TestSession[] = [];
    for (let i = 0; i < 4; i++) sessions.push(await TestSession.connect(wsUrl, token));
    expect(await oddOf(siteId)).toEqual([]);
    await expect(TestSession.connect(wsUrl, token)).rejects.toMatchObject({ status: 429 });
    expect(await oddOf(siteId)).toEqual(['duplicate_session']);
    // A decision about the site at this very moment is not waited for, and waits for nobody.
    await change(siteId, { clearOddities: ['duplicate_session'] });
    await app.sql('UPDATE site_presence SET guarded_until = NULL WHERE site_id = $1', [siteId]);
    await app.db.tx(async (tx) => {
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR UPDATE', [siteId]);
      await expect(TestSession.connect(wsUrl, token)).rejects.toMatchObject({ status: 429 });
    });
    expect(await oddOf(siteId)).toEqual([]);
    for (const session of sessions) session.ws.close();
    await until(async () => (await app.sql('SELECT FROM site_presence WHERE session_id IS NOT NULL')).length === 0);
  });
});

it('what people say of a site is set, read, taken away, and a version of it', async () => {
  const made = await app.root.expect<Site>('PUT', `/org/${org.orgId}/site`, {
    name: 'd',
    type: 'newt',
    description: 'behind the door',
  });
  expect(made.description).toBe('behind the door');
  const tag = async () => (await app.root.get(`/site/${made.siteId}`)).headers.get('etag');
  const before = await tag();
  expect((await change(made.siteId, { description: 'upstairs' })).description).toBe('upstairs');
  expect(await tag()).not.toBe(before);
  expect((await change(made.siteId, { name: 'e' })).description).toBe('upstairs');
  expect((await change(made.siteId, { description: '' })).description).toBeNull();
  const long = await app.root.post(`/site/${made.siteId}`, { description: 'x'.repeat(501) });
  expect(long).toMatchObject({ status: 400, body: { code: 'validation' } });
});

it('a read says what the agent says of its machine; a list does not', async () => {
  const { siteId } = await claim(await newKey(), '203.0.113.7');
  expect((await read(siteId)).facts).toBeNull();
  await app.sql(`INSERT INTO agent_report (site_id, org_id, agent_facts) VALUES ($1, $2, '{"hostname":"press-14"}')`, [
    siteId,
    org.orgId,
  ]);
  expect((await read(siteId)).facts).toEqual({ hostname: 'press-14' });
  const { sites } = await app.root.expect<{ sites: object[] }>('GET', `/org/${org.orgId}/sites?limit=1`);
  expect(sites[0]).toHaveProperty('oddities');
  expect(sites[0]).not.toHaveProperty('facts');
});

describe('approvals of what was seen', () => {
  interface Results {
    results: { siteId: number; outcome: string; oddities?: string[] }[];
    remaining: number;
    upToSiteId: number | null;
  }
  let api: Api;
  let orgId: string;
  let ids: number[];
  const decide = (body: object) =>
    api.expect<Results>('POST', `/org/${orgId}/approvals`, { filter: {}, decision: 'approve', ...body });
  const pending = async () =>
    (
      await app.sql<{ id: number }>(
        `SELECT site_id AS id FROM site WHERE org_id = $1 AND status = 'pending' ORDER BY 1`,
        [orgId],
      )
    ).map((row) => row.id);
  beforeAll(async () => {
    const own = await TestOrg.create(app.root);
    ({ orgId } = own);
    api = app.root;
    const key = (await own.key({ approveNewSites: false })).siteProvisioningKey;
    ids = [];
    for (let i = 0; i < 6; i++)
      ids.push(
        (await claim(key, i === 3 ? '198.51.100.1' : '203.0.113.7', { device_name: `n${i === 5 ? 0 : i}` })).siteId,
      );
  });

  it('a dry run lists oddities and the newest site that it saw, and decides nothing', async () => {
    const { results, remaining, upToSiteId } = await decide({ dryRun: true, limit: 4 });
    expect(results.map(({ siteId, oddities }) => [siteId, oddities])).toEqual([
      [ids[0], []],
      [ids[1], []],
      [ids[2], []],
      [ids[3], ['new_network']],
    ]);
    expect([remaining, upToSiteId]).toEqual([2, ids[5]]);
    expect(await pending()).toEqual(ids);
  });

  it('decides on the oldest so many, and on nothing newer than the site that is named', async () => {
    expect((await decide({ limit: 2 })).results.map(({ siteId }) => siteId)).toEqual(ids.slice(0, 2));
    const seen = await decide({ upToSiteId: ids[3] });
    expect([seen.results.map(({ siteId }) => siteId), seen.remaining]).toEqual([ids.slice(2, 4), 0]);
    expect(seen.results[0]).not.toHaveProperty('oddities');
    expect(await pending()).toEqual(ids.slice(4));
    expect(await decide({ upToSiteId: ids[3] })).toMatchObject({ results: [], remaining: 0, upToSiteId: null });
  });

  it('as a job too', async () => {
    const job = await api.expect<{ jobId: number; total: number }>('POST', `/org/${orgId}/approvals`, {
      filter: {},
      decision: 'approve',
      asJob: true,
      limit: 5,
      upToSiteId: ids[4],
    });
    expect(job.total).toBe(1);
    await until(async () => (await pending()).length === 1);
    expect(await pending()).toEqual([ids[5]]);
  });

  it.each([{ upToSiteId: 1 }, { limit: 1 }])('%o bounds a filter, and nothing else', async (bound) => {
    const reply = await api.post(`/org/${orgId}/approvals`, { siteIds: [1], decision: 'approve', ...bound });
    expect(reply).toMatchObject({ status: 400, body: { code: 'validation' } });
  });
});
