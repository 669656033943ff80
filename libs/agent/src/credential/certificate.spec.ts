import 'reflect-metadata';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { expect, it } from 'vitest';
import { selfSigned } from '../../../../test/support/certificate.js';
import { fits, makeKey } from './certificate.js';

it('a request for a certificate is a PKCS#10 that its own key has signed', async () => {
  const { pem, csr } = makeKey();
  const request = new x509.Pkcs10CertificateRequest(csr);
  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe('');
  expect(request.attributes).toEqual([]);
  const own = createPublicKey(createPrivateKey(pem)).export({ format: 'der', type: 'spki' });
  expect(Buffer.from(request.publicKey.rawData)).toEqual(own);
  expect(makeKey().pem).not.toBe(pem);
});

it('a certificate is told from one of another key', async () => {
  const { cert, key } = await selfSigned('01');
  expect(fits(cert, key)).toBe(true);
  expect(fits(cert, makeKey().pem)).toBe(false);
  expect(fits('no certificate', key)).toBe(false);
});
