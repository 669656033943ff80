import { Injectable } from '@nestjs/common';
import bcrypt from 'bcrypt';
import { LRUCache } from 'lru-cache';
import { atMost, HashQueue, KeyRing, sameBytes, sha256, type Turn } from '#platform';

const COST = 10;
/** Between bcrypt's hash and the HMAC; a character of neither. */
const SEPARATOR = ':';

/** bcrypt looks at 72 bytes and stops at NUL; the digest of any text is shorter and has none. */
const digest = (secret: string) => sha256(secret).toString('base64');

/** Whether it is the secret that was hashed. */
export const matchesShared = (secret: string, stored: string): Promise<boolean> =>
  bcrypt.compare(digest(secret), stored.split(SEPARATOR, 1)[0]!);

/** What header authentication presents, before base64. */
export const headerAuthSecret = (user: string, password: string) => `${user}:${password}`;

/**
 * Passwords, PINs and `user:password` that visitors of a resource share. Stored are bcrypt's hash and an HMAC of hash and secret under a key derived from
 * the master key: the same secret in a document is recognised without a slow hash, and whoever has the rows alone must still break
 * bcrypt. The HMAC covers the hash, so it proves nothing of another one. Methods run before a transaction, never inside.
 */
@Injectable()
export class SharedSecrets {
  /** What bcrypt recognised: values of 0.1.0 have no HMAC, and stay as they are. */
  private readonly recognised = new LRUCache<string, true>(atMost(10_000));

  constructor(
    private readonly queue: HashQueue,
    private readonly keys: KeyRing,
  ) {}

  /** @throws capacity when too many are waiting, unless the turn is patient; so does `keep`. */
  async hash(secret: string, turn: Turn): Promise<string> {
    const hash = await this.queue.run(turn, () => bcrypt.hash(digest(secret), COST));
    return `${hash}${SEPARATOR}${this.macOf(hash, secret)}`;
  }

  /** @returns what is stored, when it is of this secret, else a new hash. */
  async keep(secret: string, stored: string | null | undefined, turn: Turn): Promise<string> {
    return stored && (await this.recognises(secret, stored, turn)) ? stored : this.hash(secret, turn);
  }

  /** Whether it is the secret that was hashed; mostly without a slow hash when it is. @throws capacity */
  async recognises(secret: string, stored: string, turn: Turn): Promise<boolean> {
    const [hash, mac] = stored.split(SEPARATOR, 2) as [string, string?];
    const wanted = this.macOf(hash, secret);
    if ((mac !== undefined && sameBytes(Buffer.from(mac), Buffer.from(wanted))) || this.recognised.has(wanted))
      return true;
    // Another secret, or one of 0.1.0, or of another master key.
    const same = await this.queue.run(turn, () => matchesShared(secret, stored));
    if (same) this.recognised.set(wanted, true);
    return same;
  }

  private macOf(hash: string, secret: string): string {
    return this.keys.mac('shared-secret', `${hash}${SEPARATOR}${digest(secret)}`).toString('base64url');
  }
}
