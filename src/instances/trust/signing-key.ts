import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import {
  CompactSign,
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
} from 'jose';
import { BUNDLE_ALGORITHMS, type JOSE_TYPE, type SigningJwk } from '#contracts';

export type JoseType = (typeof JOSE_TYPE)[keyof typeof JOSE_TYPE];

/** Both halves of a signing key; the private one as PKCS#8 in PEM, as it is stored (sealed) and exported. */
export interface KeyPair {
  kid: string;
  publicKey: SigningJwk;
  pem: string;
}

/** What a stored private half is bound to. */
export const signingKeyAbout = (orgUid: string, seq: number) => `signing-key:${orgUid}:${seq}`;

/** A signing key that is ready to sign. */
export interface Signer {
  kid: string;
  key: CryptoKey;
}

/** @returns a new Ed25519 key; `kid` is its RFC 7638 thumbprint. */
export async function generateSigningKey(): Promise<KeyPair> {
  const pair = await generateKeyPair(BUNDLE_ALGORITHMS.sign, { crv: 'Ed25519', extractable: true });
  const { x } = await exportJWK(pair.publicKey);
  const publicKey: SigningJwk = { kty: 'OKP', crv: 'Ed25519', x: x! };
  return { kid: await calculateJwkThumbprint(publicKey), publicKey, pem: await exportPKCS8(pair.privateKey) };
}

/** @returns the thumbprint of an Ed25519 private key in PEM, or null for anything else. */
export async function thumbprintOf(pem: string): Promise<string | null> {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    return null;
  }
  if (key.asymmetricKeyType !== 'ed25519') return null;
  return calculateJwkThumbprint(createPublicKey(pem).export({ format: 'jwk' }) as SigningJwk);
}

export async function signerOf(kid: string, pem: string): Promise<Signer> {
  return { kid, key: await importPKCS8(pem, BUNDLE_ALGORITHMS.sign) };
}

/** @returns a compact JWS. Ed25519 is deterministic: the same payload under the same key is the same text. */
export function signWith({ kid, key }: Signer, typ: JoseType, payload: object): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: BUNDLE_ALGORITHMS.sign, typ, kid })
    .sign(key);
}
