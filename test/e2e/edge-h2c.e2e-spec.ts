import { once } from 'node:events';
import http from 'node:http';
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
    case '/grpc.Echo/Unary':
      return unary(stream);
    case '/grpc.Echo/Chat':
      return chat(stream);
    case '/grpc.Echo/Refused':
      return stream.respond({ ':status': 200, ...GRPC, 'grpc-status': '5' }, { endStream: true });
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

const GRPC = { 'content-type': 'application/grpc' };
const message = (text: string) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
};

function unary(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, ...GRPC }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
  stream.pipe(stream);
}

/** Answers each message when it comes, before the request is over. */
function chat(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, ...GRPC }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.on('data', (part: Buffer) => stream.write(message(`heard ${part.subarray(5)}`)));
  stream.on('end', () => stream.end());
}

describe('gRPC', () => {
  let session: http2.ClientHttp2Session;
  beforeAll(() => {
    session = http2.connect(`http://127.0.0.1:${edge.port}`);
    session.on('error', () => undefined);
  });
  afterAll(() => session?.destroy());

  const call = (method: string) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/grpc.Echo/${method}`,
      ':authority': host,
      ...GRPC,
      te: 'trailers',
    });
    const heard = {
      headers: {} as http2.IncomingHttpHeaders,
      flags: 0,
      trailers: {} as http2.IncomingHttpHeaders,
      text: '',
    };
    stream.on('response', (headers, flags) => Object.assign(heard, { headers, flags }));
    stream.on('trailers', (trailers) => (heard.trailers = trailers));
    stream.setEncoding('latin1').on('data', (part: string) => (heard.text += part));
    return { stream, heard };
  };

  it('a unary call is answered with its status in trailers', async () => {
    const { stream, heard } = call('Unary');
    stream.end(message('hi'));
    await once(stream, 'close');
    expect(heard.text).toBe(message('hi').toString('latin1'));
    expect(heard.trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'fine' });
    expect(last.headers).toMatchObject({ te: 'trailers', ...GRPC });
  });

  it('streams go both ways at once', async () => {
    const { stream, heard } = call('Chat');
    for (const word of ['one', 'two', 'three']) {
      stream.write(message(word));
      await until(() => heard.text.endsWith(`heard ${word}`));
    }
    stream.end();
    await once(stream, 'close');
    expect(heard.trailers).toMatchObject({ 'grpc-status': '0' });
  });

  it('a call that is refused has its status in the only frame', async () => {
    const { stream, heard } = call('Refused');
    stream.end(message('hi'));
    await once(stream, 'close');
    expect(heard.headers).toMatchObject({ 'grpc-status': '5' });
    expect(heard.flags & http2.constants.NGHTTP2_FLAG_END_STREAM).toBeGreaterThan(0);
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
