import { describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import {
  admin,
  auditOf,
  member,
  newMember,
  newRole,
  one,
  org,
  other,
  type Role,
  read,
  rolesOf,
  root,
  setUpPeople,
  sql,
  theirs,
  two,
  withMatch,
} from '../support/people.js';

setUpPeople();

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
      { total: 2, pageSize: 1000, page: 1 },
    ]);
    expect(await found('page=2&pageSize=2')).toEqual([
      [expect.any(String), expect.any(String)],
      { total: 8, pageSize: 2, page: 2 },
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
