import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { TestEdge } from '../support/edge.js';
import { frameOf, H2cTarget, rawH2c } from '../support/h2c.js';
import { until } from '../support/server.js';

// An agent leads to targets that speak HTTP/2 by prior knowledge, to visitors of HTTP/1.1 and of HTTP/2.

let edge: TestEdge;
let siteId: number;
let target: H2cTarget;
let host: string;
const last: { headers: http2.IncomingHttpHeaders; raw: string[]; trailers: http2.IncomingHttpHeaders } = {
  headers: {},
  raw: [],
  trailers: {},
};
const closed: number[] = [];

beforeAll(async () => {
  edge = await TestEdge.start();
  ({ siteId } = await edge.site());
  target = await H2cTarget.start((stream, headers, raw) => {
    Object.assign(last, { headers, raw, trailers: {} });
    stream.on('trailers', (trailers) => (last.trailers = trailers));
    stream.on('close', () => closed.push(stream.rstCode));
    answer(stream, String(headers[':path']));
  });
  host = await edge.publish(siteId, target.port, {}, { method: 'h2c' });
});
afterAll(async () => {
  target?.stop();
  await edge?.close();
});

function answer(stream: ServerHttp2Stream, path: string): void {
  switch (path.split('?')[0]) {
    case '/echo':
      stream.respond({ ':status': 201 });
      return void stream.pipe(stream);
    case '/trailers':
      stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
      stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'gatehouse_target=x', 'b=2'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
      return void stream.resume().on('end', () => stream.end('whole'));
    case '/hang':
      stream.respond({ ':status': 200 });
      return void stream.write('more to come');
    default:
      stream.respond({ ':status': 200 });
      return void stream.end(`hello ${path}`);
  }
}

describe('a request to an h2c target', () => {
  it('has its fields, and none of a connection', async () => {
    const answer = await edge.get(host, '/a?b=c', {
      headers: { 'x-own': ['1', '2'], cookie: 'k=v; gatehouse_target=t', connection: 'close, x-hop', 'x-hop': 'no' },
    });
    expect(answer).toMatchObject({ status: 200, text: 'hello /a?b=c', cut: false });
    expect(last.headers).toMatchObject({ ':authority': host, ':scheme': 'http', 'x-own': '1, 2', cookie: 'k=v' });
    expect(last.headers['x-forwarded-for']).toBe('127.0.0.1');
    for (const name of ['connection', 'x-hop', 'host', 'transfer-encoding'])
      expect(last.headers).not.toHaveProperty(name);
  });

  it('brings its body and trailers, and is answered with interim answers, trailers and cookies that are not ours', async () => {
    const body = Buffer.alloc(3_000_000, 'b');
    for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await edge.ask(host, { method: 'POST', path: '/echo', headers }, body);
      expect(answer).toMatchObject({ status: 201, cut: false });
      expect(answer.text.length).toBe(body.length);
    }
    const sent = http.request({
      host: '127.0.0.1',
      port: edge.port,
      path: '/trailers',
      method: 'POST',
      agent: false,
      headers: { host, te: 'trailers', 'transfer-encoding': 'chunked', trailer: 'x-up' },
    });
    const hints: unknown[] = [];
    sent.on('information', (info) => hints.push(info.statusCode));
    sent.addTrailers({ 'x-up': '3' });
    sent.end('body');
    const [reply] = (await once(sent, 'response')) as [http.IncomingMessage];
    reply.resume();
    await once(reply, 'end');
    expect(hints).toEqual([103]);
    expect(reply.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(reply.trailers).toEqual({ 'x-sum': '7' });
    await until(() => last.trailers['x-up'] === '3');
  });

  it('shares its session with others', async () => {
    const before = target.opened;
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => edge.get(host, `/${i}`)));
    expect(answers.map(({ text }) => text)).toEqual(answers.map((_, i) => `hello /${i}`));
    expect(target.opened - before).toBeLessThan(3);
  });

  it.each([
    ['an error', 2],
    ['no error', 0],
  ])('whose answer ends by a reset that says %s is never whole', async (_, code) => {
    const broken = await rawH2c((socket, id) => {
      const reset = frameOf(3, 0, id, Buffer.from([0, 0, 0, code]));
      socket.write(Buffer.concat([frameOf(1, 4, id, Buffer.from([0x88])), frameOf(0, 0, id, 'half'), reset]));
    });
    const { resourceId, host } = await edge.resource();
    await edge.target(resourceId, siteId, broken.port, { method: 'h2c' });
    // A visitor of HTTP/1.1 may hear of the end before it has read the head.
    const ask = () => edge.get(host).catch(() => ({ status: 200, cut: true }));
    await until(async () => (await ask()).status === 200);
    for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ status: 200, cut: true });
    // It costs the stream alone.
    expect(broken.sockets.size).toBe(1);
    broken.stop();
  });

  it('is given up alone when its visitor leaves', async () => {
    const { opened } = target;
    closed.length = 0;
    const sent = http.get({ host: '127.0.0.1', port: edge.port, path: '/hang', headers: { host }, agent: false });
    const [reply] = (await once(sent, 'response')) as [http.IncomingMessage];
    await once(reply, 'data');
    sent.on('error', () => undefined);
    sent.destroy();
    await until(() => closed.includes(http2.constants.NGHTTP2_CANCEL));
    expect(await edge.get(host, '/after')).toMatchObject({ text: 'hello /after' });
    expect(target.opened).toBe(opened);
  });
});

/** Messages are bytes: what they mean is not the edge's business. */
const BYTES = {
  requestSerialize: (message: Buffer) => message,
  requestDeserialize: (message: Buffer) => message,
  responseSerialize: (message: Buffer) => message,
  responseDeserialize: (message: Buffer) => message,
};
const ECHO = {
  unary: { path: '/echo.Echo/Unary', requestStream: false, responseStream: false, ...BYTES },
  chat: { path: '/echo.Echo/Chat', requestStream: true, responseStream: true, ...BYTES },
};

describe('gRPC', () => {
  type Calls = grpc.Client & {
    unary(message: Buffer, done: (error: grpc.ServiceError | null, message?: Buffer) => void): grpc.ClientUnaryCall;
    chat(): grpc.ClientDuplexStream<Buffer, Buffer>;
  };
  const server = new grpc.Server();
  let client: Calls;
  const unary = (message: Buffer) =>
    new Promise<{ error: grpc.ServiceError | null; message?: Buffer; status: grpc.StatusObject }>((done) => {
      let answer: { error: grpc.ServiceError | null; message?: Buffer };
      client
        .unary(message, (error, message) => (answer = { error, ...(message && { message }) }))
        .on('status', (status) => setImmediate(() => done({ ...answer, status })));
    });

  beforeAll(async () => {
    server.addService(ECHO, {
      unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
        if (String(call.request) === 'refuse') return done({ code: grpc.status.NOT_FOUND, details: 'no such thing' });
        const trailers = new grpc.Metadata();
        trailers.set('x-sum', '7');
        done(null, call.request, trailers);
      },
      // Answers each message when it comes, before the request is over.
      chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        call.on('data', (part: Buffer) => call.write(Buffer.concat([Buffer.from('heard '), part])));
        call.on('end', () => call.end());
      },
    });
    const port = await new Promise<number>((done, failed) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? failed(error) : done(bound),
      ),
    );
    const { resourceId, host: name } = await edge.resource();
    await edge.target(resourceId, siteId, port, { method: 'h2c' });
    const Client = grpc.makeGenericClientConstructor(ECHO, 'Echo');
    client = new Client(`127.0.0.1:${edge.port}`, grpc.credentials.createInsecure(), {
      'grpc.default_authority': name,
    }) as unknown as Calls;
    await until(async () => (await unary(Buffer.from('there?'))).error === null);
  });
  afterAll(() => {
    client?.close();
    server.forceShutdown();
  });

  it('a unary call is answered, large messages too, with its status and trailers', async () => {
    const sent = randomBytes(3_000_000);
    const { message, status } = await unary(sent);
    expect(message!.equals(sent)).toBe(true);
    expect(status).toMatchObject({ code: grpc.status.OK });
    expect(status.metadata.get('x-sum')).toEqual(['7']);
  });

  it('streams go both ways at once', async () => {
    const call = client.chat();
    const heard: string[] = [];
    call.on('data', (part: Buffer) => heard.push(String(part)));
    const status = new Promise<grpc.StatusObject>((done) => call.on('status', done));
    for (const word of ['one', 'two', 'three']) {
      call.write(Buffer.from(word));
      await until(() => heard.at(-1) === `heard ${word}`);
    }
    call.end();
    expect(await status).toMatchObject({ code: grpc.status.OK });
  });

  it('a call that is refused says why', async () => {
    const { error } = await unary(Buffer.from('refuse'));
    expect(error).toMatchObject({ code: grpc.status.NOT_FOUND, details: 'no such thing' });
  });
});

describe('a hostile h2c target', () => {
  const OK = Buffer.from([0x88]);
  /** A field by its letters (RFC 7541 §6.2.2), shorter than 127 each. */
  const field = (name: string, value: string) =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
  const fields = (count: number) =>
    Buffer.concat([OK, ...Array.from({ length: count }, () => field('x', 'y'.repeat(100)))]);

  it.each<[string, (socket: Socket) => void]>([
    [
      'floods PINGs',
      (socket) => void socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => frameOf(6, 0, 0, '12345678')))),
    ],
    [
      'floods SETTINGS',
      (socket) => void socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => frameOf(4, 0, 0)))),
    ],
    [
      'sends empty DATA',
      (socket) =>
        void socket.write(
          Buffer.concat([frameOf(1, 4, 1, OK), ...Array.from({ length: 5_000 }, () => frameOf(0, 0, 1))]),
        ),
    ],
    ['pushes', (socket) => void socket.write(frameOf(5, 4, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), OK])))],
    [
      'has endless fields',
      (socket) => {
        socket.write(frameOf(1, 0, 1, OK));
        socket.write(Buffer.concat(Array.from({ length: 2_000 }, () => frameOf(9, 0, 1, field('x', 'y')))));
      },
    ],
    ['speaks HTTP/1.1', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')],
  ])('that %s loses its session', async (_, attack) => {
    const hostile = await rawH2c(attack);
    const { resourceId, host } = await edge.resource();
    await edge.target(resourceId, siteId, hostile.port, { method: 'h2c' });
    await until(async () => {
      const { status, cut } = await edge.get(host);
      return status === 502 || (status === 200 && cut);
    });
    await until(() => hostile.sockets.size === 0);
    hostile.stop();
  });

  it('that has more than 100 fields costs its request', async () => {
    const hostile = await rawH2c((socket) => void socket.write(frameOf(1, 5, 1, fields(120))));
    const { resourceId, host } = await edge.resource();
    await edge.target(resourceId, siteId, hostile.port, { method: 'h2c' });
    await until(async () => (await edge.get(host)).status === 502);
    hostile.stop();
  });
});

it('a websocket goes to an h2c target over HTTP/1.1', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(`you said ${data}`)));
  const { resourceId, host } = await edge.resource();
  await edge.target(resourceId, siteId, (server.address() as AddressInfo).port, { method: 'h2c' });
  const socket = await until(async () => {
    const tried = new WebSocket(`ws://127.0.0.1:${edge.port}/`, { headers: { host } });
    return once(tried, 'open').then(
      () => tried,
      () => undefined,
    );
  });
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('you said hello');
  socket.close();
  await once(socket, 'close');
  server.close();
});
