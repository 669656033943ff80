import { type Operation, PAGE, read } from './operation.js';

export const BUNDLES_OPERATIONS: Record<string, Operation> = {
  // bundles and leases
  listBundles: read('key', (fixture) => ({ query: { ...PAGE, profileId: fixture.profileId, state: 'offered' } })),
  getSiteBundle: read('key', (fixture) => ({ params: { siteId: fixture.approved.siteId } })),
  resendBundle: {
    by: 'key',
    call: (fixture) => ({ params: { siteId: fixture.approved.siteId } }),
    audit: ['site.resend_bundle', 'site', 'siteId'],
  },
  // The fixture's sites have no bundle key.
  getBundle: { ...read('site'), answers: 409 },
  acknowledgeBundle: read('site', () => ({ body: { version: 1, digest: 'A'.repeat(43), state: 'fetched' } })),
  takeLease: read('site', () => ({ body: { nonce: 'a-nonce-of-the-walk', prev: null, ver: 0 } })),
};
