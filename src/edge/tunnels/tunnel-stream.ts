import http2, { type ClientHttp2Stream, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { CapsuleReader, datagramCapsule, TUNNEL_ERRORS, TUNNEL_FIELD, type TunnelError } from '#contracts';
import { ConnectRefusal, type StreamTarget, type TargetFlow, type TargetStream } from '../dialing/target-stream.js';
import { type Budget, GHOST_MS } from './bounds.js';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;

/** An agent gives up after five seconds, and says so. */
const OPEN_MS = 10_000;
/** Of a server process that has no tunnel of the site (any more). */
export const MISDIRECTED = 421;
/** Of a UDP flow: what waits to be sent; beyond it datagrams are dropped. */
const MAX_WAITING = 1024 * 1024;

/** One stream through a tunnel, from the CONNECT to its end. */
export class TunnelStream implements TargetStream {
  /** When it was given up, by `performance.now()`; its close is awaited. */
  abandonedAt: number | undefined;
  /** What came after that. */
  wastedBytes = 0;
  /** Called when its connection takes no more exchanges, on this stream neither. */
  onLeaving: () => void = () => undefined;
  /** The answer to the CONNECT, of the agent or of the server process in between. */
  readonly opened: Promise<void>;

  /**
   * @param duplex the bytes of the target's own protocol
   * @param left ids of streams on which no other exchange may begin
   */
  constructor(
    readonly duplex: ClientHttp2Stream,
    readonly target: StreamTarget,
    private readonly resets: Budget,
    private readonly left: ReadonlySet<number>,
  ) {
    duplex.on('error', () => undefined);
    this.opened = new Promise((opened, refused) => {
      const timer = setTimeout(() => {
        this.abort();
        refused(new ConnectRefusal('timeout'));
      }, OPEN_MS).unref();
      duplex.once('response', (headers) => {
        clearTimeout(timer);
        if (headers[':status'] === 200) return opened();
        this.abort();
        refused(new ConnectRefusal(errorOf(headers)));
      });
      duplex.once('close', () => {
        clearTimeout(timer);
        // An agent that was leaving has not looked at it (RFC 9113 §8.7).
        refused(new ConnectRefusal(duplex.rstCode === NGHTTP2_REFUSED_STREAM ? 'not_here' : 'gone'));
      });
    });
    // Who opens it may have gone before it is known.
    this.opened.catch(() => undefined);
  }

  get isOpen(): boolean {
    const { id, session } = this.duplex;
    return this.isWhole && session?.closed === false && !(id !== undefined && this.left.has(id));
  }

  /** As `isOpen`, also on a connection that takes no more streams. */
  get isWhole(): boolean {
    const { duplex } = this;
    return this.abandonedAt === undefined && !duplex.destroyed && !duplex.readableEnded && duplex.writable;
  }

  get endedInOrder(): boolean {
    return this.duplex.rstCode === NGHTTP2_NO_ERROR && this.abandonedAt === undefined;
  }

  get isLost(): boolean {
    return this.duplex.destroyed && this.duplex.rstCode === NGHTTP2_CANCEL && this.abandonedAt === undefined;
  }

  /** Nobody reads what has come. */
  get isStalled(): boolean {
    const { duplex } = this;
    return duplex.readableFlowing === false || duplex.readableLength >= duplex.readableHighWaterMark;
  }

  /**
   * Gives the stream up. An exchange is given up by the end of this side, which costs the agent nothing of what it may be reset; bytes that wait to be sent
   * would hold that up.
   */
  abort(): void {
    const { duplex } = this;
    if (this.abandonedAt !== undefined || duplex.destroyed) return;
    this.abandonedAt = performance.now();
    duplex.removeAllListeners('data').removeAllListeners('drain');
    const wantsReset = this.target.payload === 'tcp' || duplex.writableLength > 0;
    if (wantsReset && this.resets.take()) return duplex.close(NGHTTP2_CANCEL);
    duplex.on('data', (chunk: Buffer) => (this.wastedBytes += chunk.length));
    duplex.resume();
    if (!duplex.writableEnded) duplex.end();
  }

  /** A stream of bytes whose end the target has not answered is reset when there is room for it. @returns whether it is a ghost */
  lingers(now: number): boolean {
    if (this.abandonedAt === undefined || now - this.abandonedAt < GHOST_MS || this.duplex.destroyed) return false;
    if (this.target.payload !== 'tcp' || !this.resets.take()) return true;
    this.duplex.close(NGHTTP2_CANCEL);
    return false;
  }
}

/** A UDP flow through a tunnel. */
export class DatagramFlow implements TargetFlow {
  private readonly capsules = new CapsuleReader();

  /** @param received called with each payload, whole */
  constructor(
    readonly stream: TunnelStream,
    received: (payload: Uint8Array) => void,
  ) {
    stream.duplex.on('data', (chunk: Buffer) => {
      try {
        for (const payload of this.capsules.push(chunk)) received(payload);
      } catch {
        stream.abort();
      }
    });
  }

  get opened(): Promise<void> {
    return this.stream.opened;
  }

  get isOpen(): boolean {
    return this.stream.isWhole;
  }

  send(payload: Uint8Array): void {
    const { duplex } = this.stream;
    if (duplex.writable && duplex.writableLength < MAX_WAITING) duplex.write(datagramCapsule(payload));
  }

  close(): void {
    this.stream.abort();
  }
}

function errorOf(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): ConnectRefusal['code'] {
  if (headers[':status'] === MISDIRECTED) return 'not_here';
  const code = headers[TUNNEL_FIELD.error];
  return typeof code === 'string' && Object.hasOwn(TUNNEL_ERRORS, code) ? (code as TunnelError) : 'unreachable';
}
