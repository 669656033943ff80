import type { FixtureOrg } from '../fixture-org.js';
import { type Call, type Operation, read } from './operation.js';

async function atAuthority(fixture: FixtureOrg): Promise<Call> {
  const { authorities } = await fixture.root.expect<{ authorities: { caId: string }[] }>(
    'GET',
    `/org/${fixture.orgId}/certificate-authorities`,
  );
  return { params: { caId: authorities[0]!.caId } };
}

/** EST is over TLS only: what it does there is in est.int-spec.ts and est.e2e-spec.ts. */
const NOT_WITHOUT_TLS = 403;

export const CERTIFICATES_OPERATIONS: Record<string, Operation> = {
  listCertificateAuthorities: read('key'),
  rotateCertificateAuthority: {
    by: 'key',
    call: (fixture) => ({ body: { overlapSeconds: 0 }, target: () => newest(fixture) }),
    audit: ['certificate_authority.rotate', 'certificate_authority'],
  },
  getRevocationList: read('anybody', atAuthority),
  getEstCaCertificates: { by: 'anybody', call: atAuthority, answers: NOT_WITHOUT_TLS },
  getEstCaCertificatesByKey: { by: 'anybody', call: () => ({}), answers: NOT_WITHOUT_TLS },
  enrolByEstAt: { by: 'anybody', call: atAuthority, answers: NOT_WITHOUT_TLS },
  enrolByEst: { by: 'anybody', call: () => ({}), answers: NOT_WITHOUT_TLS },
  renewByEstAt: { by: 'site', call: atAuthority, answers: NOT_WITHOUT_TLS },
  renewByEst: { by: 'site', call: () => ({}), answers: NOT_WITHOUT_TLS },
};

async function newest(fixture: FixtureOrg): Promise<string> {
  return String((await atAuthority(fixture)).params!['caId']);
}
