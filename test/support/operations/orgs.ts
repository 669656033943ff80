import { randomBytes } from 'node:crypto';
import { list, type Operation, PAGE, read } from './operation.js';

export const ORGS_OPERATIONS: Record<string, Operation> = {
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
  listOrgs: list('key', { query: 'a', sort_by: 'attention', order: 'desc' }),
  search: read('key', () => ({ query: { query: 'something' } })),
  getOrg: read('key'),
  exportOrg: read('admin'),
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
  closeOrg: { by: 'admin', call: () => ({ body: { dryRun: true } }) },
  reopenOrg: { by: 'admin', call: () => ({}), audit: ['org.reopen', 'org', 'orgId'] },
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

  // audit and events
  listAudit: read('key', (fixture) => ({
    query: { ...PAGE, actorId: fixture.callers.keyId, targetId: fixture.approved.siteId },
  })),
  listInstallationAudit: list('root'),
  listInstallationEvents: read('root', () => ({ query: { limit: 10 } })),
  listEvents: read('key', (fixture) => ({
    query: {
      limit: 10,
      siteId: fixture.approved.siteId,
      hardwareId: fixture.approved.hardwareId,
      keyId: fixture.key.siteProvisioningKeyId,
    },
  })),
  streamEvents: read('key'),

  // what came to public resources
  listRequestLog: read('key', (fixture) => ({
    query: {
      ...PAGE,
      siteId: fixture.approved.siteId,
      actorId: fixture.callers.keyId,
      status: '5xx',
      action: true,
    },
  })),
  exportRequestLog: read('key', (fixture) => ({
    query: { siteId: fixture.approved.siteId, actorId: fixture.callers.keyId },
  })),
  getLogAnalytics: read('key', () => ({ query: { timeStart: '2027-01-01', timeEnd: '2027-01-31' } })),
  listAccessLog: read('key', (fixture) => ({ query: { ...PAGE, actorId: fixture.callers.keyId, type: 'sso' } })),
  exportAccessLog: read('key', (fixture) => ({ query: { actorId: fixture.callers.keyId } })),
};
