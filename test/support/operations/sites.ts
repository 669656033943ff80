import { type FixtureOrg } from '../fixture-org.js';
import { approvedSite, type Call, list, type Operation, PAGE, read } from './operation.js';

export const SITES_OPERATIONS: Record<string, Operation> = {
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
      profileId: fixture.profileId,
      templateId: fixture.templateId,
      hardwareId: fixture.approved.hardwareId,
    },
  })),
  getSiteFacets: read('key'),
  getSiteOfOrg: read('key', (fixture) => ({ params: { niceId: fixture.approved.niceId } })),
  getSite: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId } })),
  listSiteSessions: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId }, query: PAGE })),
  getSiteDiagnosis: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId } })),
  updateSite: {
    by: 'key',
    call: async (fixture) => ({
      ...(await pendingSite(fixture)),
      body: {
        name: fixture.name('site'),
        status: 'approved',
        groupIds: [fixture.groupId],
        profileId: fixture.profileId,
        note: 'walk',
      },
    }),
    audit: ['site.approve', 'site', 'siteId'],
  },
  deleteSite: { by: 'key', call: pendingSite, audit: ['site.reject', 'site', 'siteId'] },
  restartSite: {
    by: 'key',
    call: (fixture) => ({ params: { siteId: fixture.approved.siteId } }),
    audit: ['site.restart', 'site', 'siteId'],
  },
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
  listTombstones: list('key'),
  listRejections: read('key', (fixture) => ({ query: { ...PAGE, hardwareId: fixture.approved.hardwareId } })),
  deleteTombstone: {
    by: 'key',
    call: async (fixture) => ({ params: { hardwareId: await fixture.tombstone() } }),
    audit: ['tombstone.delete', 'tombstone', 'hardwareId'],
  },
};

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
async function pendingSite(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteId: (await fixture.site('pending')).siteId } };
}
