import { type FixtureOrg } from '../fixture-org.js';
import { type Call, type Operation, PAGE, read } from './operation.js';

export const SITE_RESOURCES_OPERATIONS: Record<string, Operation> = {
  // private resources
  createSiteResource: {
    by: 'key',
    call: (fixture) => ({ body: newSiteResource(fixture) }),
    audit: ['site_resource.create', 'site_resource', 'siteResourceId'],
  },
  listSiteResources: read('key', (fixture) => ({ query: { page: 1, pageSize: 10, siteId: fixture.approved.siteId } })),
  listSiteResourcesOfSite: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId }, query: PAGE })),
  getSiteResource: read('key', ofSiteResource),
  getSiteResourceOfSite: read('key', (fixture) => ({
    params: { siteId: fixture.approved.siteId, siteResourceId: fixture.siteResourceId },
  })),
  // All of it: a domain is for http only.
  updateSiteResource: onSiteResource('update', (fixture) => newSiteResource(fixture)),
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
};

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
