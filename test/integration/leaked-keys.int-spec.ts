import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import type { LeakedKeyView } from '../../src/operations/leaked-keys/leaked-keys.dto.js';
import { type Api, newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let keyId: string;
let key: string;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await TestOrg.create(app.root);
  const made = await org.key({ approveNewSites: true });
  keyId = made.siteProvisioningKeyId;
  key = made.siteProvisioningKey;
});

const LEAK = '2026-01-10T00:00:00.000Z';
const BEFORE = '2026-01-05T00:00:00.000Z';
const AFTER = '2026-01-12T00:00:00.000Z';

/** A site that the key made then, from there. */
async function made(address: string | null, at: string): Promise<number> {
  const hardwareId = newHardwareId();
  expect((await provision(app.root.url, { provision_key: key, hardware_id: hardwareId })).status).toBe(201);
  const [claim] = await app.sql<{ siteId: number }>(
    `UPDATE claim SET address = $2::inet, created_at = $3 WHERE hardware_id = $1 RETURNING site_id::int AS "siteId"`,
    [hardwareId, address, at],
  );
  return claim!.siteId;
}
const path = () => org.path(`site-provisioning-key/${keyId}/leaked`);
const leaked = (body: object, api: Api = app.root) => api.expect<LeakedKeyView>('POST', path(), body);
const statusOf = async (siteId: number) => (await app.root.expect<{ status: string }>('GET', `/site/${siteId}`)).status;
const ended = (jobId: number) =>
  until(async () => {
    const job = await app.root.expect<{ finishedAt: string | null; kind: string }>('GET', org.path(`jobs/${jobId}`));
    return job.finishedAt !== null && job;
  });
const claimed = async (provisionKey = key) =>
  (await provision(app.root.url, { provision_key: provisionKey, hardware_id: newHardwareId() })).status;
const audited = () =>
  app.sql<{ action: string; details: object }>(
    `SELECT action, details FROM audit WHERE org_id = $1 AND target_id = $2 AND action <> 'site_provisioning_key.create' ORDER BY audit_id`,
    [org.orgId, keyId],
  );

/** Before the leak one in the office; after it one more there, one in a network that is given, two in another, one in IPv6, one from nowhere. */
async function history() {
  return {
    before: await made('198.51.100.7', BEFORE),
    office: await made('198.51.100.200', AFTER),
    given: await made('192.0.2.65', AFTER),
    besideGiven: await made('192.0.2.200', AFTER),
    thief: await made('203.0.113.9', AFTER),
    again: await made('203.0.113.10', AFTER),
    six: await made('2001:db8:7:1::5', AFTER),
    nowhere: await made(null, AFTER),
  };
}
const ASKED = { since: LEAK, networks: ['192.0.2.64/26'] };

describe('POST /org/{orgId}/site-provisioning-key/{id}/leaked', () => {
  it('a dry run tells what was made since from known networks and new ones, and changes nothing', async () => {
    const sites = await history();
    const told = await leaked({ ...ASKED, dryRun: true, disable: true, pauseClaims: true, suspend: 'new_networks' });
    expect(told).toMatchObject({
      dryRun: true,
      since: LEAK,
      known: { networks: 2, sites: 2, approved: 2, connected: 0 },
      new: { networks: 3, sites: 5, approved: 5, connected: 0 },
      suspends: 5,
      siteProvisioningKey: null,
      job: null,
      key: { siteProvisioningKeyId: keyId, state: 'active' },
    });
    expect(told.networks[0]).toEqual({
      network: '203.0.113.0/24',
      known: false,
      sites: 2,
      approved: 2,
      firstAt: AFTER,
      lastAt: AFTER,
      siteIds: [sites.thief, sites.again],
    });
    expect(told.networks.map(({ network, known, sites: n }) => [network, known, n])).toEqual([
      ['203.0.113.0/24', false, 2],
      ['192.0.2.0/24', false, 1],
      ['2001:db8:7::/48', false, 1],
      [null, false, 1],
      ['192.0.2.0/24', true, 1],
      ['198.51.100.0/24', true, 1],
    ]);
    expect(await claimed()).toBe(201);
    expect(await audited()).toEqual([]);
    expect(await app.root.expect('GET', org.path('jobs'))).toMatchObject({ jobs: [] });
    // Without a since nothing was used before.
    expect(await leaked({ dryRun: true })).toMatchObject({ since: null, known: { sites: 0 }, new: { sites: 9 } });
  });

  it('disables the key, pauses claims, suspends what came from new networks, and leaves one audit entry', async () => {
    const sites = await history();
    const other = (await org.key({ approveNewSites: true })).siteProvisioningKey;
    const told = await leaked({ ...ASKED, disable: true, pauseClaims: true, suspend: 'new_networks' });
    expect(told).toMatchObject({ dryRun: false, suspends: 5, siteProvisioningKey: null, key: { state: 'disabled' } });
    expect(await ended(told.job!.jobId)).toMatchObject({ kind: 'sites.act', status: 'succeeded', total: 5, failed: 0 });
    const suspended = ['besideGiven', 'thief', 'again', 'six', 'nowhere'];
    for (const [which, siteId] of Object.entries(sites))
      expect([which, await statusOf(siteId)]).toEqual([which, suspended.includes(which) ? 'pending' : 'approved']);
    expect(await audited()).toEqual([
      {
        action: 'site_provisioning_key.leaked',
        details: {
          measure: 'disable',
          since: LEAK,
          pauseClaims: true,
          suspend: 'new_networks',
          sites: 5,
          suspendedBy: told.job!.jobId,
        },
      },
    ]);
    expect(await claimed(other)).toBe(503);
    await app.root.expect('POST', org.path('claims/resume'));
    expect(await claimed(other)).toBe(201);
    expect(await claimed()).toBe(403);
    // Once more: all is done.
    expect(await leaked({ ...ASKED, disable: true, suspend: 'new_networks' })).toMatchObject({
      suspends: 0,
      job: null,
    });
  });

  it('rotates the key: its secrets so far end at once, the new one makes sites, and all that it made is suspended', async () => {
    const sites = await history();
    const api = app.root.as(app.root.authorization, { 'idempotency-key': `leak-${org.orgId}` });
    const [told, again] = [
      await leaked({ rotate: true, suspend: 'all' }, api),
      await leaked({ rotate: true, suspend: 'all' }, api),
    ];
    expect(again).toEqual(told);
    expect(await claimed()).toBe(403);
    expect(await claimed(told.siteProvisioningKey!)).toBe(201);
    await ended(told.job!.jobId);
    for (const siteId of Object.values(sites)) expect(await statusOf(siteId)).toBe('pending');
  });

  it('meets every claim that was under way: it made a site that is suspended, or was refused', async () => {
    const claims = Promise.all(Array.from({ length: 20 }, () => claimed()));
    const told = await leaked({ disable: true, suspend: 'all' });
    const made = (await claims).filter((status) => status === 201).length;
    expect(told.new.sites).toBe(made);
    if (told.job) await ended(told.job.jobId);
    expect(
      await app.sql(`SELECT FROM site WHERE org_id = $1 AND key_id = $2 AND status = 'approved'`, [org.orgId, keyId]),
    ).toEqual([]);
  });

  it.each([
    [{ disable: true }, 'updateSiteProvisioningKey'],
    [{ rotate: true }, 'rotateSiteProvisioningKey'],
    [{ disable: true, pauseClaims: true }, 'pauseClaims'],
    [{ disable: true, suspend: 'all' }, 'updateSite'],
    [{ disable: true }, 'listSites'],
  ] as [object, Action][])('%j needs %s', async (body, needed) => {
    const all: Action[] = [
      'listSiteProvisioningKeys',
      'listSites',
      'updateSite',
      'pauseClaims',
      'updateSiteProvisioningKey',
      'rotateSiteProvisioningKey',
    ];
    const without = await app.orgKey(org.orgId, ...all.filter((action) => action !== needed));
    for (const dryRun of [true, false])
      expect(await without.post(path(), { ...body, dryRun })).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining(needed) },
      });
    expect(await claimed()).toBe(201);
    await leaked(body, await app.orgKey(org.orgId, ...all));
  });

  it.each([
    [{}, 'disable'],
    [{ disable: true, rotate: true }, 'disable'],
    [{ disable: true, since: 'yesterday' }, 'since'],
    [{ disable: true, networks: ['10.0.0.0/33'] }, 'networks'],
    [{ disable: true, networks: ['10.0.0.1', '10.0.0.1'] }, 'networks'],
    [{ disable: true, suspend: 'some' }, 'suspend'],
  ])('refuses %j', async (body, field) => {
    expect(await app.root.post(path(), body)).toMatchObject({
      status: 400,
      body: { fields: [{ path: expect.stringContaining(field) }] },
    });
    expect(await claimed()).toBe(201);
  });

  it("knows nothing of another organization's key, nor of what it made", async () => {
    const theirs = await TestOrg.create(app.root);
    await made('203.0.113.9', AFTER);
    const reply = await app.root.post(theirs.path(`site-provisioning-key/${keyId}/leaked`), { disable: true });
    expect(reply.status).toBe(404);
    expect(await claimed()).toBe(201);
  });
});
