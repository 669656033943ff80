import type { Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
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

/** Hands connections to the server of their protocol, with who is at the other end. */
export class EdgeSockets {
  /** @param trusts whose header of the PROXY protocol is believed; absent: connections have none */
  constructor(
    private readonly http1: Server,
    private readonly http2: Http2Server,
    private readonly trusts?: (address: string) => boolean,
  ) {}

  /** Takes a new connection. */
  take(socket: EdgeSocket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (address === null) return void socket.destroy();
    socket[PEER] = { address };
    socket.on('error', () => undefined);
    socket.setTimeout(FIRST_MS, () => socket.destroy());
    if (!this.trusts) this.tell(socket);
    else if (this.trusts(address)) this.readProxyHeader(socket);
    else socket.destroy();
  }

  private readProxyHeader(socket: EdgeSocket): void {
    const reader = new ProxyHeaderReader();
    this.look(socket, (chunk) => {
      try {
        const header = reader.push(chunk);
        if (!header) return false;
        if (header.source) socket[PEER] = { address: plainAddress(header.source.address)! };
        if (header.rest.length > 0) socket.unshift(header.rest);
        this.tell(socket);
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
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
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
