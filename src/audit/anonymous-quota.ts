import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { addressBucket, atMost } from '#platform';

const MINUTE_MS = 60_000;
/** Of one source address (IPv6 by /64), and of all strangers together. */
const OF_A_SOURCE = 50;
const OF_ALL = 300;
const SOURCES = 20_000;

/** How many rows of their own strangers may leave in a minute, whatever they try: what comes beyond is only counted (docs/claims.md rule 2). */
@Injectable()
export class AnonymousQuota {
  private minute = 0;
  private all = 0;
  private readonly sources = new LRUCache<string, number>(atMost(SOURCES));

  /** Takes one row of the shares. @returns false when one of them is used up. */
  take(address: string | null): boolean {
    const minute = Math.floor(Date.now() / MINUTE_MS);
    if (minute !== this.minute) {
      this.minute = minute;
      this.all = 0;
      this.sources.clear();
    }
    const source = addressBucket(address ?? '');
    const taken = this.sources.get(source) ?? 0;
    if (taken >= OF_A_SOURCE || this.all >= OF_ALL) return false;
    this.sources.set(source, taken + 1);
    this.all++;
    return true;
  }
}
