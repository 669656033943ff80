import { approvedSite, list, type Operation, read } from './operation.js';

export const CREDENTIALS_OPERATIONS: Record<string, Operation> = {
  // credentials of sites after their claim
  renewCredential: {
    by: 'site',
    call: (fixture) => ({ body: {}, target: fixture.approved.siteId, actor: String(fixture.approved.siteId) }),
    audit: ['site.renew_credential', 'site'],
  },
  listSiteCredentials: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId } })),
  rotateSiteCredential: {
    by: 'key',
    call: approvedSite,
    audit: ['site.rotate_credential', 'site', 'siteId'],
  },
  rotateCredentials: {
    by: 'key',
    // None of that kind: the job ends at once, and changes nothing while others look.
    call: (fixture) => ({ body: { filter: { siteIds: [fixture.approved.siteId], credentialKind: 'psk' } } }),
    audit: ['job.create', 'job', 'jobId'],
  },
  listCredentialRotations: list('key'),
};
