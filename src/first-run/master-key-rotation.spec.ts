import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { AFTER_A_LEAK } from './master-key-rotation.js';
import { SEALED_COLUMNS } from './sealed-columns.js';

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
