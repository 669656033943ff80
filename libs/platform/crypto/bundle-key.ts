import { createPublicKey } from 'node:crypto';
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

/**
 * Points of X25519 that every key agrees with on the same, as little-endian numbers without the top bit, which is not read (RFC 7748 §6.1):
 * 0, 1, -1 and the two of order 8, and the other spellings of 0 and 1.
 */
const LOW_ORDER = new Set(
  [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].flatMap((hex) => {
    const point = Buffer.from(hex, 'hex');
    const spelled = Buffer.from(point);
    spelled[31]! |= 0x80;
    return [point.toString('base64url'), spelled.toString('base64url')];
  }),
);

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
  return isAgreeable(value as BundleKey) ? undefined : 'must be a point of the curve that a secret can be agreed with';
}

/**
 * Asked for each claim, so without an agreement to see: a point of P-256 needs to be on the curve, which OpenSSL looks at, and has no low order; any 32
 * bytes are a point of X25519.
 */
function isAgreeable(key: BundleKey): boolean {
  if (key.kty === 'OKP') return !LOW_ORDER.has(key.x);
  try {
    createPublicKey({ key: publicHalf(key), format: 'jwk' });
    return true;
  } catch {
    return false;
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
