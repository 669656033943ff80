import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';
import type { TargetStream } from '../dialing/target-stream.js';
import { type Frame, FrameReader } from '../http/frame-reader.js';
import { Budget } from '../tunnels/bounds.js';

/** Requests at once, where the target would take more. */
const MAX_STREAMS = 100;
/** Of one head or trailer section, as of targets of HTTP/1.1. */
export const MAX_HEADER_BYTES = 32_768;
/** Fields and `:status`. */
const MAX_PAIRS = 101;
const WINDOW = 256 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Payload of a frame, of who was not told that more is taken (RFC 9113 §4.2). */
const MAX_FRAME = 16_384;
/** Frames that carry nothing of an answer: servers of gRPC send a PING for each round trip while they measure. */
const IDLE_FRAMES_PER_SECOND = 1_000;

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;

/** A connection of HTTP/2 to a target, by prior knowledge (RFC 9113 §3.3), for several requests at once. */
export class TargetSession {
  /** Whether a request went over it. */
  used = false;
  /** By `performance.now()`, since when it carries none. */
  idleSince = performance.now();
  private readonly session: ClientHttp2Session;
  private readonly bytes: StreamBytes;
  private readonly open = new Set<ClientHttp2Stream>();
  /** Of those that are open: which the target has ended itself. A reset looks like an end to node. */
  private readonly ended = new Set<number>();
  private readonly idleFrames = new Budget(IDLE_FRAMES_PER_SECOND);
  private isConnected = false;
  private isLeaving = false;

  /** @param closed called when it takes no more requests */
  constructor(
    readonly stream: TargetStream,
    closed: () => void,
  ) {
    stream.opened.then(
      () => (this.isConnected = true),
      () => this.drop(),
    );
    const frames = new FrameReader((frame) => this.count(frame));
    this.bytes = new StreamBytes(stream, (chunk) => frames.push(chunk));
    this.session = http2.connect('http://target', {
      createConnection: () => this.bytes,
      maxHeaderListPairs: MAX_PAIRS,
      settings: { enablePush: false, initialWindowSize: WINDOW, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    const { session } = this;
    session.on('error', () => undefined);
    session.on('goaway', () => {
      this.isLeaving = true;
      closed();
    });
    session.on('close', closed);
    session.once('connect', () => {
      if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW);
    });
  }

  /** As of a line. */
  get connecting(): Promise<void> | undefined {
    return this.isConnected ? undefined : this.stream.opened;
  }

  /** Whether it takes another request. */
  get hasRoom(): boolean {
    const { session } = this;
    if (this.isLeaving || session.closed || session.destroyed || !this.stream.isOpen) return false;
    return this.open.size < Math.min(MAX_STREAMS, session.remoteSettings?.maxConcurrentStreams ?? MAX_STREAMS);
  }

  get isIdle(): boolean {
    return this.open.size === 0;
  }

  /** @throws Error of node for fields that it does not take */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream, waitForTrailers: !endStream });
    this.used = true;
    this.open.add(stream);
    stream.once('close', () => {
      this.open.delete(stream);
      this.ended.delete(stream.id!);
      this.idleSince = performance.now();
    });
    return stream;
  }

  /** Whether the target has said that the answer on this stream is over. */
  hasEnded({ id }: ClientHttp2Stream): boolean {
    return id !== undefined && this.ended.has(id);
  }

  /** Ends it, and what is under way on it. */
  drop(): void {
    this.session.destroy();
    this.bytes.destroy();
  }

  private count({ type, flags, streamId, length }: Frame): void {
    // An error of the whole connection: nothing that follows can be read.
    if (length > MAX_FRAME) return this.drop();
    if (type === DATA || type === HEADERS) {
      if ((flags & END_STREAM) !== 0 && this.isOpen(streamId)) this.ended.add(streamId);
      if (length > 0 || (flags & END_STREAM) !== 0) return;
    }
    if (type !== WINDOW_UPDATE && type !== RST_STREAM && !this.idleFrames.take()) this.drop();
  }

  private isOpen(streamId: number): boolean {
    for (const { id } of this.open) if (id === streamId) return true;
    return false;
  }
}

/** The bytes of a stream to a target, for a session: its end gives the stream up rather than reset it. */
class StreamBytes extends Duplex {
  constructor(
    private readonly stream: TargetStream,
    heard: (chunk: Buffer) => void,
  ) {
    super({ allowHalfOpen: false });
    const { duplex } = stream;
    duplex.on('data', (chunk: Buffer) => {
      heard(chunk);
      if (!this.destroyed && !this.push(chunk)) duplex.pause();
    });
    duplex.on('end', () => this.push(null));
    duplex.on('close', () => this.destroy());
  }

  override _read(): void {
    this.stream.duplex.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const { duplex } = this.stream;
    if (!duplex.writable || duplex.write(chunk)) done();
    else duplex.once('drain', done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.stream.abort();
    done(error);
  }
}
