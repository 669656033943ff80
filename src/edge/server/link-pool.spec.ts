import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { TargetStream } from '../dialing/target-stream.js';
import { LinkPool } from './link-pool.js';
import { TargetLink } from './target-link.js';

function link(key = 'target', siteId = 1): TargetLink {
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
  return new TargetLink(stream, key, siteId);
}

it('all links of a rush are kept for the next moment, and few of them for longer', () => {
  const pool = new LinkPool();
  const links = Array.from({ length: 600 }, () => link());
  for (const one of links) pool.put(one, 0);
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

it('links to all targets of a site are bounded in sum: the one that has waited for the longest gives way', () => {
  const pool = new LinkPool();
  const other = link('other', 2);
  pool.put(other, 0);
  const links = Array.from({ length: 2_003 }, (_, i) => link(`target ${i % 10}`));
  for (const [i, one] of links.entries()) pool.put(one, i);
  const open = (some: TargetLink[]) => some.filter((one) => one.isOpen).length;
  expect([pool.size, open(links.slice(0, 3)), open(links.slice(3)), other.isOpen]).toEqual([2_001, 0, 2_000, true]);
  // Those that are taken do not count.
  for (let i = 0; i < 10; i++) expect(pool.take('target 5', Infinity)?.isOpen).toBe(true);
  for (let i = 0; i < 10; i++) pool.put(link('target 5'), 3_000);
  expect([pool.size, links[3]!.isOpen]).toEqual([2_001, true]);
  pool.put(link('target 6'), 3_000);
  expect([pool.size, links[3]!.isOpen, links[4]!.isOpen]).toEqual([2_001, false, true]);
  pool.clear();
  expect([pool.size, open(links.slice(4)), other.isOpen]).toEqual([0, 10, false]);
});
