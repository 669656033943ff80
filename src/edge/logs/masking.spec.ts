import { describe, expect, it } from 'vitest';
import { clipped, maskedPath } from './masking.js';

describe('a path as the log keeps it', () => {
  it.each([
    ['/', '/', null],
    ['/a/b', '/a/b', null],
    ['/a?', '/a', ''],
    ['/a?b=secret&c=', '/a', 'b=*&c=*'],
    ['/a?p_token=id.secret&next=/x?y=z', '/a', 'p_token=*&next=*'],
    // What has no name may be the secret itself.
    ['/a?k7Jq2vXw', '/a', '*'],
    ['/a?b=1&&=2&k7Jq', '/a', 'b=*&&*=*&*'],
    // So may what does not look like a name.
    ['/a?aGVsbG8%3D=1', '/a', '*=*'],
    [`/a?${'x'.repeat(65)}=1`, '/a', '*=*'],
    ['/a?filter[name]=1&page.size=2', '/a', 'filter[name]=*&page.size=*'],
    // A second question mark is of the value.
    ['/a?b=1?c=2', '/a', 'b=*'],
  ])('of %s', (asked, path, query) => expect(maskedPath(asked)).toEqual({ path, query }));
});

it('texts are cut to a length, and to what PostgreSQL takes', () => {
  expect(clipped('abc', 3)).toBe('abc');
  expect(clipped('abcd', 3)).toBe('abc…');
  expect(clipped('a\0b', 9)).toBe('ab');
  expect(clipped('a😀', 9)).toBe('a😀');
  // A pair is not cut in the middle.
  expect(clipped('a😀b', 2)).toBe('a\ufffd…');
});
