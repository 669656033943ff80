import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SiteCredentialsService } from '../../src/access/index.js';
import { AddressPoolService } from '../../src/orgs/index.js';
import { type NewSite, SiteLifecycleService } from '../../src/sites/index.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let sites: SiteLifecycleService;
beforeAll(async () => {
  app = await openTestApp();
  sites = app.get(SiteLifecycleService);
  await app.makeOrg('acme');
});
afterAll(() => app?.close());

interface Row extends Record<string, unknown> {
  siteId: number;
  niceId: string;
  name: string;
  address: string;
  newtId: string;
  secret: string;
}
interface List {
  sites: Row[];
  pagination: { total: number; page: number; pageSize: number };
}

let serial = 0;
/** An organization of its own for a test that counts. */
async function org(subnet?: string): Promise<string> {
  const orgId = `sites${serial++}`;
  await app.makeOrg(orgId, subnet);
  return orgId;
}
const create = (orgId: string, body: object = {}) =>
  app.root.expect<Row>('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt', ...body });
const insert = (orgId: string, rows: Partial<NewSite>[]) =>
  app.db.tx((tx) =>
    sites.insertMany(
      tx,
      orgId,
      rows.map((r) => ({ name: null, status: 'approved', hardwareId: null, address: null, ...r })),
    ),
  );
const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/sites${query}`);
const names = (l: List) => l.sites.map((s) => s.name);
const auditOf = (orgId: string, action: string) =>
  app.sql<{ targetId: string }>('SELECT target_id AS "targetId" FROM audit WHERE org_id = $1 AND action = $2', [
    orgId,
    action,
  ]);

describe('pick-site-defaults', () => {
  it('answers ten fields, those of the exit node null, and what it answers makes a site', async () => {
    const orgId = await org();
    const reply = await app.root.get<Record<string, string | null>>(`/v1/org/${orgId}/pick-site-defaults`);
    expect(reply.body).toEqual({
      data: reply.body.data,
      success: true,
      error: false,
      message: 'Site defaults chosen successfully',
      status: 200,
    });
    const { newtId, newtSecret, clientAddress, ...exitNode } = reply.body.data as Record<string, string | null>;
    expect(exitNode).toEqual({
      exitNodeId: null,
      address: null,
      publicKey: null,
      name: null,
      listenPort: null,
      endpoint: null,
      subnet: null,
    });
    expect(newtId).toMatch(/^[a-z0-9]{15}$/);
    expect(newtSecret).toMatch(/^[a-z0-9]{48}$/);
    expect(clientAddress).toBe('100.90.128.0');
    const made = await create(orgId, {
      address: clientAddress,
      newtId,
      secret: newtSecret,
      exitNodeId: null,
      subnet: null,
    });
    expect(made).toMatchObject({
      address: '100.90.128.0/17',
      newtId,
      secret: newtSecret,
      status: 'approved',
      online: false,
    });
    expect(await app.get(SiteCredentialsService).authenticateNewt(newtId!, newtSecret!)).toMatchObject({
      siteId: made.siteId,
      orgId,
      kind: 'newt',
    });
  });
});

describe('create a site by hand', () => {
  it('answers the row in the order that clients know, with credentials that are in no later answer', async () => {
    const reply = await app.root.put<Row>('/v1/org/acme/site', { name: 'My Site', type: 'newt' });
    expect(reply.status).toBe(201);
    const { data } = reply.body;
    expect(Object.keys(data).slice(0, 23)).toEqual([
      'siteId',
      'orgId',
      'niceId',
      'exitNodeId',
      'networkId',
      'name',
      'pubKey',
      'subnet',
      'megabytesIn',
      'megabytesOut',
      'lastBandwidthUpdate',
      'type',
      'online',
      'lastPing',
      'address',
      'endpoint',
      'publicKey',
      'lastHolePunch',
      'listenPort',
      'dockerSocketEnabled',
      'status',
      'newtId',
      'secret',
    ]);
    expect(data.niceId).toMatch(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/);
    const read = await app.root.get<Row>(`/site/${data.siteId}`);
    const { secret, ...shown } = data;
    expect(read.body.data).toMatchObject(shown);
    expect(read.text).not.toContain(secret);
    expect(await auditOf('acme', 'site.create')).toContainEqual({ targetId: String(data.siteId) });
  });

  it('a name may repeat; niceId, newtId and address may not: 409, and nothing is left behind', async () => {
    const orgId = await org('10.0.0.0/28');
    const first = await create(orgId, { niceId: 'front-door', address: '10.0.0.5' });
    await create(orgId);
    for (const body of [{ niceId: 'front-door' }, { newtId: first.newtId }, { address: '10.0.0.5' }]) {
      expect(await app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt', ...body })).toMatchObject({
        status: 409,
        body: { code: 'conflict' },
      });
    }
    const [pool] = (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges;
    expect(pool).toMatchObject({ size: 16, free: 14 });
    expect((await auditOf(orgId, 'site.create')).length).toBe(2);
  });

  it.each([
    [{ secret: 'a'.repeat(31) }, 'secret'],
    [{ secret: `${'a'.repeat(32)}-` }, 'secret'],
    [{ secret: 'a'.repeat(129) }, 'secret'],
    [{ newtId: 'abcdefg' }, 'newtId'],
    [{ newtId: 'ABCDEFGH' }, 'newtId'],
    [{ newtId: 'a'.repeat(65) }, 'newtId'],
    [{ niceId: '123' }, 'niceId'],
    [{ niceId: 'a/b' }, 'niceId'],
    [{ niceId: '.' }, 'niceId'],
    [{ niceId: '..' }, 'niceId'],
    [{ name: '' }, 'name'],
    [{ name: 'a\u0007b' }, 'name'],
    [{ type: 'vpn' }, 'type'],
    [{ address: '100.90.128.9/17' }, 'address'],
    [{ address: '192.168.0.1' }, 'address'],
    [{ exitNodeId: 1 }, 'exitNodeId'],
    [{ color: 'red' }, 'color'],
    [{ name: undefined }, 'name'],
  ])('refuses %j, naming the field', async (body, path) => {
    expect(await app.root.put('/org/acme/site', { name: 'edge', type: 'newt', ...body })).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('half a character is no name', async () => {
    expect(await app.root.put('/org/acme/site', '{"name":"a\\ud800","type":"newt"}')).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
    expect(await app.root.put('/org/acme/site', '{"name":"a\\ud83d\\ude00","type":"newt"}')).toMatchObject({
      status: 201,
      body: { data: { name: 'a\u{1f600}' } },
    });
  });

  it('type local needs no tunnel and is always online; wireguard waits for exit nodes', async () => {
    const made = await create('acme', { type: 'local' });
    expect(made).toMatchObject({ type: 'local', subnet: '0.0.0.0/32', online: true, dockerSocketEnabled: false });
    expect(made).not.toHaveProperty('secret');
    expect(await app.root.put('/org/acme/site', { name: 'w', type: 'wireguard' })).toMatchObject({
      status: 400,
      body: { code: 'not_available' },
    });
  });

  it('an exhausted pool is 503 with Retry-After and makes nothing', async () => {
    const orgId = await org('10.0.1.0/31');
    const replies = await Promise.all(
      Array.from({ length: 6 }, () => app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt' })),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([201, 201, 503, 503, 503, 503]);
    const full = replies.find((r) => r.status === 503)!;
    expect(full.body.code).toBe('capacity');
    expect(full.headers.get('retry-after')).toBe('60');
    expect((await list(orgId)).pagination.total).toBe(2);
  });

  it('64 at once get 64 addresses and 64 niceIds', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 64 }, () => create(orgId)));
    expect(new Set(made.map((s) => s.address)).size).toBe(64);
    expect(new Set(made.map((s) => s.niceId)).size).toBe(64);
    expect((await list(orgId)).pagination.total).toBe(64);
  });
});

describe('insertMany', () => {
  it('answers in the given order, null where the device was known or comes twice', async () => {
    const orgId = await org();
    const nonce = Buffer.alloc(32, 7);
    await insert(orgId, [{ hardwareId: 'b' }, { nonceHash: nonce }]);
    const made = await insert(orgId, [
      { hardwareId: 'a', name: 'A' },
      { hardwareId: 'b' },
      { hardwareId: 'c' },
      { hardwareId: 'c' },
      { nonceHash: nonce },
      {},
      {},
    ]);
    expect(made.map((m) => m !== null)).toEqual([true, false, true, false, false, true, true]);
    expect(made[0]!.name).toBe('A');
    expect(made[2]!.name).toBe(made[2]!.niceId);
    const ids = made.flatMap((m) => m?.siteId ?? []);
    expect(ids).toEqual([...ids].sort((x, y) => x - y));
  });

  it('two transactions with one hardware id make one site', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 16 }, () => insert(orgId, [{ hardwareId: 'same' }])));
    expect(made.flat().filter(Boolean)).toHaveLength(1);
  });
});

describe('read a site', () => {
  it('by number and by niceId; a niceId without organization only for a key of one organization', async () => {
    const made = await create('acme');
    const key = await app.orgKey('acme', 'getSite');
    for (const path of [`/org/acme/site/${made.siteId}`, `/org/acme/site/${made.niceId}`, `/site/${made.siteId}`]) {
      expect(await app.root.expect('GET', path)).toMatchObject({ siteId: made.siteId, newtId: made.newtId });
      expect(await key.expect('GET', path)).toMatchObject({ siteId: made.siteId });
    }
    expect(await key.expect('GET', `/site/${made.niceId}`)).toMatchObject({ siteId: made.siteId });
    expect((await app.root.get(`/site/${made.niceId}`)).status).toBe(404);
    expect(await app.root.get('/site/999999999')).toMatchObject({ status: 404, body: { message: 'Site not found' } });
  });

  it('has an ETag, by which a change knows what it changes', async () => {
    const orgId = await org();
    const made = await create(orgId);
    const path = `/site/${made.siteId}`;
    const tagOf = async (at: string) => (await app.root.get(at)).headers.get('etag')!;
    const withTag = (tag: string) => app.root.as(app.root.authorization, { 'if-match': tag });
    const first = await tagOf(path);
    expect(first).toMatch(/^"\d+"$/);
    expect(await tagOf(`/org/${orgId}/site/${made.niceId}`)).toBe(first);
    const { groupId } = await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, { name: 'fleet' });
    let tag = first;
    for (const body of [
      { name: 'renamed' },
      { groupIds: [groupId] },
      { labels: { a: 'b' } },
      { status: 'pending' },
      { status: 'approved', groupIds: [], name: 'again' },
    ]) {
      const changed = await withTag(tag).post(path, body);
      expect(changed.status, JSON.stringify(body)).toBe(200);
      expect(await withTag(tag).post(path, { name: 'late' }), JSON.stringify(body)).toMatchObject({
        status: 412,
        body: { code: 'precondition_failed' },
      });
      tag = changed.headers.get('etag')!;
      expect(await tagOf(path)).toBe(tag);
    }
    expect(await app.root.expect('GET', path)).toMatchObject({ name: 'again' });
    expect((await withTag('*').post(path, { name: 'whatever' })).status).toBe(200);
    expect((await withTag('"1"').post('/site/999999999', { name: 'x' })).status).toBe(404);
    const now = await tagOf(path);
    const replies = await Promise.all(['a', 'b', 'c'].map((name) => withTag(now).post(path, { name })));
    expect(replies.map((r) => r.status).sort()).toEqual([200, 412, 412]);
  });

  it('another organization does not have it', async () => {
    const made = await create('acme');
    const other = await org();
    const key = await app.orgKey(other, 'getSite', 'listSites');
    for (const path of [
      `/site/${made.siteId}`,
      `/org/${other}/site/${made.siteId}`,
      `/org/${other}/site/${made.niceId}`,
      `/org/acme/site/${made.siteId}`,
    ]) {
      expect((await key.get(path)).status).toBe(404);
    }
    expect((await app.root.get(`/org/${other}/site/${made.siteId}`)).status).toBe(404);
  });

  it('presence makes it online', async () => {
    const { siteId } = await create('acme');
    await app.sql(
      'INSERT INTO site_presence (site_id, org_id, session_id, last_seen_at) VALUES ($1, $2, $3, to_timestamp(1700000000.6))',
      [siteId, 'acme', randomUUID()],
    );
    expect(await app.root.expect('GET', `/site/${siteId}`)).toMatchObject({ online: true, lastPing: 1_700_000_000 });
    await app.sql('UPDATE site_presence SET session_id = NULL WHERE site_id = $1', [siteId]);
    expect(await app.root.expect('GET', `/site/${siteId}`)).toMatchObject({ online: false, lastPing: 1_700_000_000 });
  });
});

describe('list sites', () => {
  let orgId: string;
  let group: { groupId: number; name: string };
  beforeAll(async () => {
    orgId = await org();
    const made = await insert(orgId, [
      { name: 'alpha', labels: { room: 'cold', site: 'a=b' }, keyId: 'spk-one', hardwareId: 'HW 1' },
      { name: 'Bravo', labels: { room: 'cold', floor: '2' }, keyId: 'spk-one', hardwareId: 'hw 1', status: 'pending' },
      { name: 'charlie', labels: { room: 'warm' }, keyId: 'spk-two', status: 'pending' },
      { name: '100%_delta', type: 'local' },
    ]);
    group = await app.root.expect('PUT', `/org/${orgId}/group`, { name: 'north wing' });
    await app.db.tx((tx) =>
      sites.addToGroups(
        tx,
        [0, 2].map((i) => ({ siteId: made[i]!.siteId, groupId: group.groupId })),
      ),
    );
    await app.sql(
      `UPDATE site SET agent_version = '1.2.0', megabytes_in = site_id WHERE org_id = $1 AND name = ANY('{alpha,charlie}')`,
      [orgId],
    );
    await app.sql('INSERT INTO site_presence (site_id, org_id, session_id) VALUES ($1, $2, $3)', [
      made[1]!.siteId,
      orgId,
      randomUUID(),
    ]);
  });

  it('items carry the fields in the order that clients know; online is left out for type local', async () => {
    const page = await list(orgId, '?query=alpha');
    expect(Object.keys(page.sites[0]!).slice(0, 19)).toEqual([
      'siteId',
      'niceId',
      'name',
      'pubKey',
      'subnet',
      'megabytesIn',
      'megabytesOut',
      'orgName',
      'type',
      'online',
      'address',
      'newtVersion',
      'exitNodeId',
      'exitNodeName',
      'exitNodeEndpoint',
      'remoteExitNodeId',
      'resourceCount',
      'status',
      'newtUpdateAvailable',
    ]);
    expect(page.sites[0]).toMatchObject({
      orgName: orgId,
      keyId: 'spk-one',
      groupIds: [group.groupId],
      newtVersion: '1.2.0',
    });
    expect((await list(orgId, '?query=delta')).sites[0]).not.toHaveProperty('online');
  });

  it.each([
    ['', ['100%_delta', 'Bravo', 'alpha', 'charlie']],
    ['?status=pending', ['Bravo', 'charlie']],
    ['?status=approved', ['100%_delta', 'alpha']],
    ['?query=ALPH', ['alpha']],
    ['?query=100%25_', ['100%_delta']],
    ['?query=%25', ['100%_delta']],
    ['?keyId=spk-one', ['Bravo', 'alpha']],
    ['?keyId=spk-one&status=pending', ['Bravo']],
    ['?hardwareId=HW%201', ['alpha']],
    ['?agentVersion=1.2.0', ['alpha', 'charlie']],
    ['?label=room%3Dcold', ['Bravo', 'alpha']],
    ['?label=room%3Dcold&label=floor%3D2', ['Bravo']],
    ['?label=room%3Dcold&label=room%3Dwarm', []],
    ['?label=site%3Da%3Db', ['alpha']],
    ['?group=north%20wing', ['alpha', 'charlie']],
    ['?group=GROUP', ['alpha', 'charlie']],
    ['?group=GROUP&status=approved', ['alpha']],
    ['?online=true', ['100%_delta', 'Bravo']],
    ['?online=false', ['alpha', 'charlie']],
    ['?online=true&label=room%3Dcold&keyId=spk-one&status=pending&query=rav', ['Bravo']],
    ['?sort_by=name&order=desc', ['charlie', 'alpha', 'Bravo', '100%_delta']],
    ['?sort_by=megabytesIn&order=desc&agentVersion=1.2.0', ['charlie', 'alpha']],
    ['?page=2&pageSize=3', ['charlie']],
    ['?limit=2&offset=1', ['Bravo', 'alpha']],
    ['?page=9', []],
  ])('%s', async (query, expected) => {
    const page = await list(orgId, query.replace('GROUP', String(group.groupId)));
    const collated = (n: string[]) => (query.includes('sort_by') ? n : [...n].sort());
    if (/page|limit/.test(query)) expect(page.pagination.total).toBe(4);
    else {
      expect(collated(names(page))).toEqual(collated(expected));
      expect(page.pagination).toEqual({ total: expected.length, pageSize: 20, page: 1 });
    }
    expect(names(page)).toHaveLength(expected.length);
  });

  it.each(['group=nobody', 'group=999999', 'keyId=zzz'])(
    '?%s, of another organization or of nothing, is 404, in decisions too',
    async (query) => {
      expect(await app.root.get(`/org/${orgId}/sites?${query}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
      const filter = Object.fromEntries(new URLSearchParams(query));
      expect(await app.root.post(`/org/${orgId}/approvals`, { filter, decision: 'approve' })).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    },
  );

  it('knows a key that was deleted by its sites, and one that has none yet', async () => {
    const key = await app.root.expect<{ siteProvisioningKeyId: string }>('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'k',
      maxBatchSize: null,
    });
    for (const path of ['sites', 'claims']) {
      const of = (id: string) => app.root.get(`/org/${orgId}/${path}?keyId=${id}`);
      expect([
        (await of('spk-one')).status,
        (await of(key.siteProvisioningKeyId)).status,
        (await of('zzz')).status,
      ]).toEqual([200, 200, 404]);
    }
  });

  it('counts the resources of each site, public and private ones', async () => {
    const own = await org();
    const [a, b] = [await create(own, { name: 'a' }), await create(own, { name: 'b' })];
    const { resourceId } = await app.root.expect<{ resourceId: number }>('PUT', `/org/${own}/resource`, {
      name: 'Raw',
      http: false,
      protocol: 'tcp',
      proxyPort: 20_000,
    });
    for (const port of [1, 2])
      await app.root.expect('PUT', `/resource/${resourceId}/target`, { siteId: a.siteId, ip: '10.0.0.1', port });
    for (const siteIds of [[a.siteId, b.siteId], [a.siteId]])
      await app.root.expect('PUT', `/org/${own}/site-resource`, {
        name: 'Db',
        mode: 'host',
        destination: '10.1.2.3',
        siteIds,
      });
    expect((await list(own)).sites.map((s) => s['resourceCount'])).toEqual([3, 1]);
  });

  it('both paginations walk the same list', async () => {
    const all = names(await list(orgId));
    expect([
      ...names(await list(orgId, '?page=1&pageSize=3')),
      ...names(await list(orgId, '?page=2&pageSize=3')),
    ]).toEqual(all);
    expect([...names(await list(orgId, '?limit=1')), ...names(await list(orgId, '?limit=3&offset=1'))]).toEqual(all);
    expect((await list(orgId, '?page=2&pageSize=3')).pagination).toEqual({ total: 4, pageSize: 3, page: 2 });
  });

  it.each([
    '?page=-1',
    '?pageSize=0',
    '?pageSize=1001',
    '?limit=x',
    '?page=1&limit=5',
    '?status=gone',
    '?online=yes',
    '?sort_by=age',
    '?order=up',
    '?label=novalue',
    '?color=red',
  ])('refuses %s instead of guessing', async (query) => {
    expect(await app.root.get(`/org/${orgId}/sites${query}`)).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
  });

  it('totals come from counters that equal count(*) after a race of everything', async () => {
    const busy = await org();
    await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const made = await insert(
          busy,
          Array.from({ length: 5 }, (_x, j) => ({
            hardwareId: `hw-${(i * 3 + j) % 40}`,
            status: j % 2 ? 'pending' : 'approved',
          })),
        );
        for (const site of made) {
          if (!site) continue;
          const path = `/site/${site.siteId}`;
          if (site.siteId % 3 === 0) await app.root.delete(path);
          else await app.root.expect('POST', path, { status: site.siteId % 3 === 1 ? 'approved' : 'pending' });
        }
      }),
    );
    const counted = await app.sql<{ status: string; n: number }>(
      'SELECT status, count(*) AS n FROM site WHERE org_id = $1 GROUP BY status',
      [busy],
    );
    const of = (status: string) => counted.find((c) => c.status === status)?.n ?? 0;
    expect(of('pending')).toBeGreaterThan(0);
    expect((await list(busy, '?status=pending')).pagination.total).toBe(of('pending'));
    expect((await list(busy, '?status=approved')).pagination.total).toBe(of('approved'));
    expect((await list(busy)).pagination.total).toBe(of('pending') + of('approved'));
  });
});

describe('reset-bandwidth', () => {
  it('zeroes the counters of this organization only', async () => {
    const [mine, other] = [await org(), await org()];
    for (const orgId of [mine, other]) {
      await insert(orgId, [{ name: 'a' }]);
      await app.sql('UPDATE site SET megabytes_in = 5, megabytes_out = 6 WHERE org_id = $1', [orgId]);
    }
    expect(await app.root.post(`/org/${mine}/reset-bandwidth`)).toMatchObject({ status: 200, body: { data: {} } });
    expect((await list(mine)).sites[0]).toMatchObject({ megabytesIn: 0, megabytesOut: 0 });
    expect((await list(other)).sites[0]).toMatchObject({ megabytesIn: 5, megabytesOut: 6 });
    expect(await auditOf(mine, 'site.reset_bandwidth')).toHaveLength(1);
  });
});

describe('groups', () => {
  it('are created, listed with their sites, renamed and deleted; their sites stay', async () => {
    const orgId = await org();
    const group = await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, {
      name: 'fleet',
      description: 'all of them',
    });
    expect(group).toMatchObject({ orgId, name: 'fleet', description: 'all of them', siteCount: 0 });
    const [site] = await insert(orgId, [{ name: 'a' }]);
    expect(await app.root.expect('POST', `/site/${site!.siteId}`, { groupIds: [group.groupId] })).toMatchObject({
      groupIds: [group.groupId],
    });
    const path = `/org/${orgId}/group/${group.groupId}`;
    expect(await app.root.expect('GET', `/org/${orgId}/groups?limit=5`)).toMatchObject({
      groups: [{ siteCount: 1 }],
      pagination: { total: 1, limit: 5, offset: 0 },
    });
    expect(await app.root.put(`/org/${orgId}/group`, { name: 'fleet' })).toMatchObject({ status: 409 });
    expect(await app.root.put(`/org/${orgId}/group`, { name: '12' })).toMatchObject({ status: 400 });
    expect(await app.root.post(path, {})).toMatchObject({ status: 400 });
    expect(await app.root.expect('POST', path, { name: 'armada', description: null })).toMatchObject({
      name: 'armada',
      description: null,
      siteCount: 1,
    });
    expect(await app.root.expect('DELETE', path)).toBeNull();
    expect(await app.root.get(path)).toMatchObject({ status: 404 });
    expect(await app.root.expect('GET', `/site/${site!.siteId}`)).toMatchObject({ groupIds: [] });
    for (const action of ['group.create', 'group.update', 'group.delete'])
      expect(await auditOf(orgId, action)).toEqual([{ targetId: String(group.groupId) }]);
  });

  it('another organization neither sees nor uses them', async () => {
    const [mine, other] = [await org(), await org()];
    const group = await app.root.expect<{ groupId: number }>('PUT', `/org/${mine}/group`, { name: 'fleet' });
    const key = await app.orgKey(other, 'getGroup', 'updateGroup', 'deleteGroup', 'updateSite');
    expect((await key.get(`/org/${other}/group/${group.groupId}`)).status).toBe(404);
    expect((await key.delete(`/org/${mine}/group/${group.groupId}`)).status).toBe(404);
    const [site] = await insert(other, [{ name: 'a' }]);
    expect(await key.post(`/site/${site!.siteId}`, { groupIds: [group.groupId] })).toMatchObject({
      status: 404,
      body: { message: 'Group not found' },
    });
  });
});

describe('address ranges', () => {
  it('are listed, added and deleted over HTTP', async () => {
    const orgId = await org('10.9.0.0/24');
    const added = await app.root.put<{ rangeId: number }>(`/org/${orgId}/address-range`, { cidr: '10.10.0.0/24' });
    expect(added).toMatchObject({
      status: 201,
      body: { data: { cidr: '10.10.0.0/24', size: 256, free: 256, reserved: 0 } },
    });
    expect(await app.root.expect('GET', `/org/${orgId}/address-ranges`)).toMatchObject({
      addressRanges: [{ cidr: '10.9.0.0/24' }, { cidr: '10.10.0.0/24' }],
      pagination: { total: 2 },
    });
    for (const cidr of ['10.10.0.1/24', '10.10.0.0/7', '10.10.0.0', '256.0.0.0/8', 'fd00::/64', '010.0.0.0/8']) {
      expect(await app.root.put(`/org/${orgId}/address-range`, { cidr })).toMatchObject({
        status: 400,
        body: { fields: [{ path: 'cidr' }] },
      });
    }
    expect((await app.root.put(`/org/${orgId}/address-range`, { cidr: '10.10.0.128/25' })).status).toBe(409);
    expect(await app.root.expect('DELETE', `/org/${orgId}/address-range/${added.body.data.rangeId}`)).toBeNull();
    for (const action of ['address_range.create', 'address_range.delete'])
      expect(await auditOf(orgId, action)).toHaveLength(1);
  });
});
