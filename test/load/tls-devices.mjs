// Devices that prove themselves in a TLS handshake, or by an API key over one: their claims, and the certificate of the server.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
x509.cryptoProvider.set(/** @type {any} */ (webcrypto));

/**
 * Claims that many devices of a kind.
 * @param {import('./testbed.mjs').Server} server
 * @param {string} orgId
 * @param {'psk' | 'certificate' | 'api_key'} kind
 * @param {number} count
 * @param {string} [name] of their template and key, and what their hardware ids begin with
 */
export async function claimDevices(server, orgId, kind, count, name = kind) {
  const { templateId } = await server.api('PUT', `/org/${orgId}/provisioning-template`, {
    name,
    hardwareIdPattern: `${name}-[0-9]{1,3}`,
    credentialType: kind,
  });
  const { siteProvisioningKey } = await server.api('PUT', `/org/${orgId}/site-provisioning-key`, {
    name,
    templateId,
    maxBatchSize: count,
    validUntil: new Date(Date.now() + 3_600_000).toISOString(),
  });
  /** @type {import('./tls-connection.mjs').Device[]} */
  const devices = [];
  for (let i = 0; i < count; i++) {
    const own = kind === 'certificate' ? await request() : undefined;
    const claimed = await server.provision({
      provision_key: siteProvisioningKey,
      device_name: `${name} ${i}`,
      hardware_id: `${name}-${i}`,
      ...(own ? { csr: own.csr } : {}),
    });
    if (kind === 'psk') devices.push({ identity: claimed.psk_identity, psk: claimed.psk });
    else if (own) devices.push({ cert: claimed.certificate, key: own.key });
    else devices.push({ api_key: claimed.api_key });
  }
  return devices;
}

/** A certificate for the server, as files. */
export async function certificateFiles(folder) {
  const { keys, key } = await keyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '0a',
    name: 'CN=127.0.0.1',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  });
  const [TLS_CERT_FILE, TLS_KEY_FILE] = [path.join(folder, 'tls-cert.pem'), path.join(folder, 'tls-key.pem')];
  fs.writeFileSync(TLS_CERT_FILE, certificate.toString('pem'));
  fs.writeFileSync(TLS_KEY_FILE, key);
  return { TLS_CERT_FILE, TLS_KEY_FILE };
}

/** A certificate signing request, and its key in PEM. */
async function request() {
  const { keys, key } = await keyPair();
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=device',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { csr: csr.toString('pem'), key };
}

async function keyPair() {
  const keys = /** @type {any} */ (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']));
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { keys, key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}
