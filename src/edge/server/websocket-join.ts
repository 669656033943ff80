import type { Duplex } from 'node:stream';
import type { LinkUser, TargetLink } from './target-link.js';

/** Without a byte in either direction. */
export const IDLE_MS = 3_600_000;

/** Bytes both ways between a visitor and a target that has changed to another protocol, until either ends. */
export class WebsocketJoin implements LinkUser {
  private bytes = { in: 0, out: 0 };
  private over = false;
  private readonly idle: NodeJS.Timeout;

  /** @param ended called once */
  constructor(
    private readonly visitor: Duplex,
    private readonly link: TargetLink,
    private readonly told: (bytes: { in: number; out: number }) => void,
  ) {
    this.idle = setTimeout(() => this.finish(), IDLE_MS).unref();
    link.use(this);
    visitor.on('data', (chunk: Buffer) => {
      this.bytes.in += chunk.length;
      this.idle.refresh();
      if (!link.stream.duplex.write(chunk)) visitor.pause();
    });
    visitor.on('drain', () => link.stream.duplex.resume());
    for (const event of ['end', 'close', 'error']) visitor.on(event, () => this.finish());
    if (visitor.destroyed) this.finish();
  }

  received(chunk: Buffer): void {
    this.bytes.out += chunk.length;
    this.idle.refresh();
    if (!this.visitor.write(chunk)) this.link.stream.duplex.pause();
  }

  drained(): void {
    this.visitor.resume();
  }

  ended(): void {
    this.finish();
  }

  broken(): void {
    this.finish();
  }

  /** Ends both sides. */
  stop(): void {
    this.finish();
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.idle);
    this.link.drop();
    // What was said last still goes out.
    this.visitor.end();
    this.visitor.resume();
    this.told(this.bytes);
  }
}
