import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentHealthCheck, AgentLists } from '#contracts';
import { readAllowed } from '../../libs/agent/src/tunnel/allowed.js';
import { DialPolicy } from '../../libs/agent/src/tunnel/dial-policy.js';
import { Dialer, DialFailure } from '../../libs/agent/src/tunnel/target-socket.js';
import { NotDialed, probe } from '../../libs/checks/index.js';
import { DialPolicy as ServerPolicy } from '../../src/edge/policy/dial-policy.js';
import { LocalDialer } from '../../src/edge/policy/local-dialer.js';
import { selfSigned } from '../support/certificate.js';

// One look at real servers on loopback, as the agent and as the server dial them.

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.close();
    if ('closeAllConnections' in server) (server as { closeAllConnections(): void }).closeAllConnections();
  }
});
async function listening(server: Server): Promise<number> {
  open.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}
const web = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  listening(createHttpServer(answer));
const answering = (status: number, headers: Record<string, string> = {}) =>
  web((_request, response) => response.writeHead(status, headers).end('x'.repeat(100_000)));

const checkOf = (port: number, more: Partial<AgentHealthCheck> = {}): AgentHealthCheck => ({
  targetId: 1,
  revision: 1,
  mode: 'http',
  host: '127.0.0.1',
  port,
  ...more,
});

/** As the agent of a site whose state lists the check and these ports. */
function look(
  check: AgentHealthCheck,
  { listed = [] as number[], allow = [] as string[], ca = undefined as string[] | undefined } = {},
) {
  const policy = new DialPolicy(readAllowed(allow));
  const targets: AgentLists['targets'] = listed.map((port, id) => ({ id, protocol: 'tcp', host: '127.0.0.1', port }));
  policy.apply({ targets, healthChecks: [check], resources: [] });
  const dialer = new Dialer(policy);
  const dial = (to: { host: string; port: number }, signal: AbortSignal) =>
    dialer.tcp({ protocol: 'tcp', ...to }, undefined, signal).catch((error: unknown) => {
      const isForbidden = error instanceof DialFailure && error.code.startsWith('not_');
      throw isForbidden ? new NotDialed(error.message) : error;
    });
  return probe(check, dial, ca && { ca }, new AbortController().signal);
}

describe('a look over HTTP', () => {
  it.each([
    [200, undefined, undefined],
    [302, undefined, undefined],
    [404, undefined, 'answered 404'],
    [500, undefined, 'answered 500'],
    [401, 401, undefined],
    [200, 204, 'answered 200'],
    [204, 0, undefined],
    [302, 0, 'answered 302'],
  ])('answered %d where %s is good: %s', async (status, wanted, failure) => {
    const port = await answering(status);
    expect(await look(checkOf(port, wanted === undefined ? {} : { status: wanted }))).toBe(failure);
  });

  it('asks as it is told: method, path, headers, host', async () => {
    const asked: (string | undefined)[][] = [];
    const port = await web(({ method, url, headers }, response) => {
      asked.push([method, url, headers['x-token'] as string, headers.host]);
      response.end();
    });
    const headers = [{ name: 'X-Token', value: 'abc' }];
    expect(await look(checkOf(port))).toBeUndefined();
    expect(await look(checkOf(port, { method: 'head', path: 'up?deep=1', headers }))).toBeUndefined();
    const named = [...headers, { name: 'Host', value: 'app.example.com' }];
    expect(await look(checkOf(port, { method: 'POST', path: '/a', headers: named }))).toBeUndefined();
    expect(asked).toEqual([
      ['GET', '/', undefined, `127.0.0.1:${port}`],
      ['HEAD', '/up?deep=1', 'abc', `127.0.0.1:${port}`],
      ['POST', '/a', 'abc', 'app.example.com'],
    ]);
  });

  it('fails with what cannot be asked, where nobody listens, and at what is no HTTP', async () => {
    const port = await answering(200);
    expect(await look(checkOf(port, { path: '/a b' }))).toMatch(/unescaped/);
    expect(await look(checkOf(port, { method: 'no way' }))).toMatch(/valid HTTP token/);
    const noise = await listening(createServer((socket) => void socket.on('error', () => undefined).end('SSH-2.0\n')));
    expect(await look(checkOf(noise))).toMatch(/Parse Error/);
    const gone = createServer();
    const closed = await listening(gone);
    await new Promise((done) => gone.close(done));
    expect(await look(checkOf(closed))).toBe('nobody listens there');
  });

  it('ends at its timeout, with a target that takes the connection and says nothing', async () => {
    const target = createServer((socket) => void socket.on('error', () => undefined).resume());
    const closed = new Promise((done) => target.on('connection', (socket) => socket.on('close', done)));
    const port = await listening(target);
    expect(await look(checkOf(port, { timeout: 1 }))).toBe('no answer within 1 s');
    await closed;
  });
});

describe('redirects', () => {
  it('are followed to what is listed, with GET, and headers of the check stay behind', async () => {
    const asked: (string | undefined)[][] = [];
    const end = await web(({ method, url, headers }, response) => {
      asked.push([method, url, headers['x-token'] as string]);
      response.writeHead(url === '/up' ? 204 : 503).end();
    });
    const port = await answering(302, { location: `http://127.0.0.1:${end}/up` });
    const headers = [{ name: 'X-Token', value: 'abc' }];
    const check = checkOf(port, { method: 'POST', headers, status: 204 });
    expect(await look(check, { listed: [end] })).toBeUndefined();
    expect(asked).toEqual([['GET', '/up', undefined]]);
    expect(await look({ ...check, followRedirects: false }, { listed: [end] })).toBe('answered 302');
  });

  it('on its own host keep headers; ten are enough', async () => {
    let asked = 0;
    const port = await web(({ url, headers }, response) => {
      asked++;
      const at = Number(url!.slice(1));
      if (headers['x-token'] !== 'abc') response.writeHead(401).end();
      else if (at < 10) response.writeHead(307, { location: `/${at + 1}` }).end();
      else response.writeHead(200).end();
    });
    const headers = [{ name: 'X-Token', value: 'abc' }];
    expect(await look(checkOf(port, { path: '/0', headers, status: 200 }))).toBeUndefined();
    expect(await look(checkOf(port, { path: '/-1', headers, status: 200 }))).toBe('answered 307');
    expect(asked).toBe(22);
  });

  it('are not followed to what the state does not list, nor to what --allow does not name', async () => {
    let asked = 0;
    const end = await web((_request, response) => void (asked++, response.end()));
    const port = await answering(302, { location: `http://127.0.0.1:${end}/` });
    expect(await look(checkOf(port))).toBeUndefined();
    expect(await look(checkOf(port, { status: 200 }))).toBe('answered 302');
    const allow = [`127.0.0.1:${port}`];
    expect(await look(checkOf(port, { status: 200 }), { listed: [end], allow })).toBe('answered 302');
    expect(asked).toBe(0);
    expect(await look(checkOf(port, { status: 200 }), { listed: [end] })).toBeUndefined();
  });
});

describe('a look', () => {
  it('is not made where --allow does not lead, nor for a name that leads to loopback', async () => {
    const port = await answering(200);
    expect(await look(checkOf(port), { allow: ['10.0.0.0/8'] })).toBe('Its address is not allowed');
    expect(await look(checkOf(port), { allow: [`127.0.0.1:${port}`] })).toBeUndefined();
    expect(await look(checkOf(port, { mode: 'tcp' }), { allow: [`127.0.0.1:${port + 1}`] })).toBe(
      'Its address is not allowed',
    );
  });

  it('over TCP wants a connection', async () => {
    const target = createServer((socket) => void socket.on('error', () => undefined).resume());
    const port = await listening(target);
    expect(await look(checkOf(port, { mode: 'tcp' }))).toBeUndefined();
    await new Promise((done) => target.close(done));
    expect(await look(checkOf(port, { mode: 'tcp' }))).toBe('nobody listens there');
  });

  it('over TLS names the server that it is told, and judges certificates where that is asked for', async () => {
    const { cert, key } = await selfSigned('0a');
    const names: (string | false)[] = [];
    const server = createHttpsServer({ cert, key }, (_request, response) => void response.end());
    server.on('secureConnection', (socket) => void names.push(socket.servername as string | false));
    const port = await listening(server);
    expect(await look(checkOf(port, { mode: 'https' }))).toBeUndefined();
    expect(await look(checkOf(port, { scheme: 'https', tlsServerName: 'app.example.com' }))).toBeUndefined();
    expect(names.map((name) => name || '')).toEqual(['', 'app.example.com']);
    expect(await look(checkOf(port, { mode: 'https' }), { ca: [] })).toMatch(/self-signed|unable to/);
    expect(await look(checkOf(port, { mode: 'https' }), { ca: [cert] })).toBeUndefined();
    expect(await look(checkOf(port, { mode: 'https', tlsServerName: 'app.example.com' }), { ca: [cert] })).toMatch(
      /altnames/,
    );
    const plain = await answering(200);
    expect(await look(checkOf(plain, { mode: 'https' }))).toMatch(/SSL|closed|broke/);
  });
});

describe('the server for local sites', () => {
  it('dials what is listed for the organization, by the address, redirects too', async () => {
    const end = await answering(204);
    const port = await answering(302, { location: `http://localhost:${end}/` });
    const target = { orgId: 'acme', cidr: '127.0.0.1', from: port, to: port };
    const as = (orgId: string, policy: ServerPolicy, check: AgentHealthCheck) => {
      const dialer = new LocalDialer(policy);
      const dial = (to: { host: string; port: number }, signal: AbortSignal) => dialer.tcp(orgId, to, signal);
      return probe(check, dial, undefined, new AbortController().signal);
    };
    const one = new ServerPolicy([target]);
    const both = new ServerPolicy([target, { ...target, from: end, to: end }]);
    const check = checkOf(port, { status: 204 });
    expect(await as('acme', both, check)).toBeUndefined();
    expect(await as('acme', one, check)).toBe('answered 302');
    expect(await as('other', both, check)).toMatch(/not among the LOCAL_TARGETS/);
    expect(await as('acme', one, checkOf(end, { host: 'localhost' }))).toMatch(/not among the LOCAL_TARGETS/);
    both.setOwn([{ address: '0.0.0.0', port: end }]);
    expect(await as('acme', both, check)).toBe('answered 302');
    expect(await as('acme', both, checkOf(end))).toMatch(/listener of this installation/);
  });
});
