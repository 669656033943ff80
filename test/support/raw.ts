import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP server on loopback that does with each connection what a test wants. */
export class TcpTarget {
  readonly sockets: Socket[] = [];

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(serve: (socket: Socket) => void): Promise<TcpTarget> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const target = new TcpTarget(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      target.sockets.push(socket.on('error', () => undefined));
      serve(socket);
    });
    return target;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** A UDP socket on loopback, and what came to it. */
export class UdpPeer {
  readonly received: { payload: Buffer; from: RemoteInfo }[] = [];

  private constructor(
    readonly socket: UdpSocket,
    readonly port: number,
  ) {}

  /** @param answer called with each datagram */
  static async start(answer?: (payload: Buffer, from: RemoteInfo, socket: UdpSocket) => void): Promise<UdpPeer> {
    const socket = createSocket('udp4');
    await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
    const peer = new UdpPeer(socket, socket.address().port);
    socket.on('message', (payload, from) => {
      peer.received.push({ payload, from });
      answer?.(payload, from, socket);
    });
    return peer;
  }

  send(payload: string | Buffer, port: number): void {
    this.socket.send(payload, port, '127.0.0.1');
  }

  stop(): void {
    this.socket.close();
  }
}

/** A connection to a port, half-open when the other side ends; its errors are what a test sees by its end. */
export async function dial(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket.on('error', () => undefined);
}

/** All that comes on a connection. @returns `cut`: it was broken, and not ended in order */
export function readAll(socket: Socket): Promise<{ bytes: Buffer; cut: boolean }> {
  const parts: Buffer[] = [];
  return new Promise((done) => {
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.once('end', () => done({ bytes: Buffer.concat(parts), cut: false }));
    socket.once('close', () => done({ bytes: Buffer.concat(parts), cut: true }));
  });
}
