import { newNonce, provision } from '../api.js';
import { OVER_TLS, proving } from '../behind-proxy.js';
import { DeviceKey } from '../device-certificates.js';
import { basic } from '../est.js';
import type { FixtureOrg } from '../fixture-org.js';
import { type Call, type Operation, read } from './operation.js';
import { siteOf } from './provisioning.js';

async function atAuthority(fixture: FixtureOrg): Promise<Call> {
  const { authorities } = await fixture.root.expect<{ authorities: { caId: string }[] }>(
    'GET',
    `/org/${fixture.orgId}/certificate-authorities`,
  );
  return { params: { caId: authorities[0]!.caId } };
}

async function newest(fixture: FixtureOrg): Promise<string> {
  return String((await atAuthority(fixture)).params!['caId']);
}

/** A key whose sites get certificates. */
async function certifying(fixture: FixtureOrg): Promise<string> {
  const templateId = await fixture.template({ credentialType: 'certificate' });
  return (await fixture.provisioningKey({ templateId })).siteProvisioningKey;
}

async function withKey(fixture: FixtureOrg): Promise<Call> {
  const authorization = basic(fixture.name('hardware'), await certifying(fixture));
  return { api: fixture.root.as(undefined, { authorization }) };
}

async function enrolling(fixture: FixtureOrg): Promise<Call> {
  const [hardware, key] = [fixture.name('hardware'), await certifying(fixture)];
  return {
    api: fixture.root.as(undefined, { authorization: basic(hardware, key) }),
    text: (await DeviceKey.make()).base64,
    target: () => siteOf(fixture, hardware),
    actor: hardware,
  };
}

/** By a site of its own, which has a certificate. */
async function renewing(fixture: FixtureOrg): Promise<Call> {
  const hardware = fixture.name('hardware');
  const claimed = await provision(fixture.root.url, {
    provision_key: await certifying(fixture),
    hardware_id: hardware,
    device_name: fixture.name('site'),
    claim_nonce: newNonce(),
    csr: (await DeviceKey.make()).csr,
  });
  const { certificate, device_id: deviceId } = claimed.body;
  const siteId = await siteOf(fixture, hardware);
  return {
    api: fixture.root.as(undefined, proving(certificate!)),
    text: (await DeviceKey.make(`CN=${deviceId}`)).base64,
    target: siteId,
    actor: String(siteId),
  };
}

const TAKES_CSR = { ...OVER_TLS, 'content-type': 'application/pkcs10' };
const ENROLS = {
  by: 'anybody',
  headers: TAKES_CSR,
  refusesAlike: true,
  audit: ['site.claim', 'site'],
} satisfies Partial<Operation>;
const RENEWS = {
  by: 'site',
  headers: TAKES_CSR,
  refusesAlike: true,
  audit: ['site.renew_credential', 'site'],
} satisfies Partial<Operation>;
const at = async (fixture: FixtureOrg, call: Promise<Call>) => ({ ...(await call), ...(await atAuthority(fixture)) });

/** EST is over TLS only: the servers of the walks stand behind a proxy that ends it. */
export const CERTIFICATES_OPERATIONS: Record<string, Operation> = {
  listCertificateAuthorities: read('key'),
  rotateCertificateAuthority: {
    by: 'key',
    call: (fixture) => ({ body: { overlapSeconds: 0 }, target: () => newest(fixture) }),
    audit: ['certificate_authority.rotate', 'certificate_authority'],
  },
  getRevocationList: read('anybody', atAuthority),
  getEstCaCertificates: { ...read('anybody', atAuthority), headers: OVER_TLS },
  getEstCaCertificatesByKey: { ...read('anybody', withKey), headers: OVER_TLS, refusesAlike: true },
  enrolByEstAt: { ...ENROLS, call: (fixture) => at(fixture, enrolling(fixture)) },
  enrolByEst: { ...ENROLS, call: enrolling },
  renewByEstAt: { ...RENEWS, call: (fixture) => at(fixture, renewing(fixture)) },
  renewByEst: { ...RENEWS, call: renewing },
};
