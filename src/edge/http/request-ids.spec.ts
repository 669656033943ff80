// RFC 9562 §5.7
import { expect, it } from 'vitest';
import { isRequestId } from './forwarded-fields.js';
import { newRequestId } from './request-ids.js';

it('a request id is a UUID of version 7 that begins with the time, and another each time', () => {
  const now = Date.parse('2022-02-22T19:22:22Z');
  const ids = Array.from({ length: 1000 }, () => newRequestId(now));
  expect(new Set(ids).size).toBe(1000);
  // The time of the example in RFC 9562 A.6.
  const other = ids.filter((id) => !/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id));
  expect(other).toEqual([]);
  expect(ids.every(isRequestId)).toBe(true);
});

it('request ids are in the order of time as texts, whatever its digits', () => {
  const times = [0, 0xff, 0x100, 0xffff, 0x1_0000, Date.now(), Date.now() + 1, 0xffff_ffff_ffff];
  const ids = times.map((time) => newRequestId(time));
  expect([...ids].sort()).toEqual(ids);
});
