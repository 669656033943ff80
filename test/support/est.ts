import 'reflect-metadata';
import { createHash, createPublicKey, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { expect } from 'vitest';
import type { TestKey } from './api.js';
import type { TestApp } from './test-app.js';

x509.cryptoProvider.set(webcrypto as never);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A key pair of a device that enrols by EST. */
export class EstDevice {
  private constructor(
    readonly hardwareId: string,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async make(hardwareId: string): Promise<EstDevice> {
    return new EstDevice(
      hardwareId,
      (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair,
    );
  }

  /** PKCS#10 in base64, in lines, as RFC 7030 §4.2.1 has it. */
  async csr(subject = 'CN=whoever, O=Somebody Else', extensions: x509.Extension[] = []): Promise<string> {
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      name: subject,
      keys: this.keys,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return Buffer.from(request.rawData)
      .toString('base64')
      .match(/.{1,64}/g)!
      .join('\r\n');
  }

  /** SHA-256 of its SubjectPublicKeyInfo. */
  async publicKeyHash(): Promise<Buffer> {
    return createHash('sha256')
      .update(Buffer.from(await webcrypto.subtle.exportKey('spki', this.keys.publicKey)))
      .digest();
  }

  /** Whether the certificate is for its key. */
  async owns(certificate: X509Certificate): Promise<boolean> {
    const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', this.keys.publicKey));
    return certificate.publicKey.equals(createPublicKey({ key: spki, format: 'der', type: 'spki' }));
  }

  /** PKCS#8, PEM. */
  async key(): Promise<string> {
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', this.keys.privateKey));
    return `-----BEGIN PRIVATE KEY-----\n${der
      .toString('base64')
      .match(/.{1,64}/g)!
      .join('\n')}\n-----END PRIVATE KEY-----\n`;
  }
}

/** A signing request (PKCS#10, base64) that no library makes: any key, with any signature. */
export function handmadeCsr(
  publicKey: KeyObject | Buffer,
  algorithm: keyof typeof SIGNED_BY,
  signed: (info: Buffer) => Buffer,
): string {
  const spki = Buffer.isBuffer(publicKey) ? publicKey : publicKey.export({ type: 'spki', format: 'der' });
  const info = der(0x30, der(0x02, Buffer.from([0])), der(0x30), spki, der(0xa0));
  const signature = der(0x03, Buffer.from([0]), signed(info));
  return der(0x30, info, Buffer.from(SIGNED_BY[algorithm], 'hex'), signature).toString('base64');
}

/** With SHA-256. */
const SIGNED_BY = { ecdsa: '300a06082a8648ce3d040302', rsa: '300d06092a864886f70d01010b0500' } as const;

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** The certificates of a certs-only answer. */
export const certificatesIn = (base64: string): X509Certificate[] =>
  [...new x509.X509Certificates(Buffer.from(base64, 'base64'))].map(
    (one) => new X509Certificate(Buffer.from(one.rawData)),
  );

export interface EstAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/** Requests of EST clients to a server that takes this machine for a proxy which ends TLS, and organizations to enrol in. */
export function estOf(app: TestApp) {
  async function est(
    path: string,
    {
      authorization,
      body,
      headers = {},
    }: { authorization?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<EstAnswer> {
    const response = await fetch(`${app.root.url}/.well-known/est/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'x-forwarded-proto': 'https',
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/pkcs10' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  const enrol = async (device: EstDevice, key: TestKey, label = '', subject?: string): Promise<EstAnswer> =>
    est(`${label}simpleenroll`, {
      authorization: basic(device.hardwareId, key.siteProvisioningKey),
      body: await device.csr(subject),
    });
  const certificateIn = (answer: EstAnswer): X509Certificate => {
    expect(answer.status, answer.text).toBe(200);
    const found = certificatesIn(answer.text);
    expect(found).toHaveLength(1);
    return found[0]!;
  };

  let serial = 0;
  async function newOrg(
    template: object = {},
    key: object = {},
  ): Promise<{ orgId: string; key: TestKey; caId: string }> {
    const orgId = `est${serial++}`;
    await app.makeOrg(orgId);
    return { orgId, key: await newKey(orgId, template, key), caId: await caIdOf(orgId) };
  }
  async function newKey(orgId: string, template: object = {}, key: object = {}): Promise<TestKey> {
    const { templateId } = await app.root.expect<{ templateId: number }>('PUT', `/org/${orgId}/provisioning-template`, {
      name: `certificates ${serial++}`,
      credentialType: 'certificate',
      ...template,
    });
    return app.root.expect<TestKey>('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'key',
      templateId,
      maxBatchSize: null,
      ...key,
    });
  }
  async function caIdOf(orgId: string): Promise<string> {
    const { authorities } = await app.root.expect<{ authorities: { caId: string }[] }>(
      'GET',
      `/org/${orgId}/certificate-authorities`,
    );
    return authorities[0]!.caId;
  }
  return { est, enrol, certificateIn, newOrg, newKey, caIdOf };
}
