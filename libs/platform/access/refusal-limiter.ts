import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { addressBucket } from '../addresses.js';
import { Config } from '../config/config.js';
import { AppError } from '../errors.js';
import { atMost } from '../runtime/at-most.js';

const WINDOW_MS = 60_000;
const BUCKETS = 20_000;

/**
 * Turns refusals, and only refusals, into 429 (docs/claims.md rule 10): the request is evaluated first, so a correct key is never throttled
 * by the failures of others. Buckets per source address (IPv6 by /64) and per presented public id, in a bounded LRU.
 */
@Injectable()
export class RefusalLimiter {
  private readonly buckets = new LRUCache<string, { count: number; until: number }>(atMost(BUCKETS));

  constructor(private readonly config: Config) {}

  /** Counts one refusal. @throws AppError `rate_limited` with `retryAfter` once a bucket of this minute is full. */
  refused(address: string, name?: string): void {
    const now = Date.now();
    const wait = Math.max(this.hit(`a:${addressBucket(address)}`, now), name ? this.hit(`n:${name}`, now) : 0);
    if (wait > 0) throw new AppError('rate_limited', 'Too many refused requests', { retryAfter: wait / 1000 });
  }

  /** @returns milliseconds to wait when the bucket is over its limit, else 0. */
  private hit(bucket: string, now: number): number {
    let entry = this.buckets.get(bucket);
    if (!entry || entry.until <= now) {
      entry = { count: 0, until: now + WINDOW_MS };
      this.buckets.set(bucket, entry);
    }
    return ++entry.count > this.config.access.refusalsPerMinute ? entry.until - now : 0;
  }
}
