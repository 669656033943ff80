import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { authorityOf, CONNECT_UDP, type Destination, TUNNEL, TUNNEL_FIELD } from '#contracts';
import { ConnectRefusal, type StreamTarget } from '../dialing/target-stream.js';
import { Budget, CONTROL_MS, FIRST_WINDOW, MAX_CONTROL_FRAMES, RESETS_PER_SECOND, windowFor } from './bounds.js';
import { DatagramFlow, TunnelStream } from './tunnel-stream.js';

const { NGHTTP2_CANCEL } = http2.constants;

const CONNECTION_WINDOW = 64 * 1024 * 1024;
/** Of one answer to a CONNECT. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADER_FIELDS = 32;
/** Megabytes that nghttp2 may hold for one connection; beyond it no streams are opened. */
const SESSION_MEGABYTES = 256;

/** Why a connection has ended. */
export type SessionEnd =
  | 'closed'
  | 'silent'
  | 'refused'
  | 'credential_ended'
  | 'replaced'
  | 'ghosts'
  | 'flood'
  | 'server_stopped';

/** What has passed over the connection below HTTP/2. */
export interface PassedBytes {
  bytesRead(): number;
  bytesWritten(): number;
}

/** How much one connection may carry, and how much of what the other end does wrong is borne. */
export interface SessionBounds {
  streams: number;
  /** Streams that the other end does not close, and what it still sends on them. */
  ghosts: number;
  ghostBytes: number;
}

/** HTTP/2 of which this process is the client, and whose streams are CONNECTs (docs/tunnel.md): to an agent, or to another server process. */
export class ConnectSession {
  readonly streams = new Set<TunnelStream>();
  /** Resolves when the other end has said its SETTINGS and has taken this end's, which bound what it may say: streams may be opened. */
  readonly ready: Promise<void>;
  readonly closed: Promise<SessionEnd>;
  /** Called when it becomes usable or stops being so, short of its end. */
  changed: () => void = () => undefined;
  /** Ids of streams that carry what is under way, and no other exchange: what they are joined to is being left. */
  protected readonly left = new Set<number>();
  protected readonly session: ClientHttp2Session;
  private readonly resets = new Budget(RESETS_PER_SECOND);
  private readonly counted = { in: 0, out: 0 };
  private window = FIRST_WINDOW;
  private isReady = false;
  private leaving = false;
  private why: SessionEnd = 'closed';
  private unanswered = 0;
  private heardBytes = 0;
  private controlFrames = 0;
  private controlSince = performance.now();

  constructor(
    duplex: Duplex,
    private readonly passed: PassedBytes,
    private readonly bounds: SessionBounds,
  ) {
    this.session = http2.connect('http://other', {
      createConnection: () => duplex,
      maxSessionMemory: SESSION_MEGABYTES,
      maxHeaderListPairs: MAX_HEADER_FIELDS,
      settings: { enablePush: false, initialWindowSize: FIRST_WINDOW, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    const { session } = this;
    session.on('error', () => undefined);
    session.on('goaway', () => this.leave());
    session.on('ping', () => this.countControl());
    session.on('remoteSettings', () => this.countControl());
    // Connections of an HTTP server stay half-open, and an agent that has ended its half is gone.
    for (const over of ['end', 'close']) duplex.once(over, () => this.destroy());
    const said = new Promise((resolve) => session.once('remoteSettings', resolve));
    const heard = new Promise((resolve) => session.once('localSettings', resolve));
    this.ready = Promise.all([said, heard]).then(() => {
      if (session.destroyed) return;
      session.setLocalWindowSize(CONNECTION_WINDOW);
      this.isReady = true;
      this.changed();
    });
    this.closed = new Promise((resolve) => session.once('close', () => resolve(this.why)));
  }

  /** Whether streams may be opened. */
  get isUsable(): boolean {
    return (
      this.isReady &&
      !this.leaving &&
      !this.session.closed &&
      !this.session.destroyed &&
      this.streams.size < this.bounds.streams
    );
  }

  /**
   * Has the other end connect to a target.
   * @param more fields of the CONNECT
   * @returns a stream on which bytes may be sent at once
   * @throws ConnectRefusal, also as `opened`
   */
  connect(target: StreamTarget, more: OutgoingHttpHeaders = {}): TunnelStream {
    const { payload, tls } = target;
    return this.request(target, {
      ...more,
      ':method': 'CONNECT',
      ':authority': authorityOf(target),
      [TUNNEL_FIELD.payload]: payload,
      ...(tls ? { [TUNNEL_FIELD.tls]: tls.mode } : {}),
      ...(tls?.name === undefined ? {} : { [TUNNEL_FIELD.tlsName]: tls.name }),
      ...(tls?.protocol === undefined ? {} : { [TUNNEL_FIELD.tlsProtocol]: tls.protocol }),
    });
  }

  /** Has the other end open a UDP flow. @throws ConnectRefusal, also as the stream's `opened` */
  connectUdp(
    to: Omit<Destination, 'protocol'>,
    received: (payload: Uint8Array) => void,
    more: OutgoingHttpHeaders = {},
  ): DatagramFlow {
    return new DatagramFlow(this.capsules(to, more), received);
  }

  /** The stream of a UDP flow, on which datagrams are capsules. @throws ConnectRefusal, also as `opened` */
  capsules({ host, port }: Omit<Destination, 'protocol'>, more: OutgoingHttpHeaders = {}): TunnelStream {
    return this.request(
      { protocol: 'udp', host, port, payload: 'tcp' },
      {
        ...more,
        ':method': 'CONNECT',
        ':protocol': CONNECT_UDP,
        ':scheme': 'https',
        ':authority': authorityOf({ host, port }),
        ':path': `/.well-known/masque/udp/${encodeURIComponent(host)}/${port}/`,
        'capsule-protocol': '?1',
      },
    );
  }

  /** Ends streams to what the site lists no more. */
  keepOnly(isListed: (to: Destination) => boolean): void {
    for (const stream of this.streams) if (!isListed(stream.target)) stream.abort();
  }

  /** Ends the connection and all its streams. */
  end(why: SessionEnd): void {
    if (this.session.destroyed) return;
    this.why = why;
    this.destroy();
  }

  /** Takes no more streams, tells the other end so, and ends when those that are open have. */
  drain(): void {
    this.why = 'server_stopped';
    this.session.close();
    this.leave();
  }

  /** Asks whether the other end is still there. Bytes that have come since are an answer as well. */
  ping(): void {
    const heard = this.passed.bytesRead();
    if (heard !== this.heardBytes) this.unanswered = 0;
    this.heardBytes = heard;
    if (this.unanswered >= TUNNEL.pingMisses) return this.end('silent');
    this.unanswered++;
    if (!this.session.destroyed)
      this.session.ping((error) => {
        if (!error) this.unanswered = 0;
      });
  }

  /** This process stood still: what it has not heard meanwhile is not the other end's fault. */
  forgive(): void {
    this.unanswered = 0;
  }

  /** Looks at the streams: moves the window, and ends the connection when too many do not close. */
  look(now: number): void {
    if (this.streams.size === 0 || this.session.destroyed) return;
    let [stalled, ghosts, bytes] = [0, 0, 0];
    for (const stream of this.streams) {
      if (stream.abandonedAt === undefined) {
        if (stream.isStalled) stalled++;
        continue;
      }
      bytes += stream.wastedBytes;
      if (stream.lingers(now)) ghosts++;
    }
    if (ghosts >= this.bounds.ghosts || bytes >= this.bounds.ghostBytes) return this.end('ghosts');
    const window = windowFor(stalled);
    if (window === this.window || this.session.pendingSettingsAck) return;
    this.window = window;
    this.session.settings({ initialWindowSize: window });
  }

  /** @returns what has passed since the last call. */
  countBytes(): { in: number; out: number } {
    const { counted, passed } = this;
    const [read, written] = [passed.bytesRead(), passed.bytesWritten()];
    const since = { in: read - counted.in, out: written - counted.out };
    counted.in = read;
    counted.out = written;
    return since;
  }

  private request(target: StreamTarget, headers: OutgoingHttpHeaders): TunnelStream {
    if (!this.isUsable) throw new ConnectRefusal('gone');
    // A reset of bytes that go up is not to look like their end: `close` ends a stream before it resets it, unless its end waits.
    const waitForTrailers = target.payload === 'tcp';
    const duplex = this.session.request(headers, { endStream: false, waitForTrailers });
    duplex.on('wantTrailers', () => {
      if (!duplex.closed) duplex.sendTrailers({});
    });
    const stream = new TunnelStream(duplex, target, this.resets, this.left);
    this.streams.add(stream);
    stream.duplex.once('close', () => {
      this.streams.delete(stream);
      if (duplex.id !== undefined) this.left.delete(duplex.id);
    });
    return stream;
  }

  private leave(): void {
    this.leaving = true;
    for (const stream of this.streams) stream.onLeaving();
    this.changed();
  }

  /** What is under way closes with CANCEL: without a code it would look as if it had ended in order. */
  private destroy(): void {
    this.session.destroy(new Error('The connection is over'), NGHTTP2_CANCEL);
  }

  private countControl(): void {
    const now = performance.now();
    if (now - this.controlSince > CONTROL_MS) {
      this.controlSince = now;
      this.controlFrames = 0;
    }
    if (++this.controlFrames > MAX_CONTROL_FRAMES) this.end('flood');
  }
}
