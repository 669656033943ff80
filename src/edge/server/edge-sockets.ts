import type { Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { plainAddress } from '#platform';
import { ProxyHeaderReader } from '../policy/proxy-protocol.js';
import type { Peer } from './edge-call.js';

const PEER = Symbol('peer');
/** What a client of HTTP/2 that knows beforehand says first (RFC 9113 §3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** From the beginning of a connection to what tells its protocol. */
const FIRST_MS = 30_000;

type EdgeSocket = Socket & { [PEER]?: Peer };

/** Whose connection it is. @param socket also node's stand-in for that of an HTTP/2 session */
export const peerOf = (socket: Socket): Peer => (socket as EdgeSocket)[PEER]!;

/** Whether it came over TLS. */
export const schemeOf = (socket: Socket): 'http' | 'https' => ((socket as TLSSocket).encrypted ? 'https' : 'http');

/** Hands connections to the server of their protocol, with who is at the other end. */
export class EdgeSockets {
  /** In the middle of a handshake, by {@link endOf}. */
  private readonly shaking = new Map<string, EdgeSocket>();

  /** @param trusts whose header of the PROXY protocol is believed; absent: connections have none */
  constructor(
    private readonly http1: Server,
    private readonly http2: Http2Server,
    private readonly trusts?: (address: string) => boolean,
  ) {}

  /**
   * Takes a new connection.
   * @param tls which ends TLS first, and calls `takeSecure`
   */
  take(socket: EdgeSocket, tls?: TlsServer): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (address === null) return void socket.destroy();
    socket[PEER] = { address };
    socket.on('error', () => undefined);
    socket.setTimeout(FIRST_MS, () => socket.destroy());
    const go = () => (tls ? this.shake(socket, tls) : this.tell(socket));
    if (!this.trusts) go();
    else if (this.trusts(address)) this.readProxyHeader(socket, go);
    else socket.destroy();
  }

  /** Takes a connection whose handshake is over; it says its protocol by ALPN, or is HTTP/1.1. */
  takeSecure(socket: TLSSocket): void {
    const raw = this.shaking.get(endOf(socket));
    if (!raw) return void socket.destroy();
    this.shaking.delete(endOf(socket));
    (socket as EdgeSocket)[PEER] = raw[PEER]!;
    socket.on('error', () => undefined);
    settled(raw);
    (socket.alpnProtocol === 'h2' ? this.http2 : this.http1).emit('connection', socket);
  }

  private shake(socket: EdgeSocket, tls: TlsServer): void {
    const end = endOf(socket);
    this.shaking.set(end, socket);
    socket.once('close', () => {
      if (this.shaking.get(end) === socket) this.shaking.delete(end);
    });
    tls.emit('connection', socket);
  }

  private readProxyHeader(socket: EdgeSocket, go: () => void): void {
    const reader = new ProxyHeaderReader();
    this.look(socket, (chunk) => {
      try {
        const header = reader.push(chunk);
        if (!header) return false;
        if (header.source) socket[PEER] = { address: plainAddress(header.source.address)! };
        if (header.rest.length > 0) socket.unshift(header.rest);
        go();
      } catch {
        socket.destroy();
      }
      return true;
    });
  }

  /** By its first bytes. */
  private tell(socket: EdgeSocket): void {
    let seen: Buffer = Buffer.alloc(0);
    this.look(socket, (chunk) => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, PREFACE.length);
      const isHttp2 = seen.compare(PREFACE, 0, length, 0, length) === 0;
      if (isHttp2 && length < PREFACE.length) return false;
      settled(socket);
      socket.unshift(seen);
      (isHttp2 ? this.http2 : this.http1).emit('connection', socket);
      return true;
    });
  }

  /** Reads until told that it is enough: by `read`, since a socket that flows cannot be given on. */
  private look(socket: Socket, enough: (chunk: Buffer) => boolean): void {
    const read = () => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
        if (enough(chunk)) return;
      if (!socket.destroyed) socket.once('readable', read);
    };
    socket.once('end', () => {
      if (socket.listenerCount('readable') > 0) socket.destroy();
    });
    socket.once('readable', read);
  }
}

/** The other end of a connection, which is the same over TLS. */
const endOf = ({ remoteAddress, remotePort, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localPort}`;

/** What it speaks is known: from here on the times of its server hold. */
function settled(socket: Socket): void {
  socket.setTimeout(0);
  socket.removeAllListeners('timeout');
}
