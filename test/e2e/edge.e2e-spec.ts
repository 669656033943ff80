import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { TestEdge, WebTarget } from '../support/edge.js';
import { freePort, until } from '../support/server.js';

// The server in this process, the agent as the program, and web servers on loopback that nothing but the agent is told of.

let edge: TestEdge;
let target: WebTarget;
let siteId: number;
let host: string;

beforeAll(async () => {
  edge = await TestEdge.start();
  target = await WebTarget.start((request, response, body) => {
    const url = new URL(request.url!, 'http://x');
    switch (url.pathname) {
      case '/echo':
        return void response.writeHead(201, { 'x-was': request.method! }).end(body);
      case '/trailers':
        response.writeHead(200, { trailer: 'x-sum' });
        response.write('whole');
        response.addTrailers({ 'x-sum': '7' });
        return void response.end();
      case '/early':
        response.writeEarlyHints({ link: '</a.css>; rel=preload' });
        return void response.end('late');
      case '/cookies':
        return void response
          .writeHead(200, [
            ['set-cookie', 'a=1'],
            ['set-cookie', 'gatehouse_target=x'],
            ['set-cookie', 'b=2'],
          ] as never)
          .end();
      case '/cut':
        response.writeHead(200, { 'content-length': '100' });
        response.write('half');
        return void setImmediate(() => response.destroy());
      case '/until-close':
        response.writeHead(200, { connection: 'close' });
        response.write('all');
        return void response.end();
      case '/events':
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return void response.write('data: 1\n\n');
      case '/big':
        return void response.end(Buffer.alloc(20_000_000, 'x'));
      default:
        return void response.end(`hello ${request.url}`);
    }
  });
  ({ siteId } = await edge.site());
  host = await edge.publish(siteId, target.port);
});
afterAll(async () => {
  target?.stop();
  await edge?.close();
});

describe('a request', () => {
  it('reaches a target behind an agent, as it was asked', async () => {
    const answer = await edge.get(host, '/a/b?c=d', { headers: { 'x-own': 'yes', cookie: 'k=v; gatehouse_target=t' } });
    expect(answer).toMatchObject({ status: 200, text: 'hello /a/b?c=d', cut: false });
    expect(target.lastField('host')).toEqual([host]);
    expect(target.lastField('x-own')).toEqual(['yes']);
    expect(target.lastField('cookie')).toEqual(['k=v']);
    expect(target.lastField('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(target.lastField('x-forwarded-proto')).toEqual(['http']);
  });

  it('brings its body, of a length or in chunks, and one after the other over a kept connection', async () => {
    const body = Buffer.alloc(3_000_000, 'b');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await edge.ask(host, { method: 'POST', path: '/echo', headers, agent }, body);
      expect(answer).toMatchObject({ status: 201, headers: { 'x-was': 'POST' } });
      expect(answer.text.length).toBe(body.length);
    }
    agent.destroy();
  });

  it('uses streams again', async () => {
    const streams = () => edge.registry.usable(siteId).reduce((sum, { streams }) => sum + streams.size, 0);
    for (let i = 0; i < 20; i++) await edge.get(host);
    expect(streams()).toBeLessThan(5);
  });

  it('is answered with early hints, trailers, and without a body where there is none', async () => {
    expect(await edge.get(host, '/trailers', { headers: { te: 'trailers' } })).toMatchObject({
      text: 'whole',
      trailers: { 'x-sum': '7' },
    });
    const hints: unknown[] = [];
    const sent = http.get({ host: '127.0.0.1', port: edge.port, path: '/early', headers: { host }, agent: false });
    sent.on('information', (info) => hints.push(info.statusCode));
    const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
    answer.resume();
    expect(hints).toEqual([103]);
    expect(await edge.ask(host, { method: 'HEAD', path: '/big' })).toMatchObject({ status: 200, text: '' });
  });

  it('waits with its body until the target wants it', async () => {
    const sent = http.request({
      host: '127.0.0.1',
      port: edge.port,
      path: '/echo',
      method: 'POST',
      agent: false,
      headers: { host, expect: '100-continue', 'content-length': '5' },
    });
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.end('hello');
    const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(201);
    answer.resume();
  });

  it('is answered as it comes, and costs nothing more once the visitor has gone', async () => {
    const sent = http.get({ host: '127.0.0.1', port: edge.port, path: '/events', headers: { host }, agent: false });
    const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toBe('data: 1\n\n');
    const before = target.sockets.size;
    sent.on('error', () => undefined).destroy();
    await until(() => target.sockets.size < before);
  });

  it('has the cookies of its target and none that are ours', async () => {
    expect((await edge.get(host, '/cookies')).headers['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  it('that the target answers in part is not passed off as whole', async () => {
    expect(await edge.get(host, '/cut')).toMatchObject({ status: 200, text: 'half', cut: true });
    expect(await edge.get(host, '/until-close')).toMatchObject({ status: 200, text: 'all', cut: false });
  });

  it('brings much, to whom reads it', async () => {
    expect((await edge.get(host, '/big')).text.length).toBe(20_000_000);
  });
});

describe('a websocket', () => {
  it('goes through, over HTTP/1.1', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { resourceId, host: name } = await edge.resource();
    await edge.target(resourceId, siteId, port);
    // A server of websockets answers a plain request 426.
    await until(async () => (await edge.get(name)).status === 426);
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/`, { headers: { host: name } });
    await once(socket, 'open');
    for (const size of [1, 100_000]) {
      socket.send(Buffer.alloc(size, 'w'));
      const [back] = (await once(socket, 'message')) as [Buffer];
      expect(back.length).toBe(size);
    }
    socket.close(1000);
    await once(socket, 'close');
    await until(() => server.clients.size === 0);
    server.close();
  });

  it('that the target does not take is answered as the target does', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/x`, { headers: { host } });
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, http.IncomingMessage];
    expect(answer.statusCode).toBe(200);
  });

  it('is the only upgrade: another one is a request without it, with its body', async () => {
    const answer = await edge.ask(
      host,
      {
        method: 'POST',
        path: '/echo',
        headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
      },
      'y'.repeat(100_000),
    );
    expect(answer.status).toBe(201);
    expect(answer.text.length).toBe(100_000);
    expect(target.lastField('upgrade')).toEqual([]);
    expect(target.lastField('http2-settings')).toEqual([]);
  });
});

describe('over HTTP/2', () => {
  it('requests go through with bodies and trailers, many at once', async () => {
    const session = http2.connect(`http://127.0.0.1:${edge.port}`);
    const ask = async (headers: http2.OutgoingHttpHeaders, body?: Buffer) => {
      const stream = session.request({ ':authority': host, ...headers });
      stream.end(body);
      const parts: Buffer[] = [];
      const trailers = once(stream, 'trailers').catch(() => []);
      const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      stream.on('data', (part: Buffer) => parts.push(part));
      await once(stream, 'end');
      return { status: answer[':status'], text: Buffer.concat(parts).toString(), trailers };
    };
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ask({ ':path': `/${i}` })));
    expect(all.map(({ text }) => text)).toEqual(all.map((_, i) => `hello /${i}`));
    const echoed = await ask({ ':path': '/echo', ':method': 'POST' }, Buffer.alloc(1_000_000, 'z'));
    expect(echoed).toMatchObject({ status: 201 });
    expect(echoed.text.length).toBe(1_000_000);
    const [trailers] = (await (await ask({ ':path': '/trailers', te: 'trailers' })).trailers) as [object];
    expect(trailers).toMatchObject({ 'x-sum': '7' });
    session.close();
  });
});

it('a websocket over HTTP/2 goes through', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await once(server, 'listening');
  const { resourceId, host: name } = await edge.resource();
  await edge.target(resourceId, siteId, (server.address() as { port: number }).port);
  await until(async () => (await edge.get(name)).status === 426);
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  await once(session, 'remoteSettings');
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':authority': name,
      ':path': '/',
      'sec-websocket-version': '13',
    },
    { endStream: false },
  );
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  expect(answer).toMatchObject({ ':status': 200 });
  expect(answer['sec-websocket-accept']).toBeUndefined();
  // A text of two bytes, masked by zeros as a client must; it comes back without a mask.
  stream.write(Buffer.from([0x82, 0x82, 0, 0, 0, 0, 104, 105]));
  const [back] = (await once(stream, 'data')) as [Buffer];
  expect([...back]).toEqual([0x82, 2, 104, 105]);
  stream.close();
  await until(() => server.clients.size === 0);
  session.close();
  server.close();
});

describe('decisions', () => {
  it('unknown hosts, blocked resources and those that need a login are answered here', async () => {
    expect(await edge.get('nobody.example.net')).toMatchObject({
      status: 404,
      text: expect.stringContaining('unknown_host'),
    });
    const page = await edge.get('nobody.example.net', '/', { headers: { accept: 'text/html' } });
    expect(page.headers['content-type']).toContain('text/html');
    const { resourceId, host: name } = await edge.resource();
    await edge.target(resourceId, siteId, target.port);
    await edge.serves(name);
    await edge.app.root.expect('POST', `/resource/${resourceId}`, { blockAccess: true });
    await until(async () => (await edge.get(name)).status === 403);
    await edge.app.root.expect('POST', `/resource/${resourceId}`, { blockAccess: false, sso: true });
    await until(async () => (await edge.get(name)).status === 401);
    await edge.app.root.expect('POST', `/resource/${resourceId}`, { enabled: false });
    await until(async () => (await edge.get(name)).status === 404);
  });

  it('rules drop, and maintenance says its texts', async () => {
    const { resourceId, host: name } = await edge.resource({ applyRules: true });
    await edge.target(resourceId, siteId, target.port);
    await edge.serves(name);
    await edge.app.root.expect('PUT', `/resource/${resourceId}/rule`, {
      action: 'DROP',
      match: 'PATH',
      value: '/admin/*',
      priority: 1,
    });
    await until(async () => (await edge.get(name, '/admin/x')).status === 403);
    expect((await edge.get(name, '/public/../admin/x')).status).toBe(403);
    expect((await edge.get(name, '/admin%2fx')).status).toBe(400);
    expect((await edge.get(name, '/public')).status).toBe(200);
    await edge.app.root.expect('POST', `/resource/${resourceId}`, {
      maintenanceModeEnabled: true,
      maintenanceTitle: 'Moving house',
    });
    await until(async () => (await edge.get(name)).status === 503);
    expect((await edge.get(name, '/', { headers: { accept: 'text/html' } })).text).toContain('Moving house');
  });

  it('what refuses is passed over for what answers, what nobody serves is said so', async () => {
    const { resourceId, host: name } = await edge.resource();
    await edge.target(resourceId, siteId, await freePort());
    await until(async () => (await edge.get(name)).text.includes('"refused"'));
    await edge.target(resourceId, siteId, target.port);
    await edge.serves(name);
    for (let i = 0; i < 6; i++) expect((await edge.get(name)).status).toBe(200);
    const other = await edge.site();
    const away = await edge.publish(other.siteId, target.port);
    await other.agent.kill();
    await until(async () => (await edge.get(away)).text.includes('site_offline'));
    other.agent.start();
    await edge.serves(away);
  });

  it('a visitor stays with a target by the sticky cookie', async () => {
    const other = await WebTarget.start((_request, response) => void response.end('other'));
    const { resourceId, host: name } = await edge.resource({ stickySession: true });
    await edge.target(resourceId, siteId, target.port);
    await edge.target(resourceId, siteId, other.port);
    await edge.serves(name);
    const texts = new Set<string>();
    await until(async () => texts.add((await edge.get(name)).text).size === 2);
    const first = await edge.get(name);
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!;
    for (let i = 0; i < 6; i++) {
      const again = await edge.get(name, '/', { headers: { cookie } });
      expect(again.text).toBe(first.text);
      expect(again.headers['set-cookie']).toBeUndefined();
    }
    other.stop();
  });
});

it('requests are in the log, with what decided and where they went', async () => {
  const { resourceId, host: name } = await edge.resource();
  const targetId = await edge.target(resourceId, siteId, target.port);
  await edge.serves(name);
  await edge.ask(name, { method: 'POST', path: '/echo?token=s3cret' }, 'body');
  await edge.app.root.expect('POST', `/resource/${resourceId}`, { blockAccess: true });
  await until(async () => (await edge.get(name, '/blocked')).status === 403);
  const rows = (path: string) =>
    edge.app.sql<{ status: number }>(
      `SELECT status, code, method, host, query, bytes_in AS "bytesIn", bytes_out AS "bytesOut", target_id AS "targetId", site_id AS "siteId"
       FROM request_log WHERE resource_id = $1 AND path = $2 ORDER BY status DESC LIMIT 1`,
      [resourceId, path],
    );
  await until(async () => (await rows('/blocked'))[0]?.status === 403 && (await rows('/echo')).length > 0);
  const [echo] = await rows('/echo');
  expect(echo).toMatchObject({
    status: 201,
    code: null,
    method: 'POST',
    host: name,
    bytesIn: 4,
    bytesOut: 4,
    targetId,
    siteId,
  });
  expect(JSON.stringify(echo)).not.toContain('s3cret');
  expect((await rows('/blocked'))[0]).toMatchObject({ code: 'forbidden', targetId: null });
});

describe('what has two readings', () => {
  it.each([
    ['both lengths', 'POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: H\r\nX: a\r\n b\r\n\r\n'],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: H\n\n'],
    ['a space before a colon', 'GET / HTTP/1.1\r\nHost : H\r\n\r\n'],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: H\r\nHost: H\r\n\r\n'],
    ['another host in the address', 'GET http://other.example/ HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['a chunk of no size', 'POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['what is no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('%s: 400, and the connection ends', async (_, text) => {
    const before = target.requests.length;
    expect(await edge.raw(text.replaceAll(': H\r\n', `: ${host}\r\n`))).toMatch(/^HTTP\/1\.1 400 /);
    expect(target.requests.length).toBe(before);
  });

  it('CONNECT and TRACE are not taken', async () => {
    expect(await edge.raw(`TRACE / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 405 /);
    expect(await edge.raw(`CONNECT ${host}:80 HTTP/1.1\r\nHost: ${host}:80\r\n\r\n`)).toMatch(
      /^(HTTP\/1\.1 40[05] |$)/,
    );
  });
});
