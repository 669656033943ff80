import { describe, expect, it } from 'vitest';
import { canonical } from './idempotency.js';

describe('the body that an Idempotency-Key is compared by', () => {
  it('is the same in whatever order its keys are, at every depth', () => {
    expect(canonical({ a: 1, b: { c: [{ d: 1, e: null }], f: 'x' } })).toBe(
      canonical({ b: { f: 'x', c: [{ e: null, d: 1 }] }, a: 1 }),
    );
  });

  it('is another for another value, another order of a list, and what is a key elsewhere', () => {
    const bodies = [
      { a: 1 },
      { a: '1' },
      { a: null },
      {},
      [],
      [1, 2],
      [2, 1],
      { a: { b: 1 } },
      { a: [{ b: 1 }] },
      { b: 1 },
      null,
      '{"a":1}',
    ];
    expect(new Set(bodies.map(canonical)).size).toBe(bodies.length);
  });
});
