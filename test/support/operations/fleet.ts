import { type Operation } from './operation.js';

/** What is done with many sites, and with one in place of another. */
export const FLEET_OPERATIONS: Record<string, Operation> = {
  actOnSites: {
    by: 'key',
    // It has no such label: the job ends at once, and changes nothing while others look.
    call: (fixture) => ({
      body: { siteIds: [fixture.approved.siteId], action: 'remove_labels', labelKeys: ['nowhere'] },
    }),
    audit: ['job.create', 'job', 'jobId'],
  },
  replaceSite: {
    by: 'key',
    async call(fixture) {
      const { siteId } = await fixture.site('approved');
      return { params: { siteId }, body: { bySiteId: (await fixture.site('pending')).siteId } };
    },
    audit: ['site.replace', 'site', 'siteId'],
  },
};
