import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databaseAway } from '#platform';
import { AnonymousQuota } from './anonymous-quota.js';
import { RefusalRecords } from './refusal-records.js';

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => vi.useRealTimers());

/** Records that count what is written by the name of the row; `meanwhile` runs while the first count is written. */
function recorded({
  shares = new AnonymousQuota(),
  meanwhile = (): void => undefined,
  away = (): boolean => false,
} = {}) {
  const rows: Record<string, number> = {};
  const counts: { of: string; count: number }[] = [];
  const records = new RefusalRecords<string>(shares, {
    write: async (written) => {
      if (away()) throw databaseAway();
      for (const row of written) rows[row] = (rows[row] ?? 0) + 1;
    },
    writeCount: async (of, count) => {
      if (away()) throw databaseAway();
      if (counts.length === 0) meanwhile();
      return counts.push({ of, count }) - 1;
    },
    addToCount: async (id, count) => void (counts[id]!.count += count),
  });
  const add = (name: string, times: number, stranger?: string) => {
    for (let i = 0; i < times; i++)
      records.add({ slot: name, row: name, ...(stranger === undefined ? {} : { stranger: { address: stranger } }) });
  };
  return { records, add, rows, counts, settle: () => vi.advanceTimersByTimeAsync(10_000) };
}

describe('refusals of one slot', () => {
  it('are rows up to 100 a minute, then one row with a count, and rows again in the next minute', async () => {
    const { add, rows, counts, settle } = recorded();
    add('expired', 250);
    await settle();
    expect([rows, counts]).toEqual([{ expired: 100 }, [{ of: 'expired', count: 150 }]]);
    await vi.advanceTimersByTimeAsync(60_000);
    add('expired', 1);
    await settle();
    expect([rows, counts.length]).toEqual([{ expired: 101 }, 1]);
  });

  it('are counted too when they came while the others were written, though nobody comes after them', async () => {
    let again = (): void => undefined;
    const { add, rows, counts, settle } = recorded({ meanwhile: () => again() });
    again = () => add('expired', 50);
    add('expired', 110);
    await settle();
    expect([rows, counts]).toEqual([{ expired: 100 }, [{ of: 'expired', count: 60 }]]);
  });

  it('wait for a database that is away, bounded: beyond 10,000 waiting rows they are counted, none is lost', async () => {
    let away = true;
    const { add, rows, counts, settle } = recorded({ away: () => away });
    for (let key = 0; key < 120; key++) add(`key ${key}`, 100);
    await settle();
    away = false;
    await settle();
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
    expect([sum(Object.values(rows)), sum(counts.map((c) => c.count))]).toEqual([10_000, 2000]);
  });

  it('rest when all is written', async () => {
    const { add, settle } = recorded();
    add('expired', 1);
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('strangers', () => {
  it('have 50 rows a minute from one source, over all slots, and are counted beyond', async () => {
    const { add, rows, counts, settle } = recorded();
    add('wrong secret of a', 40, '192.0.2.1');
    add('wrong secret of b', 40, '192.0.2.1');
    add('wrong secret of b', 40, '2001:db8::1');
    add('wrong secret of b', 40, '2001:db8::2');
    await settle();
    expect([rows, counts]).toEqual([
      { 'wrong secret of a': 40, 'wrong secret of b': 60 },
      [{ of: 'wrong secret of b', count: 60 }],
    ]);
  });

  it('have 300 rows a minute in all, whatever they try and wherever they come from', async () => {
    const shares = new AnonymousQuota();
    const [claims, logins] = [recorded({ shares }), recorded({ shares })];
    for (let i = 0; i < 1000; i++) {
      claims.add(`wrong secret of ${i % 20}`, 1, `198.51.${i >> 8}.${i & 255}`);
      logins.add('login', 1, `203.0.${i >> 8}.${i & 255}`);
    }
    await claims.settle();
    const rows = (of: typeof claims) => Object.values(of.rows).reduce((a, b) => a + b, 0);
    const counted = (of: typeof claims) => of.counts.reduce((a, b) => a + b.count, 0);
    expect(rows(claims) + rows(logins)).toBe(300);
    expect([rows(claims) + counted(claims), rows(logins) + counted(logins)]).toEqual([1000, 1000]);
    // Who knows a secret takes nothing of it, and leaves rows meanwhile; a stranger with a key of its own is told apart by its count.
    claims.add('expired', 5);
    claims.add('wrong secret of another', 3, '192.0.2.99');
    await claims.settle();
    expect(claims.rows['expired']).toBe(5);
    expect(claims.counts).toContainEqual({ of: 'wrong secret of another', count: 3 });
  });
});
