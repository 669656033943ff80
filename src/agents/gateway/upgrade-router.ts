import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AppError, errorBody } from '#platform';

/** One HTTP upgrade, as the handler of its path gets it. */
export interface Upgrade {
  /** Its url no longer holds the token. */
  request: IncomingMessage;
  socket: Socket;
  head: Buffer;
  query: URLSearchParams;
  /** From `Authorization: Bearer`, else from the query. */
  token: string | null;
}

const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Whether this is the opening handshake of a websocket (RFC 6455 §4.1), as `ws` will take it. */
export function asksForWebsocket({ headers }: IncomingMessage): boolean {
  const version = headers['sec-websocket-version'];
  return (
    headers.upgrade?.toLowerCase() === 'websocket' &&
    KEY.test(headers['sec-websocket-key'] ?? '') &&
    (version === '13' || version === '8')
  );
}

export type UpgradeHandler = (upgrade: Upgrade) => void;

/**
 * Owns the one `upgrade` listener of each HTTP server, so that several modules share its port: each registers its path.
 * Paths that nobody registered are 404.
 */
@Injectable()
export class UpgradeRouter {
  private readonly handlers = new Map<string, UpgradeHandler>();

  register(path: string, handler: UpgradeHandler): void {
    this.handlers.set(path, handler);
  }

  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => this.route(request, socket as Socket, head));
  }

  private route(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Nobody listens for errors of this socket until a handler takes it.
    socket.on('error', destroy);
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    const token = bearer(request) ?? query.get('token');
    if (query.has('token')) {
      query.delete('token');
      request.url = query.size > 0 ? `${path}?${query.toString()}` : path;
    }
    const handler = this.handlers.get(path);
    if (!handler) return refuseUpgrade(socket, new AppError('not_found', 'Nothing to upgrade to here'));
    handler({ request, socket, head, query, token });
  }
}

/** Hands the socket over to whoever speaks on it from now on. */
export function releaseSocket(socket: Socket): void {
  socket.removeListener('error', destroy);
}

/** Answers an upgrade with an error envelope and closes the connection. */
export function refuseUpgrade(socket: Socket, error: AppError): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify(errorBody(error));
  const retry =
    error.details.retryAfter === undefined
      ? ''
      : `Retry-After: ${Math.max(1, Math.ceil(error.details.retryAfter))}\r\n`;
  socket.once('finish', destroy);
  socket.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n` +
      `Connection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${retry}\r\n${body}`,
  );
}

function bearer(request: IncomingMessage): string | null {
  const header = request.headers.authorization;
  return header && /^bearer /i.test(header) ? header.slice(7).trim() : null;
}

function destroy(this: Socket): void {
  this.destroy();
}
