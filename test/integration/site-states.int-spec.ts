import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SITE_STATES } from '#contracts';
import { PresenceRepository } from '../../src/agents/presence/presence.repository.js';
import { ServerLease } from '../../src/cluster/index.js';
import { type NewSite, SiteLifecycleService, SiteStatusService } from '../../src/sites/index.js';
import { deviceToken, newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: TestKey;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = await org.key({ approveNewSites: false });
});
afterAll(() => app?.close());

interface Seen {
  state: string;
  status: string;
  online: boolean;
  lastSeenAt: string | null;
}
const read = (siteId: number) => app.root.expect<Seen>('GET', `/site/${siteId}`);
const stateOf = async (siteId: number) => (await read(siteId)).state;
const decide = (siteId: number, status: 'approved' | 'pending') =>
  app.root.expect<Seen>('POST', `/site/${siteId}`, { status });

async function claim(hardwareId = newHardwareId()) {
  const { body } = await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: hardwareId });
  const [site] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  return { ...site!, apiKey: body.api_key, hardwareId };
}
const connect = async (device: { apiKey: string }) =>
  TestSession.connect(
    `${app.root.url.replace('http', 'ws')}/api/v1/ws`,
    (await deviceToken(app.root.url, device.apiKey)).body.data.token,
  );

async function make(fields: Partial<NewSite> = {}): Promise<number> {
  const row: NewSite = { name: null, status: 'approved', hardwareId: null, address: null, ...fields };
  const [made] = await app.db.tx((tx) => app.get(SiteLifecycleService).insertMany(tx, org.orgId, [row]));
  return made!.siteId;
}

/** What the events of a site say of its state. */
const told = (siteId: number) =>
  app.sql<{ type: string; state: string | null }>(
    `SELECT type, data->>'state' AS state FROM event WHERE site_id = $1 ORDER BY event_id`,
    [siteId],
  );

describe('the state of a site', () => {
  it('goes with it from its claim to its revocation, and its events tell the same', async () => {
    const device = await claim();
    const { siteId } = device;
    expect(await read(siteId)).toMatchObject({ state: 'pending', status: 'pending', online: false, lastSeenAt: null });
    const early = await connect(device);
    expect(await read(siteId)).toMatchObject({ state: 'pending', online: true });
    early.ws.close();
    await until(async () => !(await read(siteId)).online);
    expect((await decide(siteId, 'approved')).state).toBe('offline');
    const session = await connect(device);
    expect(await read(siteId)).toMatchObject({ state: 'online', online: true });
    expect((await decide(siteId, 'pending')).state).toBe('suspended');
    expect((await decide(siteId, 'approved')).state).toBe('online');
    session.ws.close();
    await until(async () => (await stateOf(siteId)) === 'offline');
    expect(await app.root.expect('POST', `/site/${siteId}/revoke`, {})).toMatchObject({ state: 'revoked' });
    expect(await told(siteId)).toEqual([
      { type: 'device.provisioned', state: 'pending' },
      { type: 'site.online', state: 'pending' },
      { type: 'site.offline', state: 'pending' },
      { type: 'site.approved', state: 'offline' },
      { type: 'site.online', state: 'online' },
      { type: 'site.suspended', state: 'suspended' },
      { type: 'site.approved', state: 'online' },
      { type: 'site.offline', state: 'offline' },
      { type: 'site.revoked', state: 'revoked' },
    ]);
  });

  it('of one that was revoked is as before once its device claimed again', async () => {
    const device = await claim();
    await app.root.expect('POST', `/site/${device.siteId}/revoke`, {});
    expect(await stateOf(device.siteId)).toBe('revoked');
    await app.root.expect('DELETE', `/org/${org.orgId}/tombstone/${encodeURIComponent(device.hardwareId)}`);
    expect((await claim(device.hardwareId)).siteId).toBe(device.siteId);
    expect(await stateOf(device.siteId)).toBe('pending');
  });

  it('of one that was made by hand is never_connected, and online where it needs no agent', async () => {
    const made = (type: string) =>
      app.root.expect<{ siteId: number; state: string }>('PUT', `/org/${org.orgId}/site`, { name: type, type });
    for (const [type, state] of [
      ['newt', 'never_connected'],
      ['local', 'online'],
    ] as const) {
      const site = await made(type);
      expect([site.state, await stateOf(site.siteId)]).toEqual([state, state]);
    }
    const local = await make({ type: 'local' });
    expect((await decide(local, 'pending')).state).toBe('suspended');
    expect((await decide(local, 'approved')).state).toBe('online');
  });

  it('is gone with a rejected one', async () => {
    const siteId = await make({ status: 'pending' });
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect(await app.sql('SELECT FROM site_presence WHERE site_id = $1', [siteId])).toEqual([]);
  });

  it('of all sites that hung on a server that ended is told in the transaction that ends it', async () => {
    const siteIds = [await make(), await make(), await make({ status: 'pending' })];
    const [own] = await until(async () => {
      const rows = await app.sql<{ instance: string | null }>('SELECT instance FROM server WHERE server_id = $1', [
        app.get(ServerLease).serverId,
      ]);
      return rows[0]?.instance ? rows : undefined;
    });
    const serverId = randomUUID();
    await app.db.tx(async (tx) => {
      await app.get(PresenceRepository).lock(tx, siteIds);
      await app.get(PresenceRepository).register(
        tx,
        serverId,
        siteIds.map((siteId) => ({ id: randomUUID(), siteId, credentialId: 0, address: null, takesOver: false })),
      );
    });
    expect(await Promise.all(siteIds.map(stateOf))).toEqual(['online', 'online', 'pending']);
    // An earlier life of this very server.
    await app.sql(
      `INSERT INTO server (server_id, instance, renewed_at, lease_expires_at) VALUES ($1, $2, now(), now() + interval '1 minute')`,
      [serverId, own!.instance],
    );
    await until(async () => (await stateOf(siteIds[0]!)) === 'offline');
    expect(await Promise.all(siteIds.map(stateOf))).toEqual(['offline', 'offline', 'pending']);
    expect((await Promise.all(siteIds.map(told))).map((all) => all.at(-1))).toEqual([
      { type: 'site.offline', state: 'offline' },
      { type: 'site.offline', state: 'offline' },
      { type: 'site.offline', state: 'pending' },
    ]);
  });
});

describe('changes with its cause, in one transaction', () => {
  const by = 'somebody';
  const standings = () => app.get(SiteStatusService);
  const presence = () => app.get(PresenceRepository);
  const session = (siteId: number) => ({ id: randomUUID(), siteId, credentialId: 0, address: null, takesOver: false });
  const CAUSES: [string, Partial<NewSite>, string, string, (tx: EntityManager, siteId: number) => Promise<unknown>][] =
    [
      [
        'approval',
        { status: 'pending' },
        'pending',
        'never_connected',
        (tx, id) => standings().approve(tx, org.orgId, id, by, null, true),
      ],
      ['suspension', {}, 'never_connected', 'suspended', (tx, id) => standings().suspend(tx, org.orgId, id, by, null)],
      ['revocation', {}, 'never_connected', 'revoked', (tx, id) => standings().revoke(tx, org.orgId, id)],
      ['session', {}, 'never_connected', 'online', (tx, id) => presence().register(tx, randomUUID(), [session(id)])],
      [
        'end of a session',
        {},
        'never_connected',
        'offline',
        async (tx, id) => {
          const one = session(id);
          await presence().register(tx, randomUUID(), [one]);
          await presence().offline(tx, [{ ...one, reason: 'closed' }]);
        },
      ],
    ];
  it.each(CAUSES)('%s', async (_name, fields, before, after, cause) => {
    const siteId = await make(fields);
    await app.db.tx(async (tx) => {
      await cause(tx, siteId);
      expect(await standings().stateOf(tx, siteId)).toBe(after);
      expect(await stateOf(siteId)).toBe(before);
    });
    expect(await stateOf(siteId)).toBe(after);
  });
});

it('last seen again and again stays within its page: no index is written', async () => {
  const serverId = randomUUID();
  const siteIds = await Promise.all(Array.from({ length: 10 }, () => make()));
  siteIds.sort((a, b) => a - b);
  await app.db.tx((tx) =>
    app.get(PresenceRepository).register(
      tx,
      serverId,
      siteIds.map((siteId) => ({ id: randomUUID(), siteId, credentialId: 0, address: null, takesOver: false })),
    ),
  );
  // Room for new versions next to the old ones, as it is once the table has been used for a while.
  await app.sql('VACUUM FULL site_presence');
  const counts = async (tx: EntityManager) =>
    (
      (await tx.query(
        `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_xact_user_tables WHERE relname = 'site_presence'`,
      )) as { all: number; hot: number }[]
    )[0]!;
  const used = await app.db.tx(async (tx) => {
    const before = await counts(tx);
    await app.get(PresenceRepository).touch(tx, serverId, siteIds);
    const after = await counts(tx);
    return { all: after.all - before.all, hot: after.hot - before.hot };
  });
  expect(used).toEqual({ all: 10, hot: 10 });
});

it('a list is narrowed by each, and says no other', async () => {
  const own = await TestOrg.create(app.root);
  const rows: NewSite[] = Array.from({ length: 12 }, (_, i) => ({
    name: `s${i}`,
    status: i < 2 ? 'pending' : 'approved',
    hardwareId: null,
    address: null,
  }));
  const made = (await app.db.tx((tx) => app.get(SiteLifecycleService).insertMany(tx, own.orgId, rows))).map(
    (one) => one!.siteId,
  );
  await app.sql('UPDATE site SET suspended_at = now(), status = $2 WHERE site_id = ANY ($1)', [
    made.slice(2, 4),
    'pending',
  ]);
  await app.sql('UPDATE site SET revoked_at = now() WHERE site_id = ANY ($1)', [made.slice(4, 6)]);
  await app.sql(
    'UPDATE site_presence SET session_id = gen_random_uuid(), connected_at = now() WHERE site_id = ANY ($1)',
    [made.slice(1, 8)],
  );
  await app.sql('UPDATE site_presence SET connected_at = now(), last_seen_at = now() WHERE site_id = ANY ($1)', [
    made.slice(8, 10),
  ]);
  const slices = {
    pending: [0, 2],
    suspended: [2, 4],
    revoked: [4, 6],
    online: [6, 8],
    offline: [8, 10],
    never_connected: [10, 12],
  };
  for (const state of SITE_STATES) {
    const { sites, pagination } = await app.root.expect<{
      sites: { siteId: number; state: string }[];
      pagination: { total: number };
    }>('GET', `/org/${own.orgId}/sites?state=${state}`);
    expect(sites.map((s) => s.siteId).sort((a, b) => a - b)).toEqual(made.slice(...slices[state]));
    expect(new Set(sites.map((s) => s.state))).toEqual(new Set([state]));
    expect(pagination.total).toBe(2);
  }
});
