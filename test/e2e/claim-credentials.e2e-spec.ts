import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyRing } from '../../libs/platform/crypto/key-ring.js';
import { Api, deviceToken, newHardwareId, newNonce, newtToken, provision, register, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { startServer, TEST_MASTER_KEY, type TestServer } from '../support/server.js';

let server: TestServer;
let root: Api;

beforeAll(async () => {
  server = await startServer();
  root = Api.root(server);
});
afterAll(async () => {
  await server?.stop();
});

x509.cryptoProvider.set(webcrypto as never);
async function makeCsr(
  algorithm: RsaHashedKeyGenParams | EcKeyGenParams | { name: string },
  subject = 'CN=admin, O=Somebody Else',
): Promise<string> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as never, true, ['sign', 'verify'])) as never;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: { hash: 'SHA-256', ...algorithm } as never,
    extensions: [new x509.BasicConstraintsExtension(true, 3, true)],
  });
  return request.toString('pem');
}
type RsaHashedKeyGenParams = { name: string; modulusLength: number; publicExponent: Uint8Array; hash: string };
type EcKeyGenParams = { name: string; namedCurve: string };
const rsa = (bits: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: bits,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
});
const ec = (namedCurve: string) => ({ name: 'ECDSA', namedCurve });

const dump = async () => JSON.stringify(await queryDatabase(server.databaseUrl, `SELECT * FROM site_credential`));

describe('kinds of credentials', () => {
  it('stores random tokens as SHA-256 only', async () => {
    const key = await (await TestOrg.create(root)).key();
    const device = await provision(server.url, { provision_key: key.siteProvisioningKey });
    const newt = await register(server.url, { provisioningKey: key.siteProvisioningKey });
    const stored = await dump();
    for (const secret of [device.body.api_key, newt.body.data.secret]) {
      expect(stored).not.toContain(secret);
      expect(stored).not.toContain(Buffer.from(secret).toString('hex'));
    }
    const generations = JSON.stringify(
      await queryDatabase(server.databaseUrl, 'SELECT * FROM provisioning_key_generation'),
    );
    expect(generations).not.toContain(key.siteProvisioningKey.split('.')[1]);
    expect(server.logs.join('\n')).not.toContain(device.body.api_key);
  });

  it('psk: 32 bytes with an identity, stored encrypted and bound to it; a re-issue makes a new one', async () => {
    const key = await (await TestOrg.create(root)).keyUnder({ credentialType: 'psk' });
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
    const first = await provision(server.url, body);
    expect(first).toMatchObject({ status: 201, body: { api_key: '', credential_type: 'psk' } });
    expect(Buffer.from(first.body.psk!, 'base64url')).toHaveLength(32);
    const again = await provision(server.url, body);
    expect(again.body.device_id).toBe(first.body.device_id);
    expect(again.body.psk).not.toBe(first.body.psk);

    const ring = new KeyRing(Buffer.from(TEST_MASTER_KEY, 'base64'));
    const rows = await queryDatabase<{ psk_identity: string; psk_encrypted: Buffer }>(
      server.databaseUrl,
      `SELECT psk_identity, psk_encrypted FROM site_credential WHERE kind = 'psk'`,
    );
    const row = rows.find((r) => r.psk_identity === first.body.psk_identity)!;
    expect(ring.decrypt(row.psk_encrypted, `psk:${row.psk_identity}`).toString('base64url')).toBe(first.body.psk);
    expect(() => ring.decrypt(row.psk_encrypted, 'psk:another')).toThrow();
    expect(row.psk_encrypted.includes(Buffer.from(first.body.psk!, 'base64url'))).toBe(false);
  });

  it.each([
    ['P-256', ec('P-256')],
    ['P-384', ec('P-384')],
    ['RSA 2048', rsa(2048)],
    ['Ed25519', { name: 'Ed25519' }],
  ])(
    'certificate: signs a CSR with %s; the subject is the device id, its own wishes are ignored',
    async (_name, algorithm) => {
      const key = await (await TestOrg.create(root)).keyUnder({ credentialType: 'certificate' });
      const { status, body } = await provision(server.url, {
        provision_key: key.siteProvisioningKey,
        csr: await makeCsr(algorithm),
      });
      expect(status).toBe(201);
      expect(body).toMatchObject({ api_key: '', credential_type: 'certificate' });
      const [certificate, authority] = [
        new X509Certificate(body.certificate!),
        new X509Certificate(body.certificate_chain!),
      ];
      expect(certificate.subject).toBe(`CN=${body.device_id}`);
      expect(certificate.ca).toBe(false);
      // Shown to strangers by a server that asks for client certificates: nothing of the organization is in it.
      expect(authority.subject).toMatch(/^CN=Gatehouse device CA [a-z2-7]{16}$/);
      expect(certificate.verify(authority.publicKey)).toBe(true);
      expect(authority.ca).toBe(true);
    },
  );

  it('each organization has a CA of its own, its key encrypted', async () => {
    const chains = new Set<string>();
    for (let i = 0; i < 2; i++) {
      const key = await (await TestOrg.create(root)).keyUnder({ credentialType: 'certificate' });
      const replies = await Promise.all(
        [1, 2, 3].map(async () =>
          provision(server.url, { provision_key: key.siteProvisioningKey, csr: await makeCsr(ec('P-256')) }),
        ),
      );
      expect(replies.map((r) => r.status)).toEqual([201, 201, 201]);
      expect(new Set(replies.map((r) => r.body.certificate_chain)).size).toBe(1);
      chains.add(replies[0]!.body.certificate_chain!);
    }
    expect(chains.size).toBe(2);
    const [row] = await queryDatabase<{ key: Buffer }>(
      server.databaseUrl,
      'SELECT key_encrypted AS key FROM device_ca',
    );
    expect(() => createPrivateKey({ key: row!.key, format: 'der', type: 'pkcs8' })).toThrow();
    expect(row!.key.includes(Buffer.from('PRIVATE'))).toBe(false);
  });

  it('a bad CSR is 400 before the key is looked at', async () => {
    const good = await makeCsr(ec('P-256'));
    const middle = Math.floor(good.length / 2);
    const tampered = `${good.slice(0, middle)}${good[middle] === 'A' ? 'B' : 'A'}${good.slice(middle + 1)}`;
    for (const csr of [
      await makeCsr(rsa(1024)),
      await makeCsr(ec('P-521')),
      tampered,
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
    ]) {
      const reply = await provision(server.url, { provision_key: 'spk_whatever', csr });
      expect(reply.status).toBe(400);
      expect(reply.text).toContain('csr');
    }
  });

  it('newt: the endpoint decides the kind, whatever the template says', async () => {
    const key = await (await TestOrg.create(root)).keyUnder({ credentialType: 'psk' });
    const { body } = await register(server.url, { provisioningKey: key.siteProvisioningKey });
    expect((await newtToken(server.url, body.data.newtId, body.data.secret)).status).toBe(200);
  });

  it('a wrong, unknown or revoked credential is one 401, code credential_unusable', async () => {
    const key = await (await TestOrg.create(root)).key();
    const newt = await register(server.url, { provisioningKey: key.siteProvisioningKey });
    const replies = [
      await newtToken(server.url, newt.body.data.newtId, 'x'.repeat(48)),
      await newtToken(server.url, 'nobodyhasthisid', 'x'.repeat(48)),
      await deviceToken(server.url, `sk_live_${'A'.repeat(43)}`),
    ];
    for (const reply of replies) expect([reply.status, reply.body.code]).toEqual([401, 'credential_unusable']);
    expect(new Set(replies.slice(0, 2).map((r) => r.text)).size).toBe(1);
  });
});
