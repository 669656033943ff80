/** Type of the capsule that holds a datagram (RFC 9297 §3.5). Others are passed over. */
export const DATAGRAM_CAPSULE = 0;
/** What a UDP payload may have at most, with its context id. */
const MAX_DATAGRAM = 65_535 + 8;
/** Of a capsule that is passed over. */
const MAX_CAPSULE = 1 << 20;

/** A UDP payload as a DATAGRAM capsule of context 0 (RFC 9298 §5). */
export function datagramCapsule(payload: Uint8Array): Uint8Array {
  const length = varint(payload.length + 1);
  const capsule = new Uint8Array(2 + length.length + payload.length);
  capsule[0] = DATAGRAM_CAPSULE;
  capsule.set(length, 1);
  capsule.set(payload, 2 + length.length);
  return capsule;
}

/** Takes UDP payloads out of a stream of capsules, in whatever pieces it comes. */
export class CapsuleReader {
  private parts: Uint8Array[] = [];
  private have = 0;
  /** Bytes without which nothing more can be read: pieces are put together once for each capsule. */
  private needed = 0;
  /** Of a capsule that is passed over: what has not come yet. */
  private skipping = 0;

  /** @returns the payloads that are whole now. @throws RangeError for a capsule that is too long: the stream is not to be read on */
  push(chunk: Uint8Array): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    const piece = this.skipped(chunk);
    this.parts.push(piece);
    this.have += piece.length;
    if (this.have < this.needed) return payloads;
    const bytes = this.parts.length === 1 ? piece : joined(this.parts, this.have);
    this.needed = 0;
    let at = 0;
    for (;;) {
      const type = readVarint(bytes, at);
      const length = type && readVarint(bytes, type.end);
      if (!type || !length) break;
      const isDatagram = type.value === DATAGRAM_CAPSULE;
      if (length.value > (isDatagram ? MAX_DATAGRAM : MAX_CAPSULE)) throw new RangeError('A capsule is too long');
      const end = length.end + length.value;
      if (end > bytes.length) {
        if (isDatagram) {
          this.needed = end - at;
          break;
        }
        this.skipping = end - bytes.length;
        at = bytes.length;
        break;
      }
      // Another context is an extension that nobody has agreed on.
      const context = isDatagram ? readVarint(bytes.subarray(0, end), length.end) : undefined;
      if (context?.value === 0) payloads.push(bytes.subarray(context.end, end));
      at = end;
    }
    this.parts = at < bytes.length ? [bytes.slice(at)] : [];
    this.have = bytes.length - at;
    return payloads;
  }

  private skipped(chunk: Uint8Array): Uint8Array {
    const skip = Math.min(this.skipping, chunk.length);
    this.skipping -= skip;
    return chunk.subarray(skip);
  }
}

/** A number as RFC 9000 §16 writes it; lengths of datagrams take at most four bytes. */
function varint(value: number): number[] {
  if (value < 0x40) return [value];
  if (value < 0x4000) return [0x40 | (value >> 8), value & 0xff];
  return [0x80 | (value >>> 24), (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

/** @returns undefined until all of it is there */
function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const end = at + 2 ** (first >> 6);
  if (end > bytes.length) return undefined;
  let value = first & 0x3f;
  for (let i = at + 1; i < end; i++) value = value * 256 + bytes[i]!;
  return { value, end };
}

function joined(parts: Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
