import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { expect, it } from 'vitest';
import { certsOnly } from './certificates.js';

x509.cryptoProvider.set(webcrypto as never);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

it('certificates are told as a message without content, digests and signers (RFC 5272 §4.1)', async () => {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const made = (name: string) =>
    x509.X509CertificateGenerator.createSelfSigned({ name, keys, signingAlgorithm: ALGORITHM });
  const certificates = [await made('CN=second'), await made('CN=first')];
  const text = certsOnly(certificates.map((one) => one.toString('pem')));
  const message = Buffer.from(text, 'base64');
  expect([...new x509.X509Certificates(message)].map(({ subject }) => subject)).toEqual(['CN=second', 'CN=first']);
  // Version, no digests, data without content.
  expect(message.toString('hex')).toContain('0201013100300b06092a864886f70d010701a082');
  expect(message.subarray(-2).toString('hex')).toBe('3100');
  for (const line of text.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(64);
});
