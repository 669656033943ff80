import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { BUNDLE_ALGORITHMS, type JOSE_TYPE, type SigningJwk } from '#contracts';
import type { SealedColumn } from '#platform';

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
  key: KeyObject;
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

export const signerOf = (kid: string, pem: string): Signer => ({ kid, key: createPrivateKey(pem) });

/**
 * RFC 7515 compact serialization, Ed25519 by node:crypto (docs/adr/0059-sealed-by-node-crypto.md). Ed25519 is deterministic: the same payload under the
 * same key is the same text.
 * @returns a compact JWS
 */
export function signWith({ kid, key }: Signer, typ: JoseType, payload: object): string {
  const text = [{ alg: BUNDLE_ALGORITHMS.sign, typ, kid }, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}

export const SEALED_SIGNING_KEYS: SealedColumn = {
  what: 'signing keys',
  table: 'signing_key',
  column: 'sealed_key',
  id: { sql: `(org_uid || lpad(seq::text, 10, '0'))`, type: 'text', first: '' },
  name: `'organization ' || org_uid || ' key ' || seq`,
  about: `'signing-key:' || org_uid || ':' || seq`,
};
