import { type Operation, PAGE, read } from './operation.js';

/** What is done with many sites, with one in place of another, and with what a leaked key made. */
export const FLEET_OPERATIONS: Record<string, Operation> = {
  actOnSites: {
    by: 'key',
    // It has no such label: the job ends at once, and changes nothing while others look.
    call: (fixture) => ({
      body: { siteIds: [fixture.approved.siteId], action: 'remove_labels', labelKeys: ['nowhere'] },
    }),
    others: [
      ({ approved: { siteId }, groupId }) => ({
        body: { siteIds: [siteId], action: 'add_groups', groupIds: [groupId], dryRun: true },
      }),
      ({ approved: { siteId }, profileId }) => ({
        body: { siteIds: [siteId], action: 'set_profile', profileId, dryRun: true },
      }),
    ],
    audit: ['job.create', 'job', 'jobId'],
  },
  reportLeakedKey: {
    by: 'key',
    // It has made nothing yet, so that no job changes sites while others look.
    call: async (fixture) => ({
      params: { siteProvisioningKeyId: (await fixture.provisioningKey()).siteProvisioningKeyId },
      body: { disable: true, suspend: 'all' },
    }),
    audit: ['site_provisioning_key.leaked', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  replaceSite: {
    by: 'key',
    async call(fixture) {
      const { siteId } = await fixture.site('approved');
      return { params: { siteId }, body: { bySiteId: (await fixture.site('pending')).siteId } };
    },
    others: [
      async (fixture) => ({
        params: { siteId: (await fixture.site('approved')).siteId },
        body: { hardwareId: fixture.name('hardware') },
      }),
    ],
    audit: ['site.replace', 'site', 'siteId'],
  },
  listReplacements: read('key', (fixture) => ({ query: { ...PAGE, siteId: fixture.approved.siteId } })),
  withdrawReplacement: {
    by: 'key',
    async call(fixture) {
      const { siteId } = await fixture.site('approved');
      await fixture.root.expect('POST', `/site/${siteId}/replace`, { hardwareId: fixture.name('spare') });
      return { params: { siteId } };
    },
    audit: ['site.withdraw_replacement', 'site', 'siteId'],
  },
};
