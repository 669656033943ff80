import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait for the answer of the one before them. */
const WAITING = 64;

/**
 * A client may send requests without waiting for answers (RFC 9112 §9.3.2), and one packet holds thousands of them, all of which Node hands on
 * in one turn of the event loop. Here the requests of a connection are begun one after the other, each in a turn of its own, so that a
 * connection costs others as much as its bytes do and no more. One that sends far ahead of its answers is closed.
 */
export function answerInTurn(server: Server): void {
  const handlers = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  /** An entry while a request of the connection is being answered: those behind it. */
  const waiting = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();

  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    response.once('close', () => setImmediate(next, request.socket));
    for (const handler of handlers) void handler.call(server, request, response);
  };
  const next = (socket: Socket): void => {
    const [first] = waiting.get(socket)?.splice(0, 1) ?? [];
    if (first && !socket.destroyed) begin(...first);
    else waiting.delete(socket);
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const behind = waiting.get(socket);
    if (!behind) {
      waiting.set(socket, []);
      begin(request, response);
    } else if (behind.length < WAITING) behind.push([request, response]);
    // What is left of the packet is still handed on, and dropped here.
    else socket.destroy();
  });
}
