import { describe, expect, it } from 'vitest';
import { CapsuleReader, datagramCapsule } from './capsules.js';

const bytes = (...values: number[]) => Uint8Array.from(values);
const filled = (length: number) => new Uint8Array(length).map((_, i) => i % 251);

describe('capsules', () => {
  it.each([0, 1, 62, 63, 1200, 16_382, 16_383, 65_507])(
    'hold a payload of %d bytes, in whatever pieces they come',
    (length) => {
      const [first, second] = [datagramCapsule(filled(length)), datagramCapsule(bytes(7))];
      const stream = new Uint8Array(first.length + second.length);
      stream.set(first);
      stream.set(second, first.length);
      for (const size of [1, 1000, stream.length]) {
        const reader = new CapsuleReader();
        const found: Uint8Array[] = [];
        for (let at = 0; at < stream.length; at += size) found.push(...reader.push(stream.subarray(at, at + size)));
        expect(found.map(({ length }) => length)).toEqual([length, 1]);
        expect(Buffer.compare(found[0]!, filled(length))).toBe(0);
      }
    },
  );

  it('are written as RFC 9297 has them', () => {
    expect(datagramCapsule(bytes(1, 2))).toEqual(bytes(0, 3, 0, 1, 2));
    expect(datagramCapsule(filled(63)).slice(0, 4)).toEqual(bytes(0, 0x40, 64, 0));
  });

  it('of other types and contexts are passed over', () => {
    const reader = new CapsuleReader();
    expect(reader.push(bytes(0x2a, 4, 9, 9))).toEqual([]);
    expect(reader.push(bytes(9, 9, ...datagramCapsule(bytes(5))))).toEqual([bytes(5)]);
    expect(reader.push(bytes(0, 2, 4, 1, ...datagramCapsule(bytes(6))))).toEqual([bytes(6)]);
  });

  it('that are too long are not waited for', () => {
    expect(() => new CapsuleReader().push(bytes(0, 0x80, 2, 0, 0))).toThrow(RangeError);
    expect(() => new CapsuleReader().push(bytes(0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toThrow(
      RangeError,
    );
  });
});
