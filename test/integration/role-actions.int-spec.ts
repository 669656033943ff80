import { describe, expect, it } from 'vitest';
import { ACTIONS, MEMBER_ACTIONS, PRESET_ACTIONS } from '#contracts';
import { Api } from '../support/api.js';
import { logIn } from '../support/app.js';
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
  rolesOf,
  root,
  setUpPeople,
  sql,
  two,
  withMatch,
} from '../support/people.js';
import { until } from '../support/server.js';

setUpPeople();

interface RoleActions {
  roleId: number;
  isAdmin: boolean;
  preset: string | null;
  actionIds: string[];
}
const PASSWORD = 'correct horse battery';
const sorted = (actions: readonly string[]) => [...actions].sort();
const actionsOf = (roleId: number, by = root) => by.expect<RoleActions>('GET', `/role/${roleId}/actions`);
const mine = (by: Api) => by.expect<{ actionIds: string[] }>('GET', `/org/${org}/my-actions`);
const builtIn = async (name: string): Promise<Role> => (await rolesOf(org)).find((role) => role.name === name)!;
/** Somebody with these roles, logged in at the second server. */
async function person(roleIds: number[]): Promise<{ userId: string; api: Api }> {
  const { userId, email } = await newMember(roleIds, org, PASSWORD);
  return { userId, api: await logIn(two.url, email, PASSWORD) };
}
async function keyWith(actionIds: readonly string[]): Promise<Api> {
  const key = await root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${org}/api-key`, { name: 'k' });
  await root.expect('POST', `/org/${org}/api-key/${key.apiKeyId}/actions`, { actionIds });
  return root.as(`${key.apiKeyId}.${key.apiKey}`);
}

describe('the roles of an organization', () => {
  it('hold what their name says', async () => {
    const held = async (name: string) => {
      const { preset, actionIds } = await actionsOf((await builtIn(name)).roleId);
      return [preset, actionIds];
    };
    expect(await held('Admin')).toEqual([null, sorted(ACTIONS)]);
    expect(await held('Member')).toEqual([null, sorted(MEMBER_ACTIONS)]);
    for (const preset of ['operator', 'approver', 'viewer'] as const)
      expect(await held(preset[0]!.toUpperCase() + preset.slice(1))).toEqual([preset, sorted(PRESET_ACTIONS[preset])]);
  });

  it('let those who hold them do so much', async () => {
    const { siteId } = await root.expect<{ siteId: number }>('PUT', `/org/${org}/site`, { name: 'S', type: 'newt' });
    const tries = async (name: string) => {
      const { api } = await person([(await builtIn(name)).roleId]);
      return [
        (await api.get(`/org/${org}/resources`)).status,
        (await api.get(`/org/${org}/sites`)).status,
        (await api.get(`/org/${org}/audit`)).status,
        (await api.post(`/org/${org}/approvals`, { siteIds: [siteId], decision: 'approve' })).status === 403
          ? 403
          : 200,
        (await api.post(`/site/${siteId}`, { name: `by ${name}` })).status,
        (await api.put(`/org/${org}/role`, { name: `by ${name}` })).status,
        (await api.delete(`/site/${siteId}`)).status,
      ];
    };
    expect(await tries('Member')).toEqual([200, 403, 403, 403, 403, 403, 403]);
    expect(await tries('Viewer')).toEqual([200, 200, 200, 403, 403, 403, 403]);
    expect(await tries('Approver')).toEqual([200, 200, 403, 200, 403, 403, 403]);
    expect(await tries('Operator')).toEqual([200, 200, 200, 200, 200, 403, 403]);
    expect(await tries('Admin')).toEqual([200, 200, 200, 200, 200, 201, 200]);
  });
});

describe('what a role holds', () => {
  it('is replaced, with an ETag and one audit row that says what was given and taken', async () => {
    const { roleId } = await newRole('Night shift');
    const read = await root.get<RoleActions>(`/role/${roleId}/actions`);
    expect([read.body.data.actionIds, read.headers.get('etag')]).toEqual([sorted(MEMBER_ACTIONS), '"1"']);
    const set = await withMatch('"1"').post<RoleActions>(`/role/${roleId}/actions`, {
      actionIds: ['listSites', 'getOrg'],
    });
    expect([set.status, set.body.data, set.headers.get('etag')]).toEqual([
      200,
      { roleId, isAdmin: false, preset: null, actionIds: ['getOrg', 'listSites'] },
      '"2"',
    ]);
    expect((await withMatch('"1"').post(`/role/${roleId}/actions`, { actionIds: [] })).status).toBe(412);
    expect((await auditOf(org)).filter(({ action }) => action === 'role.set_actions')).toMatchObject([
      {
        target_id: String(roleId),
        details: { preset: null, given: ['listSites'], taken: ['getResource', 'listResources'] },
      },
    ]);
    expect((await root.expect<RoleActions>('POST', `/role/${roleId}/actions`, { actionIds: [] })).actionIds).toEqual(
      [],
    );
  });

  it('follows a preset until it is given its own, and again when it is told to', async () => {
    const { roleId } = await builtIn('Viewer');
    await root.expect('POST', `/role/${roleId}/actions`, { actionIds: ['getOrg'] });
    expect(await actionsOf(roleId)).toMatchObject({ preset: null, actionIds: ['getOrg'] });
    await root.expect('POST', `/role/${roleId}/actions`, { preset: 'viewer' });
    expect(await actionsOf(roleId)).toMatchObject({ preset: 'viewer', actionIds: sorted(PRESET_ACTIONS.viewer) });
    expect(await sql('SELECT actions FROM role WHERE role_id = $1', [roleId])).toEqual([{ actions: [] }]);
  });

  it('changes what open sessions may do, at every server', async () => {
    const { roleId } = await newRole('Night shift');
    const { api } = await person([roleId]);
    expect((await api.get(`/org/${org}/sites`)).status).toBe(403);
    await root.expect('POST', `/role/${roleId}/actions`, { actionIds: ['listSites'] });
    await until(async () => (await api.get(`/org/${org}/sites`)).status === 200);
    await root.expect('POST', `/role/${roleId}/actions`, { actionIds: [] });
    await until(async () => (await api.get(`/org/${org}/sites`)).status === 403);
  });

  it.each([
    [{}, 'actionIds'],
    [{ actionIds: ['getOrg'], preset: 'viewer' }, 'actionIds'],
    [{ actionIds: ['getEverything'] }, 'actionIds'],
    [{ actionIds: ['getOrg', 'getOrg'] }, 'actionIds'],
    [{ actionIds: null }, 'actionIds'],
    [{ preset: 'admin' }, 'preset'],
    [{ preset: null }, 'preset'],
  ])('is refused when wrong: %j', async (body, path) => {
    const { roleId } = await newRole('Wrong');
    expect((await root.post(`/role/${roleId}/actions`, body)).body).toMatchObject({
      status: 400,
      fields: [{ path: expect.stringContaining(path) as string }],
    });
  });

  it('is everything for Admin, always', async () => {
    expect((await root.post(`/role/${admin.roleId}/actions`, { actionIds: ['getOrg'] })).status).toBe(403);
    expect((await root.post(`/role/${admin.roleId}/actions`, { preset: 'viewer' })).status).toBe(403);
    expect((await actionsOf(admin.roleId)).actionIds).toEqual(sorted(ACTIONS));
  });
});

describe('nobody grants what they lack', () => {
  const ACCESS = ['updateRole', 'getRole', 'addUserRole', 'inviteUser', 'deleteRole', 'listSites'];

  it('to a role', async () => {
    const api = await keyWith(ACCESS);
    const { roleId } = await newRole('Target');
    const set = (body: object) => api.post(`/role/${roleId}/actions`, body);
    expect((await set({ actionIds: ['listSites', 'revokeSite'] })).body).toMatchObject({
      status: 403,
      message: 'Nobody grants an action that they lack: revokeSite',
    });
    expect((await set({ preset: 'viewer' })).status).toBe(403);
    expect((await actionsOf(roleId)).actionIds).toEqual(sorted(MEMBER_ACTIONS));
    expect((await set({ actionIds: ['listSites'] })).status).toBe(200);
    // What Member holds anybody may bring somebody.
    expect((await set({ actionIds: ['listSites', 'getResource'] })).status).toBe(200);
  });

  it('but leaves to a role what it has', async () => {
    const api = await keyWith(ACCESS);
    const { roleId } = await newRole('Target');
    await root.expect('POST', `/role/${roleId}/actions`, { actionIds: ['listSites', 'revokeSite', 'updateSite'] });
    expect((await api.post(`/role/${roleId}/actions`, { actionIds: ['revokeSite'] })).status).toBe(200);
    expect((await api.post(`/role/${roleId}/actions`, { actionIds: ['revokeSite', 'updateSite'] })).status).toBe(403);
  });

  it('by giving a role, inviting to one, or naming it as the replacement', async () => {
    const api = await keyWith(ACCESS);
    const [operator, looks, doomed] = [await builtIn('Operator'), await newRole('Looks'), await newRole('Doomed')];
    await root.expect('POST', `/role/${looks.roleId}/actions`, { actionIds: ['listSites', 'getOrg'] });
    const { userId } = await newMember([doomed.roleId]);
    const give = async (roleId: number) => [
      (await api.post(`/role/${roleId}/add/${userId}`)).status,
      (await api.post(`/user/${userId}/add-role/${roleId}`)).status,
      (await api.post(`/org/${org}/create-invite`, { email: `to-${roleId}@example.com`, roleId, validHours: 1 }))
        .status,
    ];
    expect(await give(operator.roleId)).toEqual([403, 403, 403]);
    expect((await api.delete(`/role/${doomed.roleId}`, { roleId: operator.roleId })).status).toBe(403);
    expect(await give(looks.roleId)).toEqual([201, 201, 200]);
    expect(await give(member.roleId)).toEqual([201, 201, 200]);
  });

  it('whichever comes first, when a role grows as it is given', async () => {
    const api = await keyWith(ACCESS);
    const { userId } = await newMember();
    for (let round = 0; round < 5; round++) {
      const { roleId } = await newRole(`Grows ${round}`);
      const [given, grown] = await Promise.all([
        api.post(`/user/${userId}/add-role/${roleId}`),
        root.post(`/role/${roleId}/actions`, { preset: 'operator' }),
      ]);
      expect(grown.status).toBe(200);
      expect([201, 403]).toContain(given.status);
    }
  });
});

describe('what the caller may do', () => {
  it('is told to every kind of caller that may ask', async () => {
    expect((await mine(root)).actionIds).toEqual(sorted(ACTIONS));
    expect((await mine(await keyWith(['listSites', 'getSite']))).actionIds).toEqual(['getSite', 'listSites']);
    expect((await mine(await keyWith([]))).actionIds).toEqual([]);
    expect((await mine((await person([(await builtIn('Viewer')).roleId])).api)).actionIds).toEqual(
      sorted(PRESET_ACTIONS.viewer),
    );
    const { roleId } = await newRole('One more');
    await root.expect('POST', `/role/${roleId}/actions`, { actionIds: ['listJobs'] });
    expect((await mine((await person([member.roleId, roleId])).api)).actionIds).toEqual(
      sorted([...MEMBER_ACTIONS, 'listJobs']),
    );
    expect((await mine(await logIn(one.url, 'owner@example.com', 'correct horse'))).actionIds).toEqual(sorted(ACTIONS));
  });

  it('is nothing to be told where they do not belong', async () => {
    const { api } = await person([member.roleId]);
    expect((await api.get(`/org/${other}/my-actions`)).status).toBe(404);
    expect((await root.get('/org/nobodys/my-actions')).status).toBe(404);
    expect((await root.as(undefined).get(`/org/${org}/my-actions`)).status).toBe(401);
  });
});

describe('who holds an action', () => {
  interface Holders {
    roles: { name: string }[];
    users: { userId: string; email: string }[];
    total: number;
  }
  const holders = (by: Api, action: string) => by.expect<Holders>('GET', `/org/${org}/action-holders?action=${action}`);

  it('is told to a member who lacks it: roles by what they hold now, and the people who have one', async () => {
    const asking = await person([(await builtIn('Member')).roleId]);
    const { roleId: own } = await newRole('Watch');
    await root.expect('POST', `/role/${own}/actions`, { actionIds: ['listSites'] });
    const [viewer, holder] = [
      await person([(await builtIn('Viewer')).roleId]),
      await person([own, (await builtIn('Viewer')).roleId]),
    ];
    const { roles, users, total } = await holders(asking.api, 'listSites');
    const names = roles.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['Admin', 'Approver', 'Operator', 'Viewer']));
    expect(names).not.toContain('Member');
    const ids = users.map(({ userId }) => userId);
    expect(ids).toEqual(expect.arrayContaining([viewer.userId, holder.userId]));
    expect(ids).not.toContain(asking.userId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(total).toBe(ids.length);
    // What nobody but Admin holds, and nobody of this organization at all.
    expect((await holders(asking.api, 'createRole')).roles.map(({ name }) => name)).toEqual(['Admin']);
  });

  it('is told to nobody else, and of known actions alone', async () => {
    const stranger = await newMember([], other, PASSWORD);
    const path = `/org/${org}/action-holders?action=listSites`;
    expect((await (await logIn(two.url, stranger.email, PASSWORD)).get(path)).status).toBe(404);
    expect((await (await keyWith(['listUsers'])).get(path)).status).toBe(403);
    expect((await root.get(`/org/${org}/action-holders?action=fly`)).body).toMatchObject({
      status: 400,
      fields: [{ path: 'action' }],
    });
  });
});
