import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { invalid, sha256 } from '#platform';
import { isQuicklyRead } from './der-bounds.js';

x509.cryptoProvider.set(webcrypto as never);

/** What counts of a certificate signing request. Of a claim that is the public key alone (docs/claims.md "Claim endpoints"). */
export interface ParsedCsr {
  publicKey: x509.PublicKey;
  /** SHA-256 of its SubjectPublicKeyInfo. */
  publicKeyHash: Buffer;
  /** As text, such as `CN=…`. */
  subject: string;
  /** It asks for names beside the subject. */
  hasOtherNames: boolean;
}

interface Algorithm {
  name: string;
  namedCurve?: string;
  modulusLength?: number;
  publicExponent?: Uint8Array;
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/**
 * Checks a certificate signing request before any key is looked at (docs/claims.md "Claim endpoints").
 * @param request PEM, or DER
 * @throws validation, naming `csr`, unless it is a self-signed PKCS#10 with P-256, P-384, Ed25519 or RSA 2048–4096.
 */
export async function parseCsr(request: string | Buffer): Promise<ParsedCsr> {
  let parsed: x509.Pkcs10CertificateRequest;
  let subject: string;
  let hasOtherNames: boolean;
  let algorithm: Algorithm;
  try {
    const der = Buffer.from(x509.PemData.toArrayBuffer(request));
    if (!isQuicklyRead(der)) throw new Error('no element of DER, or too many');
    parsed = new x509.Pkcs10CertificateRequest(der);
    subject = parsed.subject;
    hasOtherNames = parsed.extensions.some(({ type }) => type === SUBJECT_ALTERNATIVE_NAME);
    algorithm = parsed.publicKey.algorithm as Algorithm;
  } catch {
    throw invalid(
      'csr',
      `is not a PKCS#10 certificate signing request in ${typeof request === 'string' ? 'PEM' : 'base64'}`,
    );
  }
  const { publicKey } = parsed;
  const allowed =
    (algorithm.name === 'ECDSA' && ['P-256', 'P-384'].includes(algorithm.namedCurve ?? '')) ||
    algorithm.name === 'Ed25519' ||
    (algorithm.name.startsWith('RSA') &&
      algorithm.modulusLength! >= 2048 &&
      algorithm.modulusLength! <= 4096 &&
      isOrdinary(algorithm.publicExponent!));
  if (!allowed)
    throw invalid('csr', 'must hold a P-256, P-384, Ed25519 or RSA (2048-4096 bits, exponent below 2^32) key');
  if (!(await parsed.verify().catch(() => false))) throw invalid('csr', 'is not signed by its own key');
  return { publicKey, publicKeyHash: sha256(Buffer.from(publicKey.rawData)), subject, hasOtherNames };
}

/**
 * Not 1, under which a text is its own signature, and not above 2^32: with one as long as the modulus each signature of the key takes thirty times as
 * long to verify, in the claim and in every handshake.
 */
function isOrdinary(exponent: Uint8Array): boolean {
  const value = BigInt(`0x${Buffer.from(exponent).toString('hex')}`);
  return value > 1n && value < 2n ** 32n;
}
