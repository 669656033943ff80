import { describe, expect, it } from 'vitest';
import { isReadQuickly, Problems, readTree, Source } from './index.js';

const listOf = (bytes: number, between = ',') => `[${`1${between}`.repeat(bytes / 2 - 2)}1]`;

describe('what is read quickly', () => {
  it.each<[string, boolean, string]>([
    ['a little YAML', true, 'env: {A: x}\n'],
    ['2 KB of YAML', true, `a: ${'x'.repeat(2045)}`],
    ['more YAML', false, `a: ${'x'.repeat(2046)}`],
    ['more YAML, counted in bytes', false, `a: ${'é'.repeat(1024)}`],
    ['16 KB of JSON', true, listOf(16 * 1024)],
    ['more JSON', false, listOf(16 * 1024 + 2)],
    ['JSON with a mistake, which YAML is tried for', false, listOf(4 * 1024, ',,')],
    ['what only begins like JSON', false, `{a: ${listOf(4 * 1024)}}`],
    ['one value', false, `"${'x'.repeat(4096)}"`],
    ['an alias', false, '- &a x\n'],
    ['JSON of which a template takes a part', false, `{"a":"{{","b":["}}",${'1,'.repeat(2000)}1]}`],
  ])('%s: %s', (_what, quick, text) => {
    expect(isReadQuickly(text)).toBe(quick);
  });

  it.each([
    ['a key that is given twice', `{"a":1,"a":${listOf(8 * 1024)}}`, 'is given twice'],
    ['too deep', `{"a":${'['.repeat(30)}${']'.repeat(30)},"b":${listOf(8 * 1024)}}`, 'levels deep'],
  ])('JSON is not read again as YAML for %s', (_what, text, message) => {
    expect(isReadQuickly(text)).toBe(true);
    const problems = new Problems();
    readTree(new Source(text), 'auto', problems);
    expect(problems.list()).toEqual([expect.objectContaining({ message: expect.stringContaining(message) })]);
  });
});
