import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConnectionCredentials } from '../../src/access/index.js';
import { newHardwareId, provision, TestOrg } from '../support/api.js';
import { DeviceKey } from '../support/device-certificates.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app?.close());

/** A certificate that was never presented, of an organization of its own. */
async function claim() {
  const org = await TestOrg.create(app.root);
  const key = (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey;
  const { csr } = await DeviceKey.make();
  const { body } = await provision(app.root.url, { provision_key: key, hardware_id: newHardwareId(), csr });
  const certificate = new X509Certificate(body.certificate!);
  const hash = createHash('sha256').update(certificate.raw).digest();
  const present = () =>
    app.get(ConnectionCredentials).authenticate({ kind: 'certificate', der: certificate.raw, hash });
  return { hash, certificate, present };
}

describe('a certificate that is proved', () => {
  it('renews for as long as its row says, although its own time is over, and does nothing else', async () => {
    const { hash, certificate, present } = await claim();
    expect(await present()).toHaveProperty('credentialId');
    await app.sql(
      `UPDATE site_credential SET expires_at = now() - interval '1 second', renew_until = now() + interval '1 day' WHERE certificate_hash = $1`,
      [hash],
    );
    await app.sql(`SELECT pg_notify('site_changed', site_id::text) FROM site_credential WHERE certificate_hash = $1`, [
      hash,
    ]);
    const after = Date.parse(certificate.validTo) + 1_000;
    await until(async () => 'unusable' in (await present())!);
    vi.spyOn(Date, 'now').mockReturnValue(after);
    expect(await present()).toMatchObject({ unusable: 'expired' });
  });

  it('is nothing past its own time, whatever its row says, nor before it', async () => {
    const { certificate, present } = await claim();
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.parse(certificate.validTo) + 1_000);
    expect(await present()).toBeNull();
    now.mockReturnValue(Date.parse(certificate.validFrom) - 1_000);
    expect(await present()).toBeNull();
  });

  it('is nothing where its authority is that of another organization', async () => {
    const { hash, present } = await claim();
    const other = await TestOrg.create(app.root);
    await app.sql(
      `UPDATE device_ca SET org_uid = (SELECT org_uid FROM org WHERE org_id = $1)
       WHERE ca_id = (SELECT ca_id FROM site_credential WHERE certificate_hash = $2)`,
      [other.orgId, hash],
    );
    expect(await present()).toBeNull();
  });
});
