import { type EventEmitter, once } from 'node:events';
import http from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { KeyRing } from '#platform';
import type { ConnectRefusal } from '../../src/edge/dialing/target-stream.js';
import { HopSession } from '../../src/edge/hops/hop-session.js';
import { HOP_TLS } from '../../src/edge/hops/hop-wire.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { TestFleet } from '../support/devices.js';
import { WebTarget } from '../support/edge.js';
import { freePort, startServer, TEST_MASTER_KEY, type TestServer, until } from '../support/server.js';
import { EchoTarget, TunnelAgent } from '../support/tunnels.js';

// A process that has only the edge, and two that hold tunnels (docs/edge.md rule 17, docs/adr/0101).

interface Holder {
  server: TestServer;
  hop: number;
  metrics: number;
}

let database: TestDatabase;
/** The way of the edge to PostgreSQL. */
let way: DatabaseProxy;
let edge: TestServer;
let holders: [Holder, Holder];
let edgePort: number;
let edgeMetrics: number;
let fleet: TestFleet;
let agent: TunnelAgent;
let siteId: number;
let target: WebTarget;
let echo: EchoTarget;
/** Answers that are under way and never end by themselves. */
let endless = 0;
const websockets = new WebSocketServer({ noServer: true });
const HOST = 'app.gate.example.net';
const LOGIN_HOST = 'login.gate.example.net';

/** Value of a metric without labels. */
const metric = async (port: number, name: string) =>
  Number(
    new RegExp(`^gatehouse_${name} ([\\d.]+)$`, 'm').exec(
      await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    )?.[1],
  );

async function startHolder(): Promise<Holder> {
  const [port, hop, metrics] = [await freePort(), await freePort(), await freePort()];
  const env = {
    SERVER_ROLES: 'agents,jobs',
    AGENT_URL: `http://127.0.0.1:${port}`,
    HOP_PORT: String(hop),
    METRICS_PORT: String(metrics),
  };
  return { server: await startServer({ databaseUrl: database.url, port, env }), hop, metrics };
}

beforeAll(async () => {
  database = await createTestDatabase();
  [edgePort, edgeMetrics] = [await freePort(), await freePort()];
  way = await DatabaseProxy.start(database.url);
  edge = await startServer({
    databaseUrl: way.url,
    env: {
      SERVER_ROLES: 'edge',
      EDGE_PORT: String(edgePort),
      METRICS_PORT: String(edgeMetrics),
      BASE_DOMAIN: 'gate.example.net',
      EDGE_STALE_SECONDS: '12',
    },
  });
  holders = [await startHolder(), await startHolder()];
  target = await WebTarget.start((request, response) => {
    if (request.url === '/endless') {
      // No length, and no chunks: its end alone says that it is whole.
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
      endless++;
      const more = setInterval(() => response.write(Buffer.alloc(1_000)), 5);
      response.on('close', () => {
        endless--;
        clearInterval(more);
      });
    } else if (request.url === '/big') response.end(Buffer.alloc(50_000_000));
    else response.end(`${request.method} ${request.url}`);
  });
  target.server.on('upgrade', (request, socket, head) =>
    websockets.handleUpgrade(request, socket, head, (ws) => ws.on('message', (data) => ws.send(data))),
  );
  echo = await EchoTarget.start();
  fleet = await TestFleet.create(edge, database.url);
  const { root, org } = fleet;
  const made = await root.expect<{ siteId: number; newtId: string; secret: string }>('PUT', org.path('site'), {
    name: 'site',
    type: 'newt',
  });
  siteId = made.siteId;
  agent = new TunnelAgent(['--endpoint', holders[0].server.url, '--id', made.newtId, '--secret', made.secret]);
  const { domains } = await root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
  const publish = async (subdomain: string) => {
    const resource = { name: 'App', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain };
    const { resourceId } = await root.expect<{ resourceId: number }>('PUT', org.path('resource'), resource);
    await root.expect('POST', `/resource/${resourceId}`, { sso: false, ssl: false, applyRules: true });
    return resourceId;
  };
  const resourceId = await publish('app');
  const dropped = { action: 'DROP', match: 'PATH', value: '/dropped', priority: 1 };
  await root.expect('PUT', `/resource/${resourceId}/rule`, dropped);
  await root.expect('POST', `/resource/${await publish('login')}/pincode`, { pincode: '123456' });
  for (const port of [target.port, echo.port])
    await root.expect('PUT', `/resource/${resourceId}/target`, {
      siteId,
      ip: '127.0.0.1',
      port,
      method: 'http',
      ...(port === echo.port ? { path: '/echo', pathMatchType: 'exact' } : {}),
    });
  agent.start();
  for (const { metrics } of holders) await until(async () => (await metric(metrics, 'tunnel_connections')) === 1);
  await until(async () => (await ask('/')).status === 200);
}, 300_000);

afterAll(async () => {
  await agent?.remove();
  for (const { server } of holders ?? []) await server.stop();
  await edge?.stop();
  await way?.stop();
  target?.stop();
  echo?.stop();
  await database?.drop();
});

interface Asked {
  status: number;
  bytes: number;
  text: string;
  /** The connection ended before the answer was whole. */
  cut: boolean;
}

/** @param begun called with the answer when its first bytes are there */
function ask(path: string, body?: Buffer, begun?: (answer: http.IncomingMessage) => void, host = HOST): Promise<Asked> {
  return new Promise((done) => {
    const method = body ? 'POST' : 'GET';
    const options = { port: edgePort, host: '127.0.0.1', path, method, headers: { host }, agent: false };
    const sent = http.request(options, (answer) => {
      const parts: Buffer[] = [];
      const end = (cut: boolean) => {
        const all = Buffer.concat(parts);
        done({ status: answer.statusCode!, bytes: all.length, text: all.subarray(0, 200).toString(), cut });
      };
      if (begun) answer.once('data', () => begun(answer));
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', () => undefined).on('close', () => end(!answer.complete));
    });
    let hasAnswer = false;
    sent.once('response', () => (hasAnswer = true));
    sent.on('error', () => hasAnswer || done({ status: 0, bytes: 0, text: '', cut: true })).end(body);
  });
}

/** A connection to the hop of a process, under a key. @returns undefined where the handshake fails */
async function hop(port: number, key: { identity: string; key: Buffer } | undefined): Promise<TLSSocket | undefined> {
  const socket = connect({
    ...HOP_TLS,
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...(key ? { pskCallback: () => ({ identity: key.identity, psk: key.key }) } : {}),
  });
  return new Promise((done) => {
    socket.once('secureConnect', () => done(socket));
    socket.on('error', () => undefined).once('close', () => done(undefined));
  });
}
const closed = (stream: EventEmitter) => new Promise<void>((done) => stream.once('close', done));
const [ownKey] = new KeyRing(Buffer.from(TEST_MASTER_KEY, 'base64')).hopKeys;

describe('a process without tunnels', () => {
  it('serves sites through the tunnels of others: requests, bodies, websockets', async () => {
    expect(await ask('/a')).toMatchObject({ status: 200, text: 'GET /a', cut: false });
    const body = Buffer.alloc(1_000_000, 'b');
    expect(await ask('/b', body)).toMatchObject({ status: 200, text: 'POST /b' });
    expect(target.last.body.equals(body)).toBe(true);
    const socket = new WebSocket(`ws://127.0.0.1:${edgePort}/`, { headers: { host: HOST } });
    await once(socket, 'open');
    socket.send(Buffer.alloc(100_000, 'w'));
    const [back] = (await once(socket, 'message')) as [Buffer];
    expect(back.length).toBe(100_000);
    socket.close();
    await once(socket, 'close');
    await until(() => websockets.clients.size === 0);
  });

  it('brings all of a large answer, and costs nothing more once the visitor has gone', async () => {
    expect(await ask('/big')).toMatchObject({ status: 200, bytes: 50_000_000, cut: false });
    await ask('/endless', undefined, (answer) => answer.destroy());
    await until(() => endless === 0);
  });

  it('knows at once when the agent is gone, and when it is back', async () => {
    await agent.kill();
    await until(async () => (await ask('/')).status === 503);
    agent.start();
    await until(async () => (await ask('/')).status === 200);
  });

  it('serves a site no more that is suspended, and what is under way ends', async () => {
    let begun = () => {};
    const first = new Promise<void>((done) => (begun = done));
    const download = ask('/endless', undefined, () => begun());
    await first;
    await fleet.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
    expect((await download).cut).toBe(true);
    expect((await ask('/')).status).toBe(503);
    await fleet.root.expect('POST', `/site/${siteId}`, { status: 'approved' });
    await until(async () => (await ask('/')).status === 200);
    for (const { metrics } of holders) await until(async () => (await metric(metrics, 'tunnel_connections')) === 1);
  });
});

describe('the listener between processes', () => {
  it('has nothing for who has no key of the installation', async () => {
    const other = new KeyRing(Buffer.alloc(32, 9)).hopKeys[0]!;
    const { hop: port } = holders[0];
    expect(await hop(port, undefined)).toBeUndefined();
    expect(await hop(port, other)).toBeUndefined();
    expect(await hop(port, { ...ownKey!, key: other.key })).toBeUndefined();
    const socket = await hop(port, ownKey);
    expect(socket?.isSessionReused()).toBe(true);
    socket!.destroy();
  });

  it('leads to tunnels of its own process alone, of the organization that is named', async () => {
    const session = new HopSession((await hop(holders[0].hop, ownKey))!);
    await session.ready;
    const at = { protocol: 'tcp', host: '127.0.0.1', port: echo.port, payload: 'tcp' } as const;
    const outcome = (site: number, orgId: string) =>
      session.connectSite({ siteId: site, orgId }, at).opened.then(
        () => 'connected',
        ({ code }: ConnectRefusal) => code,
      );
    const { orgId } = fleet.org;
    expect(await outcome(siteId, orgId)).toBe('connected');
    // No site of another organization, and none whose tunnel ends elsewhere.
    expect(await outcome(siteId, 'another')).toBe('not_here');
    expect(await outcome(siteId + 1, orgId)).toBe('not_here');
    session.end('closed');
  });

  it('passes on what each side says last: half-closed TCP, and a target that breaks off', async () => {
    const session = new HopSession((await hop(holders[0].hop, ownKey))!);
    await session.ready;
    const open = async () => {
      const at = { protocol: 'tcp', host: '127.0.0.1', port: echo.port, payload: 'tcp' } as const;
      const stream = session.connectSite({ siteId, orgId: fleet.org.orgId }, at);
      await stream.opened;
      return stream;
    };
    const whole = await open();
    const sent = Buffer.alloc(300_000, 'x');
    const parts: Buffer[] = [];
    whole.duplex.on('data', (part: Buffer) => parts.push(part)).end(sent);
    await closed(whole.duplex);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    expect([whole.endedInOrder, whole.isLost]).toEqual([true, false]);
    const broken = await open();
    broken.duplex.write('x');
    await once(broken.duplex, 'data');
    for (const socket of echo.sockets) socket.resetAndDestroy();
    broken.duplex.resume();
    await closed(broken.duplex);
    expect([broken.endedInOrder, broken.isLost]).toEqual([false, false]);
    const aborted = await open();
    await until(() => echo.sockets.size === 1);
    aborted.abort();
    await until(() => echo.sockets.size === 0);
    session.end('closed');
  });
});

it('a blind process serves what is public for a while, and decides nothing that needs a login', async () => {
  const login = async () => (await ask('/', undefined, undefined, LOGIN_HOST)).text;
  expect(await login()).toContain('"unauthenticated"');
  const ready = () => fetch(`${edge.url}/readyz`);
  expect(await (await ready()).json()).toMatchObject({ routes: 'ok' });
  await way.cut();
  await until(async () => (await login()).includes('"login_unavailable"'));
  // The hop goes on without PostgreSQL, and tells what changes.
  expect((await ask('/')).status).toBe(200);
  expect((await ask('/dropped')).status).toBe(403);
  expect((await ready()).status).toBe(503);
  await until(async () => (await ask('/')).text.includes('"stale"'));
  expect(await metric(edgeMetrics, 'route_table_age_seconds')).toBeGreaterThan(12);
  await way.restore();
  await until(async () => (await ask('/')).status === 200 && (await login()).includes('"unauthenticated"'));
  expect(await (await ready()).json()).toMatchObject({ routes: 'ok' });
});

it('a process that is killed costs a download that is cut, and no request that may come twice', async () => {
  const answers: http.IncomingMessage[] = [];
  const began = (answer: http.IncomingMessage) => void answers.push(answer);
  // The second goes by the less busy way: one through each.
  const first = ask('/endless', undefined, began);
  await until(() => answers.length === 1);
  const second = ask('/endless', undefined, began);
  await until(() => answers.length === 2);
  const failed: Asked[] = [];
  let asked = 0;
  let over = false;
  const loop = (async () => {
    for (; !over; asked++) {
      const answer = await ask('/loop');
      if (answer.status !== 200 || answer.cut) failed.push(answer);
    }
  })();
  await until(() => asked > 10);
  await holders[1].server.kill();
  const cut = await Promise.race([first, second]);
  expect([cut.status, cut.cut]).toEqual([200, true]);
  const then = asked;
  await until(() => asked > then + 50);
  over = true;
  await loop;
  expect(failed).toEqual([]);
  // The other one goes on.
  expect(answers.filter(({ destroyed }) => !destroyed).length).toBe(1);
  for (const answer of answers) answer.destroy();
  await Promise.all([first, second]);
});
