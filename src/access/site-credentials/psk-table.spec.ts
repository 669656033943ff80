import { randomBytes, randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { PskTable } from './psk-table.js';

describe('the identities in memory', () => {
  it('are found with every byte of their key, and go with their site', () => {
    const table = new PskTable();
    const sealed = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    table.add({ siteId: 1, identity: 'a', sealed, endsIn: null }, 0);
    table.add({ siteId: 1, identity: 'b', sealed: Buffer.of(1), endsIn: null }, 0);
    table.add({ siteId: 1, identity: 'b', sealed: Buffer.of(2), endsIn: null }, 0);
    table.add({ siteId: 2, identity: 'c', sealed, endsIn: null }, 0);
    expect([table.get('a', 0), table.get('b', 0), table.get('d', 0)]).toEqual([sealed, Buffer.of(2), undefined]);
    expect([table.has(1), table.has(3), table.size]).toEqual([true, false, 3]);
    table.drop(1);
    table.drop(3);
    expect([table.get('a', 0), table.get('b', 0), table.get('c', 0), table.size]).toEqual([
      undefined,
      undefined,
      sealed,
      1,
    ]);
  });

  it('are found until their end, by the clock of when they were read', () => {
    const table = new PskTable();
    const psk = { siteId: 1, identity: 'a', sealed: Buffer.of(1) };
    table.add({ ...psk, endsIn: 500 }, 1_000);
    expect([table.get('a', 1_499), table.get('a', 1_500)]).toEqual([psk.sealed, undefined]);
    table.add({ ...psk, endsIn: null }, 2_000);
    expect(table.get('a', 1e12)).toEqual(psk.sealed);
    table.add({ ...psk, endsIn: 500 }, 3_000);
    table.drop(1);
    table.add({ ...psk, endsIn: null }, 4_000);
    expect(table.get('a', 1e12)).toEqual(psk.sealed);
  });

  it('of one site may be very many', () => {
    const table = new PskTable();
    for (let i = 0; i < 10_000; i++) table.add({ siteId: 1, identity: `i${i}`, sealed: Buffer.of(1), endsIn: null }, 0);
    expect(table.size).toBe(10_000);
    table.drop(1);
    expect([table.size, table.has(1)]).toEqual([0, false]);
  });

  it('take less than 60 MB for 100,000', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const before = used();
    const table = new PskTable();
    for (let siteId = 1; siteId <= 100_000; siteId++) {
      // Of one piece, as the driver makes texts.
      const identity = Buffer.from(`${randomUUID()}.${randomBytes(4).toString('hex')}`).toString('latin1');
      table.add({ siteId, identity, sealed: randomBytes(64), endsIn: siteId + 0.5 }, 0);
    }
    const megabytes = (used() - before) / 1e6;
    expect(table.size).toBe(100_000);
    expect(megabytes).toBeLessThan(60);
  });
});
