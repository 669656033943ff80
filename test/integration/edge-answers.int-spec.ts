import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeCall } from '../../src/edge/server/edge-call.js';
import type { EdgeHandler } from '../../src/edge/server/edge-handler.js';
import { createEdgeHttp1 } from '../../src/edge/server/edge-http1.js';
import { until } from '../support/server.js';

const ASK = 'GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n';

let answer: (call: EdgeCall) => void;
let sockets: Socket[];
let listener: Server;
let client: Socket;
let got: string;

beforeEach(async () => {
  sockets = [];
  const http1 = createEdgeHttp1({ handle: (call: EdgeCall) => answer(call) } as unknown as EdgeHandler);
  listener = createServer((socket) => {
    sockets.push(socket);
    http1.emit('connection', socket);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  client = connect((listener.address() as { port: number }).port, '127.0.0.1').on('error', () => undefined);
  sockets.push(client);
  got = '';
  client.on('data', (part: Buffer) => (got += part.toString('latin1')));
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  listener.close();
});

const whole = ({ reply }: EdgeCall, body: Buffer, fields: string[] = []) => {
  reply.head(200, '', [...fields, 'Content-Length', String(body.length)], body.length);
  reply.body(body);
  reply.end([]);
};

describe('an answer over HTTP/1.1', () => {
  it('is followed by the next one on its connection, however it is written', async () => {
    const bodies = ['a', 'b'.repeat(20_000), 'c', 'd'].map((text) => Buffer.from(text));
    let calls = 0;
    answer = (call) => whole(call, bodies[calls++]!);
    for (const body of bodies) {
      got = '';
      client.write(ASK);
      await until(() => got.endsWith(`\r\n\r\n${body}`));
      expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(got.match(/^(Date|Connection|Keep-Alive|Content-Length):/gm)?.sort()).toEqual([
        'Connection:',
        'Content-Length:',
        'Date:',
        'Keep-Alive:',
      ]);
    }
  });

  it('ends the connection where either side wants that', async () => {
    answer = (call) => whole(call, Buffer.from('ok'), ['Connection', 'close']);
    client.write(ASK);
    await once(client, 'end');
    expect(got).toMatch(/Connection: close\r\n(.|\r\n)*\r\n\r\nok$/);
  });

  it('has its head sent when nothing of its body has come yet', async () => {
    let call: EdgeCall | undefined;
    answer = (it) => {
      call = it;
      it.reply.head(200, '', ['Content-Type', 'text/event-stream'], undefined);
    };
    client.write(ASK);
    await until(() => got.includes('\r\n\r\n'));
    expect(got).toContain('Content-Type: text/event-stream\r\n');
    call!.reply.body(Buffer.from('data: 1\n\n'));
    call!.reply.end([]);
    await until(() => got.endsWith('9\r\ndata: 1\n\n\r\n0\r\n\r\n'));
  });

  it('is not begun while its visitor does not read the ones before', async () => {
    const body = Buffer.alloc(8_000);
    let calls = 0;
    answer = (call) => {
      calls++;
      whole(call, body);
    };
    client.pause();
    // In packets of some that are begun one after the other, until one of them is not answered.
    const packet = 60;
    for (let asked = packet; ; asked += packet) {
      client.write(ASK.repeat(packet));
      const looks = [calls];
      await until(() => calls === asked || (looks.push(calls) > 20 && looks.at(-20) === calls));
      if (calls < asked) break;
    }
    const [, server] = sockets;
    expect(server!.destroyed).toBe(false);
    expect(server!.writableLength).toBeLessThan(4 * body.length);
  });

  it('is gone when its visitor is, and whole when it was written', async () => {
    const gone: string[] = [];
    answer = (call) => {
      call.reply.listen(
        () => undefined,
        () => gone.push(call.checked.target),
      );
      if (call.checked.target === '/whole') whole(call, Buffer.from('ok'));
    };
    client.write(ASK.replace('/ ', '/whole '));
    await until(() => got.endsWith('ok'));
    client.write(ASK.replace('/ ', '/left '));
    await setImmediate();
    client.destroy();
    await until(() => gone.length > 0);
    expect(gone).toEqual(['/left']);
  });
});
