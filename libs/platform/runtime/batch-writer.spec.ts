import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { databaseAway } from '../errors.js';
import { BatchWriter } from './batch-writer.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A writer of up to 3 rows a second, or of 3 at once, with room for 5; `refuses` says what a write throws. */
function writer({ refuses = (): Error | undefined => undefined, takes = 0 } = {}) {
  const written: number[][] = [];
  const made = new BatchWriter<number>('Test', {
    capacity: 5,
    batch: 3,
    everyMs: 1000,
    failure: 'They were not written',
    write: async (rows) => {
      if (takes > 0) await new Promise((done) => setTimeout(done, takes));
      const error = refuses();
      if (error) throw error;
      written.push(rows);
    },
  });
  const add = (...rows: number[]) => rows.map((row) => made.add(row));
  return { rows: made, written, add };
}

describe('rows', () => {
  it('are written together after a while, or as soon as there are enough', async () => {
    const { add, written } = writer();
    add(1, 2);
    await vi.advanceTimersByTimeAsync(999);
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(written).toEqual([[1, 2]]);
    add(3, 4, 5, 6);
    await vi.advanceTimersByTimeAsync(0);
    expect(written).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(written.at(-1)).toEqual([6]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that do not fit are counted; those that are being written still take their room', async () => {
    const { rows, add, written } = writer({ takes: 100 });
    expect(add(1, 2, 3, 4, 5, 6)).toEqual([true, true, true, true, true, false]);
    await vi.advanceTimersByTimeAsync(50);
    expect(add(7)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(5000);
    expect([written.flat(), rows.droppedRows, rows.waitingRows]).toEqual([[1, 2, 3, 4, 5], 2, 0]);
  });

  it('that are too long together are counted too, and those that were written leave their room', async () => {
    const written: string[] = [];
    const rows = new BatchWriter<string>('Test', {
      capacity: 100,
      room: { bytes: 10, of: (row) => row.length },
      batch: 3,
      everyMs: 1000,
      failure: 'They were not written',
      write: async (batch) => void written.push(...batch),
    });
    expect(['12345', '123456', '1234', '1', '1'].map((row) => rows.add(row))).toEqual([true, false, true, true, false]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(['1234567890', '1'].map((row) => rows.add(row))).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(1000);
    expect([written, rows.droppedRows]).toEqual([['12345', '1234', '1', '1234567890'], 3]);
  });

  it('wait while the database is away, and more of them do not ask it more often', async () => {
    let away = true;
    let asked = 0;
    const { rows, add, written } = writer({
      refuses: () => {
        asked++;
        return away ? databaseAway() : undefined;
      },
    });
    add(1, 2, 3);
    await vi.advanceTimersByTimeAsync(500);
    add(4);
    await vi.advanceTimersByTimeAsync(100);
    add(5);
    await vi.advanceTimersByTimeAsync(300);
    expect([asked, rows.waitingRows]).toEqual([1, 5]);
    away = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect([written, rows.droppedRows]).toEqual([
      [
        [1, 2, 3],
        [4, 5],
      ],
      0,
    ]);
  });

  it('that are refused for good are given up and counted, and those behind them are written', async () => {
    let bad = true;
    const { rows, add, written } = writer({ refuses: () => (bad ? new Error('too long') : undefined) });
    add(1, 2, 3);
    await vi.advanceTimersByTimeAsync(0);
    bad = false;
    add(4);
    await vi.advanceTimersByTimeAsync(1000);
    expect([written, rows.droppedRows]).toEqual([[[4]], 3]);
  });
});

it('what else is to be written comes after the rows, in rounds of its own where there are none, and at the end', async () => {
  const written: string[] = [];
  const rows = new BatchWriter<string>('Test', {
    capacity: 5,
    batch: 3,
    everyMs: 1000,
    failure: 'They were not written',
    write: async (batch) => void written.push(batch.join(' ')),
    afterRows: async () => void written.push('count'),
  });
  rows.wake();
  rows.add('a');
  await vi.advanceTimersByTimeAsync(1000);
  expect(written).toEqual(['a', 'count']);
  rows.wake();
  await vi.advanceTimersByTimeAsync(1000);
  expect(written.slice(2)).toEqual(['count']);
  rows.add('b');
  await rows.stop(1000);
  expect(written.slice(3)).toEqual(['b', 'count']);
});

describe('stop', () => {
  it('writes all that waits', async () => {
    const { rows, add, written } = writer();
    add(1, 2, 3, 4, 5);
    expect(await rows.stop(1000)).toBe(0);
    expect(written).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it('says what it could not write in its time', async () => {
    const { rows, add, written } = writer({ takes: 700 });
    add(1, 2, 3, 4, 5);
    const stop = rows.stop(1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect([await stop, written]).toEqual([2, [[1, 2, 3]]]);
  });
});
