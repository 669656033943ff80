import { describe, expect, it } from 'vitest';
import { ACTIONS } from '#contracts';
import { type MemberFilter, type MemberOrder, pageStatement } from '../../src/access/members/members.repository.js';
import { logIn } from '../support/app.js';
import {
  admin,
  auditOf,
  member,
  newMember,
  newRole,
  type OrgUser,
  org,
  other,
  ownerId,
  read,
  root,
  setUpPeople,
  sql,
  theirs,
  two,
  withMatch,
} from '../support/people.js';
import { until } from '../support/server.js';

setUpPeople();

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
      expect([status, body.message]).toEqual([403, expect.stringMatching(/^Nobody grants an action that they lack: /)]);
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
