import { randomBytes, randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { PskTable } from './psk-table.js';

describe('the identities in memory', () => {
  it('are found with every byte of their key, and go with their site', () => {
    const table = new PskTable();
    const sealed = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    table.add({ siteId: 1, identity: 'a', sealed });
    table.add({ siteId: 1, identity: 'b', sealed: Buffer.of(1) });
    table.add({ siteId: 1, identity: 'b', sealed: Buffer.of(2) });
    table.add({ siteId: 2, identity: 'c', sealed });
    expect([table.get('a'), table.get('b'), table.get('d')]).toEqual([sealed, Buffer.of(2), undefined]);
    expect([table.has(1), table.has(3), table.size]).toEqual([true, false, 3]);
    table.drop(1);
    table.drop(3);
    expect([table.get('a'), table.get('b'), table.get('c'), table.size]).toEqual([undefined, undefined, sealed, 1]);
  });

  it('of one site may be very many', () => {
    const table = new PskTable();
    for (let i = 0; i < 10_000; i++) table.add({ siteId: 1, identity: `i${i}`, sealed: Buffer.of(1) });
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
      table.add({ siteId, identity, sealed: randomBytes(64) });
    }
    const megabytes = (used() - before) / 1e6;
    expect(table.size).toBe(100_000);
    expect(megabytes).toBeLessThan(60);
  });
});
