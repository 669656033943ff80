import { randomBytes } from 'node:crypto';
import { type FixtureOrg } from '../fixture-org.js';
import { type Call, list, type Operation, PAGE, read } from './operation.js';

export const RESOURCES_OPERATIONS: Record<string, Operation> = {
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
  postOrgDomain: {
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
  getResourceDiagnosis: read('key', ofResource),
  getResourceOfOrg: read('key', (fixture) => ({ params: { resourceNiceId: fixture.resourceId } })),
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
  deleteResourceTarget: {
    by: 'key',
    call: async (fixture) => ({ params: { ...(await target(fixture)).params, resourceId: fixture.resourceId } }),
    audit: ['target.delete', 'target', 'targetId'],
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
};

const RULE = { action: 'DROP', match: 'CIDR', value: '10.0.0.0/8', priority: 1 };
const newResource = (fixture: FixtureOrg) => ({
  siteId: fixture.approved.siteId,
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
