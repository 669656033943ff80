import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceAuthorities } from '#platform';
import { CertificateAuthority } from '../../src/provisioning/authority/certificate-authority.js';
import { parseCsr } from '../../src/provisioning/authority/csr.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createCsr } from '../support/certificate.js';
import { queryDatabase, type TestDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

describe('a database of 0.1.0, brought up to date', () => {
  let database: TestDatabase;
  let app: StartedApp;
  beforeAll(async () => {
    database = await migrateFixture('0.1.0');
    app = await startApp(database.url, { BASE_DOMAIN: 'gate.example' });
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  it('keeps the certificate authority that it had: certificates of then verify, and it issues the next ones', async () => {
    const rows = await queryDatabase<{
      pem: string;
      caId: string;
      hash: Buffer;
      key: Buffer;
      serial: string;
      expiresAt: Date;
      uid: string;
    }>(
      database.url,
      `SELECT c.certificate AS pem, ca_id AS "caId", certificate_hash AS hash, c.public_key_hash AS key, serial, expires_at AS "expiresAt", org_uid AS uid
       FROM site_credential c JOIN device_public_key k ON k.public_key_hash = c.public_key_hash AND k.site_id = c.site_id JOIN org USING (org_id)
       WHERE kind = 'certificate'`,
    );
    expect(rows).toHaveLength(1);
    const { pem, caId, hash, key, serial, expiresAt, uid } = rows[0]!;
    const device = new X509Certificate(pem);
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect({ hash: hash.toString('hex'), key: key.toString('hex'), serial, expiresAt }).toEqual({
      hash: sha256(device.raw),
      key: sha256(device.publicKey.export({ type: 'spki', format: 'der' })),
      serial: device.serialNumber.toLowerCase(),
      expiresAt: new Date(device.validTo),
    });
    const authority = (await app.app.get(DeviceAuthorities).trusted(caId))!;
    expect(authority.orgId).toBe('acme');
    expect(device.verify(authority.certificate.publicKey)).toBe(true);
    const issued = await app.app
      .get(CertificateAuthority)
      .issue(uid, 'device', await parseCsr(await createCsr()), expiresAt);
    expect(issued.caId).toBe(caId);
    expect(new X509Certificate(issued.certificate).verify(authority.certificate.publicKey)).toBe(true);
  });
});
