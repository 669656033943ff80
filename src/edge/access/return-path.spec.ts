import { describe, expect, it } from 'vitest';
import { askedPath, returnPath } from './return-path.js';

describe('where one goes on', () => {
  it.each(['/', '/a/b?c=d&e', '//elsewhere.example/a', '/@elsewhere.example', '/a#b', '/a%0d%0aSet-Cookie:x', '/:80'])(
    '%s is a path of the host that asked',
    (path) => {
      expect(returnPath(path)).toBe(path);
      // As it is written: behind the origin.
      const { origin } = new URL(`http://app.example:8080${path}`);
      expect(origin).toBe('http://app.example:8080');
    },
  );

  it.each([
    undefined,
    null,
    '',
    'https://elsewhere.example/',
    'elsewhere',
    '.elsewhere.example',
    '@elsewhere.example',
    ':80',
    '/\\elsewhere.example',
    '/a\\b',
    '/\t/elsewhere.example',
    '/a\r\nSet-Cookie: x',
    '/a b',
    '/\u00e9',
    '/.gatehouse/logout',
    `/${'a'.repeat(2048)}`,
  ])('%j is none', (path) => {
    expect(returnPath(path)).toBe('/');
  });

  it('is what was asked for, without a token', () => {
    expect(askedPath('/a', '?b=c&p_token=x.y&d')).toBe('/a?b=c&d');
    expect(askedPath('//b', '?p_token=x')).toBe('//b');
  });
});
