import { expect, it } from 'vitest';
import { cookiesNamed, setCookie } from './cookies.js';
import { responseFields } from './forwarded-fields.js';
import { STICKY_COOKIE } from './own-names.js';

it.each([
  [['Cookie', 'a=1; b=2'], ['1']],
  [
    ['Cookie', 'b=2;a=1 ;a = 3'],
    ['1', '3'],
  ],
  [
    ['cookie', 'a=1', 'x', 'a=9', 'COOKIE', 'b=a; a=x=y'],
    ['1', 'x=y'],
  ],
  [['Cookie', 'aa=1; A=2; b=a=1; a; =a'], []],
  [['Cookie', 'a='], ['']],
  [[], []],
])('the cookies a of %j are %j', (rawHeaders, values) => {
  expect(cookiesNamed(rawHeaders, 'a')).toEqual(values);
});

it('a cookie of the edge is for its host alone, and no target sets it', () => {
  expect(setCookie(STICKY_COOKIE, 'v', true)).toBe('__Host-gatehouse_target=v; Path=/; HttpOnly; SameSite=Lax; Secure');
  expect(setCookie(STICKY_COOKIE, 'v', false, 0)).toBe('gatehouse_target=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=0');
  for (const https of [true, false])
    expect(responseFields(['Set-Cookie', setCookie(STICKY_COOKIE, 'v', https)], 200)).toEqual([]);
});
