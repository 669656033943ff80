import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
/** An organization, and another with the same things in it. */
let mine: Setting;
let theirs: Setting;
beforeAll(async () => {
  app = await openTestApp();
  mine = await setting('mine');
  theirs = await setting('theirs');
});
afterAll(() => app?.close());

interface Setting {
  orgId: string;
  siteId: number;
  roleIds: number[];
  adminRoleId: number;
  userIds: string[];
  clientIds: number[];
  /** The device of a person. */
  deviceId: number;
}
let serial = 0;
async function client(orgId: string, name = `client${++serial}`): Promise<number> {
  const { olmId, olmSecret, subnet } = await app.root.expect<Record<string, string>>(
    'GET',
    `/org/${orgId}/pick-client-defaults`,
  );
  return (
    await app.root.expect<{ clientId: number }>('PUT', `/org/${orgId}/client`, {
      name,
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    })
  ).clientId;
}
async function user(orgId: string): Promise<string> {
  const id = `${orgId}-user${++serial}`;
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
  await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, id]);
  return id;
}
async function setting(orgId: string): Promise<Setting> {
  await app.makeOrg(orgId);
  const { siteId } = await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, {
    name: 'edge',
    type: 'newt',
  });
  const roleIds: number[] = [];
  for (const name of ['Zeta', 'Beta'])
    roleIds.push(
      (await app.root.expect<{ roleId: number }>('PUT', `/org/${orgId}/role`, { name, description: `${name} people` }))
        .roleId,
    );
  const [{ adminRoleId } = { adminRoleId: 0 }] = await app.sql<{ adminRoleId: number }>(
    'SELECT role_id AS "adminRoleId" FROM role WHERE org_id = $1 AND is_admin',
    [orgId],
  );
  const userIds = [await user(orgId), await user(orgId)];
  const clientIds = [await client(orgId), await client(orgId)];
  const deviceId = await client(orgId);
  await app.sql('UPDATE client SET user_id = $2 WHERE client_id = $1', [deviceId, userIds[0]]);
  return { orgId, siteId, roleIds, adminRoleId, userIds, clientIds, deviceId };
}
const resource = async (of = mine) =>
  (
    await app.root.expect<{ siteResourceId: number }>('PUT', `/org/${of.orgId}/site-resource`, {
      name: 'Db',
      mode: 'host',
      destination: '10.1.2.3',
      siteId: of.siteId,
    })
  ).siteResourceId;
const roles = async (id: number) =>
  (await app.root.expect<{ roles: { roleId: number }[] }>('GET', `/site-resource/${id}/roles`)).roles;
const users = async (id: number) =>
  (await app.root.expect<{ users: { userId: string }[] }>('GET', `/site-resource/${id}/users`)).users;
const clients = async (id: number) =>
  (await app.root.expect<{ clients: { clientId: number }[] }>('GET', `/site-resource/${id}/clients`)).clients;
const post = (id: number, path: string, body: object, api: Api = app.root) =>
  api.post(`/site-resource/${id}/${path}`, body);
const auditOf = async (action: string, id: number) =>
  (await app.sql('SELECT FROM audit WHERE action = $1 AND target_id = $2', [action, String(id)])).length;

/** The three kinds of grants: what is granted, how it reads, and ids that are wrong. */
const KINDS = [
  [
    'role',
    'roles',
    (s: Setting) => s.roleIds,
    async (id: number) => (await roles(id)).slice(1).map((r) => r.roleId),
    999_999_999,
  ],
  ['user', 'users', (s: Setting) => s.userIds, async (id: number) => (await users(id)).map((u) => u.userId), 'nobody'],
  [
    'client',
    'clients',
    (s: Setting) => s.clientIds,
    async (id: number) => (await clients(id)).map((c) => c.clientId),
    999_999_999,
  ],
] as const;

describe.each(KINDS)('%s', (noun, plural, of, granted, unknown) => {
  const ids = () => of(mine) as (string | number)[];
  const sorted = (list: readonly (string | number)[]) => [...list].sort();
  const one = (id: string | number) => ({ [`${noun}Id`]: id });
  const many = (list: (string | number)[]) => ({ [`${noun}Ids`]: list });

  it('set replaces all; add 201, twice 409; remove 200, twice 404; each audited', async () => {
    const id = await resource();
    const [a, b] = ids() as [string, string];
    expect(await post(id, plural, many([a, b]))).toMatchObject({ status: 201, body: { data: {} } });
    expect(sorted(await granted(id))).toEqual(sorted([a, b]));
    expect((await post(id, plural, many([b]))).status).toBe(201);
    expect(await granted(id)).toEqual([b]);
    expect((await post(id, plural, many([]))).status).toBe(201);
    expect(await granted(id)).toEqual([]);
    expect(await post(id, `${plural}/add`, one(a))).toMatchObject({ status: 201, body: { data: {} } });
    expect(await post(id, `${plural}/add`, one(a))).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await granted(id)).toEqual([a]);
    expect(await post(id, `${plural}/remove`, one(a))).toMatchObject({ status: 200, body: { data: {} } });
    expect(await post(id, `${plural}/remove`, one(a))).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await granted(id)).toEqual([]);
    expect(await auditOf(`site_resource.set_${plural}`, id)).toBe(3);
    expect(await auditOf(`site_resource.add_${noun}`, id)).toBe(1);
    expect(await auditOf(`site_resource.remove_${noun}`, id)).toBe(1);
  });

  it("another organization's is 404 like one that does not exist, and nothing changes", async () => {
    const id = await resource();
    const [a] = ids() as [string];
    await post(id, `${plural}/add`, one(a));
    for (const wrong of [of(theirs)[0]!, unknown]) {
      for (const [path, body] of [
        [plural, many([a, wrong])],
        [`${plural}/add`, one(wrong)],
        [`${plural}/remove`, one(wrong)],
      ] as const) {
        expect((await post(id, path, body)).status, `${path} ${String(wrong)}`).toBe(404);
      }
    }
    expect(await granted(id)).toEqual([a]);
  });

  it('a resource of another organization is 404', async () => {
    const id = await resource(theirs);
    const key = await app.orgKey(
      'mine',
      'listResourceRoles',
      'listResourceUsers',
      'setResourceRoles',
      'setResourceUsers',
    );
    expect((await key.get(`/site-resource/${id}/${plural}`)).status).toBe(404);
    for (const [path, body] of [
      [plural, many([])],
      [`${plural}/add`, one(ids()[0]!)],
      [`${plural}/remove`, one(ids()[0]!)],
    ] as const)
      expect((await post(id, path, body, key)).status).toBe(404);
    expect((await app.root.get(`/site-resource/999999999/${plural}`)).status).toBe(404);
  });

  it('wrong bodies are 400', async () => {
    const id = await resource();
    const a = ids()[0]!;
    for (const body of [{}, many([a, a]), { ...many([a]), more: 1 }, { [`${noun}Ids`]: a }, { [`${noun}Ids`]: null }])
      expect((await post(id, plural, body)).status, JSON.stringify(body)).toBe(400);
    for (const path of [`${plural}/add`, `${plural}/remove`])
      for (const body of [{}, { [`${noun}Id`]: null }, { [`${noun}Id`]: [a] }])
        expect((await post(id, path, body)).status).toBe(400);
  });

  it('one added twice at once: one 201, one 409', async () => {
    const id = await resource();
    const replies = await Promise.all([1, 2, 3].map(() => post(id, `${plural}/add`, one(ids()[0]!))));
    expect(replies.map((r) => r.status).sort()).toEqual([201, 409, 409]);
  });
});

it('roles: Admin comes first, and can be neither granted nor removed', async () => {
  const id = await resource();
  await post(id, 'roles', { roleIds: mine.roleIds });
  expect(await roles(id)).toEqual([
    { roleId: mine.adminRoleId, name: 'Admin', description: expect.anything(), isAdmin: true },
    { roleId: mine.roleIds[1], name: 'Beta', description: 'Beta people', isAdmin: false },
    { roleId: mine.roleIds[0], name: 'Zeta', description: 'Zeta people', isAdmin: false },
  ]);
  for (const [path, body] of [
    ['roles', { roleIds: [mine.adminRoleId] }],
    ['roles/add', { roleId: mine.adminRoleId }],
    ['roles/remove', { roleId: mine.adminRoleId }],
  ] as const) {
    expect(await post(id, path, body), path).toMatchObject({ status: 400, body: { code: 'validation' } });
  }
  expect(await roles(id)).toHaveLength(3);
});

it("users and clients as clients of the API know them; a person's device is 400", async () => {
  const id = await resource();
  await post(id, 'users/add', { userId: mine.userIds[0] });
  expect(await users(id)).toEqual([
    {
      userId: mine.userIds[0],
      username: mine.userIds[0],
      type: 'internal',
      idpName: null,
      idpId: null,
      email: `${mine.userIds[0]}@example.com`,
    },
  ]);
  await post(id, 'clients/add', { clientId: mine.clientIds[0] });
  expect(await clients(id)).toEqual([
    { clientId: mine.clientIds[0], name: expect.any(String), subnet: expect.stringMatching(/^100\.90\.128\.\d+\/17$/) },
  ]);
  for (const [path, body] of [
    ['clients', { clientIds: [mine.deviceId] }],
    ['clients/add', { clientId: mine.deviceId }],
  ] as const) {
    expect(await post(id, path, body)).toMatchObject({ status: 400, body: { code: 'validation' } });
  }
});

it('a client that is deleted, and a user who leaves, take their grants along', async () => {
  const id = await resource();
  const [clientId, userId] = [await client('mine'), await user('mine')];
  await post(id, 'clients/add', { clientId });
  await post(id, 'users/add', { userId });
  await app.root.expect('DELETE', `/client/${clientId}`);
  await app.sql('DELETE FROM membership WHERE user_id = $1', [userId]);
  expect([await clients(id), await users(id)]).toEqual([[], []]);
});

describe('one client, many resources', () => {
  const add = (clientId: number, siteResourceIds: unknown) =>
    app.root.post<{ addedCount: number; skippedCount: number; siteResourceIds: number[] }>(
      `/client/${clientId}/site-resources`,
      { siteResourceIds },
    );

  it('adds those that it has not, 409 when it has them all; the client list names their sites', async () => {
    const clientId = await client('mine', 'the one');
    const [a, b, c] = [await resource(), await resource(), await resource()];
    expect(await add(clientId, [b, a])).toMatchObject({
      status: 201,
      body: { data: { addedCount: 2, skippedCount: 0, siteResourceIds: [b, a] } },
    });
    expect(await add(clientId, [a, b])).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await add(clientId, [a, c, b])).body.data).toEqual({
      addedCount: 1,
      skippedCount: 2,
      siteResourceIds: [c],
    });
    expect((await clients(c)).map((row) => row.clientId)).toEqual([clientId]);
    const list = await app.root.expect<{ clients: { sites: unknown[] }[] }>('GET', '/org/mine/clients?query=the%20one');
    expect(list.clients[0]!.sites).toEqual([{ siteId: mine.siteId, siteName: 'edge', siteNiceId: expect.any(String) }]);
    expect(await auditOf('client.add_site_resources', clientId)).toBe(2);
  });

  it("another organization's resource is 404 and nothing is added; a person's device and an empty list are 400", async () => {
    const [clientId, a] = [await client('mine'), await resource()];
    for (const wrong of [await resource(theirs), 999_999_999])
      expect((await add(clientId, [a, wrong])).status).toBe(404);
    expect(await clients(a)).toEqual([]);
    for (const wrong of [[], [0], ['a'], [a, a], null])
      expect((await add(clientId, wrong)).status, JSON.stringify(wrong)).toBe(400);
    expect(await add(mine.deviceId, [a])).toMatchObject({ status: 400 });
    expect((await add(999_999_999, [a])).status).toBe(404);
    const key = await app.orgKey('mine', 'setResourceUsers');
    expect((await key.post(`/client/${theirs.clientIds[0]}/site-resources`, { siteResourceIds: [a] })).status).toBe(
      404,
    );
  });

  it('the same at once: each resource is added once', async () => {
    const clientId = await client('mine');
    const ids = await Promise.all(Array.from({ length: 6 }, () => resource()));
    const replies = await Promise.all([ids, [...ids].reverse(), ids].map((list) => add(clientId, list)));
    expect(replies.reduce((sum, r) => sum + (r.body.data?.addedCount ?? 0), 0)).toBe(6);
  });
});
