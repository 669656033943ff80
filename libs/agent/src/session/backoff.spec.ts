import { describe, expect, it } from 'vitest';
import { afterAtLeast, backoff, NETWORK_BACKOFF, REFUSED_CLAIM_BACKOFF, retryAfterMs } from './backoff.js';

const lowest = () => 0;
const highest = () => 1 - Number.EPSILON;

describe('backoff', () => {
  it('spreads each wait from 1 s to a ceiling that doubles up to 60 s', () => {
    expect([0, 1, 5, 1000].map((attempt) => backoff(NETWORK_BACKOFF, attempt, lowest))).toEqual([
      1000, 1000, 1000, 1000,
    ]);
    expect([0, 1, 2, 5, 1000].map((attempt) => Math.round(backoff(NETWORK_BACKOFF, attempt, highest)))).toEqual([
      2000, 4000, 8000, 60_000, 60_000,
    ]);
  });

  it('spreads a refused claim over 30 s to 15 min', () => {
    expect(backoff(REFUSED_CLAIM_BACKOFF, 0, lowest)).toBe(30_000);
    expect(Math.round(backoff(REFUSED_CLAIM_BACKOFF, 99, highest))).toBe(900_000);
  });
});

describe('Retry-After', () => {
  it.each([
    ['7', 7000],
    [['8'], 8000],
    ['Thu, 01 Jan 1970 00:01:10 GMT', 60_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['999999', 3_600_000],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %s ms', (header, ms) => {
    expect(retryAfterMs(header, 10_000)).toBe(ms);
  });

  it('is the least that is waited', () => {
    expect(afterAtLeast(1000, lowest)).toBe(1000);
    expect(afterAtLeast(1000, highest)).toBeCloseTo(1100);
  });
});
