import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { addressBucket, atMost } from '#platform';
import type { EdgeRequest } from './edge-request.js';
import { Guesses } from './guesses.js';
import { SecretChecks } from './secret-checks.js';
import type { Facts } from './standings.js';

const REMEMBERED_MS = 60_000;
/** From where somebody was right: the credentials of programs have no browser to know. */
const KNOWN_MS = 86_400_000;
const MAX = 1_024;

/** What a value of `Authorization` was found to be. */
interface Remembered {
  right: boolean;
  /** The hash that it was compared with. */
  hash: string;
}

/** Header authentication: user and password with each request (RFC 7617). Remembered is an HMAC, under a key that this process made. */
@Injectable()
export class BasicCredentials {
  private readonly key = randomBytes(32);
  private readonly remembered = new LRUCache<string, Remembered>({ ...atMost(20_000), ttl: REMEMBERED_MS });
  private readonly known = new LRUCache<string, true>({ ...atMost(20_000), ttl: KNOWN_MS });

  constructor(
    private readonly guesses: Guesses,
    private readonly checks: SecretChecks,
  ) {}

  /** @returns undefined where it has to be compared */
  held(request: EdgeRequest, value: string, facts: Facts): boolean | undefined {
    const found = this.remembered.get(this.nameOf(request, value));
    return found && found.hash === facts.headerAuthHash ? found.right : undefined;
  }

  /**
   * @returns whether they are right; a wrong one is not counted again for a minute
   * @throws capacity
   */
  async areRight(request: EdgeRequest, value: string, facts: Facts): Promise<boolean> {
    const hash = facts.headerAuthHash;
    const secret = decoded(value);
    if (hash === null || secret === undefined) return false;
    const from = `${facts.resourceId} ${addressBucket(request.client)}`;
    const knownAs = this.known.has(from) ? `address ${addressBucket(request.client)}` : undefined;
    const guess = await this.guesses.begin(request, knownAs);
    if (!guess) return false;
    const right = await this.checks.isRight(request, secret, hash, guess);
    if (right) this.known.set(from, true);
    this.remembered.set(this.nameOf(request, value), { right, hash });
    return right;
  }

  /** What a value is remembered by: it tells nothing of it. */
  nameOf({ route }: EdgeRequest, value: string): string {
    return createHmac('sha256', this.key).update(`${route.settings.resourceId}\n${value}`).digest('base64');
  }
}

/** The value of an `Authorization: Basic`, if there is exactly one. */
export function basicOf(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 13 || rawHeaders[i]!.toLowerCase() !== 'authorization') continue;
    if (found !== undefined) return undefined;
    found = rawHeaders[i + 1]!;
  }
  return found !== undefined && /^basic /i.test(found) && found.length <= MAX ? found.slice(6).trim() : undefined;
}

/** `user:password`, as it was hashed. */
function decoded(value: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  const text = Buffer.from(value, 'base64').toString();
  return text.includes(':') ? text : undefined;
}
