import { describe, expect, it } from 'vitest';
import { Batcher } from './batcher.js';

describe('Batcher', () => {
  it('decides a lone item at once, and together what arrived meanwhile', async () => {
    const batches: number[][] = [];
    let release = () => {};
    const first = new Promise<void>((resolve) => (release = resolve));
    const batcher = new Batcher<number, number>(
      async (_key, items) => {
        batches.push(items);
        if (batches.length === 1) await first;
        return items.map((i) => i * 2);
      },
      () => false,
    );
    const results = [batcher.submit('k', 1), batcher.submit('k', 2), batcher.submit('k', 3)];
    release();
    expect(await Promise.all(results)).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1], [2, 3]]);
  });

  it('keeps keys apart', async () => {
    const running: string[] = [];
    const batcher = new Batcher<number, string>(
      async (key, items) => {
        running.push(key);
        return items.map(() => key);
      },
      () => false,
    );
    expect(await Promise.all([batcher.submit('a', 1), batcher.submit('b', 1)])).toEqual(['a', 'b']);
    expect(running).toEqual(['a', 'b']);
  });

  it('takes at most 128 at once', async () => {
    const sizes: number[] = [];
    const batcher = new Batcher<number, number>(
      async (_key, items) => {
        sizes.push(items.length);
        return items;
      },
      () => false,
    );
    await Promise.all(Array.from({ length: 300 }, (_, i) => batcher.submit('k', i)));
    expect(Math.max(...sizes)).toBe(128);
    expect(sizes.reduce((a, b) => a + b)).toBe(300);
  });

  it('has the next batch under way before the last one is answered', async () => {
    const order: string[] = [];
    const batcher = new Batcher<string, string>(
      async (_key, items) => {
        order.push(`decides ${items.join()}`);
        await Promise.resolve();
        return items;
      },
      () => false,
    );
    await Promise.all(['a', 'b'].map((item) => batcher.submit('k', item).then(() => order.push(`answered ${item}`))));
    expect(order).toEqual(['decides a', 'decides b', 'answered a', 'answered b']);
  });

  it('begins the next batch when one is ending, before it has ended', async () => {
    const order: string[] = [];
    let end = () => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const batcher = new Batcher<string, string>(
      async (_key, items, ending) => {
        order.push(`decides ${items.join()}`);
        if (items.includes('a')) {
          ending();
          await ended;
          order.push('ended a');
        } else end();
        return items;
      },
      () => false,
    );
    const answers = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit('k', item)));
    expect(await answers).toEqual(['a', 'b', 'c']);
    expect(order).toEqual(['decides a', 'decides b,c', 'ended a']);
  });

  it('tries a failed batch again item by item, so that a bad item fails alone', async () => {
    const batcher = new Batcher<number, number>(
      async (_key, items) => {
        if (items.includes(3)) throw new Error('bad item');
        return items;
      },
      () => false,
    );
    const results = await Promise.allSettled([1, 2, 3, 4].map((i) => batcher.submit('k', i)));
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not repeat what is hopeless for every item', async () => {
    let calls = 0;
    const batcher = new Batcher<number, number>(
      async () => {
        calls++;
        throw new Error('away');
      },
      () => true,
    );
    await Promise.allSettled([1, 2, 3].map((i) => batcher.submit('k', i)));
    expect(calls).toBe(2);
  });
});
