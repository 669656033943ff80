import type { Socket } from 'node:net';
import { breakOff } from '#contracts';
import type { TargetStream } from '../dialing/target-stream.js';
import type { RawTarget } from './raw-route.js';

/** Without a byte in either direction. */
const IDLE_MS = 3_600_000;

/** A client's connection to a raw TCP resource. Each side ends by itself; what breaks one side breaks the other. */
export class RawConnection {
  /** To which it leads, or is being led. */
  target: RawTarget | undefined;
  private stream: TargetStream | undefined;
  private over = false;
  private bytesIn = 0;
  private bytesOut = 0;
  private readonly idle: NodeJS.Timeout;

  /** @param ended called once, when nothing of it is left */
  constructor(
    private readonly socket: Socket,
    private readonly ended: () => void,
  ) {
    this.idle = setTimeout(() => this.cut(), IDLE_MS).unref();
    socket.on('error', () => undefined);
    socket.once('close', (hadError) => {
      if (hadError || !socket.readableEnded) this.cut();
      this.settle();
    });
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Bytes since they were asked for last. */
  takeBytes(): { bytesIn: number; bytesOut: number } {
    const { bytesIn, bytesOut } = this;
    this.bytesIn = this.bytesOut = 0;
    return { bytesIn, bytesOut };
  }

  /**
   * Joins it with a stream to a target, once that is open.
   * @param first what the target is told before the client's first byte
   * @returns false when the target refused, or the client has gone
   */
  async join(target: RawTarget, stream: TargetStream, first: Buffer | undefined): Promise<boolean> {
    this.target = target;
    this.stream = stream;
    const isOpen = await stream.opened.then(
      () => true,
      () => false,
    );
    if (this.over) stream.abort();
    if (this.over || !isOpen) return false;
    const { socket } = this;
    const { duplex } = stream;
    duplex.once('end', () => (stream.endedInOrder ? socket.end() : this.cut()));
    duplex.once('close', () => {
      if (!stream.endedInOrder || !duplex.readableEnded) this.cut();
      else socket.destroySoon();
      this.settle();
    });
    if (first) duplex.write(first);
    socket.on('data', ({ length }: Buffer) => {
      this.bytesIn += length;
      this.idle.refresh();
    });
    duplex.on('data', ({ length }: Buffer) => {
      this.bytesOut += length;
      this.idle.refresh();
    });
    socket.pipe(duplex);
    duplex.pipe(socket, { end: false });
    return true;
  }

  /** Breaks both sides: neither takes what it got for the whole. */
  cut(): void {
    if (this.over) return;
    this.over = true;
    this.stream?.abort();
    breakOff(this.socket);
  }

  private settle(): void {
    const isOpen = this.stream !== undefined && !this.over && !this.stream.duplex.closed;
    if (!this.socket.closed || isOpen) return;
    this.over = true;
    clearTimeout(this.idle);
    this.ended();
  }
}
