import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { authorityOf, CONNECT_UDP, type Destination, TUNNEL, TUNNEL_FIELD } from '#contracts';
import { ConnectRefusal, type StreamTarget } from '../dialing/target-stream.js';
import {
  Budget,
  CONTROL_MS,
  FIRST_WINDOW,
  MAX_CONTROL_FRAMES,
  MAX_GHOST_BYTES,
  MAX_GHOSTS,
  RESETS_PER_SECOND,
  windowFor,
} from './bounds.js';
import { DatagramFlow, TunnelStream } from './tunnel-stream.js';

const CONNECTION_WINDOW = 64 * 1024 * 1024;
const MAX_STREAMS = 4_000;
/** Of one answer to a CONNECT. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADER_FIELDS = 32;
/** Megabytes that nghttp2 may hold for one connection; beyond it no streams are opened. */
const SESSION_MEGABYTES = 256;

/** Why a connection has ended. */
export type TunnelEnd =
  | 'closed'
  | 'silent'
  | 'refused'
  | 'credential_ended'
  | 'replaced'
  | 'ghosts'
  | 'flood'
  | 'server_stopped';

/** Whose connection it is, and when its credential ends, by `performance.now()`. */
export interface TunnelOwner {
  siteId: number;
  orgId: string;
  credentialId: number;
  endsAt: number;
}

/** How the connection below HTTP/2 goes, and what has passed over it. */
export interface TunnelTransport {
  kind: 'upgrade' | 'websocket';
  bytesRead(): number;
  bytesWritten(): number;
}

/** One tunnel connection of an agent: HTTP/2 of which this server is the client (docs/tunnel.md). */
export class TunnelConnection {
  readonly streams = new Set<TunnelStream>();
  /** Resolves when the agent has said its SETTINGS and has taken this end's, which bound what it may say: streams may be opened. */
  readonly ready: Promise<void>;
  readonly closed: Promise<TunnelEnd>;
  private readonly session: ClientHttp2Session;
  private readonly resets = new Budget(RESETS_PER_SECOND);
  private readonly counted = { in: 0, out: 0 };
  private window = FIRST_WINDOW;
  private isReady = false;
  private leaving = false;
  private why: TunnelEnd = 'closed';
  private unanswered = 0;
  private heardBytes = 0;
  private controlFrames = 0;
  private controlSince = performance.now();

  constructor(
    duplex: Duplex,
    readonly owner: TunnelOwner,
    readonly transport: TunnelTransport,
  ) {
    this.session = http2.connect('http://agent', {
      createConnection: () => duplex,
      maxSessionMemory: SESSION_MEGABYTES,
      maxHeaderListPairs: MAX_HEADER_FIELDS,
      settings: { enablePush: false, initialWindowSize: FIRST_WINDOW, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    const { session } = this;
    session.on('error', () => undefined);
    session.on('goaway', () => (this.leaving = true));
    session.on('ping', () => this.countControl());
    session.on('remoteSettings', () => this.countControl());
    // Connections of an HTTP server stay half-open, and an agent that has ended its half is gone.
    for (const over of ['end', 'close']) duplex.once(over, () => session.destroy());
    const said = new Promise((resolve) => session.once('remoteSettings', resolve));
    const heard = new Promise((resolve) => session.once('localSettings', resolve));
    this.ready = Promise.all([said, heard]).then(() => {
      if (session.destroyed) return;
      session.setLocalWindowSize(CONNECTION_WINDOW);
      this.isReady = true;
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
      this.streams.size < MAX_STREAMS
    );
  }

  /** Has the agent connect to a target. @returns a stream on which bytes may be sent at once. @throws ConnectRefusal, also as `opened` */
  connect(target: StreamTarget): TunnelStream {
    const { payload, tls } = target;
    return this.request(target, {
      ':method': 'CONNECT',
      ':authority': authorityOf(target),
      [TUNNEL_FIELD.payload]: payload,
      ...(tls ? { [TUNNEL_FIELD.tls]: tls.mode } : {}),
      ...(tls?.name === undefined ? {} : { [TUNNEL_FIELD.tlsName]: tls.name }),
      ...(tls?.protocol === undefined ? {} : { [TUNNEL_FIELD.tlsProtocol]: tls.protocol }),
    });
  }

  /** Has the agent open a UDP flow. @throws ConnectRefusal, also as the stream's `opened` */
  connectUdp({ host, port }: Omit<Destination, 'protocol'>, received: (payload: Uint8Array) => void): DatagramFlow {
    const stream = this.request(
      { protocol: 'udp', host, port, payload: 'tcp' },
      {
        ':method': 'CONNECT',
        ':protocol': CONNECT_UDP,
        ':scheme': 'https',
        ':authority': authorityOf({ host, port }),
        ':path': `/.well-known/masque/udp/${encodeURIComponent(host)}/${port}/`,
        'capsule-protocol': '?1',
      },
    );
    return new DatagramFlow(stream, received);
  }

  /** Ends streams to what the site lists no more. */
  keepOnly(isListed: (to: Destination) => boolean): void {
    for (const stream of this.streams) if (!isListed(stream.target)) stream.abort();
  }

  /** Ends the connection and all its streams. */
  end(why: TunnelEnd): void {
    if (this.session.destroyed) return;
    this.why = why;
    this.session.destroy();
  }

  /** Takes no more streams, tells the agent so, and ends when those that are open have. */
  drain(): void {
    this.why = 'server_stopped';
    this.session.close();
  }

  /** Asks whether the other end is still there. Bytes that have come since are an answer as well. */
  ping(): void {
    const heard = this.transport.bytesRead();
    if (heard !== this.heardBytes) this.unanswered = 0;
    this.heardBytes = heard;
    if (this.unanswered >= TUNNEL.pingMisses) return this.end('silent');
    this.unanswered++;
    if (!this.session.destroyed)
      this.session.ping((error) => {
        if (!error) this.unanswered = 0;
      });
  }

  /** This process stood still: what it has not heard meanwhile is not the agent's fault. */
  forgive(): void {
    this.unanswered = 0;
  }

  /** Looks at the streams: moves the window, and ends the connection when too many do not close. */
  look(now: number): void {
    if (this.owner.endsAt <= now) return this.end('credential_ended');
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
    if (ghosts >= MAX_GHOSTS || bytes >= MAX_GHOST_BYTES) return this.end('ghosts');
    const window = windowFor(stalled);
    if (window === this.window || this.session.pendingSettingsAck) return;
    this.window = window;
    this.session.settings({ initialWindowSize: window });
  }

  /** @returns what has passed since the last call. */
  countBytes(): { in: number; out: number } {
    const { counted, transport } = this;
    const [read, written] = [transport.bytesRead(), transport.bytesWritten()];
    const since = { in: read - counted.in, out: written - counted.out };
    counted.in = read;
    counted.out = written;
    return since;
  }

  private request(target: StreamTarget, headers: OutgoingHttpHeaders): TunnelStream {
    if (!this.isUsable) throw new ConnectRefusal('gone');
    const stream = new TunnelStream(this.session.request(headers, { endStream: false }), target, this.resets);
    this.streams.add(stream);
    stream.duplex.once('close', () => this.streams.delete(stream));
    return stream;
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
