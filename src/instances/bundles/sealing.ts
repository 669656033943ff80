import { CompactEncrypt, importJWK } from 'jose';
import { BUNDLE_ALGORITHMS, type BundleKey } from '#contracts';

/**
 * Seals a JWS for who has the private half of a bundle key (RFC 7516 compact serialization; ECDH-ES is RFC 7518 §4.6, X25519 RFC 8037 §3.2).
 * @returns the JWE
 */
export async function seal(jws: string, key: BundleKey): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(jws))
    .setProtectedHeader({ alg: BUNDLE_ALGORITHMS.agree, enc: BUNDLE_ALGORITHMS.encrypt, cty: 'JOSE' })
    .encrypt(await importJWK(key, BUNDLE_ALGORITHMS.agree));
}
