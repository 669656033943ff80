import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EdgeCall } from '../../src/edge/server/edge-call.js';
import type { EdgeHandler } from '../../src/edge/server/edge-handler.js';
import { createEdgeHttp1 } from '../../src/edge/server/edge-http1.js';
import { until } from '../support/server.js';

let calls: EdgeCall[];
let sockets: Socket[];
let listener: Server;

beforeEach(async () => {
  calls = [];
  sockets = [];
  const http1 = createEdgeHttp1({ handle: (call: EdgeCall) => calls.push(call) } as unknown as EdgeHandler);
  listener = createServer((socket) => {
    sockets.push(socket);
    http1.emit('connection', socket);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  listener.close();
});

it('what nobody reads of a body stays with its sender, however the socket was resumed and paused', async () => {
  const client = connect((listener.address() as { port: number }).port, '127.0.0.1').on('error', () => undefined);
  sockets.push(client);
  const fill = () => {
    while (client.write(Buffer.alloc(65_536)));
  };
  client.on('drain', fill);
  client.write('POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 1000000000\r\n\r\n');
  fill();
  await until(() => calls.length === 1);
  const stream = calls[0]!.body!.stream as IncomingMessage;
  stream.once('data', () => stream.pause());
  const { socket } = stream;
  await until(() => socket.isPaused() && stream.readableLength > stream.readableHighWaterMark);
  for (let turns = 0; turns < 50; turns++) await setImmediate();
  socket.resume();
  socket.pause();
  for (let turns = 0; turns < 500; turns++) await setImmediate();
  expect(stream.readableLength).toBeLessThan(1_000_000);
  // It goes on when it is wanted.
  let bytes = 0;
  stream.on('data', (part: Buffer) => (bytes += part.length)).resume();
  await until(() => bytes > 20_000_000);
});
