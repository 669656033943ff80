import { once } from 'node:events';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { FrameReader } from '../../src/edge/http/frame-reader.js';

/** Bytes before the first frame. */
const PREFACE = 24;

/** A server of HTTP/2 by prior knowledge on loopback: what stands behind an agent as an `h2c` target. */
export class H2cTarget {
  readonly sessions = new Set<ServerHttp2Session>();
  /** Sessions that were ever opened. */
  opened = 0;
  private constructor(
    private readonly server: http2.Http2Server,
    readonly port: number,
  ) {}

  /** @param answer called with each request and its fields, pseudo-fields too */
  static async start(
    answer: (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, raw: string[]) => void,
    settings: http2.Settings = {},
  ): Promise<H2cTarget> {
    const server = http2.createServer({ settings });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const target = new H2cTarget(server, (server.address() as AddressInfo).port);
    server.on('session', (session) => {
      target.opened++;
      target.sessions.add(session);
      session.on('error', () => undefined).on('close', () => target.sessions.delete(session));
    });
    server.on(
      'stream',
      (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, _flags: number, raw: string[]) => {
        stream.on('error', () => undefined);
        answer(stream, headers, raw);
      },
    );
    return target;
  }

  stop(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

/** A frame of HTTP/2 (RFC 9113 §4.1). */
export function frameOf(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, body]);
}

/** A peer that says its SETTINGS, and then what it likes when a request has come. */
export async function rawH2c(
  answer: (socket: Socket, streamId: number) => void,
): Promise<{ port: number; sockets: Set<Socket>; stop(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.write(Buffer.concat([frameOf(4, 0, 0), frameOf(4, 1, 0)]));
    let preface = PREFACE;
    const frames = new FrameReader(({ type, streamId }) => {
      if (type === 1) setImmediate(() => answer(socket, streamId));
    });
    socket.on('data', (chunk) => {
      frames.push(chunk.subarray(preface));
      preface = Math.max(0, preface - chunk.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
