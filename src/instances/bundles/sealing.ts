import {
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto';
import { BUNDLE_ALGORITHMS, type BundleKey } from '#contracts';

const KEY_BITS = 256;

/**
 * Seals a text for who has the private half of a bundle key: RFC 7516 compact serialization; ECDH-ES is RFC 7518 §4.6, X25519 RFC 8037 §3.2. Put together
 * from what node:crypto has, since it is most of the work of a fetch (docs/adr/0059-sealed-by-node-crypto.md).
 * @param contentType what is in it: a JWS, unless something else is said
 * @returns the JWE
 */
export function seal(text: string, key: BundleKey, contentType = 'JOSE'): string {
  const mine =
    key.crv === 'X25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const header = Buffer.from(
    JSON.stringify({
      alg: BUNDLE_ALGORITHMS.agree,
      enc: BUNDLE_ALGORITHMS.encrypt,
      cty: contentType,
      epk: mine.publicKey.export({ format: 'jwk' }),
    }),
  ).toString('base64url');
  const agreed = diffieHellman({
    privateKey: mine.privateKey,
    publicKey: createPublicKey({ key, format: 'jwk' }),
  });
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', contentKey(agreed, BUNDLE_ALGORITHMS.encrypt), iv);
  cipher.setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  // Direct key agreement: the part of the encrypted key is empty.
  return [header, '', base64url(iv), base64url(sealed), base64url(cipher.getAuthTag())].join('.');
}

/**
 * Concat KDF with SHA-256 (RFC 7518 §4.6.2), one round: counter, agreed secret, AlgorithmID, PartyUInfo and PartyVInfo
 * [empty], SuppPubInfo.
 * @returns 32 bytes
 */
export function contentKey(agreed: Buffer, algorithm: string, partyU = '', partyV = '', bits = KEY_BITS): Buffer {
  return createHash('sha256')
    .update(uint32(1))
    .update(agreed)
    .update(withLength(algorithm))
    .update(withLength(partyU))
    .update(withLength(partyV))
    .update(uint32(bits))
    .digest()
    .subarray(0, bits / 8);
}

const base64url = (bytes: Buffer): string => bytes.toString('base64url');

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const withLength = (text: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)]);
