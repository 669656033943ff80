import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Forwarder } from '../../src/edge/server/forwarder.js';
import { TestEdge, WebTarget } from '../support/edge.js';
import { until } from '../support/server.js';

let edge: TestEdge;
let siteId: number;
beforeAll(async () => {
  edge = await TestEdge.start();
  ({ siteId } = await edge.site());
});
afterAll(async () => edge?.close());

/** A target that answers each head of a request with bytes as they are. */
class ScriptedTarget {
  readonly sockets = new Set<Socket>();
  /** What it was sent, by connection. */
  readonly heard: string[] = [];
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(answer: (socket: Socket, head: string, nth: number) => void): Promise<ScriptedTarget> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const target = new ScriptedTarget(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      target.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => target.sockets.delete(socket));
      const at = target.heard.push('') - 1;
      let nth = 0;
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        target.heard[at] += chunk;
        text += chunk;
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end);
          text = text.slice(end + 4);
          answer(socket, head, nth++);
        }
      });
    });
    return target;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** A host that leads to a scripted target. What is answered while the resource is not served yet is none of the target's. */
async function scripted(answer: (socket: Socket, head: string, nth: number) => void) {
  const target = await ScriptedTarget.start(answer);
  const { resourceId, host } = await edge.resource();
  await edge.target(resourceId, siteId, target.port);
  await until(async () => {
    await edge.get(host, '/first').catch(() => undefined);
    return target.heard.length > 0;
  });
  return { target, host };
}

describe('a hostile target', () => {
  it.each([
    ['no status', 'nonsense\r\n\r\n'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['33 KB of fields', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(5_700)}\r\n`],
    [
      'a change of protocol that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    ],
    [
      'nine interim answers',
      `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(9)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    ],
    ['a coding that nobody asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ])('that answers with %s is a bad gateway, and its stream is gone', async (_, answer) => {
    const { target, host } = await scripted((socket) => void socket.write(answer, 'latin1'));
    expect(await edge.get(host)).toMatchObject({ status: 502, text: expect.stringContaining('bad_gateway') });
    await until(() => target.sockets.size === 0);
    target.stop();
  });

  it('that sends a second answer costs its stream alone: nobody gets it', async () => {
    const { target, host } = await scripted(
      (socket) =>
        void socket.write(
          'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON',
        ),
    );
    const texts = [];
    for (let i = 0; i < 20; i++) texts.push((await edge.get(host, `/${i}`)).text);
    expect(new Set(texts)).toEqual(new Set(['mine']));
    // Each request went over a connection of its own.
    expect(target.heard.every((text) => text.split('GET ').length === 2)).toBe(true);
    target.stop();
  });

  it('that speaks on an idle stream loses it', async () => {
    const { target, host } = await scripted((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON'));
    });
    for (let i = 0; i < 10; i++) {
      expect((await edge.get(host, `/${i}`)).text).toBe('ok');
      await until(() => target.sockets.size === 0);
    }
    target.stop();
  });

  it('that closes idle streams at any moment costs no request that may be repeated', async () => {
    const { target, host } = await scripted((socket, _head, nth) => {
      // The second request on a connection is never answered.
      if (nth > 0) return void socket.destroy();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    for (let i = 0; i < 20; i++) expect(await edge.get(host, `/${i}`)).toMatchObject({ status: 200, text: 'ok' });
    target.stop();
  });

  it('that answers before it has all of a body is passed on, and never takes the rest for a request', async () => {
    const { target, host } = await scripted(
      (socket) => void socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig'),
    );
    const sent = http.request({
      host: '127.0.0.1',
      port: edge.port,
      method: 'POST',
      agent: false,
      headers: { host, 'content-length': '100000' },
    });
    sent.write('part');
    const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(413);
    answer.resume();
    sent.on('error', () => undefined).end(Buffer.alloc(99_996, 'GET / HTTP/1.1\r\n\r\n'));
    await until(() => target.sockets.size === 0);
    target.stop();
  });

  it('that takes a websocket with a wrong proof, or another protocol, is a bad gateway', async () => {
    const { target, host } = await scripted(
      (socket) =>
        void socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n',
        ),
    );
    const text = await edge.raw(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    target.stop();
  });
});

describe('a visitor', () => {
  it('who sends requests ahead of their answers has one at a time under way, and not too many waiting', async () => {
    let [atOnce, most] = [0, 0];
    const { target, host } = await scripted((socket) => {
      most = Math.max(most, ++atOnce);
      setImmediate(() => {
        atOnce--;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await until(async () => (await edge.get(host)).status === 200);
    most = 0;
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const last = request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
    const answers = (text: string) => text.split('HTTP/1.1 200 ').length - 1;
    expect(answers(await edge.raw(request.repeat(40) + last))).toBe(41);
    expect(most).toBe(1);
    expect(answers(await edge.raw(request.repeat(500)))).toBeLessThan(500);
    target.stop();
  });

  it('whose address holds bytes beyond ASCII gets an answer, and leaves nothing under way', async () => {
    const { target, host } = await scripted(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    );
    const bytes = Buffer.from(`GET /?q=\xe4 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1');
    expect(await edge.raw(bytes)).toMatch(/^HTTP\/1\.1 400 /);
    await until(() => edge.app.get(Forwarder).size === 0);
    target.stop();
  });
});

describe('a link that breaks', () => {
  it('in the middle of a download ends it so that the visitor sees it', async () => {
    const big = await WebTarget.start((_request, response) => {
      response.writeHead(200);
      response.write(Buffer.alloc(500_000, 'x'));
    });
    const other = await edge.site();
    const { resourceId, host } = await edge.resource();
    await edge.target(resourceId, other.siteId, big.port);
    const down = await until(async () => {
      const sent = http.get({ host: '127.0.0.1', port: edge.port, headers: { host }, agent: false });
      sent.on('error', () => undefined);
      const [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
      answer.on('error', () => undefined);
      if (answer.statusCode === 200) return answer;
      answer.resume();
      return false;
    });
    await once(down, 'data');
    const over = new Promise<boolean>((done) => down.on('close', () => done(down.complete)));
    down.resume();
    await other.agent.kill();
    expect(await over).toBe(false);
    big.stop();
  });

  it('is not waited for: a thousand visitors who leave at once cost nothing that lasts', async () => {
    const slow = await WebTarget.start(() => undefined);
    const { resourceId, host } = await edge.resource();
    await edge.target(resourceId, siteId, slow.port);
    const forwarder = edge.app.get(Forwarder);
    await until(async () => {
      const socket = connect(edge.port, '127.0.0.1');
      socket.on('error', () => undefined).write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const isServed = await Promise.race([once(socket, 'data').then(() => false), until(() => slow.sockets.size > 0)]);
      socket.destroy();
      return isServed;
    });
    for (let round = 0; round < 3; round++) {
      const sockets = Array.from({ length: 1000 }, () => connect(edge.port, '127.0.0.1').on('error', () => undefined));
      for (const socket of sockets) socket.write(`GET /${round} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => slow.sockets.size >= 1000);
      for (const socket of sockets) socket.destroy();
      await until(() => forwarder.size === 0 && slow.sockets.size === 0);
    }
    await until(() => edge.registry.usable(siteId).every(({ streams }) => streams.size === 0));
    expect(edge.registry.usable(siteId)).toHaveLength(2);
    slow.stop();
  });
});
