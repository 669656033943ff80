import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import type { SealedColumn } from '#platform';
import { AFTER_A_LEAK, MasterKeyRotation } from './master-key-rotation.js';
import { SEALED_COLUMNS } from './sealed-columns.js';

const COUNT = 20_300;
/** PSKs under the key before, which are read 200 at a time, and nothing else. */
vi.mock('#platform', async (original) => ({
  ...(await original<object>()),
  countUnderOthers: async (_: unknown, column: SealedColumn) => (column.what === 'PSKs' ? COUNT : 0),
  resealPage: async (_: unknown, _keys: unknown, column: SealedColumn, after: string) => {
    const done = column.what === 'PSKs' ? Math.min(200, COUNT - Number(after)) : 0;
    return { done, after: done < 200 ? null : String(Number(after) + done) };
  },
  query: async () => [{ until: null }],
}));

it('tells how far it is while there are many values', async () => {
  const printed: string[] = [];
  const rotation = new MasterKeyRotation(
    { tx: (run: () => unknown) => run() } as never,
    { fingerprints: ['own', 'before'], writesWith: 'own' } as never,
    { look: async () => [], notFollowing: async () => [], hasPrevious: async () => false } as never,
  );
  await rotation.run(async (text) => void printed.push(text));
  expect(printed.slice(0, 3)).toEqual([
    'PSKs: 10000 of 20300\n',
    'PSKs: 20000 of 20300\n',
    'PSKs: 20300 sealed anew\n',
  ]);
  expect(printed.slice(3).every((text) => text.endsWith(': 0 sealed anew\n'))).toBe(true);
});

const lines = AFTER_A_LEAK.split('\n').slice(1, -1);

it('what must be replaced after a leak is all that was sealed, and what a hash under the key gives away', () => {
  const named = lines.map((line) => /^ {2}(.+?) {2}/.exec(line)![1]);
  for (const { what } of SEALED_COLUMNS) expect(named).toContain(what);
  expect(named).toHaveLength(SEALED_COLUMNS.length + 2);
  expect(named).toEqual(expect.arrayContaining(['passwords and PINs of resources', 'answers to Idempotency-Key']));
});

it('is replaced by routes that are there', () => {
  const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as { paths: Record<string, object> };
  const routes = AFTER_A_LEAK.match(/POST \/[^\s,:]+/g)!.map((route) => route.split(' ')[1]!);
  expect(routes).toHaveLength(5);
  for (const path of routes) expect(Object.keys(paths[path] ?? {}), path).toContain('post');
});
