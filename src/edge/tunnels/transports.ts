import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { TUNNEL } from '#contracts';
import { asksForWebsocket } from '../../agents/index.js';
import type { TunnelTransport } from './tunnel-connection.js';

/** Of one frame: HTTP/2 frames are put together to much less. */
const MAX_FRAME = 16 * 1024 * 1024;
const BUFFER = 256 * 1024;

/** An upgrade that was answered 101: what HTTP/2 is spoken on. */
export interface UpgradedConnection {
  duplex: Duplex;
  transport: TunnelTransport;
}

/** @returns how a request wants to be upgraded (docs/tunnel.md rule 1), or undefined */
export function transportOf(request: IncomingMessage): TunnelTransport['kind'] | undefined {
  if (request.method !== 'GET') return undefined;
  if (request.headers.upgrade?.toLowerCase() === TUNNEL.protocol) return 'upgrade';
  return asksForWebsocket(request) ? 'websocket' : undefined;
}

/** Answers upgrades of tunnels, and says in each answer which server process this is. */
export class TunnelTransports {
  private readonly wss = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME,
  });

  constructor(private readonly serverId: string) {
    this.wss.on('headers', (headers) => headers.push(`${TUNNEL.serverHeader}: ${serverId}`));
  }

  /** Answers 101. @returns undefined where the connection has ended, or the websocket's handshake was refused after all */
  async accept(
    kind: TunnelTransport['kind'],
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
  ): Promise<UpgradedConnection | undefined> {
    socket.setTimeout(0);
    socket.setNoDelay(true);
    const transport = { kind, bytesRead: () => socket.bytesRead, bytesWritten: () => socket.bytesWritten };
    if (kind === 'upgrade') {
      // HTTP/2 takes the connection's handle over, and Node ends the process where a write of before is still under way on it.
      await written(
        socket,
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL.protocol}\r\n${TUNNEL.serverHeader}: ${this.serverId}\r\n\r\n`,
      );
      if (!socket.readable || !socket.writable) return undefined;
      if (head.length > 0) socket.unshift(head);
      return { duplex: socket, transport };
    }
    let duplex: Duplex | undefined;
    // Called at once, or never.
    this.wss.handleUpgrade(request, socket, head, (ws) => {
      duplex = createWebSocketStream(ws, { readableHighWaterMark: BUFFER, writableHighWaterMark: BUFFER });
    });
    return duplex && { duplex, transport };
  }
}

/** Resolves when it was handed to the system, or will never be. */
const written = (socket: Socket, text: string): Promise<void> =>
  new Promise((done) => {
    socket.once('close', done);
    socket.write(text, () => {
      socket.removeListener('close', done);
      done();
    });
  });
