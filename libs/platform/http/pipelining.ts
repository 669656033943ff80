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
  const connections = new WeakMap<Socket, Turns>();

  const begin = (turns: Turns, request: IncomingMessage, response: ServerResponse): void => {
    turns.busy = true;
    response.on('close', () => {
      if (turns.behind.length > 0) setImmediate(next, turns, request.socket);
      else turns.busy = false;
    });
    for (const handler of handlers) void handler.call(server, request, response);
  };
  const next = (turns: Turns, socket: Socket): void => {
    const [first] = turns.behind.splice(0, 1);
    if (first && !socket.destroyed) begin(turns, ...first);
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    let turns = connections.get(socket);
    if (!turns) connections.set(socket, (turns = { busy: false, behind: [] }));
    if (!turns.busy) begin(turns, request, response);
    else if (turns.behind.length < WAITING) turns.behind.push([request, response]);
    // What is left of the packet is still handed on, and dropped here.
    else socket.destroy();
  });
}

/** The requests of a connection: whether one is being answered, and those behind it. */
interface Turns {
  busy: boolean;
  behind: [IncomingMessage, ServerResponse][];
}
