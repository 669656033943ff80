import { describe, expect, it } from 'vitest';
import { app, get, post, resource, setUpResourceAccess, user } from '../support/resource-access.js';

setUpResourceAccess();

async function role(orgId: string, name: string): Promise<number> {
  const [row] = await app.sql<{ id: number }>(
    `INSERT INTO role (org_id, name, name_key) VALUES ($1, $2, lower($2)) ON CONFLICT (org_id, name_key) DO UPDATE SET name = excluded.name RETURNING role_id AS id`,
    [orgId, name],
  );
  return row!.id;
}

describe('roles', () => {
  it('Admin first and always; others are set, added and removed', async () => {
    const [admin, one, two] = [await role('acme', 'Admin'), await role('acme', 'one'), await role('acme', 'two')];
    expect(await get('roles')).toEqual({
      roles: [{ roleId: admin, name: 'Admin', description: expect.any(String), isAdmin: true }],
    });
    expect(await post('roles', { roleIds: [two, one] })).toMatchObject({ status: 201, body: { data: {} } });
    expect(await get('roles')).toMatchObject({
      roles: [{ roleId: admin }, { roleId: one, isAdmin: false, description: null }, { roleId: two }],
    });
    expect((await post('roles', { roleIds: [two] })).status).toBe(201);
    expect((await post('roles/add', { roleId: two })).status).toBe(409);
    expect((await post('roles/add', { roleId: one })).status).toBe(201);
    expect((await post('roles/remove', { roleId: two })).status).toBe(200);
    expect((await post('roles/remove', { roleId: two })).status).toBe(404);
    expect(await get('roles')).toMatchObject({ roles: [{ roleId: admin }, { roleId: one }] });
    for (const [rest, body] of [
      ['roles', { roleIds: [admin] }],
      ['roles/add', { roleId: admin }],
      ['roles/remove', { roleId: admin }],
    ] as const)
      expect((await post(rest, body)).status).toBe(400);
    expect(await app.sql('SELECT FROM resource_role WHERE role_id = $1', [admin])).toEqual([]);
  });

  it("another organization's role is 404, and nothing of the set is written", async () => {
    const [mine, theirs] = [await role('acme', 'mine'), await role('other', 'theirs')];
    const before = await get('roles');
    for (const id of [theirs, 99_999_999]) {
      expect((await post('roles', { roleIds: [mine, id] })).status).toBe(404);
      expect((await post('roles/add', { roleId: id })).status).toBe(404);
      expect((await post('roles/remove', { roleId: id })).status).toBe(404);
    }
    expect(await get('roles')).toEqual(before);
    const wrong = [{}, { roleIds: ['1'] }, { roleIds: [1, 1] }, { roleIds: [0] }, { roleIds: null }];
    for (const body of wrong) expect((await post('roles', body)).status, JSON.stringify(body)).toBe(400);
  });

  it('two sets at once leave one of the two', async () => {
    const ids = await Promise.all(['s1', 's2', 's3', 's4'].map((name) => role('acme', name)));
    const id = await resource('acme');
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        post('roles', { roleIds: ids.slice(0, 2) }, id),
        post('roles', { roleIds: ids.slice(2) }, id),
      ]);
      const { roles } = await get<{ roles: { roleId: number; isAdmin: boolean }[] }>('roles', id);
      const left = roles.filter((r) => !r.isAdmin).map((r) => r.roleId);
      expect([ids.slice(0, 2), ids.slice(2)]).toContainEqual(left);
    }
  });
});

describe('users', () => {
  it('are set, added and removed', async () => {
    const [one, two] = [await user('acme'), await user('acme')];
    expect(await get('users')).toEqual({ users: [] });
    expect((await post('users', { userIds: [one, two] })).status).toBe(201);
    const { users } = await get<{ users: { userId: string }[] }>('users');
    expect(users.map((u) => u.userId)).toEqual([one, two]);
    expect(users[0]).toEqual({
      userId: one,
      username: expect.stringMatching(/@/),
      type: 'internal',
      idpName: null,
      idpId: null,
      email: expect.stringMatching(/@/),
    });
    expect((await post('users/add', { userId: one })).status).toBe(409);
    expect((await post('users/remove', { userId: one })).status).toBe(200);
    expect((await post('users/remove', { userId: one })).status).toBe(404);
    expect((await post('users/add', { userId: one })).status).toBe(201);
    expect((await post('users', { userIds: [] })).status).toBe(201);
    expect(await get('users')).toEqual({ users: [] });
  });

  it('somebody who is no member is 404; who leaves the organization loses access', async () => {
    const [mine, theirs] = [await user('acme'), await user('other')];
    for (const id of [theirs, 'nobody']) {
      expect((await post('users', { userIds: [mine, id] })).status).toBe(404);
      expect((await post('users/add', { userId: id })).status).toBe(404);
      expect((await post('users/remove', { userId: id })).status).toBe(404);
    }
    await post('users/add', { userId: mine });
    await app.sql('DELETE FROM membership WHERE user_id = $1', [mine]);
    expect(await get('users')).toEqual({ users: [] });
    for (const body of [{}, { userIds: [1] }, { userIds: ['a', 'a'] }, { userIds: [''] }])
      expect((await post('users', body)).status, JSON.stringify(body)).toBe(400);
  });
});
