import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { sameBytes } from './crypto.js';

/** Encrypted under a key of its own (`KeyRing.encryptApart`). */
export interface SealedApart {
  wrappedKey: Buffer;
  sealed: Buffer;
}

/** What a keyed hash tells apart; each has a key of its own. */
const MAC_PURPOSES = [
  'idempotent-body',
  'shared-secret',
  'bundle-random',
  'unknown-psk',
  'renewal-challenge',
  'resource-session',
  'known-browser',
  'resource-login',
  'mail-code',
  'assertion-key',
  'sticky-target',
] as const;
export type MacPurpose = (typeof MAC_PURPOSES)[number];

/** A sealed value begins with the id of the master key that it is sealed under: the first bytes of its fingerprint. */
export const KEY_ID_BYTES = 4;

/** @param fingerprint of a master key, hex */
export const keyIdOf = (fingerprint: string): Buffer => Buffer.from(fingerprint, 'hex').subarray(0, KEY_ID_BYTES);

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

/** What is derived from one master key, one key per purpose (HKDF-SHA256, RFC 5869, separate labels), so that none can stand in for another. */
class MasterKey {
  readonly encryption: Buffer;
  readonly tokens: Buffer;
  readonly macs: Record<MacPurpose, Buffer>;
  /** Between server processes. */
  readonly hop: Buffer;
  readonly fingerprint: string;
  readonly id: Buffer;

  constructor(bytes: Buffer) {
    const derive = (label: string) => Buffer.from(hkdfSync('sha256', bytes, Buffer.alloc(0), `gatehouse/${label}`, 32));
    this.encryption = derive('encryption/1');
    this.tokens = derive('session-token/1');
    this.macs = Object.fromEntries(MAC_PURPOSES.map((purpose) => [purpose, derive(`${purpose}/1`)])) as Record<
      MacPurpose,
      Buffer
    >;
    this.hop = derive('hop/1');
    const fingerprint = derive('fingerprint/1');
    this.fingerprint = fingerprint.toString('hex');
    this.id = fingerprint.subarray(0, KEY_ID_BYTES);
  }

  sign(payload: string): Buffer {
    return createHmac('sha256', this.tokens).update(payload).digest();
  }

  mac(purpose: MacPurpose, value: string): Buffer {
    return createHmac('sha256', this.macs[purpose]).update(value).digest();
  }
}

/**
 * Seals, opens and signs under the master key of the installation, and during a rotation under the one before as well (docs/credentials.md §8): what is
 * under either is accepted, and which of them new values are under is what the database says (`writeWith`).
 */
export class KeyRing {
  private readonly keys: MasterKey[];
  private writing: MasterKey | undefined;

  /** @param masterKeys 32 bytes each; the installation's own first, then the previous one, if there is one */
  constructor(...masterKeys: Buffer[]) {
    this.keys = masterKeys.map((bytes) => new MasterKey(bytes));
    if (this.keys.length === 1) this.writing = this.keys[0];
  }

  /** Tells whether two servers hold the same master keys, without telling them; the own one first. */
  get fingerprints(): string[] {
    return this.keys.map(({ fingerprint }) => fingerprint);
  }

  /** Fingerprint of the key that new values are sealed under. */
  get writesWith(): string {
    return this.current().fingerprint;
  }

  /** @throws Error for a key that is not here */
  writeWith(fingerprint: string): void {
    const key = this.keys.find((one) => one.fingerprint === fingerprint);
    if (!key) throw new Error('This server does not hold the master key that values are written under');
    this.writing = key;
  }

  /** Pre-shared keys by which server processes know each other, one of each master key that is held, with a name that tells nothing of it. */
  get hopKeys(): { identity: string; key: Buffer }[] {
    return this.keys.map(({ id, hop }) => ({ identity: `gatehouse-hop-${id.toString('hex')}`, key: hop }));
  }

  /** AES-256-GCM; `about` (such as `psk:<credential id>`) is bound as additional data. @returns key id ‖ iv ‖ tag ‖ ciphertext. */
  encrypt(plain: Buffer, about: string): Buffer {
    const key = this.current();
    return Buffer.concat([key.id, seal(key.encryption, plain, about)]);
  }

  /** @throws when the bytes were changed, or sealed for something else or under another key. */
  decrypt(sealed: Buffer, about: string): Buffer {
    const key = this.keys.find(({ id }) => id.equals(sealed.subarray(0, KEY_ID_BYTES)));
    if (!key) throw new Error('Sealed under a master key that is not here');
    return open(key.encryption, sealed.subarray(KEY_ID_BYTES), about);
  }

  /** The same under a key of its own, which the master key wraps: once the wrapped key is deleted nobody can read it, the holder of the master key neither. */
  encryptApart(plain: Buffer, about: string): SealedApart {
    const key = randomBytes(32);
    return { wrappedKey: this.encrypt(key, aboutKeyOf(about)), sealed: seal(key, plain, about) };
  }

  /** @throws as `decrypt` */
  decryptApart({ wrappedKey, sealed }: SealedApart, about: string): Buffer {
    return open(this.decrypt(wrappedKey, aboutKeyOf(about)), sealed, about);
  }

  /** HMAC-SHA256: recognises a value again, and tells nothing about it to who has the stored bytes alone, however few values there are to guess. */
  mac(purpose: MacPurpose, value: string): Buffer {
    return this.current().mac(purpose, value);
  }

  /** Whether it is `mac` of the value, under whichever key. */
  isMac(purpose: MacPurpose, value: string, mac: Uint8Array): boolean {
    return this.keys.some((key) => sameBytes(key.mac(purpose, value), mac));
  }

  /** `mac` under each key that is held; the one that is written with first. */
  macsOf(purpose: MacPurpose, value: string): Buffer[] {
    const current = this.current();
    return [current, ...this.keys.filter((key) => key !== current)].map((key) => key.mac(purpose, value));
  }

  /** @returns HMAC-SHA256 under the token key, as base64url. */
  signToken(payload: string): string {
    return this.current().sign(payload).toString('base64url');
  }

  /** Whether it is `signToken` of the payload, under whichever key. */
  isSignature(payload: string, signature: string): boolean {
    const given = Buffer.from(signature);
    return this.keys.some((key) => sameBytes(Buffer.from(key.sign(payload).toString('base64url')), given));
  }

  private current(): MasterKey {
    if (!this.writing) throw new Error('It is not known yet which master key values are written under');
    return this.writing;
  }
}

/** What the wrapped key of a value that is sealed apart is bound to. */
export const aboutKeyOf = (about: string): string => `key of ${about}`;
