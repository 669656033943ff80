import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';

/** A key pair of P-256 for a certificate, and what asks for one: both PEM. */
export type CertificateKey = { pem: string; csr: string };

/** A new key, which never leaves this machine, and its PKCS#10 (docs/adr/0067-csr-by-hand.md). The server says the subject. */
export function makeKey(): CertificateKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const info = sequence(VERSION_0, sequence(), publicKey.export({ format: 'der', type: 'spki' }), NO_ATTRIBUTES);
  const signature = sign('sha256', info, privateKey);
  const request = sequence(info, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  return {
    // As settings are read: without a line end.
    pem: (privateKey.export({ format: 'pem', type: 'pkcs8' }) as string).trimEnd(),
    csr: `-----BEGIN CERTIFICATE REQUEST-----\n${lines(request.toString('base64'))}\n-----END CERTIFICATE REQUEST-----\n`,
  };
}

/** Whether a certificate (PEM, the first of a chain) is one for this private key. */
export function fits(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

const VERSION_0 = Buffer.from([0x02, 0x01, 0x00]);
/** [0] IMPLICIT SET OF Attribute, empty (RFC 2986). */
const NO_ATTRIBUTES = Buffer.from([0xa0, 0x00]);
/** 1.2.840.10045.4.3.2 without parameters (RFC 5758). */
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

/** Tag, length and content (X.690). A request with a key of P-256 is longer than 127 bytes, and shorter than 65,536. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function lines(text: string): string {
  return text.replace(/.{64}(?=.)/g, '$&\n');
}
