import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseCsr } from '../src/provisioning/authority/csr.js';
import { isQuicklyRead } from '../src/provisioning/authority/der-bounds.js';
import { HOSTILE_CSRS } from './support/hostile-csrs.js';

/** As many parts as one has that somebody really sends. */
async function make(): Promise<Buffer> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 4096,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'C=DE, ST=State, L=Town, O=Organization, OU=One, OU=Two, OU=Three, CN=device 14, E=a@example.com',
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(Object.values(x509.ExtendedKeyUsage).filter((one) => one.length > 5)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.CertificatePolicyExtension(['1.2.3.4', '1.2.3.5', '1.2.3.6']),
      new x509.SubjectAlternativeNameExtension(
        Array.from({ length: 40 }, (_, i) => ({ type: 'dns' as const, value: `name-${i}.example.com` })),
      ),
    ],
  });
  return Buffer.from(request.rawData);
}

describe('a signing request', () => {
  let der: Buffer;
  beforeAll(async () => {
    der = await make();
  });

  it('is read with everything that one has, as PEM and as bytes', async () => {
    const pem = x509.PemConverter.encode(der, 'CERTIFICATE REQUEST');
    for (const request of [der, pem, pem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')])
      expect(await parseCsr(request)).toMatchObject({ hasOtherNames: true, subject: expect.stringMatching(/^C=DE/) });
  });

  it.each(HOSTILE_CSRS)('of $name is refused, or no more than a name', async ({ der: hostile, within = false }) => {
    expect(isQuicklyRead(hostile)).toBe(within);
    await parseCsr(hostile).catch((error: unknown) => expect(error).toMatchObject({ code: 'validation' }));
    await parseCsr(x509.PemConverter.encode(hostile, 'CERTIFICATE REQUEST')).catch((error: unknown) =>
      expect(error).toMatchObject({ code: 'validation' }),
    );
  });

  it('with an exponent as long as the modulus is refused before its signature is looked at', async () => {
    const { der: costly } = HOSTILE_CSRS.find(({ name }) => name.startsWith('RSA with an exponent'))!;
    await expect(parseCsr(costly)).rejects.toThrow(/must hold .* exponent below 2\^32/);
  });

  it('has to be one element', () => {
    expect(isQuicklyRead(der)).toBe(true);
    for (const wrong of [
      Buffer.concat([der, der]),
      Buffer.concat([der, Buffer.alloc(1)]),
      der.subarray(0, -1),
      Buffer.alloc(0),
    ])
      expect(isQuicklyRead(wrong)).toBe(false);
  });

  it('whose strings look like elements is still read: signatures are random', () => {
    const string = (content: Buffer) => Buffer.concat([Buffer.from([0x04, 0x82, 0x02, 0x00]), content]);
    for (let i = 0; i < 2_000; i++) expect(isQuicklyRead(string(randomBytes(512)))).toBe(true);
    const many = Buffer.from('0500'.repeat(256), 'hex');
    expect(isQuicklyRead(string(many))).toBe(true);
    expect(isQuicklyRead(Buffer.concat([Buffer.from('30820400', 'hex'), many, many]))).toBe(false);
  });
});
