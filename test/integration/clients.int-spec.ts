import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientPage } from '../../src/clients/client-reads.js';
import { AddressPoolService } from '../../src/orgs/index.js';
import type { Api } from '../support/api.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
  await app.makeOrg('other');
});
afterAll(() => app?.close());

interface Client extends Record<string, unknown> {
  clientId: number;
  niceId: string;
  name: string;
  olmId: string;
  subnet: string;
  archived: boolean;
  blocked: boolean;
  approvalState: string | null;
}
interface List {
  clients: (Client & { sites: Record<string, unknown>[] })[];
  pagination: { total: number; pageSize: number; page: number };
}
interface Defaults {
  olmId: string;
  olmSecret: string;
  subnet: string;
}

let serial = 0;
async function org(subnet?: string): Promise<string> {
  const orgId = `clients${++serial}`;
  await app.makeOrg(orgId, subnet);
  return orgId;
}
const defaults = (orgId: string) => app.root.expect<Defaults>('GET', `/org/${orgId}/pick-client-defaults`);
const SECRET = 's'.repeat(48);
async function body(orgId: string, more: object = {}): Promise<Record<string, unknown>> {
  const { olmId, olmSecret, subnet } = await defaults(orgId);
  return { name: 'robot', olmId, secret: olmSecret, subnet, type: 'olm', ...more };
}
const create = async (orgId: string, more: object = {}) =>
  app.root.expect<Client>('PUT', `/org/${orgId}/client`, await body(orgId, more));
const read = (id: number) => app.root.expect<Client>('GET', `/client/${id}`);
const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/clients${query}`);
const names = (l: List) => l.clients.map((c) => c.name);
const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });
const auditOf = (orgId: string, action: string) =>
  app.sql<{ targetId: string }>('SELECT target_id AS "targetId" FROM audit WHERE org_id = $1 AND action = $2', [
    orgId,
    action,
  ]);
/** The device of a person: no route makes one yet. */
async function device(
  orgId: string,
  state: { archived?: boolean; blocked?: boolean; approval?: string } = {},
): Promise<number> {
  const id = `user${++serial}`;
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
  const [row] = await app.sql<{ clientId: number }>(
    `INSERT INTO client (org_id, user_id, nice_id, name, olm_id, secret_hash, address, archived, blocked, approval_state)
     VALUES ($1, $2, $2, $2, $2, 'x', $3::inet, $4, $5, $6) RETURNING client_id AS "clientId"`,
    [
      orgId,
      id,
      `100.90.200.${serial % 250}/17`,
      state.archived ?? false,
      state.blocked ?? false,
      state.approval ?? null,
    ],
  );
  return row!.clientId;
}
const free = async (orgId: string) =>
  (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges[0]!.free;

const ROW = [
  'clientId',
  'orgId',
  'exitNodeId',
  'userId',
  'niceId',
  'name',
  'pubKey',
  'olmId',
  'subnet',
  'megabytesIn',
  'megabytesOut',
  'lastBandwidthUpdate',
  'lastPing',
  'type',
  'online',
  'lastHolePunch',
  'archived',
  'blocked',
  'approvalState',
];

describe('pick-client-defaults and create', () => {
  it('what is picked makes a client, in the order and with the sentence that clients know; the secret is shown nowhere', async () => {
    const orgId = await org();
    const picked = await app.root.get<Defaults>(`/v1/org/${orgId}/pick-client-defaults`);
    expect(picked.body).toEqual({
      data: {
        olmId: expect.stringMatching(/^[a-z0-9]{15}$/),
        olmSecret: expect.stringMatching(/^[a-z0-9]{48}$/),
        subnet: '100.90.128.0',
      },
      success: true,
      error: false,
      message: 'Client defaults chosen successfully',
      status: 200,
    });
    const { olmId, olmSecret, subnet } = picked.body.data;
    const made = await app.root.put<Client>(`/v1/org/${orgId}/client`, {
      name: 'robot',
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    });
    expect(made).toMatchObject({ status: 201, body: { message: 'Site created successfully' } });
    expect(Object.keys(made.body.data)).toEqual(ROW);
    expect(made.body.data).toMatchObject({
      orgId,
      userId: null,
      niceId: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/),
      name: 'robot',
      olmId,
      subnet: '100.90.128.0/17',
      type: 'olm',
      online: false,
      archived: false,
      blocked: false,
      approvalState: null,
    });
    const shown = await app.root.get<Client>(`/client/${made.body.data.clientId}`);
    expect(shown.body.data).toEqual(made.body.data);
    expect(shown.text + made.text).not.toContain(olmSecret);
    const [stored] = await app.sql<{ ok: boolean }>(
      'SELECT secret_hash = sha256(convert_to($2, $3)) AS ok FROM client WHERE client_id = $1',
      [made.body.data.clientId, olmSecret, 'UTF8'],
    );
    expect(stored!.ok).toBe(true);
    expect(await auditOf(orgId, 'client.create')).toEqual([{ targetId: String(made.body.data.clientId) }]);
  });

  it('sites and clients draw from one pool, and a deleted client gives its address back', async () => {
    const orgId = await org('10.0.0.0/30');
    const site = await app.root.expect<{ address: string }>('PUT', `/org/${orgId}/site`, {
      name: 'edge',
      type: 'newt',
    });
    const made = await create(orgId);
    expect(made.subnet).not.toBe(site.address);
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'robot',
        olmId: 'othersite0',
        secret: SECRET,
        subnet: site.address.split('/')[0],
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(
      await app.root.put(`/org/${orgId}/site`, { name: 'edge', type: 'newt', address: made.subnet.split('/')[0] }),
    ).toMatchObject({ status: 409 });
    expect(await free(orgId)).toBe(2);
    expect((await app.root.delete(`/client/${made.clientId}`)).body).toMatchObject({
      data: null,
      message: 'Client deleted successfully',
    });
    expect(await free(orgId)).toBe(3);
    expect((await app.root.get(`/client/${made.clientId}`)).status).toBe(404);
  });

  it('an olmId or an address twice is 409 and costs nothing', async () => {
    const orgId = await org();
    const made = await create(orgId);
    const before = await free(orgId);
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'r',
        olmId: made.olmId,
        secret: SECRET,
        subnet: '100.90.128.77',
        type: 'olm',
      }),
    ).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(
      await app.root.put('/org/other/client', {
        name: 'r',
        olmId: made.olmId,
        secret: SECRET,
        subnet: '100.90.128.77',
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(
      await app.root.put(`/org/${orgId}/client`, {
        name: 'r',
        olmId: 'another0',
        secret: SECRET,
        subnet: made.subnet.split('/')[0],
        type: 'olm',
      }),
    ).toMatchObject({ status: 409 });
    expect(await free(orgId)).toBe(before);
    expect((await auditOf(orgId, 'client.create')).length).toBe(1);
  });

  it('one address and one olmId at once: one 201', async () => {
    const orgId = await org();
    const address = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        app.root.put(`/org/${orgId}/client`, {
          name: 'r',
          olmId: `race${orgId}${i}`,
          secret: SECRET,
          subnet: '100.90.128.50',
          type: 'olm',
        }),
      ),
    );
    expect(address.map((r) => r.status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
    const olm = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        app.root.put(`/org/${orgId}/client`, {
          name: 'r',
          olmId: `same${orgId}`,
          secret: SECRET,
          subnet: `100.90.129.${i}`,
          type: 'olm',
        }),
      ),
    );
    expect(olm.map((r) => r.status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ name: undefined }, 'name'],
    [{ olmId: undefined }, 'olmId'],
    [{ olmId: 'ABCDEFGHI' }, 'olmId'],
    [{ olmId: 'a'.repeat(65) }, 'olmId'],
    [{ secret: 'short' }, 'secret'],
    [{ secret: undefined }, 'secret'],
    [{ subnet: undefined }, 'subnet'],
    [{ subnet: '100.90.128.9/17' }, 'subnet'],
    [{ subnet: '192.168.0.1' }, 'subnet'],
    [{ subnet: '::1' }, 'subnet'],
    [{ type: 'newt' }, 'type'],
    [{ type: undefined }, 'type'],
    [{ color: 'red' }, 'color'],
  ])('refuses %j, naming the field', async (more, path) => {
    const right = { name: 'robot', olmId: 'abcdefgh', secret: SECRET, subnet: '100.90.128.99', type: 'olm' };
    expect(await app.root.put('/org/acme/client', { ...right, ...more })).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('no such organization is 404; no free address is 503', async () => {
    expect((await app.root.get('/org/nowhere/pick-client-defaults')).status).toBe(404);
    const orgId = await org('10.0.1.0/31');
    await Promise.all([1, 2].map(() => app.root.expect('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt' })));
    expect(await app.root.get(`/org/${orgId}/pick-client-defaults`)).toMatchObject({
      status: 503,
      body: { code: 'capacity' },
    });
  });
});

describe('update', () => {
  it('answers a list of the one row; name and niceId change, a taken niceId is 409', async () => {
    const orgId = await org();
    const [a, b] = [await create(orgId), await create(orgId)];
    const reply = await app.root.post<Client[]>(`/client/${a.clientId}`, { name: 'arm', niceId: 'left-arm' });
    expect(reply.body.data).toEqual([{ ...a, name: 'arm', niceId: 'left-arm' }]);
    expect(await read(a.clientId)).toEqual(reply.body.data[0]);
    expect(await app.root.post(`/client/${b.clientId}`, { niceId: 'left-arm' })).toMatchObject({ status: 409 });
    const elsewhere = await org();
    expect((await app.root.post(`/client/${(await create(elsewhere)).clientId}`, { niceId: 'left-arm' })).status).toBe(
      200,
    );
    for (const wrong of [
      {},
      { name: null },
      { name: '' },
      { niceId: '12' },
      { niceId: 'a/b' },
      { olmId: 'abcdefgh' },
    ]) {
      expect((await app.root.post(`/client/${a.clientId}`, wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    expect(await auditOf(orgId, 'client.update')).toEqual([{ targetId: String(a.clientId) }]);
  });

  it('is for the version that was read', async () => {
    const { clientId } = await create('acme');
    const tag = (await app.root.get(`/client/${clientId}`)).headers.get('etag')!;
    const changed = await withTag(tag).post(`/client/${clientId}`, { name: 'b' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(tag);
    expect(await withTag(tag).post(`/client/${clientId}`, { name: 'c' })).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed' },
    });
    expect((await withTag(changed.headers.get('etag')!).post(`/client/${clientId}`, { name: 'd' })).status).toBe(200);
  });
});

describe('archive, block, delete', () => {
  it.each([
    ['archive', 'unarchive', { archived: true }, { archived: false }],
    ['block', 'unblock', { blocked: true, approvalState: 'denied' }, { blocked: false, approvalState: null }],
  ])('%s and %s: 400 when it is so already', async (on, off, whenOn, whenOff) => {
    const orgId = await org();
    const { clientId } = await create(orgId);
    expect((await app.root.post(`/client/${clientId}/${off}`)).status).toBe(400);
    expect(await app.root.post(`/client/${clientId}/${on}`)).toMatchObject({ status: 200, body: { data: null } });
    expect(await read(clientId)).toMatchObject(whenOn);
    expect(await app.root.post(`/client/${clientId}/${on}`)).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
    expect((await app.root.post(`/client/${clientId}/${off}`)).status).toBe(200);
    expect(await read(clientId)).toMatchObject(whenOff);
    expect(await auditOf(orgId, `client.${on}`)).toHaveLength(1);
    expect(await auditOf(orgId, `client.${off}`)).toHaveLength(1);
  });

  it("a person's device is not deleted: 400", async () => {
    const clientId = await device('acme');
    expect(await app.root.delete(`/client/${clientId}`)).toMatchObject({ status: 400, body: { code: 'validation' } });
    expect((await app.root.get(`/client/${clientId}`)).status).toBe(200);
  });

  it("another organization's client is 404", async () => {
    const { clientId } = await create('other');
    const key = await app.orgKey(
      'acme',
      'getClient',
      'updateClient',
      'deleteClient',
      'archiveClient',
      'unarchiveClient',
      'blockClient',
      'unblockClient',
    );
    expect((await key.get(`/client/${clientId}`)).status).toBe(404);
    expect((await key.post(`/client/${clientId}`, { name: 'x' })).status).toBe(404);
    expect((await key.delete(`/client/${clientId}`)).status).toBe(404);
    for (const verb of ['archive', 'unarchive', 'block', 'unblock'])
      expect((await key.post(`/client/${clientId}/${verb}`)).status).toBe(404);
    expect((await app.root.get('/client/999999999')).status).toBe(404);
  });
});

describe('lists', () => {
  it('machines by name, with filters, both ways to page, and totals', async () => {
    const orgId = await org();
    const made: Client[] = [];
    for (const name of ['delta', 'alpha', 'Charlie', 'bravo']) made.push(await create(orgId, { name }));
    await device(orgId);
    await app.root.expect('POST', `/client/${made[0]!.clientId}/block`);
    await app.root.expect('POST', `/client/${made[1]!.clientId}/archive`);
    const all = names(await list(orgId, '?status=active,blocked,archived'));
    expect([...all].sort()).toEqual(['Charlie', 'alpha', 'bravo', 'delta']);
    expect((await list(orgId)).pagination).toEqual({ total: 2, pageSize: 20, page: 1 });
    expect(names(await list(orgId, '?status=blocked'))).toEqual(['delta']);
    expect(names(await list(orgId, '?status=archived'))).toEqual(['alpha']);
    expect(names(await list(orgId, '?status=active,blocked,archived&order=desc'))).toEqual([...all].reverse());
    expect(names(await list(orgId, '?query=CHARL'))).toEqual(['Charlie']);
    expect(names(await list(orgId, `?query=${made[3]!.niceId.slice(0, -2)}`))).toEqual(['bravo']);
    expect(names(await list(orgId, '?query=%25'))).toEqual([]);
    expect((await list(orgId, '?online=true')).pagination.total).toBe(0);
    expect((await list(orgId, '?online=false')).pagination.total).toBe(2);
    for (const sort of ['name', 'megabytesIn', 'megabytesOut'])
      expect((await list(orgId, `?sort_by=${sort}`)).clients).toHaveLength(2);
    const page = await list(orgId, '?status=active,blocked,archived&page=2&pageSize=3');
    expect(page.pagination).toEqual({ total: 4, pageSize: 3, page: 2 });
    expect(names(page)).toEqual(all.slice(3));
    expect(names(await list(orgId, '?status=active,blocked,archived&limit=2&offset=1'))).toEqual(all.slice(1, 3));
    expect(Object.keys(page.clients[0]!)).toEqual([...ROW, 'sites']);
  });

  it.each([
    'status=gone',
    'status=',
    'sort_by=olmId',
    'order=up',
    'online=yes',
    'color=red',
    'page=1&limit=1',
    'pageSize=1001',
    'agent=cli',
  ])('refuses ?%s', async (query) => {
    expect((await app.root.get(`/org/acme/clients?${query}`)).status).toBe(400);
  });

  it('the devices of people', async () => {
    const orgId = await org();
    const devices = (query = '') =>
      app.root.expect<{ devices: Client[]; pagination: { total: number } }>(
        'GET',
        `/org/${orgId}/user-devices${query}`,
      );
    expect(await devices()).toEqual({ devices: [], pagination: { total: 0, pageSize: 20, page: 1 } });
    await create(orgId);
    const [active, pending, denied] = [
      await device(orgId),
      await device(orgId, { approval: 'pending' }),
      await device(orgId, { approval: 'denied', blocked: true }),
    ];
    const archived = await device(orgId, { archived: true });
    const ids = async (query?: string) => (await devices(query)).devices.map((d) => d.clientId).sort((x, y) => x - y);
    expect(await ids()).toEqual([active, pending]);
    expect(await ids('?status=denied')).toEqual([denied]);
    expect(await ids('?status=blocked,archived')).toEqual([denied, archived]);
    expect(await ids('?agent=cli')).toEqual([]);
    expect(await ids('?agent=unknown')).toEqual([active, pending]);
    expect((await devices('?status=active')).devices[0]).toMatchObject({
      userId: expect.any(String),
      username: expect.any(String),
      userEmail: expect.stringContaining('@'),
      agent: null,
    });
    expect((await app.root.get(`/org/${orgId}/user-devices?status=online`)).status).toBe(400);
  });

  it('each filter is served by an index', async () => {
    const orgId = await org();
    await app.sql(
      `INSERT INTO client (org_id, nice_id, name, olm_id, secret_hash, address, archived, blocked)
       SELECT $1, 'nice-' || i, md5(i::text), $1 || i, 'x', '10.0.0.0'::inet + i, i % 100 = 0, i % 101 = 0 FROM generate_series(1, 10000) AS i`,
      [orgId],
    );
    await app.sql('VACUUM ANALYZE client');
    const window = { limit: 20, offset: 0 };
    for (const query of [
      {},
      { status: ['blocked' as const] },
      { status: ['archived' as const] },
      { query: 'abcdef' },
      { order: 'desc' as const },
      { sort_by: 'megabytesIn' as const },
    ]) {
      for (const kind of ['machine', 'device'] as const) {
        const { text, values } = clientPage(orgId, kind, query, window);
        const plan = (await app.sql<Record<string, string>>(`EXPLAIN ${text}`, values))
          .map((row) => row['QUERY PLAN'])
          .join('\n');
        expect(plan, `${kind} ${JSON.stringify(query)}`).not.toMatch(/Seq Scan on client\b/);
      }
    }
  });
});
