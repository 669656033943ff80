import { text } from 'node:stream/consumers';
import type { StreamableFile } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ExportSource, Exports } from './exports.js';

interface Row {
  id: number;
  name: string;
}

/** A list of so many rows, and how many pages were read of it. */
function listOf(n: number) {
  const source = {
    pages: 0,
    name: 'rows',
    columns: { id: true, name: true } as const,
    page: (after: number | undefined, limit: number): Promise<Row[]> => {
      source.pages++;
      const from = (after ?? 0) + 1;
      const left = Math.max(0, Math.min(limit, n - from + 1));
      return Promise.resolve(Array.from({ length: left }, (_, i) => ({ id: from + i, name: `row ${from + i}` })));
    },
    keyOf: (row: Row) => row.id,
  };
  return source satisfies ExportSource<Row, number>;
}

let exports: Exports;
beforeEach(() => void (exports = new Exports()));
const start = (source: ExportSource<Row, number> = listOf(10_000), org = 'acme') => exports.start(org, 'csv', source);
const end = (file: StreamableFile) =>
  new Promise<void>((done) => {
    file.getStream().once('close', () => done());
    file.getStream().destroy();
  });

it.each([0, 1, 499, 500, 501, 1000, 1234])('has each of %i rows once, in order', async (n) => {
  const csv = await text((await start(listOf(n))).getStream());
  const lines = Array.from({ length: n }, (_, i) => `${i + 1},row ${i + 1}`);
  expect(csv).toBe(`${['id,name', ...lines].join('\r\n')}\r\n`);
  const jsonl = await text((await exports.start('acme', 'jsonl', listOf(n))).getStream());
  expect(
    jsonl
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as Row).id),
  ).toEqual(lines.map((_, i) => i + 1));
});

it('reads no further than the caller does', async () => {
  const source = listOf(1_000_000);
  const stream = (await start(source)).getStream();
  await new Promise((done) => stream.once('readable', done));
  await new Promise((done) => setImmediate(done));
  expect(source.pages).toBeLessThanOrEqual(3);
  stream.destroy();
});

it('names the file after organization, list and day', async () => {
  const file = await exports.start('acme "x"/é', 'jsonl', listOf(1));
  expect(file.getHeaders()).toMatchObject({
    type: 'application/x-ndjson; charset=utf-8',
    disposition: expect.stringMatching(/^attachment; filename="acme__x___-rows-\d{4}-\d\d-\d\d\.jsonl"$/),
  });
});

describe('the exports that run at once', () => {
  it('are three of an organization and thirty in all', async () => {
    for (let org = 0; org < 10; org++) for (let n = 0; n < 3; n++) await start(undefined, `org ${org}`);
    await expect(start(undefined, 'another')).rejects.toMatchObject({ code: 'rate_limited', status: 429 });
    exports = new Exports();
    const [first] = await Promise.all([start(), start(), start()]);
    await expect(start()).rejects.toMatchObject({ code: 'rate_limited' });
    await start(undefined, 'another');
    await end(first!);
    await start();
  });

  it('are three of a caller where the list is theirs, and take no place of others', async () => {
    const own = (caller: string) => exports.start(null, 'csv', { ...listOf(10_000), caller });
    for (let n = 0; n < 3; n++) await own('user a');
    await expect(own('user a')).rejects.toMatchObject({ code: 'rate_limited' });
    await own('user b');
    await exports.start(null, 'csv', listOf(10_000));
  });

  it('are fewer by each that was read to its end, failed at its first page, or broke off later', async () => {
    const failing = (at: number): ExportSource<Row, number> => {
      const list = listOf(10_000);
      return {
        ...list,
        page: (after, limit) => (list.pages >= at ? Promise.reject(new Error('gone')) : list.page(after, limit)),
      };
    };
    for (let n = 0; n < 4; n++) {
      await text((await start(listOf(2000))).getStream());
      await expect(start(failing(0))).rejects.toThrow('gone');
      await expect(text((await start(failing(1))).getStream())).rejects.toThrow('gone');
    }
  });

  describe('and one that nobody reads', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('ends after a minute, whether it began or not', async () => {
      const [unread, begun] = await Promise.all([start(), start(), start()]);
      begun!.getStream().read();
      await vi.advanceTimersByTimeAsync(59_000);
      await expect(start()).rejects.toMatchObject({ code: 'rate_limited' });
      await vi.advanceTimersByTimeAsync(1000);
      expect([unread, begun].map((file) => file!.getStream().destroyed)).toEqual([true, true]);
      await start();
    });
  });
});
