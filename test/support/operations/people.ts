import { KeyRing } from '#platform';
import { LoginRequests } from '../../../src/edge/access/login-requests.js';
import { type FixtureOrg, PASSWORD } from '../fixture-org.js';
import { CSRF, logIn } from '../log-in.js';
import { TEST_MASTER_KEY } from '../server.js';
import { type Call, list, type Operation, PAGE, read } from './operation.js';

export const PEOPLE_OPERATIONS: Record<string, Operation> = {
  // sessions of people
  login: {
    by: 'anybody',
    async call(fixture) {
      const { email, userId } = await fixture.user('Member');
      return {
        api: fixture.root.as(undefined, CSRF),
        body: { email, password: PASSWORD },
        target: userId,
        actor: userId,
      };
    },
    audit: ['auth.login', 'user'],
  },
  logout: {
    by: 'user',
    async call(fixture) {
      const { api, userId } = await fixture.user('Member');
      return { api, target: userId, actor: userId };
    },
    audit: ['auth.logout', 'user'],
  },
  logInToResource: {
    by: 'user',
    async call(fixture) {
      const { api } = await fixture.user('Admin');
      const requests = new LoginRequests(new KeyRing(Buffer.from(TEST_MASTER_KEY, 'base64')));
      const asked = { resourceId: fixture.resourceId, origin: 'http://app.example', state: 'state', returnPath: '/' };
      return { api, body: { request: requests.sign(asked) } };
    },
  },
  changePassword: {
    by: 'user',
    async call(fixture) {
      const { api, userId } = await fixture.user('Member');
      return {
        api,
        body: { currentPassword: PASSWORD, newPassword: 'another password' },
        target: userId,
        actor: userId,
      };
    },
    audit: ['user.change_password', 'user'],
  },
  getUser: read('user'),
  listOwnSessions: { by: 'user', call: () => ({ query: PAGE }) },
  endOwnSession: {
    by: 'user',
    async call(fixture) {
      const { api, email, userId } = await fixture.user('Member');
      await logIn(fixture.root.url, email, PASSWORD);
      const { sessions } = await api.expect<{ sessions: { sessionId: string; isCurrent: boolean }[] }>(
        'GET',
        '/auth/sessions',
      );
      const { sessionId } = sessions.find(({ isCurrent }) => !isCurrent)!;
      return { api, params: { sessionId }, target: userId, actor: userId };
    },
    audit: ['auth.end_session', 'user'],
  },
  endOtherSessions: {
    by: 'user',
    async call(fixture) {
      const { api, email, userId } = await fixture.user('Member');
      await logIn(fixture.root.url, email, PASSWORD);
      return { api, target: userId, actor: userId };
    },
    audit: ['auth.end_session', 'user'],
  },

  // roles and users
  createRole: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('role'), description: 'walk', allowSsh: true } }),
    audit: ['role.create', 'role', 'roleId'],
  },
  listRoles: list('key', { query: 'Member', sort_by: 'name', order: 'desc' }),
  getRole: read('key', (fixture) => ({ params: { roleId: fixture.roleId } })),
  updateRole: {
    by: 'key',
    call: async (fixture) => ({ ...(await role(fixture)), body: { description: 'walk' } }),
    audit: ['role.update', 'role', 'roleId'],
  },
  deleteRole: {
    by: 'key',
    call: async (fixture) => ({ ...(await role(fixture)), body: { roleId: fixture.roleId } }),
    audit: ['role.delete', 'role', 'roleId'],
  },
  listRoleActions: read('key', (fixture) => ({ params: { roleId: fixture.roleId } })),
  setRoleActions: {
    by: 'key',
    call: async (fixture) => ({ ...(await role(fixture)), body: { actionIds: ['getOrg', 'listSites'] } }),
    audit: ['role.set_actions', 'role', 'roleId'],
  },
  listMyActions: read('key'),
  listActionHolders: read('admin', () => ({ query: { action: 'listSites' } })),
  listRoleUsers: read('key', (fixture) => ({ params: { roleId: fixture.roleId }, query: PAGE })),
  listUsers: read('key', (fixture) => ({
    query: {
      ...PAGE,
      query: 'example',
      sort_by: 'username',
      order: 'desc',
      idp_id: 'internal',
      role_id: fixture.roleId,
    },
  })),
  getOrgUser: read('key', (fixture) => ({ params: { userId: fixture.callers.member.userId } })),
  checkOrgUser: read('key', (fixture) => ({ params: { candidateId: fixture.callers.member.userId } })),
  getOrgUserByUsername: read('key', (fixture) => ({ query: { username: fixture.callers.member.email } })),
  createOrgUser: {
    by: 'key',
    call: (fixture) => ({
      body: {
        username: fixture.name('user'),
        type: 'oidc',
        idpId: 1,
        roleIds: [fixture.roleId],
        roleId: fixture.roleId,
      },
    }),
    answers: 404, // there are no identity providers yet
  },
  updateOrgUser: {
    by: 'key',
    call: async (fixture) => ({ ...(await user(fixture)), body: { autoProvisioned: true } }),
    audit: ['org_user.update', 'user', 'userId'],
  },
  removeUser: { by: 'key', call: user, audit: ['org_user.remove', 'user', 'userId'] },
  setUserRole: {
    by: 'key',
    call: async (fixture) => ({
      params: { roleId: await fixture.role(), userId: (await fixture.user('Member')).userId },
    }),
    audit: ['org_user.set_role', 'user', 'userId'],
  },
  addUserRole: {
    by: 'key',
    call: async (fixture) => ({
      params: { roleId: await fixture.role(), userId: (await fixture.user('Member')).userId },
    }),
    audit: ['org_user.add_role', 'user', 'userId'],
  },
  removeUserRole: { by: 'key', call: userWithRole, audit: ['org_user.remove_role', 'user', 'userId'] },
  removeRoleFromUser: { by: 'key', call: userWithRole, audit: ['org_user.remove_role', 'user', 'userId'] },
  getAnyUser: read('root', (fixture) => ({ params: { userId: fixture.callers.member.userId } })),
  setUserTwoFactor: {
    by: 'root',
    call: (fixture) => ({
      params: { userId: fixture.callers.member.userId },
      body: { twoFactorSetupRequested: false },
    }),
    audit: ['user.set_two_factor', 'user', 'userId'],
  },
  verifyUser: {
    by: 'root',
    call: async (fixture) => ({ params: { userId: (await fixture.unproven()).userId } }),
    audit: ['user.verify', 'user', 'userId'],
  },
  requestEmailCode: {
    by: 'anybody',
    call: () => ({ body: { email: 'nobody@example.com' } }),
    answers: 400, // the servers of the walks send no mail
  },
  verifyEmail: {
    by: 'anybody',
    async call(fixture) {
      const { userId, code } = await fixture.unproven();
      return { body: { code, newPassword: 'another password' }, target: userId, actor: userId };
    },
    audit: ['user.prove_mailbox', 'user'],
  },

  requestPasswordReset: {
    by: 'anybody',
    call: () => ({ body: { email: 'nobody@example.com' } }),
    answers: 400, // the servers of the walks send no mail
  },
  confirmPasswordReset: {
    by: 'anybody',
    async call(fixture) {
      const { userId, token } = await fixture.resetLink();
      return { body: { token, newPassword: 'another password' }, target: userId, actor: userId };
    },
    audit: ['user.reset_password', 'user'],
  },

  // Every server of these tests has been set up by its ADMIN_PASSWORD (test/integration/setup.int-spec.ts has one that was not).
  setUp: {
    by: 'anybody',
    call: (fixture) => ({
      api: fixture.root.as(undefined, CSRF),
      body: { token: 'used', email: 'somebody@example.com', password: 'another password', organizationName: 'Walk' },
    }),
    answers: 404,
  },

  // invitations
  createInvite: {
    by: 'key',
    call(fixture) {
      const email = `${fixture.name('guest')}@example.com`.toLowerCase();
      return {
        body: { email, roleIds: [fixture.roleId], roleId: fixture.roleId, validHours: 1, sendEmail: false },
        target: () => invitationOf(fixture, email),
      };
    },
    audit: ['invitation.create', 'invitation'],
  },
  listInvitations: list('key'),
  getInvitation: read('key', invitation),
  removeInvitation: { by: 'key', call: invitation, audit: ['invitation.delete', 'invitation', 'inviteId'] },
  acceptInvite: {
    by: 'anybody',
    async call(fixture) {
      const { userId, email } = await fixture.outsider();
      const { inviteId, token } = await fixture.invitation(email);
      return { body: { token, password: PASSWORD }, target: inviteId, actor: userId };
    },
    audit: ['invitation.accept', 'invitation'],
  },

  // API keys: people and root keys only
  listApiKeys: list('admin'),
  createApiKey: {
    by: 'admin',
    call: (fixture) => ({ body: { name: fixture.name('key') } }),
    audit: ['api_key.create', 'api_key', 'apiKeyId'],
  },
  getApiKey: { by: 'admin', call: apiKey },
  deleteApiKey: { by: 'admin', call: apiKey, audit: ['api_key.delete', 'api_key', 'apiKeyId'] },
  listApiKeyActions: { by: 'admin', call: apiKey },
  setApiKeyActions: {
    by: 'admin',
    call: async (fixture) => ({ ...(await apiKey(fixture)), body: { actionIds: ['getOrg', 'listSites'] } }),
    audit: ['api_key.set_actions', 'api_key', 'apiKeyId'],
  },
};

async function role(fixture: FixtureOrg): Promise<Call> {
  return { params: { roleId: await fixture.role() } };
}
async function user(fixture: FixtureOrg): Promise<Call> {
  return { params: { userId: (await fixture.user('Member')).userId } };
}
async function userWithRole(fixture: FixtureOrg): Promise<Call> {
  const params = { roleId: await fixture.role(), userId: (await fixture.user('Member')).userId };
  await fixture.root.expect('POST', `/user/${params.userId}/add-role/${params.roleId}`);
  return { params };
}
async function invitation(fixture: FixtureOrg): Promise<Call> {
  const { inviteId } = await fixture.invitation(`${fixture.name('guest')}@example.com`);
  return { params: { inviteId } };
}
async function invitationOf(fixture: FixtureOrg, email: string): Promise<string> {
  const [invited] = await fixture.sql<{ id: string }>(
    'SELECT invite_id AS id FROM invitation WHERE org_id = $1 AND email = $2',
    [fixture.orgId, email],
  );
  return invited!.id;
}
async function apiKey(fixture: FixtureOrg): Promise<Call> {
  return { params: { apiKeyId: (await fixture.apiKey()).apiKeyId } };
}
