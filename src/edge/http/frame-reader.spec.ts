import { describe, expect, it } from 'vitest';
import { type Frame, FrameReader } from './frame-reader.js';

const frame = (type: number, flags: number, streamId: number, payload: string) => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
};

describe('frames', () => {
  const bytes = Buffer.concat([
    frame(4, 0, 0, ''),
    frame(1, 4, 1, 'fields'),
    frame(0, 1, 0x8000_0001, 'x'.repeat(300)),
  ]);

  it.each([1, 2, 8, 9, 10, 64, 1000])('are the same in parts of %i bytes', (size) => {
    const seen: Frame[] = [];
    const reader = new FrameReader((one) => seen.push(one));
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    expect(seen).toEqual([
      { type: 4, flags: 0, streamId: 0, length: 0 },
      { type: 1, flags: 4, streamId: 1, length: 6 },
      // The first bit of a stream says nothing.
      { type: 0, flags: 1, streamId: 1, length: 300 },
    ]);
  });
});
