import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { SessionSocket, type SocketEvents, socketClass } from './session.js';
import { endListenerOf } from './ws-internals.js';

/** Hands a socket over to the installed ws, as the handshake does. */
function handedOver(server: WebSocketServer): { socket: Duplex; ws: SessionSocket } {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const request = Object.assign(new IncomingMessage(new Socket()), {
    method: 'GET',
    url: '/',
    headers: {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  });
  let ws: SessionSocket | undefined;
  server.handleUpgrade(request, socket, Buffer.alloc(0), (made) => {
    ws = made as SessionSocket;
  });
  expect(ws, 'handleUpgrade of ws no longer answers at once: mend SessionHandshake.begin').toBeDefined();
  return { socket, ws: ws! };
}

it('ws listens for the end of a socket with one listener of its own, the last', () => {
  const { socket } = handedOver(new WebSocketServer({ noServer: true, clientTracking: false }));
  const own = socket.listeners('end').filter((listener) => listener.name === 'socketOnEnd');
  expect(
    own,
    'ws no longer adds one listener socketOnEnd: mend endInTurns, or the ends of many sessions hold the event loop',
  ).toHaveLength(1);
  expect(endListenerOf(socket as Socket), 'the listener of ws is not the last one: mend endInTurns').toBe(own[0]);
  socket.destroy();
});

it('ws hands its events on by `emit` of the class that it was given', () => {
  const seen: string[] = [];
  const events: SocketEvents = {
    message: (_ws, data) => seen.push(`message ${String(data)}`),
    ping: () => seen.push('ping'),
    error: () => seen.push('error'),
    close: () => seen.push('close'),
  };
  const server = new WebSocketServer({ noServer: true, clientTracking: false, WebSocket: socketClass(events) });
  const { socket, ws } = handedOver(server);
  expect(ws, 'ws no longer makes sockets of the class that it was given').toBeInstanceOf(SessionSocket);
  // A masked text frame "hi" and a masked ping, with a mask of zeros.
  socket.push(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  socket.emit('data', socket.read() ?? Buffer.alloc(0));
  expect(seen, 'ws no longer emits its messages by `emit`: mend socketClass, or sessions are deaf').toContain(
    'message hi',
  );
  socket.destroy();
});
