import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { TargetStream } from '../dialing/target-stream.js';
import { LinkPool } from './link-pool.js';
import { TargetLink } from './target-link.js';

function link(): TargetLink {
  const duplex = new PassThrough();
  const stream: TargetStream = {
    duplex,
    opened: Promise.resolve(),
    get isOpen() {
      return !duplex.destroyed;
    },
    endedInOrder: false,
    isLost: false,
    abort: () => duplex.destroy(),
  };
  return new TargetLink(stream);
}

it('all links of a rush are kept for the next moment, and few of them for longer', () => {
  const pool = new LinkPool();
  const links = Array.from({ length: 600 }, link);
  for (const one of links) pool.put('target', one, 0);
  expect(pool.size).toBe(512);
  expect(links.filter((one) => one.isOpen)).toHaveLength(512);
  pool.sweep(4_999);
  expect(pool.size).toBe(512);
  pool.sweep(5_000);
  expect(pool.size).toBe(64);
  // Those that were used last stay.
  expect(links.slice(-64).every((one) => one.isOpen)).toBe(true);
  pool.sweep(59_999);
  expect(pool.size).toBe(64);
  pool.sweep(60_000);
  expect([pool.size, links.some((one) => one.isOpen)]).toEqual([0, false]);
});
