import { hash, randomInt, timingSafeEqual } from 'node:crypto';

const LOWER = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ALPHANUMERIC = `${LOWER}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export const sha256 = (text: string | Buffer): Buffer => hash('sha256', text, 'buffer');

/** Constant-time comparison; different lengths are unequal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** @returns `length` random characters of [a-z0-9]. */
export function randomLower(length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += LOWER[randomInt(LOWER.length)];
  return text;
}

/** @returns `length` random characters of [A-Za-z0-9]. */
export function randomAlphanumeric(length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += ALPHANUMERIC[randomInt(ALPHANUMERIC.length)];
  return text;
}

/** Lower-case base32 without padding (RFC 4648 alphabet). */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
  }
  if (bits > 0) text += BASE32[(value << (5 - bits)) & 31];
  return text;
}
