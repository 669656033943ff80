import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  randomInt,
  timingSafeEqual,
} from 'node:crypto';

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

/** Encrypted under a key of its own (`KeyRing.encryptApart`). */
export interface SealedApart {
  wrappedKey: Buffer;
  sealed: Buffer;
}

function seal(key: Buffer, plain: Buffer, about: string): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(about));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function open(key: Buffer, sealed: Buffer, about: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
    .setAAD(Buffer.from(about))
    .setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}

/** What a keyed hash tells apart; each has a key of its own. */
export type MacPurpose = 'idempotent-body' | 'shared-secret' | 'bundle-random' | 'unknown-psk';

/**
 * Keys derived from the master key, one per purpose (HKDF-SHA256, RFC 5869, separate labels), so that none can stand in for another.
 */
export class KeyRing {
  private readonly encryption: Buffer;
  private readonly tokens: Buffer;
  private readonly macs: Record<MacPurpose, Buffer>;
  /** Tells whether two servers hold the same master key, without telling the key. */
  readonly fingerprint: string;

  constructor(masterKey: Buffer) {
    const derive = (label: string) =>
      Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), `gatehouse/${label}`, 32));
    this.encryption = derive('encryption/1');
    this.tokens = derive('session-token/1');
    this.macs = {
      'idempotent-body': derive('idempotent-body/1'),
      'shared-secret': derive('shared-secret/1'),
      'bundle-random': derive('bundle-random/1'),
      'unknown-psk': derive('unknown-psk/1'),
    };
    this.fingerprint = derive('fingerprint/1').toString('hex');
  }

  /** AES-256-GCM; `about` (such as `psk:<credential id>`) is bound as additional data. @returns iv ‖ tag ‖ ciphertext. */
  encrypt(plain: Buffer, about: string): Buffer {
    return seal(this.encryption, plain, about);
  }

  /** @throws when the bytes were changed, or sealed for something else. */
  decrypt(sealed: Buffer, about: string): Buffer {
    return open(this.encryption, sealed, about);
  }

  /** The same under a key of its own, which the master key wraps: once the wrapped key is deleted nobody can read it, the holder of the master key neither. */
  encryptApart(plain: Buffer, about: string): SealedApart {
    const key = randomBytes(32);
    return { wrappedKey: this.encrypt(key, `key of ${about}`), sealed: seal(key, plain, about) };
  }

  /** @throws as `decrypt` */
  decryptApart({ wrappedKey, sealed }: SealedApart, about: string): Buffer {
    return open(this.decrypt(wrappedKey, `key of ${about}`), sealed, about);
  }

  /** HMAC-SHA256: recognises a value again, and tells nothing about it to who has the stored bytes alone, however few values there are to guess. */
  mac(purpose: MacPurpose, value: string): Buffer {
    return createHmac('sha256', this.macs[purpose]).update(value).digest();
  }

  /** @returns HMAC-SHA256 under the token key, as base64url. */
  signToken(payload: string): string {
    return createHmac('sha256', this.tokens).update(payload).digest('base64url');
  }
}
