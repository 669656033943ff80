const HEAD = 9;

/** What the head of a frame of HTTP/2 says (RFC 9113 §4.1). */
export interface Frame {
  type: number;
  flags: number;
  streamId: number;
  length: number;
}

/** Follows the frames in bytes of HTTP/2, at any split. That they are in order is for nghttp2 to judge. */
export class FrameReader {
  private readonly head = Buffer.alloc(HEAD);
  private held = 0;
  /** Of the payload that goes by. */
  private left = 0;

  /** @param seen called with each head, before its payload has come */
  constructor(private readonly seen: (frame: Frame) => void) {}

  push(chunk: Buffer): void {
    const { head } = this;
    let at = 0;
    while (at < chunk.length) {
      if (this.left > 0) {
        const passed = Math.min(this.left, chunk.length - at);
        this.left -= passed;
        at += passed;
        continue;
      }
      const taken = chunk.copy(head, this.held, at, at + HEAD - this.held);
      this.held += taken;
      at += taken;
      if (this.held < HEAD) return;
      this.held = 0;
      this.left = head.readUIntBE(0, 3);
      const [type, flags] = [head[3]!, head[4]!];
      this.seen({ type, flags, streamId: head.readUInt32BE(5) & 0x7fff_ffff, length: this.left });
    }
  }
}
