import { randomBytes } from 'node:crypto';
import { type Api, newNonce, type Reply } from './api.js';
import { type FixtureOrg, PASSWORD } from './fixture-org.js';
import { CSRF } from './log-in.js';

/** A request that is right for its fixture. */
export interface Call {
  /** Path parameters beside `orgId`. */
  params?: Record<string, string | number>;
  query?: Record<string, string | number | boolean>;
  body?: Record<string, unknown>;
  /** Who asks, when it must be somebody else than `by` says. */
  api?: Api;
  /** The audit's target, when neither path nor answer hold it. */
  target?: string | number | (() => Promise<string | number>);
  /** Likewise the audit's actor. */
  actor?: string;
}

/** How one operation is called for real. */
export interface Operation {
  /** Who may: an organization's API key (and its Admin), its Admin alone, the root key, a logged-in user, a site, anybody. */
  by: 'key' | 'admin' | 'root' | 'user' | 'site' | 'anybody';
  call: (fixture: FixtureOrg) => Call | Promise<Call>;
  /** What the audit says of it: action, type of the target, and the name of the target's id in path or answer. */
  audit?: [action: string, targetType: string, id?: string];
  /** Of one that cannot succeed yet: what a right call of it is answered. */
  answers?: number;
}

/** Whether a right call of the operation got what it should. */
export const asExpected = ({ id }: Documented, status: number): boolean => {
  const { answers } = OPERATIONS[id]!;
  return answers === undefined ? status < 300 : status === answers;
};

const PAGE = { limit: 10, offset: 0 };
const RULE = { action: 'DROP', match: 'CIDR', value: '10.0.0.0/8', priority: 1 };
const read = (by: Operation['by'], call: Operation['call'] = () => ({})): Operation => ({ by, call });
const list = (by: Operation['by'], query: Call['query'] = {}): Operation => ({
  by,
  call: () => ({ query: { ...PAGE, ...query } }),
});

/** Every operation of the OpenAPI document, by operationId. */
export const OPERATIONS: Record<string, Operation> = {
  // health and downloads
  getHealth: read('anybody'),
  getReadiness: read('anybody'),
  getGreeting: read('anybody'),
  downloadAgent: read('anybody'),
  downloadAgentHash: read('anybody'),
  downloadAgentVersion: read('anybody'),
  downloadInstaller: read('anybody'),

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

  // organizations
  checkOrgId: read('root', (fixture) => ({ query: { orgId: fixture.orgId } })),
  createOrg: {
    by: 'root',
    call: () => ({
      body: {
        orgId: `new-${randomBytes(5).toString('hex')}`,
        name: 'New',
        subnet: '100.90.128.0/17',
        utilitySubnet: '100.96.128.0/20',
      },
    }),
    audit: ['org.create', 'org', 'orgId'],
  },
  listOrgs: list('root'),
  getOrg: read('key'),
  updateOrg: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('org') } }),
    audit: ['org.update', 'org', 'orgId'],
  },
  deleteOrg: {
    by: 'root',
    async call(fixture) {
      const orgId = `gone-${randomBytes(5).toString('hex')}`;
      await fixture.root.expect('PUT', '/org', { orgId, name: orgId });
      return { params: { orgId } };
    },
    audit: ['org.delete', 'org', 'orgId'],
  },
  listAddressRanges: list('key'),
  createAddressRange: {
    by: 'key',
    call: (fixture) => ({ body: { cidr: fixture.cidr() } }),
    audit: ['address_range.create', 'address_range', 'rangeId'],
  },
  deleteAddressRange: {
    by: 'key',
    call: async (fixture) => ({ params: { rangeId: await fixture.range() } }),
    audit: ['address_range.delete', 'address_range', 'rangeId'],
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

  // sites
  pickSiteDefaults: read('key'),
  createSite: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('site'), type: 'newt' } }),
    audit: ['site.create', 'site', 'siteId'],
  },
  listSites: read('key', (fixture) => ({
    query: {
      page: 1,
      pageSize: 10,
      status: 'approved',
      group: fixture.groupId,
      keyId: fixture.key.siteProvisioningKeyId,
      hardwareId: fixture.approved.hardwareId,
    },
  })),
  getSiteOfOrg: read('key', (fixture) => ({ params: { niceId: fixture.approved.niceId } })),
  getSite: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId } })),
  updateSite: {
    by: 'key',
    call: async (fixture) => ({
      ...(await pendingSite(fixture)),
      body: { name: fixture.name('site'), status: 'approved', groupIds: [fixture.groupId], note: 'walk' },
    }),
    audit: ['site.approve', 'site', 'siteId'],
  },
  deleteSite: { by: 'key', call: pendingSite, audit: ['site.reject', 'site', 'siteId'] },
  resetSiteBandwidth: { by: 'key', call: () => ({}), audit: ['site.reset_bandwidth', 'org', 'orgId'] },
  createGroup: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('group') } }),
    audit: ['group.create', 'group', 'groupId'],
  },
  listGroups: list('key'),
  getGroup: read('key', (fixture) => ({ params: { groupId: fixture.groupId } })),
  updateGroup: {
    by: 'key',
    call: async (fixture) => ({ params: { groupId: await fixture.group() }, body: { description: 'walk' } }),
    audit: ['group.update', 'group', 'groupId'],
  },
  deleteGroup: {
    by: 'key',
    call: async (fixture) => ({ params: { groupId: await fixture.group() } }),
    audit: ['group.delete', 'group', 'groupId'],
  },

  // machine clients
  pickClientDefaults: read('key'),
  createClient: {
    by: 'key',
    call: async (fixture) => ({ body: await fixture.newClient() }),
    audit: ['client.create', 'client', 'clientId'],
  },
  listClients: read('key', () => ({ query: { ...PAGE, status: 'active,blocked' } })),
  listUserDevices: list('key'),
  getClient: read('key', (fixture) => ({ params: { clientId: fixture.clientId } })),
  updateClient: onClient('client.update', (fixture) => ({ name: fixture.name('client') })),
  deleteClient: onClient('client.delete'),
  archiveClient: onClient('client.archive'),
  unarchiveClient: onClient('client.unarchive', undefined, 'archive'),
  blockClient: onClient('client.block'),
  unblockClient: onClient('client.unblock', undefined, 'block'),

  // domains
  listOrgDomains: list('key'),
  createOrgDomain: {
    by: 'key',
    call: (fixture) => ({ body: { type: 'wildcard', baseDomain: fixture.domainName() } }),
    audit: ['domain.create', 'domain', 'domainId'],
  },
  getDomain: read('key', (fixture) => ({ params: { domainId: fixture.domainId } })),
  updateOrgDomain: {
    by: 'key',
    call: async (fixture) => ({ ...(await domain(fixture)), body: { certResolver: 'walk' } }),
    audit: ['domain.update', 'domain', 'domainId'],
  },
  deleteOrgDomain: { by: 'key', call: domain, audit: ['domain.delete', 'domain', 'domainId'] },
  getDnsRecords: read('key', (fixture) => ({ params: { domainId: fixture.domainId } })),
  restartOrgDomain: { by: 'key', call: domain, audit: ['domain.restart', 'domain', 'domainId'] },

  // blueprints
  applyBlueprint: {
    by: 'key',
    call: (fixture) => ({
      body: {
        blueprint: Buffer.from(
          JSON.stringify({ sites: { [fixture.approved.niceId]: { name: fixture.name('described') } } }),
        ).toString('base64'),
      },
      target: fixture.orgId,
    }),
    audit: ['blueprint.apply', 'org'],
  },
  exportBlueprint: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId }, query: { kind: 'file' } })),
  listBlueprints: list('key'),
  getBlueprint: {
    by: 'key',
    async call(fixture) {
      await fixture.root.expect('PUT', `/org/${fixture.orgId}/blueprint`, {
        blueprint: Buffer.from(
          `sites: {${fixture.approved.niceId}: {name: ${randomBytes(6).toString('hex')}x}}`,
        ).toString('base64'),
      });
      const { blueprints } = await fixture.root.expect<{ blueprints: { blueprintId: number }[] }>(
        'GET',
        `/org/${fixture.orgId}/blueprints`,
      );
      return { params: { blueprintId: blueprints[0]!.blueprintId } };
    },
  },

  // public resources
  createResource: {
    by: 'key',
    call: (fixture) => ({ body: newResource(fixture) }),
    audit: ['resource.create', 'resource', 'resourceId'],
  },
  createResourceOfSite: {
    by: 'key',
    call: (fixture) => ({ params: { siteId: fixture.approved.siteId }, body: newResource(fixture) }),
    audit: ['resource.create', 'resource', 'resourceId'],
  },
  listResources: read('key', (fixture) => ({ query: { page: 1, pageSize: 10, siteId: fixture.approved.siteId } })),
  listResourcesOfSite: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId }, query: PAGE })),
  listResourceNames: list('key'),
  listUserResources: list('key'),
  getResource: read('key', ofResource),
  updateResource: onResource('resource.update', (fixture) => ({
    name: fixture.name('resource'),
    domainId: fixture.domainId,
    subdomain: fixture.name('r').toLowerCase(),
  })),
  deleteResource: onResource('resource.delete'),
  setResourcePassword: onResource('resource.set_password', () => ({ password: 'walk' })),
  setResourcePincode: onResource('resource.set_pincode', () => ({ pincode: '012345' })),
  setResourceHeaderAuth: onResource('resource.set_header_auth', () => ({
    user: 'walk',
    password: 'walk',
    extendedCompatibility: true,
  })),
  getResourceWhitelist: read('key', ofResource),
  setResourceWhitelist: onResource('resource.set_whitelist', () => ({ emails: ['walk@example.com', '*@example.org'] })),
  addToResourceWhitelist: onResource('resource.add_to_whitelist', () => ({ email: 'walk@example.com' })),
  removeFromResourceWhitelist: onResource(
    'resource.remove_from_whitelist',
    () => ({ email: 'walk@example.com' }),
    'whitelist/add',
  ),
  listResourceRoles: read('key', ofResource),
  listResourceUsers: read('key', ofResource),
  setResourceRoles: onResource('resource.set_roles', (fixture) => ({ roleIds: [fixture.roleId] })),
  setResourceUsers: onResource('resource.set_users', (fixture) => ({ userIds: [fixture.callers.member.userId] })),
  addResourceRole: onResource('resource.add_role', (fixture) => ({ roleId: fixture.roleId })),
  removeResourceRole: onResource('resource.remove_role', (fixture) => ({ roleId: fixture.roleId }), 'roles/add'),
  addResourceUser: onResource('resource.add_user', (fixture) => ({ userId: fixture.callers.member.userId })),
  removeResourceUser: onResource(
    'resource.remove_user',
    (fixture) => ({ userId: fixture.callers.member.userId }),
    'users/add',
  ),

  // private resources
  createSiteResource: {
    by: 'key',
    call: (fixture) => ({ body: newSiteResource(fixture) }),
    audit: ['site_resource.create', 'site_resource', 'siteResourceId'],
  },
  listSiteResources: read('key', (fixture) => ({ query: { page: 1, pageSize: 10, siteId: fixture.approved.siteId } })),
  listSiteResourcesOfSite: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId }, query: PAGE })),
  getSiteResource: read('key', ofSiteResource),
  updateSiteResource: onSiteResource('update', (fixture) => {
    const { name, niceId, siteId, siteIds, roleIds, userIds, clientIds, domainId, subdomain } =
      newSiteResource(fixture);
    return { name, niceId, siteId, siteIds, roleIds, userIds, clientIds, domainId, subdomain };
  }),
  deleteSiteResource: onSiteResource('delete'),
  listSiteResourceRoles: read('key', ofSiteResource),
  listSiteResourceUsers: read('key', ofSiteResource),
  listSiteResourceClients: read('key', ofSiteResource),
  setSiteResourceRoles: onSiteResource('set_roles', (fixture) => ({ roleIds: [fixture.roleId] })),
  setSiteResourceUsers: onSiteResource('set_users', (fixture) => ({ userIds: [fixture.callers.member.userId] })),
  setSiteResourceClients: onSiteResource('set_clients', (fixture) => ({ clientIds: [fixture.clientId] })),
  addSiteResourceRole: onSiteResource('add_role', (fixture) => ({ roleId: fixture.roleId })),
  addSiteResourceUser: onSiteResource('add_user', (fixture) => ({ userId: fixture.callers.member.userId })),
  addSiteResourceClient: onSiteResource('add_client', (fixture) => ({ clientId: fixture.clientId })),
  removeSiteResourceRole: onSiteResource('remove_role', (fixture) => ({ roleId: fixture.roleId }), 'roles/add'),
  removeSiteResourceUser: onSiteResource(
    'remove_user',
    (fixture) => ({ userId: fixture.callers.member.userId }),
    'users/add',
  ),
  removeSiteResourceClient: onSiteResource(
    'remove_client',
    (fixture) => ({ clientId: fixture.clientId }),
    'clients/add',
  ),
  addClientToSiteResources: {
    by: 'key',
    call: async (fixture) => ({
      params: { clientId: fixture.clientId },
      body: { siteResourceIds: [await fixture.siteResource()] },
    }),
    audit: ['client.add_site_resources', 'client', 'clientId'],
  },

  // targets and rules
  createTarget: {
    by: 'key',
    call: (fixture) => ({
      ...ofResource(fixture),
      body: { siteId: fixture.approved.siteId, ip: 'localhost', port: 8080, method: 'http' },
    }),
    audit: ['target.create', 'target', 'targetId'],
  },
  listTargets: read('key', (fixture) => ({ ...ofResource(fixture), query: PAGE })),
  getTarget: read('key', (fixture) => ({ params: { targetId: fixture.targetId } })),
  updateTarget: {
    by: 'key',
    call: async (fixture) => ({
      ...(await target(fixture)),
      body: { siteId: fixture.approved.siteId, ip: '10.0.0.1' },
    }),
    audit: ['target.update', 'target', 'targetId'],
  },
  deleteTarget: { by: 'key', call: target, audit: ['target.delete', 'target', 'targetId'] },
  createResourceRule: {
    by: 'key',
    call: (fixture) => ({ ...ofResource(fixture), body: RULE }),
    audit: ['rule.create', 'rule', 'ruleId'],
  },
  listResourceRules: read('key', (fixture) => ({ ...ofResource(fixture), query: PAGE })),
  getResourceRule: read('key', rule),
  updateResourceRule: {
    by: 'key',
    call: async (fixture) => ({ ...(await rule(fixture)), body: { priority: 2 } }),
    audit: ['rule.update', 'rule', 'ruleId'],
  },
  deleteResourceRule: { by: 'key', call: rule, audit: ['rule.delete', 'rule', 'ruleId'] },

  // access tokens
  generateAccessToken: {
    by: 'key',
    call: (fixture) => ({ ...ofResource(fixture), body: { validForSeconds: 60, title: fixture.name('token') } }),
    audit: ['access_token.create', 'access_token', 'accessTokenId'],
  },
  listAccessTokens: list('key'),
  listResourceAccessTokens: read('key', (fixture) => ({ ...ofResource(fixture), query: PAGE })),
  getAccessToken: read('key', accessToken),
  deleteAccessToken: { by: 'key', call: accessToken, audit: ['access_token.delete', 'access_token', 'accessTokenId'] },

  // decisions
  revokeSite: {
    by: 'key',
    call: async (fixture) => ({ ...(await approvedSite(fixture)), body: { note: 'stolen' } }),
    audit: ['site.revoke', 'site', 'siteId'],
  },
  updateApprovals: {
    by: 'key',
    async call(fixture) {
      const { siteId } = await fixture.site('pending');
      return { body: { siteIds: [siteId], decision: 'approve' }, target: siteId };
    },
    audit: ['site.approve', 'site'],
  },
  listJobs: list('key', { status: 'queued' }),
  getJob: read('key', async (fixture) => ({ params: { jobId: await fixture.job() }, query: PAGE })),
  pauseJob: { by: 'key', call: (fixture) => job(fixture), audit: ['job.pause', 'job', 'jobId'] },
  resumeJob: { by: 'key', call: (fixture) => job(fixture, 'paused'), audit: ['job.resume', 'job', 'jobId'] },
  cancelJob: { by: 'key', call: (fixture) => job(fixture), audit: ['job.cancel', 'job', 'jobId'] },

  listTombstones: list('key'),
  deleteTombstone: {
    by: 'key',
    call: async (fixture) => ({ params: { hardwareId: await fixture.tombstone() } }),
    audit: ['tombstone.delete', 'tombstone', 'hardwareId'],
  },

  // provisioning
  createProvisioningProfile: {
    by: 'key',
    call: (fixture) => ({
      body: { name: fixture.name('profile'), labels: { ring: 'one' }, groupIds: [fixture.groupId], config: { a: 1 } },
    }),
    audit: ['provisioning_profile.create', 'provisioning_profile', 'profileId'],
  },
  listProvisioningProfiles: list('key'),
  getProvisioningProfile: read('key', (fixture) => ({ params: { profileId: fixture.profileId } })),
  updateProvisioningProfile: {
    by: 'key',
    call: async (fixture) => ({
      params: { profileId: await fixture.profile() },
      body: { description: 'walk', groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_profile.update', 'provisioning_profile', 'profileId'],
  },
  deleteProvisioningProfile: {
    by: 'key',
    call: async (fixture) => ({ params: { profileId: await fixture.profile() } }),
    audit: ['provisioning_profile.delete', 'provisioning_profile', 'profileId'],
  },
  createProvisioningTemplate: {
    by: 'key',
    call: (fixture) => ({
      body: { name: fixture.name('template'), profileId: fixture.profileId, groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_template.create', 'provisioning_template', 'templateId'],
  },
  listProvisioningTemplates: list('key'),
  getProvisioningTemplate: read('key', (fixture) => ({ params: { templateId: fixture.templateId } })),
  updateProvisioningTemplate: {
    by: 'key',
    call: async (fixture) => ({
      params: { templateId: await fixture.template() },
      body: { profileId: fixture.profileId, groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_template.update', 'provisioning_template', 'templateId'],
  },
  deleteProvisioningTemplate: {
    by: 'key',
    call: async (fixture) => ({ params: { templateId: await fixture.template() } }),
    audit: ['provisioning_template.delete', 'provisioning_template', 'templateId'],
  },
  createSiteProvisioningKey: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('key'), templateId: fixture.templateId, maxBatchSize: 5 } }),
    audit: ['site_provisioning_key.create', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  listSiteProvisioningKeys: list('key'),
  getSiteProvisioningKey: read('key', (fixture) => ({
    params: { siteProvisioningKeyId: fixture.key.siteProvisioningKeyId },
  })),
  updateSiteProvisioningKey: {
    by: 'key',
    call: async (fixture) => ({
      ...(await provisioningKey(fixture)),
      body: { status: 'disabled', templateId: fixture.templateId },
    }),
    audit: ['site_provisioning_key.update', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  deleteSiteProvisioningKey: {
    by: 'key',
    call: provisioningKey,
    audit: ['site_provisioning_key.delete', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  revokeSiteProvisioningKey: {
    by: 'key',
    call: provisioningKey,
    audit: ['site_provisioning_key.revoke', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  rotateSiteProvisioningKey: {
    by: 'key',
    call: async (fixture) => ({ ...(await provisioningKey(fixture)), body: { overlapSeconds: 60 } }),
    audit: ['site_provisioning_key.rotate', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },

  // claims
  listClaims: read('key', (fixture) => ({
    query: { ...PAGE, keyId: fixture.key.siteProvisioningKeyId, hardwareId: fixture.approved.hardwareId },
  })),
  listUnattributedClaims: list('root'),
  pauseClaims: { by: 'key', call: () => ({}), audit: ['claims.pause', 'org', 'orgId'] },
  resumeClaims: { by: 'key', call: () => ({}), audit: ['claims.resume', 'org', 'orgId'] },
  allowReclaim: {
    by: 'key',
    call: async (fixture) => ({ ...(await approvedSite(fixture)), body: { expiresInSeconds: 60 } }),
    audit: ['site.allow_reclaim', 'site', 'siteId'],
  },
  provisionDevice: {
    by: 'anybody',
    call: (fixture) => {
      const hardware = fixture.name('hardware');
      const body = {
        provision_key: fixture.key.siteProvisioningKey,
        device_name: fixture.name('site'),
        hardware_id: hardware,
        claim_nonce: newNonce(),
      };
      return { body, target: () => siteOf(fixture, hardware), actor: hardware };
    },
    audit: ['site.claim', 'site'],
  },
  registerNewt: {
    by: 'anybody',
    call: (fixture) => {
      const hardware = fixture.name('hardware');
      const body = {
        provisioningKey: fixture.key.siteProvisioningKey,
        name: fixture.name('site'),
        hardwareId: hardware,
        claimNonce: newNonce(),
      };
      return { body, target: () => siteOf(fixture, hardware), actor: hardware };
    },
    audit: ['site.claim', 'site'],
  },

  // agents
  getNewtToken: read('anybody', async (fixture) => {
    const { newtId, secret } = await fixture.newtSite();
    return { body: { newtId, secret } };
  }),
  getDeviceToken: read('anybody', (fixture) => ({ api: fixture.callers.device })),
  getNewtVersion: read('anybody'),
  getDeviceSelf: read('site'),

  // audit and events
  listAudit: read('key', (fixture) => ({
    query: { ...PAGE, actorId: fixture.callers.keyId, targetId: fixture.approved.siteId },
  })),
  listInstallationAudit: list('root'),
  listInstallationEvents: read('root', () => ({ query: { limit: 10 } })),
  listEvents: read('key', () => ({ query: { limit: 10 } })),
  streamEvents: read('key'),
};

async function job(fixture: FixtureOrg, status?: 'paused'): Promise<Call> {
  return { params: { jobId: await fixture.job(status) } };
}
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
const newResource = (fixture: FixtureOrg) => ({
  name: fixture.name('resource'),
  http: true,
  protocol: 'tcp',
  domainId: fixture.domainId,
  subdomain: fixture.name('r').toLowerCase(),
});
function ofResource(fixture: FixtureOrg): Call {
  return { params: { resourceId: fixture.resourceId } };
}
/** A change of a resource made for it; `before`: where the same body is sent first. */
function onResource(
  action: string,
  body?: (fixture: FixtureOrg) => Record<string, unknown>,
  before?: string,
): Operation {
  return {
    by: 'key',
    async call(fixture) {
      const resourceId = await fixture.resource();
      const sent = body?.(fixture);
      if (before) await fixture.root.expect('POST', `/resource/${resourceId}/${before}`, sent);
      return { params: { resourceId }, ...(sent ? { body: sent } : {}) };
    },
    audit: [action, 'resource', 'resourceId'],
  };
}
const newSiteResource = (fixture: FixtureOrg) => ({
  name: fixture.name('private'),
  niceId: fixture.name('private'),
  mode: 'http',
  destination: 'web',
  destinationPort: 80,
  scheme: 'http',
  siteId: fixture.approved.siteId,
  siteIds: [fixture.approved.siteId, fixture.pending.siteId],
  roleIds: [fixture.roleId],
  userIds: [fixture.callers.member.userId],
  clientIds: [fixture.clientId],
  domainId: fixture.domainId,
  subdomain: fixture.name('p').toLowerCase(),
});
function ofSiteResource(fixture: FixtureOrg): Call {
  return { params: { siteResourceId: fixture.siteResourceId } };
}
/** Likewise of a private resource. */
function onSiteResource(
  verb: string,
  body?: (fixture: FixtureOrg) => Record<string, unknown>,
  before?: string,
): Operation {
  return {
    by: 'key',
    async call(fixture) {
      const siteResourceId = await fixture.siteResource();
      const sent = body?.(fixture);
      if (before) await fixture.root.expect('POST', `/site-resource/${siteResourceId}/${before}`, sent);
      return { params: { siteResourceId }, ...(sent ? { body: sent } : {}) };
    },
    audit: [`site_resource.${verb}`, 'site_resource', 'siteResourceId'],
  };
}
/** Likewise of a client. */
function onClient(action: string, body?: (fixture: FixtureOrg) => Record<string, unknown>, before?: string): Operation {
  return {
    by: 'key',
    async call(fixture) {
      const clientId = await fixture.client();
      if (before) await fixture.root.expect('POST', `/client/${clientId}/${before}`);
      return { params: { clientId }, ...(body ? { body: body(fixture) } : {}) };
    },
    audit: [action, 'client', 'clientId'],
  };
}
async function target(fixture: FixtureOrg): Promise<Call> {
  return { params: { targetId: await fixture.target(fixture.resourceId) } };
}
async function rule(fixture: FixtureOrg): Promise<Call> {
  const { ruleId } = await fixture.root.expect<{ ruleId: number }>('PUT', `/resource/${fixture.resourceId}/rule`, RULE);
  return { params: { resourceId: fixture.resourceId, ruleId } };
}
async function accessToken(fixture: FixtureOrg): Promise<Call> {
  return {
    params: {
      accessTokenId: (
        await fixture.root.expect<{ accessTokenId: string }>('POST', `/resource/${fixture.resourceId}/access-token`, {})
      ).accessTokenId,
    },
  };
}
async function domain(fixture: FixtureOrg): Promise<Call> {
  return { params: { domainId: await fixture.domain() } };
}
async function pendingSite(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteId: (await fixture.site('pending')).siteId } };
}
async function approvedSite(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteId: (await fixture.site('approved')).siteId } };
}
async function provisioningKey(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteProvisioningKeyId: (await fixture.provisioningKey()).siteProvisioningKeyId } };
}
async function siteOf(fixture: FixtureOrg, hardwareId: string): Promise<number> {
  const [site] = await fixture.sql<{ id: number }>(
    'SELECT site_id AS id FROM site WHERE org_id = $1 AND hardware_id = $2',
    [fixture.orgId, hardwareId],
  );
  return site!.id;
}

interface Schema {
  $ref?: string;
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  enum?: unknown[];
  [key: string]: unknown;
}

/** An operation as the OpenAPI document has it. */
export interface Documented {
  id: string;
  method: string;
  path: string;
  /** `org:<action>`, `root:<action>`, `user`, `site` or `public`. */
  scope: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: Schema }[];
  body?: Schema;
  statuses: number[];
}

export interface Document {
  operations: Documented[];
  schemas: Record<string, Schema>;
}

/** Reads the document of a running server. */
export async function readDocument(url: string): Promise<Document> {
  const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Record<string, unknown>>>;
    components: { schemas: Record<string, Schema> };
  };
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, o]): Documented => {
      const body = (o['requestBody'] as { content: Record<string, { schema: Schema }> } | undefined)?.content[
        'application/json'
      ]?.schema;
      return {
        id: o['operationId'] as string,
        method: method.toUpperCase(),
        path,
        scope: o['x-scope'] as string,
        parameters: (o['parameters'] ?? []) as Documented['parameters'],
        ...(body ? { body } : {}),
        statuses: Object.keys(o['responses'] as object).map(Number),
      };
    }),
  );
  return { operations, schemas: document.components.schemas };
}

/** The path and query of a call. */
export function urlOf(operation: Documented, fixture: FixtureOrg, call: Call): string {
  const params: Record<string, string | number> = { orgId: fixture.orgId, ...call.params };
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const query = new URLSearchParams(
    Object.entries(call.query ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return query ? `${path}?${query}` : path;
}

/** Who calls it rightfully. */
export function rightful(operation: Documented, fixture: FixtureOrg, call: Call): Api {
  const { callers, root } = fixture;
  const by = {
    key: callers.key,
    admin: callers.admin.api,
    root,
    user: callers.member.api,
    site: callers.device,
    anybody: root.as(undefined),
  };
  return call.api ?? by[OPERATIONS[operation.id]!.by];
}

/** Sends a call. A stream of events never ends by itself: once it has begun it is cut. */
export async function send(
  operation: Documented,
  api: Api,
  url: string,
  body?: unknown,
): Promise<Reply<{ data: unknown; fields?: { path: string }[] }>> {
  if (operation.id !== 'streamEvents') return (await api.send(operation.method, url, body)) as never;
  const abort = new AbortController();
  const headers = { ...(api.authorization ? { authorization: `Bearer ${api.authorization}` } : {}), ...api.extra };
  const response = await fetch(`${api.url}${url}`, { headers, signal: abort.signal });
  if (!response.ok) {
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) as never, text };
  }
  abort.abort();
  return { status: response.status, headers: response.headers, body: { data: null }, text: '' };
}
