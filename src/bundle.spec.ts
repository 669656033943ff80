import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadBundle } from './bundle.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('takes the cache of its own text only, and of no other V8', () => {
  const file = join(folder, 'main.cjs');
  const write = (answer: number) => writeFileSync(file, `exports.run = () => ${answer};\n`);
  write(1);
  const first = loadBundle(file);
  expect(first.script.cachedDataRejected).toBeUndefined();
  const cache = first.script.createCachedData();
  writeFileSync(first.cacheFile, cache);
  expect(loadBundle(file).script.cachedDataRejected).toBe(false);
  // As long as the first: V8 alone would take it for the same.
  write(2);
  const second = loadBundle(file);
  expect(second.script.cachedDataRejected).toBeUndefined();
  expect(second.exports.run()).toBe(2);
  // The second word is the version of V8; under another name, since V8 remembers what it has compiled.
  const other = join(folder, 'other.cjs');
  copyFileSync(file, other);
  writeFileSync(second.cacheFile.replace(file, other), cache.fill(0, 4, 8));
  const third = loadBundle(other);
  expect(third.script.cachedDataRejected).toBe(true);
  expect(third.exports.run()).toBe(2);
});
