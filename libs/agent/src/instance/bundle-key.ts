import { generateKeyPairSync } from 'node:crypto';
import type { BundleKey } from '../../../contracts/index.js';
import type { FileContent } from '../config/config-file.js';

/** Key pair that this machine's bundles are sealed for (RFC 8037), as it is kept under `bundleKey` in the state file. */
export type BundleKeyPair = { kty: 'OKP'; crv: 'X25519'; x: string; d: string };

/** The pair kept in a state file; a new one when there is none. */
export function bundleKeyPair(content: FileContent): BundleKeyPair {
  return (
    keptBundleKey(content) ?? (generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }) as BundleKeyPair)
  );
}

export function keptBundleKey(content: FileContent): BundleKeyPair | undefined {
  const kept = content['bundleKey'];
  if (typeof kept !== 'object' || kept === null) return undefined;
  const { kty, crv, x, d } = kept as Record<string, unknown>;
  if (kty !== 'OKP' || crv !== 'X25519' || typeof x !== 'string' || typeof d !== 'string') return undefined;
  return { kty, crv, x, d };
}

/** What the server may know of it. */
export function publicHalf({ kty, crv, x }: BundleKeyPair): BundleKey {
  return { kty, crv, x };
}
