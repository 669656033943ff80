import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { InternalListener } from '../../src/edge/index.js';
import { TestEdge, WebTarget } from '../support/edge.js';
import { configOf, ForeignProxy } from '../support/foreign-proxy.js';
import { hasProgram } from '../support/readme.js';
import { freePort, until } from '../support/server.js';

const PAGE = 'docs/behind-a-proxy.md';
/** What nobody outside may say. */
const SPOOFED = {
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-proto': 'http',
  'x-real-ip': '203.0.113.8',
  forwarded: 'for=203.0.113.9;proto=http',
  'x-request-id': 'given-1',
};

let target: WebTarget;
let websockets: WebSocketServer;
let edge: TestEdge;
let host: string;
let websocketHost: string;
let internalPort: number;
/** Lets an answer that has begun go on. */
let goOn = (): void => undefined;

beforeAll(async () => {
  target = await WebTarget.start((request, response, body) => {
    if (request.url !== '/slow') return void response.end(`${body.length} bytes`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
    goOn = () => response.end('data: 2\n\n');
  });
  websockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  websockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${String(data)}`)));
  internalPort = await freePort();
  edge = await TestEdge.start({ TRUST_PROXY: '127.0.0.1', INTERNAL_PORT: String(internalPort) });
  await edge.app.get(InternalListener).listen(edge.port);
  const { siteId } = await edge.site();
  host = await edge.publish(siteId, target.port, { ssl: true });
  const { resourceId, host: other } = await edge.resource({ ssl: true });
  websocketHost = other;
  await edge.target(resourceId, siteId, (websockets.address() as { port: number }).port);
});
afterAll(async () => {
  websockets?.close();
  await edge?.close();
  target?.stop();
});

const lines = (after: string): string =>
  configOf(PAGE, after)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${edge.port}`)
    .replaceAll('127.0.0.1:9080', `127.0.0.1:${internalPort}`);

/** Each is run by the lines of the page; what is changed is where it listens and where it has certificates from. */
const PROGRAMS = {
  nginx: {
    isFound: hasProgram('nginx'),
    args: async (proxy: ForeignProxy, port: number) =>
      proxy.nginx(
        lines('## nginx')
          .replace('listen 443', `listen 127.0.0.1:${port}`)
          .replace('*.apps.example.com', '*.gate.example.net')
          .replace('/etc/ssl/apps.example.com.crt', proxy.cert)
          .replace('/etc/ssl/apps.example.com.key', proxy.key),
      ),
  },
  caddy: {
    isFound: hasProgram('caddy'),
    args: async (proxy: ForeignProxy, port: number) => {
      const own = `\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttps_port ${port}\n\thttp_port ${await freePort()}\n\tdefault_bind 127.0.0.1\n`;
      const file = proxy.file('Caddyfile', lines('## Caddy').replace('{\n', `{\n${own}`));
      return ['run', '--config', file, '--adapter', 'caddyfile'];
    },
  },
  traefik: {
    isFound: hasProgram('traefik'),
    args: async (proxy: ForeignProxy, port: number) => {
      const text = lines('## Traefik')
        .replace('":443"', `"127.0.0.1:${port}"`)
        .replace('":80"', `"127.0.0.1:${await freePort()}"`)
        .replace('/var/lib/traefik/acme.json', `${proxy.folder}/acme.json`)
        .replace('?certResolver=letsencrypt', '');
      return [`--configFile=${proxy.file('traefik.yml', text)}`];
    },
  },
};

describe.each(Object.entries(PROGRAMS))(
  'behind %s, by the lines of docs/behind-a-proxy.md, where it is',
  (program, { isFound, args }) => {
    let proxy: ForeignProxy;
    let port: number;

    const asked = (name: string, options: https.RequestOptions, body?: Buffer) =>
      new Promise<{ status: number; parts: string[]; ended: Promise<unknown> }>((done, failed) => {
        const to = { host: '127.0.0.1', port, servername: name, rejectUnauthorized: false, agent: false };
        const headers = { host: name, ...(options.headers as object) };
        const sent = https.request({ ...to, ...options, headers }, (answer) => {
          const parts: string[] = [];
          answer.setEncoding('utf8').on('data', (part: string) => parts.push(part));
          done({ status: answer.statusCode!, parts, ended: once(answer, 'end') });
        });
        sent.on('error', failed).end(body);
      });

    beforeAll(async () => {
      if (!isFound) return;
      port = await freePort();
      proxy = await ForeignProxy.create();
      await proxy.run(program, await args(proxy, port), async () => (await asked(host, {})).status === 200);
    });
    afterAll(() => proxy?.stop());

    it.skipIf(!isFound)('visitors are who they are, and came by https', async () => {
      await asked(host, { headers: SPOOFED });
      expect(target.lastField('x-forwarded-proto')).toEqual(['https']);
      expect(target.lastField('host')).toEqual([host]);
      for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded'])
        expect(target.lastField(name).join()).not.toContain('203.0.113.');
      expect(target.lastField('x-forwarded-for').join()).toContain('127.0.0.1');
      expect(target.lastField('x-request-id')).not.toEqual(['given-1']);
    });

    it.skipIf(!isFound)('HTTP/2 and uploads go through', async () => {
      const session = http2.connect(`https://127.0.0.1:${port}`, { servername: host, rejectUnauthorized: false });
      const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': host });
      stream.end(Buffer.alloc(3_000_000));
      let text = '';
      for await (const part of stream.setEncoding('utf8')) text += part;
      expect(text).toBe('3000000 bytes');
      session.destroy();
      const { parts, ended } = await asked(host, { method: 'PUT' }, Buffer.alloc(3_000_000));
      await ended;
      expect(parts.join('')).toBe('3000000 bytes');
    });

    it.skipIf(!isFound)('events arrive when they are sent', async () => {
      const { parts, ended } = await asked(host, { path: '/slow' });
      await until(() => parts.join('') === 'data: 1\n\n');
      goOn();
      await ended;
      expect(parts.join('')).toBe('data: 1\n\ndata: 2\n\n');
    });

    it.skipIf(!isFound)('websockets go through', async () => {
      await until(async () => (await asked(websocketHost, {})).status === 426);
      const options: https.RequestOptions & ClientOptions = {
        headers: { host: websocketHost },
        servername: websocketHost,
        rejectUnauthorized: false,
      };
      const socket = new WebSocket(`wss://127.0.0.1:${port}/`, options);
      await once(socket, 'open');
      socket.send('hello');
      expect(String((await once(socket, 'message'))[0])).toBe('echo hello');
      socket.close();
    });

    it.skipIf(!isFound)('a name that nobody has leads nowhere', async () => {
      const answer = asked('nobody.gate.example.net', {}).then(
        ({ status }) => status,
        () => 'no certificate',
      );
      expect(await answer).toBe(program === 'caddy' ? 'no certificate' : 404);
    });
  },
);
