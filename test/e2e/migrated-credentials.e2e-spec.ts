import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRing, keyIdOf } from '../../libs/platform/crypto/key-ring.js';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { queryDatabase, type TestDatabase } from '../support/database.js';
import { DeviceKey } from '../support/device-certificates.js';
import {
  ask,
  connectSession,
  startTlsServer,
  type TlsOptions,
  type TlsServer,
  withPsk,
} from '../support/device-tls.js';
import { fixtureSecrets, restoreFixture } from '../support/fixture.js';
import { TEST_MASTER_KEY, until } from '../support/server.js';

const SELF = '/api/v1/device/self';
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const secrets = fixtureSecrets('0.1.0') as ReturnType<typeof fixtureSecrets> & { certified: { device_id: string } };

let database: TestDatabase;
let tls: TlsServer;
let key: DeviceKey;
let certificate: string;

beforeAll(async () => {
  database = await restoreFixture('0.1.0');
  key = await DeviceKey.make();
  certificate = await certify(key, secrets.certified.device_id);
  const replaced = await sql(
    `UPDATE site_credential c SET certificate = $2 FROM site s WHERE s.site_id = c.site_id AND s.device_id = $1 AND c.kind = 'certificate' RETURNING 1`,
    [secrets.certified.device_id, certificate],
  );
  expect(replaced).toHaveLength(1);
  await migrate(database.url, MIGRATIONS);
  tls = await startTlsServer({ databaseUrl: database.url, env: { BASE_DOMAIN: 'gate.example' } });
});
afterAll(async () => {
  await tls?.stop();
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);

/** As 0.1.0 did for the CSR of a device whose key is not in the fixture: by the organization's authority that is, for ten years. */
async function certify(device: DeviceKey, deviceId: string): Promise<string> {
  const [row] = await sql<{ pem: string; sealed: Buffer }>(
    `SELECT ca_certificate AS pem, ca_key_encrypted AS sealed FROM org WHERE org_id = 'acme'`,
  );
  const ring = new KeyRing(Buffer.from(TEST_MASTER_KEY, 'base64'));
  // It sealed without the id of a master key in front.
  const pkcs8 = ring.decrypt(Buffer.concat([keyIdOf(ring.writesWith), row!.sealed]), 'ca:acme');
  const authority = new x509.X509Certificate(row!.pem);
  const now = Date.now();
  const made = await x509.X509CertificateGenerator.create({
    // Numbers of then may begin with zeros.
    serialNumber: `00${createHash('sha256').update(device.pem).digest('hex').slice(0, 30)}`,
    subject: `CN=${deviceId}`,
    issuer: authority.subject,
    notBefore: new Date(now - 300_000),
    notAfter: new Date(now + 10 * 365 * 86_400_000),
    publicKey: new x509.Pkcs10CertificateRequest(device.csr).publicKey,
    signingKey: (await webcrypto.subtle.importKey('pkcs8', pkcs8, EC, false, ['sign'])) as webcrypto.CryptoKey,
    signingAlgorithm: EC,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return made.toString('pem');
}

/** A pre-shared key of a moment ago may not be known yet, and its handshake fails. */
async function becomes(proof: TlsOptions, status: number): Promise<void> {
  await until(
    async () =>
      (await ask(tls.devicePort, SELF, proof).then(
        (reply) => reply.status,
        () => 0,
      )) === status,
  );
}

describe('a credential that 0.1.0 issued and took nowhere', () => {
  it.each<[string, () => { proof: TlsOptions; deviceId: string }]>([
    ['certificate', () => ({ proof: { cert: certificate, key: key.pem }, deviceId: secrets.certified.device_id })],
    [
      'pre-shared key',
      () => ({ proof: withPsk(secrets.psk.psk_identity, secrets.psk.psk), deviceId: secrets.psk.device_id }),
    ],
  ])('a %s proves its device in a handshake, begins sessions, and is renewed', async (kind, of) => {
    const { proof, deviceId } = of();
    expect(await ask(tls.devicePort, SELF, proof)).toMatchObject({ status: 200, body: { device_id: deviceId } });
    await (await connectSession(tls.devicePort, proof)).close();
    const successor = await DeviceKey.make();
    const renewed = await ask(tls.devicePort, '/api/v1/device/credential/renew', {
      ...proof,
      body: kind === 'certificate' ? { csr: successor.csr } : {},
    });
    expect(renewed.status, renewed.text).toBe(201);
    const answer = renewed.body as Record<'certificate' | 'psk_identity' | 'psk', string>;
    const next =
      kind === 'certificate'
        ? { cert: answer.certificate, key: successor.pem }
        : withPsk(answer.psk_identity, answer.psk);
    await becomes(next, 200);
    expect((await ask(tls.devicePort, SELF, next)).body).toMatchObject({ device_id: deviceId });
    await sql(
      `UPDATE site_credential c SET ends_at = now() FROM site s WHERE s.site_id = c.site_id AND s.device_id = $1 AND c.stage = 'previous'`,
      [deviceId],
    );
    await sql(`SELECT pg_notify('site_changed', site_id::text) FROM site WHERE device_id = $1`, [deviceId]);
    await becomes(proof, 401);
    await becomes(next, 200);
  });
});
