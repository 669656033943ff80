import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looseReadings, mergeSlashes, parsePath, withoutParameter } from './path.js';

describe('a path', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a//b', '/a//b'],
    ['/a/', '/a/'],
    ['/%61%2D%2e%5f%7E', '/a-._~'],
    ['/%c3%a9', '/%C3%A9'],
    ['/\xc3\xa9', '/%C3%A9'],
    ['/a{b}"<>^`|', '/a%7Bb%7D%22%3C%3E%5E%60%7C'],
    ['/%21%40:@!', '/%21%40:@!'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/..', '/'],
    ['/a/.', '/a/'],
    ['/../../a', '/a'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/.%2e/b', '/b'],
    ['/a/%2e/b', '/a/b'],
    ['/a//../b', '/a/b'],
    ['/.a/..b/c..', '/.a/..b/c..'],
    ['/a;b=c/d', '/a;b=c/d'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/a%09%0d%0ab', '/a%09%0D%0Ab'],
  ])('%j is %s', (target, path) => {
    expect(parsePath(target)).toEqual({ path, query: '', ambiguous: false });
    expect(parsePath(`${target}?x=/../%2e`)).toEqual({ path, query: '?x=/../%2e', ambiguous: false });
  });

  it.each([
    ['/a%2fb', '/a%2Fb'],
    ['/a/..%2Fadmin', '/a/..%2Fadmin'],
    ['/a\\b', '/a%5Cb'],
    ['/a%5cb', '/a%5Cb'],
    ['/a/..\\admin', '/a/..%5Cadmin'],
    ['/a/..;/admin', '/a/..;/admin'],
    ['/a/.;x=y/admin', '/a/.;x=y/admin'],
    ['/a/%2e%2e;/admin', '/a/..;/admin'],
    ['/a/%c0%ae%c0%ae/admin', '/a/%C0%AE%C0%AE/admin'],
    ['/a%C1%9cb', '/a%C1%9Cb'],
  ])('%j is ambiguous, and forwarded as %s', (target, path) => {
    expect(parsePath(target)).toEqual({ path, query: '', ambiguous: true });
  });

  it.each(['/%00', '/a%00b', '/%', '/%a', '/a%', '/%zz', '/%%32e', '/%u002e', '/%-1', '/%2', '/%2?e'])(
    '%j is none',
    (target) => {
      expect(parsePath(target)).toBeUndefined();
    },
  );

  it('has one spelling: read again it is the same, and it holds no dot segment', () => {
    const part = fc.constantFrom(
      '/',
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      ';',
      'a',
      '%61',
      '%25',
      '%32',
      'A',
      '\xe9',
      '?',
      '//',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const parsed = parsePath(`/${parts.join('')}`);
        if (!parsed) return;
        expect(parsePath(parsed.path)?.path).toBe(parsed.path);
        expect(parsed.path.split('/').filter((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))).toEqual([]);
        expect(parsed.path).toMatch(/^\/[!-~]*$/);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('how targets may read a path', () => {
  it.each([
    ['/a/b', ['/a/b']],
    ['/A/b', ['/a/b']],
    ['/a//b', ['/a//b', '/a/b']],
    ['/a;x/b;y=z', ['/a;x/b;y=z', '/a/b']],
    ['/%40a%2Fb%25%20', ['/@a%2fb%%20']],
  ])('%s', (path, readings) => {
    expect(looseReadings(path)).toEqual(readings);
  });

  it('merges slashes', () => {
    expect(mergeSlashes('//a///b/')).toBe('/a/b/');
  });
});

describe('a query without a parameter', () => {
  it.each([
    ['', ''],
    ['?', '?'],
    ['?a=b', '?a=b'],
    ['?p_token=x', ''],
    ['?p_token', ''],
    ['?a=b&p_token=x&c', '?a=b&c'],
    ['?p%5Ftoken=x&p_token=y&a', '?a'],
    ['?p_tokens=x&xp_token=y', '?p_tokens=x&xp_token=y'],
    ['?a=p_token', '?a=p_token'],
  ])('%s is %s', (query, left) => {
    expect(withoutParameter(query, 'p_token')).toBe(left);
  });
});
