import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PgNotifications, sha256 } from '#platform';
import { CredentialSuccession, SessionTokens, SiteCredentialsService } from '../../src/access/index.js';
import { ConnectionCredentials } from '../../src/access/site-credentials/connection-credentials.service.js';
import { newHardwareId, newNonce, provision, TestOrg } from '../support/api.js';
import { DeviceKey } from '../support/device-certificates.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

interface Device {
  siteId: number;
  credentialId: number;
  orgId: string;
  caId: string;
  key: DeviceKey;
  certificate: string;
}

/** One that has not used its certificate yet. */
async function claim(): Promise<Device> {
  const org = await TestOrg.create(app.root);
  const key = await DeviceKey.make();
  const { body } = await provision(app.root.url, {
    provision_key: (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey,
    hardware_id: newHardwareId(),
    claim_nonce: newNonce(),
    csr: key.csr,
  });
  const certificate = body.certificate!;
  const [row] = await app.sql<Pick<Device, 'siteId' | 'credentialId' | 'caId'>>(
    `SELECT site_id AS "siteId", credential_id AS "credentialId", ca_id AS "caId" FROM site_credential WHERE certificate_hash = $1`,
    [hashOf(certificate)],
  );
  return { ...row!, orgId: org.orgId, key, certificate };
}

const derOf = (pem: string) => new X509Certificate(pem).raw;
const hashOf = (pem: string) => sha256(derOf(pem));
/** As if a connection had proved it. */
const connect = (pem: string) =>
  app.get(ConnectionCredentials).authenticate({ kind: 'certificate', der: derOf(pem), hash: hashOf(pem) });
const stagesOf = (siteId: number) =>
  app.sql(
    `SELECT stage, revoked_at, (SELECT authenticated_at FROM claim_window WHERE site_id = $1) AS settled FROM site_credential
     WHERE site_id = $1 ORDER BY credential_id`,
    [siteId],
  );

describe('a certificate that its authority has not signed, whoever stored it', () => {
  it('does not count as the first use of a claim', async () => {
    const device = await claim();
    const imitation = await device.key.imitate(device.certificate);
    await app.sql('UPDATE site_credential SET certificate_hash = $2 WHERE site_id = $1', [
      device.siteId,
      hashOf(imitation),
    ]);
    expect(await connect(imitation)).toBeNull();
    expect(await stagesOf(device.siteId)).toEqual([{ stage: 'current', revoked_at: null, settled: null }]);
  });

  it('does not become the current one', async () => {
    const device = await claim();
    expect(await connect(device.certificate)).toMatchObject({ siteId: device.siteId });
    const imitation = await device.key.imitate(device.certificate);
    const soon = new Date(Date.now() + 3_600_000);
    await app.db.tx((tx) =>
      app.get(CredentialSuccession).addNext(tx, device, {
        kind: 'certificate',
        certificate: imitation,
        certificateHash: hashOf(imitation),
        caId: device.caId,
        expiresAt: soon,
        renewUntil: soon,
      }),
    );
    const before = await stagesOf(device.siteId);
    expect(before).toMatchObject([{ stage: 'current' }, { stage: 'next' }]);
    expect(await connect(imitation)).toBeNull();
    expect(await stagesOf(device.siteId)).toEqual(before);
  });
});

describe('a certificate whose authority is not trusted any more', () => {
  const rotate = ({ orgId }: Device, overlapSeconds: number) =>
    app.root.expect('POST', `/org/${orgId}/certificate-authority/rotate`, { overlapSeconds });

  it('ends with it, also for tokens that it was given before, and may not renew', async () => {
    const device = await claim();
    const service = app.get(SiteCredentialsService);
    const byToken = () =>
      service.authenticateBearer(app.get(SessionTokens).verify(app.get(SessionTokens).issue(device))!);
    expect(await connect(device.certificate)).toMatchObject({ siteId: device.siteId });
    expect(await byToken()).toMatchObject({ siteId: device.siteId });
    await rotate(device, 3_600);
    expect(await connect(device.certificate)).toMatchObject({ siteId: device.siteId });
    expect(await byToken()).toMatchObject({ siteId: device.siteId });
    const listed = () =>
      app.root.expect<{ credentials: { status: string; expiresAt: string; renewUntil: string }[] }>(
        'GET',
        `/site/${device.siteId}/credentials`,
      );
    const [during] = (await listed()).credentials;
    expect(during).toMatchObject({ status: 'usable', renewUntil: during!.expiresAt });
    expect(Date.parse(during!.expiresAt)).toBeLessThanOrEqual(Date.now() + 3_600_000);

    await rotate(device, 0);
    await until(async () => (await byToken()) === null && (await connect(device.certificate)) === null);
    expect((await listed()).credentials).toMatchObject([{ status: 'expired' }]);
    expect(await app.sql('SELECT FROM usable_credential WHERE credential_id = $1', [device.credentialId])).toEqual([]);
    const soon = new Date(Date.now() + 3_600_000);
    await expect(
      app.db.tx((tx) =>
        app.get(CredentialSuccession).addNext(tx, device, { kind: 'certificate', expiresAt: soon, renewUntil: soon }),
      ),
    ).rejects.toMatchObject({ code: 'credential_unusable' });
  });

  it('is told of to every server, for each site that has one and no other', async () => {
    const [device, other] = [await claim(), await claim()];
    const heard = new Set<string>();
    app.get(PgNotifications).on('site_changed', (siteId) => heard.add(siteId));
    await rotate(device, 60);
    await until(() => heard.has(String(device.siteId)));
    expect(heard.has(String(other.siteId))).toBe(false);
  });
});
