import type { SigningJwk } from '../../../contracts/index.js';
import { misconfigured } from '../cli/exit-codes.js';
import {
  InvalidStatement,
  OvertakenStatement,
  type StatementKind,
  signerOf,
  thumbprint,
  verified,
} from './statements.js';

/** A signing key that is trusted: by its thumbprint at first, and with what has been seen of it since. */
export type TrustedKey = {
  kid: string;
  jwk?: SigningJwk;
  /** Thumbprint of the only key that may follow; unknown where only this one was pinned and nothing it signed was read yet. */
  next?: string;
};
/** What leads further: successions, and the public keys where the server gives them. */
export type TrustPath = { keys: readonly unknown[]; successions: readonly string[] };

const FINGERPRINT = /^([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{43}))?$/;

/** @throws AgentExit 78 for text that is neither a thumbprint nor two */
export function pinned(fingerprint: string): TrustedKey {
  const [, kid, next] = FINGERPRINT.exec(fingerprint.trim()) ?? [];
  if (kid === undefined)
    throw misconfigured(
      'the trust fingerprint is not <thumbprint> or <thumbprint>.<next thumbprint>, as the server prints it',
    );
  return { kid, ...(next === undefined ? {} : { next }) };
}

/**
 * The signing keys that this machine trusts, oldest first: from the pinned one forward, each announced by the one before it
 * (docs/instances.md §6). Only the last signs what is new.
 */
export class TrustChain {
  private constructor(private readonly chain: TrustedKey[]) {}

  /**
   * @param pin what the operator says, or was believed at the claim
   * @param stored how far the chain had come; it begins anew where the pin is none of it
   */
  static from(pin: TrustedKey, stored: readonly TrustedKey[]): TrustChain {
    const known = stored.some(({ kid, next }) => kid === pin.kid && (pin.next === undefined || pin.next === next));
    return new TrustChain(known ? stored.map((key) => ({ ...key })) : [{ ...pin }]);
  }

  /** As it is stored. */
  get keys(): readonly TrustedKey[] {
    return this.chain;
  }

  private get last(): TrustedKey {
    const last = this.chain.at(-1);
    if (!last) throw new Error('a chain of trust without a key');
    return last;
  }

  /**
   * Verifies something new.
   * @param lead fetches what leads from the last trusted key to a later one; asked at most once
   * @returns its payload
   * @throws InvalidStatement unless the last key signed it, or one that a chain of successions leads to; OvertakenStatement for one before
   */
  async verify(token: string, kind: StatementKind, lead: () => Promise<TrustPath>): Promise<Record<string, unknown>> {
    const kid = signerOf(token, kind);
    if (!this.isRetired(kid) && (this.last.kid !== kid || this.last.jwk === undefined)) await this.walk(await lead());
    if (this.isRetired(kid)) throw new OvertakenStatement(`the ${kind} is signed by a key that another has followed`);
    if (this.last.kid !== kid || this.last.jwk === undefined)
      throw new InvalidStatement(
        `the ${kind} is signed by the key ${kid}, to which no succession leads from the trusted key ${this.last.kid}`,
      );
    return verified(token, kind, this.last.jwk);
  }

  private isRetired(kid: string): boolean {
    return this.chain.slice(0, -1).some((key) => key.kid === kid);
  }

  /** Verifies what was verified before, with whatever key of the chain signed it then. @throws InvalidStatement */
  async verifyStored(token: string, kind: StatementKind): Promise<Record<string, unknown>> {
    const kid = signerOf(token, kind);
    const jwk = this.chain.find((key) => key.kid === kid)?.jwk;
    if (jwk === undefined) throw new InvalidStatement(`the stored ${kind} is signed by a key that is not trusted`);
    return verified(token, kind, jwk);
  }

  /**
   * Takes the announcement of the key to come. The first one stands: a thief of the current key cannot name another.
   * @param keys of a bundle that the last key signed
   * @throws InvalidStatement when what was announced before is missing
   */
  announced(keys: readonly string[]): void {
    const { next } = this.last;
    if (next === undefined) this.last.next = keys[0];
    else if (!keys.includes(next))
      throw new InvalidStatement(
        `the bundle announces another next signing key than ${next}, which was announced before`,
      );
  }

  /** Goes forward along valid successions as far as they lead. @throws InvalidStatement for one that is not what was announced */
  private async walk({ keys, successions }: TrustPath): Promise<void> {
    this.last.jwk ??= keys.map(signingKey).find((key) => key !== undefined && thumbprint(key) === this.last.kid);
    for (;;) {
      const { kid, jwk, next } = this.last;
      const token = successions.find((one) => signerOf(one, 'succession') === kid);
      if (token === undefined || jwk === undefined) return;
      const payload = await verified(token, 'succession', jwk);
      const key = signingKey(payload['key']);
      if (key === undefined || typeof payload['next'] !== 'string')
        throw new InvalidStatement('a succession does not name the next signing key and the one after');
      const follower = thumbprint(key);
      if (next !== undefined && follower !== next)
        throw new InvalidStatement(
          `a succession names the signing key ${follower}, but ${next} was announced: the key before it may be stolen`,
        );
      if (this.chain.some((one) => one.kid === follower))
        throw new InvalidStatement('the successions of signing keys go round in a circle');
      this.last.next = follower;
      this.chain.push({ kid: follower, jwk: key, next: payload['next'] });
    }
  }
}

export function signingKey(value: unknown): SigningJwk | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kty, crv, x } = value as Record<string, unknown>;
  return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' ? { kty, crv, x } : undefined;
}
