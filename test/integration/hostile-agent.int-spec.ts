import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TUNNEL } from '#contracts';
import { Api } from '../support/api.js';
import { TestEdge } from '../support/edge.js';
import { until } from '../support/server.js';
import { askPlainUpgrade } from '../support/tunnels.js';

// Who has the credential of a site may speak any bytes on the streams of its tunnel. Nobody else is to feel it.

let edge: TestEdge;
let host: string;
let siteId: number;
let credential: { newtId: string; secret: string };
let agent: ServerHttp2Session | undefined;
/** What is said on each stream, request by request. */
let answer: (stream: ServerHttp2Stream, nth: number) => void;

beforeAll(async () => {
  edge = await TestEdge.start();
  ({ siteId, ...credential } = await edge.app.root.expect<{ siteId: number; newtId: string; secret: string }>(
    'PUT',
    edge.org.path('site'),
    { name: 'site', type: 'newt' },
  ));
  const made = await edge.resource();
  host = made.host;
  await edge.target(made.resourceId, siteId, 80);
});
afterEach(async () => {
  agent?.destroy();
  await until(() => edge.registry.allOf(siteId).length === 0);
});
afterAll(async () => edge?.close());

/** A tunnel whose other end does as it likes. */
async function tunnel() {
  const { newtId, secret } = credential;
  const { token } = await new Api(edge.app.root.url).expect<{ token: string }>('POST', '/auth/newt/get-token', {
    newtId,
    secret,
  });
  const { socket } = await askPlainUpgrade(edge.app.root.url, TUNNEL.protocol, token);
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('session', (session) => {
    agent = session;
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    let nth = 0;
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.on('data', () => answer(stream, nth++));
  });
  server.emit('connection', socket);
  await until(() => edge.registry.usable(siteId).length === 1);
  return edge.registry.usable(siteId)[0]!;
}

describe('a hostile agent', () => {
  it('that answers twice costs its stream alone: nobody gets the second answer', async () => {
    answer = (stream) =>
      stream.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON',
      );
    await tunnel();
    await edge.serves(host);
    for (let i = 0; i < 10; i++) expect(await edge.get(host, `/${i}`)).toMatchObject({ status: 200, text: 'mine' });
  });

  it('that speaks before it is asked on a stream that waits loses it', async () => {
    let streams = 0;
    answer = (stream) => {
      streams++;
      stream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine', () =>
        stream.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON'),
      );
    };
    const connection = await tunnel();
    await edge.serves(host);
    for (let i = 0; i < 10; i++) {
      expect((await edge.get(host, `/${i}`)).text).toBe('mine');
      await until(() => [...connection.streams].every(({ isOpen }) => !isOpen));
    }
    expect(streams).toBeGreaterThan(10);
  });

  it.each([
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ])('that answers with %s is a bad gateway', async (_, bytes) => {
    answer = (stream) => stream.write(bytes);
    await tunnel();
    await until(async () => (await edge.get(host)).status === 502);
  });

  it('that ends its stream within an answer ends it for the visitor as well', async () => {
    answer = (stream) => stream.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await tunnel();
    const ask = () => edge.get(host).catch(() => ({ status: 200, cut: true }));
    await until(async () => (await ask()).status === 200);
    expect(await ask()).toMatchObject({ cut: true });
  });

  it.each<[string, (session: ServerHttp2Session) => void]>([
    ['PINGs', (session) => session.ping(() => undefined)],
    ['SETTINGS', (session) => session.settings({ initialWindowSize: 70_000 })],
  ])('that floods %s loses its connection', async (_, say) => {
    const connection = await tunnel();
    let ended: string | undefined;
    void connection.closed.then((why) => (ended = why));
    await until(() => {
      // As many as node lets wait for an answer.
      try {
        for (let i = 0; i < 10; i++) if (!agent!.destroyed) say(agent!);
      } catch {}
      return ended !== undefined;
    });
    expect(ended).toBe('flood');
  });
});
