import { randomBytes } from 'node:crypto';
import { base32, randomLower, sha256 } from '#platform';

const ID_LENGTH = 15;
const CHECKSUM_LENGTH = 6;
const FORM = /^spk[-_]([a-z0-9]{12,32})\.([a-z2-7]{52})([a-z2-7]{6})$/;

export interface KeyToken {
  keyId: string;
  /** Random part and checksum, as the holder presents it; only its SHA-256 is stored. */
  secret: string;
}

const checksum = (keyId: string, random: string) => base32(sha256(`${keyId}.${random}`)).slice(0, CHECKSUM_LENGTH);

export const newKeyId = () => randomLower(ID_LENGTH);

/** 256 random bits and a checksum that catches typos without asking the server (docs/claims.md "Tokens"). */
export function newKeySecret(keyId: string): string {
  const random = base32(randomBytes(32));
  return random + checksum(keyId, random);
}

/** `spk_<public id>.<secret>`, as it is shown once. */
export const formatKey = ({ keyId, secret }: KeyToken) => `spk_${keyId}.${secret}`;

/** @returns null for a wrong form or checksum, which is public knowledge (docs/claims.md rule 2). */
export function parseKey(text: string): KeyToken | null {
  const [, keyId, random, sum] = FORM.exec(text) ?? [];
  if (!keyId || !random || checksum(keyId, random) !== sum) return null;
  return { keyId, secret: random + sum };
}
