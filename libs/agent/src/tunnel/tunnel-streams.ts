import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import {
  type AgentLists,
  breakOff,
  CapsuleReader,
  CONNECT_UDP,
  type Destination,
  datagramCapsule,
  readAuthority,
  TUNNEL_ERRORS,
  TUNNEL_FIELD,
  type TunnelError,
} from '../../../contracts/index.js';
import type { DialPolicy } from './dial-policy.js';
import { Dialer, DialFailure, type TargetTls } from './target-socket.js';

const { NGHTTP2_CANCEL, NGHTTP2_CONNECT_ERROR, NGHTTP2_NO_ERROR } = http2.constants;

/** Of one connection. */
const MAX_STREAMS = 10_000;
const STREAM_WINDOW = 256 * 1024;
/** While few streams are open: what a megabyte fills of the connection's window when all stand still leaves room for others. */
const WIDE_WINDOW = 1024 * 1024;
const FEW = 32;
/** The server counts SETTINGS: the window is not widened oftener. */
const WIDEN_MS = 500;
const CONNECTION_WINDOW = 64 * 1024 * 1024;
/** Megabytes that nghttp2 may hold for one connection; beyond it streams are refused. */
const SESSION_MEGABYTES = 256;
/** For a target that does not read what it was sent last. */
const SLOW_MS = 60_000;
/** Datagrams to the server that wait; beyond it they are dropped, as UDP does. */
const MAX_WAITING = 1024 * 1024;

type Open = { to: Destination; stream: ServerHttp2Stream };

/**
 * The agent's side of its tunnel connections: an HTTP/2 server whose streams are CONNECTs (docs/tunnel.md rules 6 to 12). The state may change while streams
 * are open: what it lists no more is ended.
 */
export class TunnelStreams {
  private readonly server = http2.createServer({
    maxSessionMemory: SESSION_MEGABYTES,
    settings: {
      initialWindowSize: STREAM_WINDOW,
      maxConcurrentStreams: MAX_STREAMS,
      enableConnectProtocol: true,
    },
  });
  private readonly dialer: Dialer;
  private readonly open = new Set<Open>();
  /** Each with the window of its streams. */
  private readonly sessions = new Map<ServerHttp2Session, number>();
  private widening: NodeJS.Timeout | undefined;

  constructor(
    private readonly policy: DialPolicy,
    dialer = new Dialer(policy),
  ) {
    this.dialer = dialer;
    this.server.on('session', (session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW);
      session.on('error', () => undefined);
      this.sessions.set(session, STREAM_WINDOW);
      session.once('close', () => this.sessions.delete(session));
    });
    this.server.on('sessionError', () => undefined);
    this.server.on('stream', (stream, headers) => this.begin(stream, headers));
  }

  /** Speaks HTTP/2 on a connection to the server. */
  serve(duplex: Duplex): ServerHttp2Session {
    let begun: ServerHttp2Session | undefined;
    const take = (session: ServerHttp2Session) => (begun = session);
    this.server.once('session', take);
    this.server.emit('connection', duplex);
    this.server.off('session', take);
    if (!begun) throw new Error('HTTP/2 does not begin on this connection');
    return begun;
  }

  apply(lists: AgentLists): void {
    this.policy.apply(lists);
    for (const { to, stream } of this.open) if (!this.policy.lists(to)) stream.close(NGHTTP2_CANCEL);
  }

  /** Has the server send further ahead while few streams are open: a single upload over a long line would wait for most of the time. */
  private adjust(): void {
    if (this.open.size > FEW) return this.setWindow(STREAM_WINDOW);
    this.widening ??= setTimeout(() => {
      this.widening = undefined;
      if (this.open.size <= FEW) this.setWindow(WIDE_WINDOW);
    }, WIDEN_MS).unref();
  }

  private setWindow(window: number): void {
    for (const [session, known] of this.sessions) {
      if (known === window || session.destroyed) continue;
      this.sessions.set(session, window);
      session.settings({ initialWindowSize: window });
    }
  }

  private begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    const at = readAuthority(headers[':authority']);
    const protocol = headers[':protocol'];
    const isUdp = protocol === CONNECT_UDP;
    if (headers[':method'] !== 'CONNECT' || !at || (protocol !== undefined && !isUdp))
      return refuse(stream, 'bad_request');
    const to: Destination = { ...at, protocol: isUdp ? 'udp' : 'tcp' };
    const entry = { to, stream };
    this.open.add(entry);
    this.adjust();
    const over = new AbortController();
    stream.on('close', () => {
      this.open.delete(entry);
      this.adjust();
      over.abort(new Error('the stream is over'));
    });
    const work = isUdp ? this.udp(stream, to) : this.tcp(stream, to, headers, over.signal);
    work.catch((error: unknown) => refuse(stream, error instanceof DialFailure ? error.code : 'unreachable'));
  }

  private async tcp(
    stream: ServerHttp2Stream,
    to: Destination,
    headers: IncomingHttpHeaders,
    signal: AbortSignal,
  ): Promise<void> {
    const socket = await this.dialer.tcp(to, tlsOf(to, headers), signal);
    // What was listed as the dial began may not be any more.
    if (stream.destroyed || stream.closed || !this.policy.lists(to)) {
      socket.destroy();
      if (!this.policy.lists(to)) refuse(stream, 'not_listed');
      return;
    }
    // Without this a stream that is reset ends in order first: `close` ends it, and the reset may come a packet later.
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers({});
    });
    join(stream, socket, headers[TUNNEL_FIELD.payload] === 'http');
  }

  private async udp(stream: ServerHttp2Stream, to: Destination): Promise<void> {
    const socket = await this.dialer.udp(to);
    socket.on('error', () => stream.close(NGHTTP2_CONNECT_ERROR));
    if (stream.destroyed || stream.closed) return void socket.close();
    stream.once('close', () => socket.close());
    stream.respond({ ':status': 200, 'capsule-protocol': '?1' });
    socket.on('message', (payload) => {
      if (stream.writable && stream.writableLength < MAX_WAITING) stream.write(datagramCapsule(payload));
    });
    const capsules = new CapsuleReader();
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const payload of capsules.push(chunk)) socket.send(payload, () => undefined);
      } catch {
        stream.close(NGHTTP2_CANCEL);
      }
    });
    stream.on('end', () => stream.close(NGHTTP2_NO_ERROR));
  }
}

function tlsOf(to: Destination, headers: IncomingHttpHeaders): TargetTls | undefined {
  const mode = headers[TUNNEL_FIELD.tls];
  if (mode === undefined) return undefined;
  if (mode !== 'verify' && mode !== 'accept') throw new DialFailure('bad_request', 'Not a kind of TLS');
  const one = (name: string) => {
    const value = headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  return { mode, name: one(TUNNEL_FIELD.tlsName) ?? to.host, protocol: one(TUNNEL_FIELD.tlsProtocol) };
}

function refuse(stream: ServerHttp2Stream, code: TunnelError): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.resume();
  stream.respond({ ':status': TUNNEL_ERRORS[code], [TUNNEL_FIELD.error]: code }, { endStream: true });
}

/** Joins a stream and the target's socket. With `isExchange` the end of the server's side gives the exchange up; otherwise it is the end of that direction. */
function join(stream: ServerHttp2Stream, socket: Socket, isExchange: boolean): void {
  stream.on('data', (chunk: Buffer) => {
    if (!socket.write(chunk)) stream.pause();
  });
  socket.on('drain', () => stream.resume());
  let ended = false;
  stream.on('end', () => {
    if (!isExchange) {
      // Node says so of a stream that was reset, or went with its connection, as well.
      ended = !stream.destroyed && stream.rstCode === NGHTTP2_NO_ERROR;
      return void (ended && socket.end());
    }
    socket.destroy();
    stream.close(NGHTTP2_CANCEL);
  });
  socket.on('data', (chunk: Buffer) => {
    if (!stream.write(chunk)) socket.pause();
  });
  stream.on('drain', () => socket.resume());
  socket.on('end', () => stream.end());
  socket.on('error', () => stream.close(NGHTTP2_CONNECT_ERROR));
  socket.on('close', () => {
    // Both directions have ended by themselves, or the server learns that they have not.
    if (!stream.writableEnded) stream.close(NGHTTP2_CONNECT_ERROR);
  });
  stream.on('close', () => part(socket, ended && stream.rstCode === NGHTTP2_NO_ERROR, isExchange));
}

/** The stream to the server is over: the target still gets what it was sent, or learns that it is not all. */
function part(socket: Socket, inOrder: boolean, isExchange: boolean): void {
  if (isExchange || socket.destroyed) return void socket.destroy();
  if (!inOrder) return void (socket instanceof TLSSocket ? socket.destroy() : breakOff(socket));
  socket.setTimeout(SLOW_MS, () => socket.destroy());
  socket.destroySoon();
}
