import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { ValidateBy } from 'class-validator';
import type { BundleKey } from '#contracts';
import { sha256 } from './crypto.js';

/** A public key of a site, and its RFC 7638 thumbprint. */
export interface SiteBundleKey {
  key: BundleKey;
  jkt: string;
}

/** Members of private and symmetric keys (RFC 7518 §6, RFC 8037): who sends one has sent it to everybody on the way. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** 32 bytes in base64url, in the one spelling. */
const COORDINATE = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

const partners = new Map<string, KeyObject>();

/** A key of ours on the curve: what agrees on nothing with it is none that a bundle could be sealed for. */
function partnerOn(crv: string): KeyObject {
  let partner = partners.get(crv);
  if (!partner) {
    partner =
      crv === 'X25519'
        ? generateKeyPairSync('x25519').privateKey
        : generateKeyPairSync('ec', { namedCurve: crv }).privateKey;
    partners.set(crv, partner);
  }
  return partner;
}

/** @returns what is wrong with a value that should be the public key of a site, or undefined. */
export function bundleKeyProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be a public JWK';
  const jwk = value as Record<string, unknown>;
  const hidden = PRIVATE.find((name) => jwk[name] !== undefined);
  if (hidden !== undefined) return `must not hold the private member ${hidden}`;
  const { kty, crv, x, y } = jwk;
  const isOkp = kty === 'OKP' && crv === 'X25519';
  if (!isOkp && !(kty === 'EC' && crv === 'P-256')) return 'must be a key of OKP X25519 or EC P-256';
  if (![x, isOkp ? x : y].every((part) => typeof part === 'string' && COORDINATE.test(part)))
    return `must hold ${isOkp ? 'x' : 'x and y'} as 32 bytes in base64url`;
  try {
    // OpenSSL looks whether a point is on the curve, and refuses to agree with one of low order (RFC 7748 §6.1).
    const publicKey = createPublicKey({ key: publicHalf(value as BundleKey), format: 'jwk' });
    diffieHellman({ privateKey: partnerOn(crv as string), publicKey });
    return undefined;
  } catch {
    return 'must be a point of the curve that a secret can be agreed with';
  }
}

/** @returns the key without what else stood in it, and its thumbprint. The value has no problem. */
export function siteBundleKey(value: BundleKey): SiteBundleKey {
  const key = publicHalf(value);
  return { key, jkt: bundleKeyThumbprint(key) };
}

/** RFC 7638: SHA-256 of the required members in the order of their names. */
export function bundleKeyThumbprint(key: BundleKey): string {
  const { crv, kty, x } = key;
  return sha256(JSON.stringify(key.kty === 'EC' ? { crv, kty, x, y: key.y } : { crv, kty, x })).toString('base64url');
}

const publicHalf = (jwk: BundleKey): BundleKey =>
  jwk.kty === 'EC' ? { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } : { kty: jwk.kty, crv: jwk.crv, x: jwk.x };

/** A public JWK of a site; members that are not known are dropped later. */
export const IsBundleKey = () =>
  ValidateBy({
    name: 'isBundleKey',
    validator: {
      validate: (value) => bundleKeyProblem(value) === undefined,
      defaultMessage: (args) => `$property ${bundleKeyProblem(args?.value) ?? ''}`,
    },
  });
