import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Glob } from './glob.js';

/** The same by trying everything. */
function matchesSlowly(pattern: string, path: string): boolean {
  const segments = (text: string) => text.split('/').slice(1);
  const of = pattern.split('/').filter((segment) => segment !== '');
  const given = segments(path.endsWith('/') ? path.slice(0, -1) : path);
  const within = (p: string, text: string): boolean =>
    p === ''
      ? text === ''
      : p[0] === '*'
        ? Array.from({ length: text.length + 1 }, (_, i) => i).some((i) => within(p.slice(1), text.slice(i)))
        : p[0] === text[0] && text !== '' && within(p.slice(1), text.slice(1));
  const all = (i: number, j: number): boolean =>
    i === of.length
      ? j === given.length
      : of[i] === '*'
        ? Array.from({ length: given.length - j + 1 }, (_, n) => j + n).some((next) => all(i + 1, next))
        : j < given.length && within(of[i]!, given[j]!) && all(i + 1, j + 1);
  return all(0, 0);
}

describe('a PATH', () => {
  it.each([
    ['/', ['/'], ['/a', '//']],
    ['/admin', ['/admin', '/admin/'], ['/', '/admins', '/admin/a', '/ADMIN', '/admin//']],
    ['admin', ['/admin'], ['/']],
    ['/admin/*', ['/admin', '/admin/', '/admin/a', '/admin/a/b/', '/admin//a'], ['/administrator', '/a/admin', '/']],
    ['/*', ['/', '/a', '/a/b', '//'], []],
    ['/*.js', ['/a.js', '/.js'], ['/a/b.js', '/a.json', '/']],
    ['/*/*.js', ['/a.js', '/a/b.js', '/a/b/c.js'], ['/a.json', '/a.js/b']],
    ['/a/*/z', ['/a/z', '/a/b/z', '/a/b/c/z/'], ['/a', '/z', '/a/bz', '/a/b']],
    ['/a/*/*/z', ['/a/z', '/a/b/c/z'], ['/az']],
    ['/v*/x', ['/v/x', '/v12/x'], ['/v1/2/x', '/x']],
    ['/a*b*c', ['/abc', '/aXbXc', '/abbcc'], ['/ab/c', '/ac', '/abcX']],
    ['/a*/*', ['/a', '/ab', '/ab/c'], ['/b/a']],
    ['/a.b', ['/a.b'], ['/aXb']],
  ])('%s', (pattern, matching, others) => {
    const glob = new Glob(pattern);
    expect(matching.filter((path) => !glob.matches(path))).toEqual([]);
    expect(others.filter((path) => glob.matches(path))).toEqual([]);
  });

  it('is matched as by trying everything', () => {
    const text = (of: string) =>
      fc.array(fc.constantFrom(...of), { maxLength: 12 }).map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(text('ab/**/'), text('aab/'), (pattern, path) => {
        expect(new Glob(pattern).matches(path)).toBe(matchesSlowly(pattern, path));
      }),
      { numRuns: 5000 },
    );
  });

  it('of more than one word of states is matched likewise', () => {
    const long = 'ab'.repeat(40);
    expect(new Glob(`/${long}*${long}/*/x*`).matches(`/${long}${long}/a/b/xy`)).toBe(true);
    expect(new Glob(`/*${long}*${long}/*/x*`).matches(`/${long}c${long}/a/b/y`)).toBe(false);
    for (let n = 1; n < 70; n++) {
      const pattern = `/*${'a'.repeat(n)}*/*/b`;
      expect(new Glob(pattern).matches(`/c${'a'.repeat(n)}/c/b`)).toBe(true);
      expect(new Glob(pattern).matches(`/c${'a'.repeat(n - 1)}/c/b`)).toBe(false);
    }
  });
});
