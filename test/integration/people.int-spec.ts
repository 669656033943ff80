import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ACTIONS } from '#contracts';
import { Retention } from '#platform';
import { UsersService } from '../../src/access/index.js';
import { type MemberFilter, type MemberOrder, pageStatement } from '../../src/access/members/members.repository.js';
import { Api } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

interface Role {
  roleId: number;
  name: string;
  isAdmin: boolean;
  description: string | null;
  sshSudoCommands: string;
}
interface OrgUser {
  userId: string;
  roleIds: number[];
  isAdmin: boolean;
  autoProvisioned: boolean;
  isOwner: boolean;
}

let database: TestDatabase;
let one: StartedApp;
let two: StartedApp;
let root: Api;
let ownerId: string;
let counter = 0;
/** A fresh organization for each test, and one that is somebody else's. */
let org: string;
let other: string;
let admin: Role;
let member: Role;
let theirs: Role;

beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = [await startApp(database.url), await startApp(database.url)];
  root = one.root;
  ownerId = await createUser(one, { email: 'owner@example.com', password: 'correct horse', serverAdmin: true });
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});
beforeEach(async () => {
  [org, other] = [`org-${++counter}`, `other-${counter}`];
  for (const orgId of [org, other]) await root.expect('PUT', '/org', { orgId, name: orgId });
  [admin, member] = (await rolesOf(org)) as [Role, Role];
  theirs = (await rolesOf(other))[1]!;
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const rolesOf = async (orgId: string) => (await root.expect<{ roles: Role[] }>('GET', `/org/${orgId}/roles`)).roles;
const newRole = (name: string, extra: object = {}) => root.expect<Role>('PUT', `/org/${org}/role`, { name, ...extra });
const withMatch = (etag: string) => root.as(root.authorization, { 'if-match': etag });
const read = (userId: string) => root.expect<OrgUser>('GET', `/org/${org}/user/${userId}`);
const auditOf = (orgId: string) =>
  sql<{ action: string; target_id: string; details: Record<string, unknown> }>(
    'SELECT action, target_id, details FROM audit WHERE org_id = $1 ORDER BY audit_id',
    [orgId],
  );

async function newMember(
  roleIds = [member.roleId],
  orgId = org,
  password?: string,
): Promise<{ userId: string; email: string }> {
  const email = `user-${++counter}@example.com`;
  const userId = password === undefined ? `user${counter}` : await createUser(one, { email, password });
  if (password === undefined)
    await sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [userId, email]);
  await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, orgId, userId, { roleIds }));
  return { userId, email };
}

describe('an organization', () => {
  it('is changed only as it was read', async () => {
    const reply = await root.get(`/org/${org}`);
    const etag = reply.headers.get('etag')!;
    expect(etag).toBe('"1"');
    const first = await withMatch(etag).post<{ name: string }>(`/org/${org}`, { name: 'First' });
    expect([first.status, first.body.data.name, first.headers.get('etag')]).toEqual([200, 'First', '"2"']);
    expect((await withMatch(etag).post(`/org/${org}`, { name: 'Second' })).body).toMatchObject({
      status: 412,
      code: 'precondition_failed',
    });
    expect((await root.get(`/org/${org}`)).headers.get('etag')).toBe('"2"');
    expect((await root.post(`/org/${org}`, { name: 'Third' })).status).toBe(200);
  });

  it.each([{ requireTwoFactor: true }, { passwordExpiryDays: 30 }, { maxSessionLengthHours: 8 }])(
    'does not store what nothing enforces: %j',
    async (body) => {
      expect((await root.post(`/org/${org}`, body)).body).toMatchObject({ status: 400, code: 'not_available' });
      expect(
        (
          await root.post(`/org/${org}`, {
            requireTwoFactor: false,
            passwordExpiryDays: null,
            maxSessionLengthHours: null,
          })
        ).status,
      ).toBe(200);
    },
  );
});

describe('a role', () => {
  it('is created with every field and read as it was sent', async () => {
    const body = {
      name: 'Operators',
      description: '',
      requireDeviceApproval: true,
      allowSsh: true,
      sshSudoMode: 'commands',
      sshSudoCommands: ['/bin/systemctl restart x'],
      sshCreateHomeDir: false,
      sshUnixGroups: ['wheel', 'docker'],
    };
    const created = await root.put<Role>(`/org/${org}/role`, body);
    expect(created.status).toBe(201);
    expect(created.body.data).toEqual({
      ...body,
      roleId: expect.any(Number) as number,
      orgId: org,
      isAdmin: false,
      sshSudoCommands: '["/bin/systemctl restart x"]',
      sshUnixGroups: '["wheel","docker"]',
    });
    const got = await root.get<Role>(`/role/${created.body.data.roleId}`);
    expect([got.body.data, got.headers.get('etag')]).toEqual([created.body.data, '"1"']);
    const listed = (await rolesOf(org)).find((role) => role.name === 'Operators');
    expect(listed).toEqual({ ...created.body.data, orgName: org });
    const [stored] = await sql<{ actions: string[] }>('SELECT actions FROM role WHERE role_id = $1', [
      created.body.data.roleId,
    ]);
    expect(stored!.actions.sort()).toEqual(['getOrg', 'getResource', 'listResources']);
  });

  it('has defaults', async () => {
    expect(await newRole('Plain')).toMatchObject({
      description: null,
      requireDeviceApproval: false,
      allowSsh: false,
      sshSudoMode: 'none',
      sshSudoCommands: '[]',
      sshCreateHomeDir: true,
      sshUnixGroups: '[]',
    });
  });

  it('has a name of its own: of two at once one is made', async () => {
    const replies = await Promise.all(
      [one, two].map(({ url }) => new Api(url, root.authorization).put(`/org/${org}/role`, { name: 'Same' })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect((await root.put(`/org/${org}/role`, { name: 'Admin' })).body).toMatchObject({
      status: 409,
      code: 'conflict',
    });
    expect((await root.put(`/org/${other}/role`, { name: 'Same' })).status).toBe(201);
  });

  it.each([
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(256) }, 'name'],
    [{ name: 'a\nb' }, 'name'],
    [{ name: 'x', sshSudoMode: 'some' }, 'sshSudoMode'],
    [{ name: 'x', sshUnixGroups: 'wheel' }, 'sshUnixGroups'],
    [{ name: 'x', sshSudoCommands: ['a\nb'] }, 'sshSudoCommands.0'],
    [{ name: 'x', unknown: 1 }, 'unknown'],
  ])('is refused when wrong: %j', async (body, path) => {
    expect((await root.put(`/org/${org}/role`, body)).body).toMatchObject({
      status: 400,
      code: 'validation',
      fields: [{ path }],
    });
  });

  it('is changed in part, as it was read, and keeps its name its own', async () => {
    const { roleId } = await newRole('Before', { description: 'd' });
    const changed = await withMatch('"1"').post<Role>(`/role/${roleId}`, { name: 'After' });
    expect([
      changed.status,
      changed.body.data.name,
      changed.body.data.description,
      changed.headers.get('etag'),
    ]).toEqual([200, 'After', 'd', '"2"']);
    expect((await withMatch('"1"').post(`/role/${roleId}`, { name: 'Late' })).status).toBe(412);
    expect((await root.expect<Role>('POST', `/role/${roleId}`, { description: null })).description).toBeNull();
    expect((await root.post(`/role/${roleId}`, { name: 'Member' })).status).toBe(409);
    expect((await root.post(`/role/${roleId}`, {})).body).toMatchObject({ status: 400, code: 'validation' });
    expect((await root.post(`/role/${roleId}`, { name: null })).status).toBe(400);
    expect((await root.post('/role/999999', { name: 'x' })).status).toBe(404);
  });

  it('Admin keeps name and description', async () => {
    const changed = await root.expect<Role>('POST', `/role/${admin.roleId}`, {
      name: 'Boss',
      description: 'x',
      sshSudoMode: 'full',
    });
    expect(changed).toMatchObject({ name: 'Admin', description: admin.description, sshSudoMode: 'full' });
  });

  it('is found by part of its name, in either order, with the right total', async () => {
    for (const name of ['alpha', 'Beta', 'alphabet']) await newRole(name);
    const found = async (query: string) => {
      const { roles, pagination } = await root.expect<{ roles: Role[]; pagination: object }>(
        'GET',
        `/org/${org}/roles?${query}`,
      );
      return [roles.map((role) => role.name), pagination];
    };
    expect(await found('query=ALPHA&order=desc&sort_by=name')).toEqual([
      ['alphabet', 'alpha'],
      { total: 2, pageSize: 20, page: 1 },
    ]);
    expect(await found('page=2&pageSize=2')).toEqual([
      [expect.any(String), expect.any(String)],
      { total: 5, pageSize: 2, page: 2 },
    ]);
    for (const bad of ['sort_by=age', 'order=up', 'page=-1', 'pageSize=0', 'nonsense=1', 'page=1&limit=1']) {
      expect((await root.get(`/org/${org}/roles?${bad}`)).status, bad).toBe(400);
    }
  });

  it('of another organization is not there', async () => {
    const key = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${org}/api-key`, { name: 'k' });
    await root.expect('POST', `/org/${org}/api-key/${key.apiKeyId}/actions`, {
      actionIds: ['getRole', 'updateRole', 'deleteRole', 'listUsers'],
    });
    const own = root.as(`${key.apiKeyId}.${key.apiKey}`);
    const path = `/role/${theirs.roleId}`;
    const replies = [
      await own.get(path),
      await own.post(path, { name: 'x' }),
      await own.delete(path, { roleId: member.roleId }),
      await own.get(`${path}/users`),
    ];
    expect(replies.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  });
});

describe('deleting a role', () => {
  it('moves its members, invitations and grants', async () => {
    const [role, replacement] = [await newRole('Old'), await newRole('New')];
    const [only, both] = [await newMember([role.roleId]), await newMember([role.roleId, replacement.roleId])];
    const before = (await root.get(`/org/${org}/user/${only.userId}`)).headers.get('etag');
    await root.expect('POST', `/org/${org}/create-invite`, {
      email: 'moved@example.com',
      roleId: role.roleId,
      validHours: 1,
    });
    await sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) VALUES ($1, 'r', 'r', false, 'tcp', 1000)`,
      [org],
    );
    await sql('INSERT INTO resource_role SELECT resource_id, $2 FROM resource WHERE org_id = $1', [org, role.roleId]);
    await sql(
      `INSERT INTO site_resource (org_id, nice_id, name, mode, destination) VALUES ($1, 's', 's', 'host', '10.0.0.1')`,
      [org],
    );
    await sql('INSERT INTO site_resource_role SELECT site_resource_id, $2 FROM site_resource WHERE org_id = $1', [
      org,
      role.roleId,
    ]);
    const reply = await root.delete(`/role/${role.roleId}`, { roleId: String(replacement.roleId) });
    expect([reply.status, reply.body.data]).toEqual([200, null]);
    expect((await read(only.userId)).roleIds).toEqual([replacement.roleId]);
    expect((await read(both.userId)).roleIds).toEqual([replacement.roleId]);
    expect((await root.get(`/org/${org}/user/${only.userId}`)).headers.get('etag')).not.toBe(before);
    const granted = await sql<{ n: number }>(
      `SELECT (SELECT count(*) FROM resource_role WHERE role_id = $1) + (SELECT count(*) FROM site_resource_role WHERE role_id = $1) +
         (SELECT count(*) FROM invitation_role WHERE role_id = $1) AS n`,
      [replacement.roleId],
    );
    expect(granted).toEqual([{ n: 3 }]);
    expect((await auditOf(org)).filter(({ action }) => action === 'role.delete')).toMatchObject([
      { target_id: String(role.roleId), details: { replacement: replacement.roleId } },
    ]);
  });

  it('to Admin grants nothing, for Admin needs no grants', async () => {
    const role = await newRole('Old');
    const { userId } = await newMember([role.roleId]);
    await sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) VALUES ($1, 'r', 'r', false, 'tcp', 1000)`,
      [org],
    );
    await sql('INSERT INTO resource_role SELECT resource_id, $2 FROM resource WHERE org_id = $1', [org, role.roleId]);
    expect((await root.delete(`/role/${role.roleId}`, { roleId: admin.roleId })).status).toBe(200);
    expect(await read(userId)).toMatchObject({ isAdmin: true, roleIds: [admin.roleId] });
    expect(await sql('SELECT 1 FROM resource_role WHERE role_id = $1', [admin.roleId])).toEqual([]);
  });

  it('is refused for Admin, for itself, and towards a role that is not there or of somebody else', async () => {
    const { roleId } = await newRole('Old');
    expect((await root.delete(`/role/${admin.roleId}`, { roleId })).body).toMatchObject({
      status: 403,
      code: 'permission_denied',
    });
    expect((await root.delete(`/role/${roleId}`, { roleId })).status).toBe(400);
    expect((await root.delete(`/role/${roleId}`)).status).toBe(400);
    expect((await root.delete(`/role/${roleId}`, {})).status).toBe(400);
    expect((await root.delete(`/role/${roleId}`, { roleId: theirs.roleId })).status).toBe(404);
    expect((await root.delete(`/role/${roleId}`, { roleId: 999_999 })).status).toBe(404);
    expect((await root.get(`/role/${roleId}`)).status).toBe(200);
  });

  it('leaves nobody without a role, whatever is given or taken at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const role = await newRole(`Old ${round}`);
      const users = await Promise.all([0, 1, 2].map(() => newMember([role.roleId, member.roleId])));
      const fresh = await newMember();
      await Promise.all([
        root.delete(`/role/${role.roleId}`, { roleId: member.roleId }),
        ...users.map(({ userId }) => root.delete(`/user/${userId}/remove-role/${member.roleId}`)),
        root.post(`/role/${role.roleId}/add/${fresh.userId}`),
      ]).then((replies) => expect(replies.filter(({ status }) => status >= 500)).toEqual([]));
      const bare = await sql(
        `SELECT user_id FROM membership m WHERE org_id = $1 AND NOT EXISTS (SELECT FROM membership_role r WHERE r.org_id = m.org_id AND r.user_id = m.user_id)`,
        [org],
      );
      expect(bare).toEqual([]);
    }
  });
});

describe('the roles of a user', () => {
  it('are replaced, added and removed one by one', async () => {
    const { userId } = await newMember();
    const [a, b] = [await newRole('A'), await newRole('B')];
    const set = await root.post(`/role/${a.roleId}/add/${userId}`);
    expect([set.status, set.body.data]).toEqual([201, {}]);
    expect((await read(userId)).roleIds).toEqual([a.roleId]);
    expect((await root.post(`/user/${userId}/add-role/${b.roleId}`)).status).toBe(201);
    expect((await root.post(`/user/${userId}/add-role/${b.roleId}`)).status).toBe(201);
    expect((await read(userId)).roleIds).toEqual([a.roleId, b.roleId]);
    expect(await root.expect<{ users: object[]; pagination: object }>('GET', `/role/${b.roleId}/users`)).toMatchObject({
      users: [{ userId }],
      pagination: { total: 1, limit: 1000, offset: 0 },
    });
    const removed = await root.delete(`/role/${a.roleId}/remove/${userId}`);
    expect([removed.status, removed.body.data]).toEqual([200, {}]);
    expect((await root.delete(`/user/${userId}/remove-role/${a.roleId}`)).status).toBe(404);
    expect((await root.delete(`/user/${userId}/remove-role/${b.roleId}`)).body).toMatchObject({
      status: 403,
      code: 'permission_denied',
    });
    expect((await read(userId)).roleIds).toEqual([b.roleId]);
    expect(
      (await auditOf(org)).filter(({ action }) => action.startsWith('org_user.')).map(({ action }) => action),
    ).toEqual(['org_user.set_role', 'org_user.add_role', 'org_user.add_role', 'org_user.remove_role']);
  });

  it('are never taken all at once', async () => {
    for (let round = 0; round < 5; round++) {
      const roles = [await newRole(`A ${round}`), await newRole(`B ${round}`)];
      const { userId } = await newMember(roles.map(({ roleId }) => roleId));
      const replies = await Promise.all(
        roles.map(({ roleId }) => root.delete(`/user/${userId}/remove-role/${roleId}`)),
      );
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 403]);
    }
  });

  it('leave Admin to the owner', async () => {
    expect((await root.post(`/role/${member.roleId}/add/${ownerId}`)).status).toBe(403);
    expect((await root.post(`/user/${ownerId}/add-role/${member.roleId}`)).status).toBe(201);
    expect((await root.delete(`/user/${ownerId}/remove-role/${admin.roleId}`)).status).toBe(403);
    expect((await root.post(`/role/${admin.roleId}/add/${ownerId}`)).status).toBe(201);
    expect(await read(ownerId)).toMatchObject({ isOwner: true, roleIds: [admin.roleId] });
  });

  it('make an Admin only by the hand of who holds every action', async () => {
    const key = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${org}/api-key`, {
      name: 'people',
    });
    const may = (actionIds: readonly string[]) =>
      root.expect('POST', `/org/${org}/api-key/${key.apiKeyId}/actions`, { actionIds });
    await may(['addUserRole', 'setUserOrgRoles', 'inviteUser', 'deleteRole', 'removeUserRole']);
    const api = root.as(`${key.apiKeyId}.${key.apiKey}`);
    const [{ userId }, role] = [await newMember(), await newRole('A')];
    const raise = (by: typeof root) =>
      Promise.all([
        by.post(`/role/${admin.roleId}/add/${userId}`),
        by.post(`/user/${userId}/add-role/${admin.roleId}`),
        by.post(`/org/${org}/create-invite`, {
          email: 'raised@example.com',
          roleIds: [member.roleId, admin.roleId],
          validHours: 1,
        }),
        by.delete(`/role/${role.roleId}`, { roleId: String(admin.roleId) }),
      ]);
    for (const { status, body } of await raise(api))
      expect([status, body.message]).toEqual([403, 'Only who holds every action can make an Admin']);
    expect((await read(userId)).isAdmin).toBe(false);
    expect((await api.post(`/user/${userId}/add-role/${role.roleId}`)).status).toBe(201);
    await may(ACTIONS);
    expect((await raise(api)).map(({ status }) => status)).toEqual([201, 201, 200, 200]);
    expect((await read(userId)).isAdmin).toBe(true);
  });

  it('are of the same organization', async () => {
    const mine = await newMember();
    const stranger = await newMember([theirs.roleId], other);
    const replies = [
      await root.post(`/role/${member.roleId}/add/${stranger.userId}`),
      await root.post(`/user/${stranger.userId}/add-role/${member.roleId}`),
      await root.delete(`/user/${stranger.userId}/remove-role/${member.roleId}`),
      await root.delete(`/role/${member.roleId}/remove/${stranger.userId}`),
      await root.post(`/role/${theirs.roleId}/add/${mine.userId}`),
      await root.post(`/user/${mine.userId}/add-role/${theirs.roleId}`),
      await root.post(`/user/nobody/add-role/${member.roleId}`),
    ];
    expect(replies.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect((await read(mine.userId)).roleIds).toEqual([member.roleId]);
  });

  it('count at once on every server', async () => {
    const { userId, email } = await newMember([member.roleId], org, 'battery staple');
    const session = await logIn(two.url, email, 'battery staple');
    expect((await session.get(`/org/${org}/sites`)).status).toBe(403);
    await root.expect('POST', `/role/${admin.roleId}/add/${userId}`);
    await until(async () => (await session.get(`/org/${org}/sites`)).status === 200);
    await root.expect('DELETE', `/org/${org}/user/${userId}`);
    await until(async () => (await session.get(`/org/${org}/sites`)).status === 404);
  });
});

describe('a user of an organization', () => {
  it('is read by id and by username, by an API key too', async () => {
    const { userId, email } = await newMember();
    const key = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${org}/api-key`, { name: 'k' });
    await root.expect('POST', `/org/${org}/api-key/${key.apiKeyId}/actions`, { actionIds: ['getOrgUser'] });
    const own = root.as(`${key.apiKeyId}.${key.apiKey}`);
    const expected = {
      orgId: org,
      userId,
      email,
      username: email,
      name: null,
      type: 'internal',
      isOwner: false,
      twoFactorEnabled: false,
      autoProvisioned: false,
      idpId: null,
      idpName: null,
      idpType: null,
      idpVariant: null,
      idpAutoProvision: null,
      isAdmin: false,
      roleIds: [member.roleId],
      roles: [{ roleId: member.roleId, name: 'Member', isAdmin: false }],
    };
    expect(await own.expect('GET', `/org/${org}/user/${userId}`)).toEqual(expected);
    expect(await own.expect('GET', `/org/${org}/user-by-username?username=${email.toUpperCase()}`)).toEqual(expected);
    expect((await own.get(`/org/${org}/user-by-username?username=${email}&idpId=1`)).status).toBe(404);
    expect((await own.get(`/org/${org}/user-by-username?username=nobody`)).status).toBe(404);
    expect((await own.get(`/org/${org}/user-by-username`)).status).toBe(400);
    const stranger = await newMember([theirs.roleId], other);
    expect((await own.get(`/org/${org}/user/${stranger.userId}`)).status).toBe(404);
    expect((await own.get(`/org/${org}/user-by-username?username=${stranger.email}`)).status).toBe(404);
  });

  it('is changed only as it was read', async () => {
    const { userId } = await newMember();
    const etag = (await root.get(`/org/${org}/user/${userId}`)).headers.get('etag')!;
    const changed = await withMatch(etag).post<OrgUser>(`/org/${org}/user/${userId}`, { autoProvisioned: true });
    expect([changed.status, changed.body.data.autoProvisioned]).toEqual([200, true]);
    expect((await withMatch(etag).post(`/org/${org}/user/${userId}`, { autoProvisioned: false })).status).toBe(412);
    await root.expect('POST', `/user/${userId}/add-role/${admin.roleId}`);
    expect(
      (await withMatch(changed.headers.get('etag')!).post(`/org/${org}/user/${userId}`, { autoProvisioned: false }))
        .status,
    ).toBe(412);
    expect((await root.post(`/org/${org}/user/${userId}`, {})).status).toBe(400);
  });

  it('is removed with roles and grants, the owner never', async () => {
    const { userId } = await newMember();
    await sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) VALUES ($1, 'r', 'r', false, 'tcp', 1000)`,
      [org],
    );
    await sql(
      'INSERT INTO resource_user (org_id, resource_id, user_id) SELECT org_id, resource_id, $2 FROM resource WHERE org_id = $1',
      [org, userId],
    );
    const reply = await root.delete(`/org/${org}/user/${userId}`);
    expect([reply.status, reply.body.data]).toEqual([200, null]);
    expect(
      await sql(
        'SELECT 1 FROM resource_user WHERE user_id = $1 UNION ALL SELECT 1 FROM membership_role WHERE user_id = $1',
        [userId],
      ),
    ).toEqual([]);
    expect((await root.get(`/org/${org}/user/${userId}`)).status).toBe(404);
    expect((await root.delete(`/org/${org}/user/${userId}`)).status).toBe(404);
    expect((await root.delete(`/org/${org}/user/${ownerId}`)).body).toMatchObject({ status: 400, code: 'validation' });
    expect((await auditOf(org)).at(-1)).toMatchObject({ action: 'org_user.remove', target_id: userId });
  });

  it('of an identity provider cannot be made yet', async () => {
    const right = { username: 'someone', type: 'oidc', idpId: 1, roleIds: [member.roleId] };
    const ask = async (body: object) => (await root.put(`/org/${org}/user`, body)).status;
    expect(await ask(right)).toBe(404);
    expect(await ask({ ...right, roleIds: [theirs.roleId] })).toBe(404);
    expect(await ask({ ...right, roleIds: undefined, roleId: member.roleId })).toBe(404);
    for (const wrong of [
      { type: 'internal' },
      { type: undefined },
      { idpId: undefined },
      { roleIds: [] },
      { roleIds: undefined },
      { username: '' },
      { email: 'x' },
    ]) {
      expect(await ask({ ...right, ...wrong }), JSON.stringify(wrong)).toBe(400);
    }
  });

  it('is found among others by filters that add up, in both orders', async () => {
    const role = await newRole('R');
    const names = [
      ['zoe', 'a'],
      ['adam', 'c'],
      [null, 'b'],
    ] as const;
    for (const [name, username] of names) {
      const { userId } = await newMember([role.roleId]);
      await sql('UPDATE "user" SET name = $2, username = $3 WHERE user_id = $1', [userId, name, `${username}-${org}`]);
    }
    const found = async (query: string) => {
      const { users, pagination } = await root.expect<{ users: { username: string }[]; pagination: { total: number } }>(
        'GET',
        `/org/${org}/users?${query}`,
      );
      expect(pagination.total).toBe(users.length);
      return users
        .map(({ username }) => username.replace(`-${org}`, ''))
        .filter((username) => username.length === 1)
        .join('');
    };
    expect(await found(`role_id=${role.roleId}`)).toBe('cba');
    expect(await found(`role_id=${role.roleId}&order=desc`)).toBe('abc');
    expect(await found(`role_id=${role.roleId}&sort_by=username`)).toBe('abc');
    expect(await found(`role_id=${role.roleId}&role_id=${admin.roleId}&sort_by=username&order=desc`)).toBe('cba');
    expect(await found('idp_id=internal&query=ZO')).toBe('a');
    for (const absent of [
      'idp_id=3',
      `role_id=${theirs.roleId}`,
      'role_id=999999',
      `role_id=${role.roleId}&role_id=${theirs.roleId}`,
    ]) {
      expect(await root.get(`/org/${org}/users?${absent}`), absent).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    }
    for (const bad of ['idp_id=x', 'role_id=x', 'role_id=0', 'sort_by=email', 'order=up', 'unknown=1'])
      expect((await root.get(`/org/${org}/users?${bad}`)).status, bad).toBe(400);
    expect(
      (await root.get(`/org/${org}/users?${Array.from({ length: 51 }, (_, i) => `role_id=${i + 1}`).join('&')}`))
        .status,
    ).toBe(400);
  });
});

describe('any user', () => {
  it('is read by root alone', async () => {
    const { userId, email } = await newMember();
    expect(await root.expect('GET', `/user/${userId}`)).toMatchObject({
      userId,
      email,
      username: email,
      serverAdmin: false,
      twoFactorEnabled: false,
    });
    expect((await root.get('/user/nobody')).status).toBe(404);
  });

  it('is not asked for a second factor that no login would want', async () => {
    const { userId } = await newMember();
    expect((await root.post(`/user/${userId}/2fa`, { twoFactorSetupRequested: true })).body).toMatchObject({
      status: 400,
      code: 'not_available',
    });
    expect(await root.expect('POST', `/user/${userId}/2fa`, { twoFactorSetupRequested: false })).toEqual({
      userId,
      twoFactorSetupRequested: false,
    });
    expect((await root.post(`/user/${userId}/2fa`, {})).status).toBe(400);
    expect((await root.post('/user/nobody/2fa', { twoFactorSetupRequested: false })).status).toBe(404);
  });
});

describe('an API key', () => {
  it('is made, listed with the right total, read, given actions and deleted', async () => {
    const made = [];
    for (const name of ['a', 'b', 'c'])
      made.push(
        await root.expect<{ apiKeyId: string; apiKey: string; lastChars: string; createdAt: string }>(
          'PUT',
          `/org/${org}/api-key`,
          { name },
        ),
      );
    const [{ apiKeyId, apiKey, lastChars, createdAt }] = made as [(typeof made)[0]];
    expect([apiKeyId, apiKey]).toEqual([
      expect.stringMatching(/^[a-z0-9]{15}$/),
      expect.stringMatching(/^[a-z2-7]{40}$/),
    ]);
    expect(await root.expect('GET', `/org/${org}/api-keys?limit=1&offset=0`)).toEqual({
      apiKeys: [{ apiKeyId, orgId: org, lastChars: apiKey.slice(-4), createdAt, name: 'a' }],
      pagination: { total: 3, limit: 1, offset: 0 },
    });
    expect(await root.expect('GET', `/org/${org}/api-key/${apiKeyId}`)).toEqual({
      apiKeyId,
      orgId: org,
      lastChars,
      createdAt,
      name: 'a',
    });
    const path = `/org/${org}/api-key/${apiKeyId}/actions`;
    const set = await root.post(path, { actionIds: ['listSites', 'getOrg', 'getSite'] });
    expect([set.status, set.body.data]).toEqual([201, {}]);
    expect(await root.expect('GET', `${path}?limit=2`)).toEqual({
      actions: [{ actionId: 'getOrg' }, { actionId: 'getSite' }],
      pagination: { total: 3, limit: 2, offset: 0 },
    });
    for (const actionIds of [['flyToTheMoon'], 'getOrg', undefined])
      expect((await root.post(path, { actionIds })).status, String(actionIds)).toBe(400);
    expect((await root.get(`/org/${other}/api-key/${apiKeyId}`)).status).toBe(404);
    expect((await root.delete(`/org/${org}/api-key/${apiKeyId}`)).body).toMatchObject({ status: 200, data: null });
    expect((await root.get(path)).status).toBe(404);
  });
});

describe('the list of members', () => {
  it('is read from indexes, whatever it is filtered and sorted by', async () => {
    await sql(
      `INSERT INTO "user" (user_id, email, username, name) SELECT 'bulk' || i, 'bulk' || i || '@example.com', 'bulk' || i || '@example.com', 'Name ' || i FROM generate_series(1, 20000) i`,
    );
    await sql(`INSERT INTO membership (org_id, user_id) SELECT $1, 'bulk' || i FROM generate_series(1, 20000) i`, [
      org,
    ]);
    const rare = await newRole('Rare');
    await sql(
      `INSERT INTO membership_role (org_id, user_id, role_id) SELECT $1, 'bulk' || i, CASE i % 1000 WHEN 0 THEN $2::bigint ELSE $3::bigint END FROM generate_series(1, 20000) i`,
      [org, rare.roleId, member.roleId],
    );
    await sql('VACUUM ANALYZE');
    const plan = async (filter: MemberFilter, by: MemberOrder['by'] = 'list_name', descending = false) => {
      const { text, values } = pageStatement(org, filter, { by, descending }, { limit: 20, offset: 0 });
      const rows = await sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    expect(await plan({})).toMatch(/Index.*Scan using membership_list_name/);
    expect(await plan({}, 'list_name', true)).toMatch(/Backward using membership_list_name/);
    expect(await plan({}, 'username')).toMatch(/Index.*Scan using membership_username/);
    for (const narrowed of [
      await plan({}),
      await plan({ roleIds: [rare.roleId] }),
      await plan({ search: 'bulk1234@' }),
      await plan({ search: 'bulk1234@', roleIds: [member.roleId] }),
    ]) {
      // Roles are few, and read whole.
      expect(narrowed).not.toMatch(/Seq Scan on (?!role)/);
    }
    expect(await plan({ search: 'bulk12345@example' })).toMatch(/user_search/);
  });
});

describe('sessions that have ended', () => {
  it('are swept', async () => {
    await sql(
      `INSERT INTO user_session (token_hash, user_id, expires_at) VALUES ('\\x01', $1, now() - interval '1 second'), ('\\x02', $1, now() + interval '1 hour')`,
      [ownerId],
    );
    await one.app.get(Retention).sweep();
    expect(
      await sql(`SELECT encode(token_hash, 'hex') AS hash FROM user_session WHERE token_hash IN ('\\x01', '\\x02')`),
    ).toEqual([{ hash: '02' }]);
  });
});
