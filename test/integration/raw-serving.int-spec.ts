import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Drain } from '#platform';
import { RawListener } from '../../src/edge/index.js';
import { rawRefused } from '../../src/edge/raw/raw-metrics.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { TestEdge } from '../support/edge.js';
import { dial, readAll, UdpPeer } from '../support/raw.js';
import { freePort, until } from '../support/server.js';
import { openTestApp } from '../support/test-app.js';
import { EchoTarget } from '../support/tunnels.js';

// Raw resources beside other servers, without the database, and when the server stops (docs/edge.md rules 21 and 26). Their site is a local one.

const ENV = { LOCAL_TARGETS: 'here=127.0.0.1:*', RAW_PORTS: '10000-32767' };
let database: TestDatabase;
/** The way of the server to PostgreSQL. */
let way: DatabaseProxy;
let edge: TestEdge;
let siteId: number;
let echo: EchoTarget;
let peers: UdpPeer[] = [];
let closed: Promise<void> | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  way = await DatabaseProxy.start(database.url);
  const env = { ...ENV, DATABASE_URL: way.url, EDGE_HOST: '127.0.0.1', EDGE_STALE_SECONDS: '1' };
  edge = await TestEdge.start(env, { orgId: 'here' }, database);
  edge.app.get(RawListener).start();
  const site = { name: 'here', type: 'local' };
  ({ siteId } = await edge.app.root.expect<{ siteId: number }>('PUT', edge.org.path('site'), site));
  echo = await EchoTarget.start();
});
afterAll(async () => {
  await (closed ?? edge?.close());
  for (const peer of peers) peer.stop();
  peers = [];
  echo?.stop();
  await way?.stop();
  await database?.drop();
});

async function raw(protocol: 'tcp' | 'udp', target: number): Promise<{ resourceId: number; port: number }> {
  const port = await freePort();
  const body = { name: 'raw', http: false, protocol, proxyPort: port };
  const { resourceId } = await edge.app.root.expect<{ resourceId: number }>('PUT', edge.org.path('resource'), body);
  await edge.target(resourceId, siteId, target, { method: undefined });
  return { resourceId, port };
}

const portError = async (resourceId: number) =>
  (await edge.app.root.expect<{ portError: string | null }>('GET', `/resource/${resourceId}`)).portError;

async function udpPeer(...answer: Parameters<typeof UdpPeer.start>): Promise<UdpPeer> {
  const peer = await UdpPeer.start(...answer);
  peers.push(peer);
  return peer;
}

/** Whether what is sent comes back; if not, the connection is over. */
function echoed(socket: Socket): Promise<boolean> {
  socket.write('hello');
  return new Promise((done) => socket.once('data', () => done(true)).once('close', () => done(false)));
}

/** A connection that reaches the target. */
const joined = (port: number, host?: string) =>
  until(async () => {
    const socket = await dial(port, host).catch(() => undefined);
    return socket && (await echoed(socket)) && socket;
  });

/** Whether nobody new reaches the target (any more). */
const isShut = async (port: number) => {
  const socket = await dial(port).catch(() => undefined);
  const isIn = socket !== undefined && (await echoed(socket));
  socket?.destroy();
  return !isIn;
};

/** Sends until something new has come back. */
async function answered(peer: UdpPeer, port: number): Promise<void> {
  const before = peer.received.length;
  await until(() => {
    peer.send('hello', port);
    return peer.received.length > before;
  });
}

/** Sends until it was refused for this reason, and expects that nothing has come back. */
async function refused(peer: UdpPeer, port: number, reason: string): Promise<void> {
  const count = async () =>
    (await rawRefused.get()).values.find(({ labels }) => labels.protocol === 'udp' && labels.reason === reason)?.value;
  const before = await count();
  peer.send('hello', port);
  await until(async () => (await count()) !== before);
  expect(peer.received).toEqual([]);
}

describe('a raw resource', () => {
  it('is served by each server that can open its port, and says of one that it cannot', async () => {
    const { resourceId, port } = await raw('tcp', echo.port);
    (await joined(port)).destroy();
    const busy = createServer().listen(port, '127.0.0.2');
    await once(busy, 'listening');
    const other = await openTestApp({ ...ENV, EDGE_HOST: '127.0.0.2' }, database);
    other.get(RawListener).start();
    const error = await until(() => portError(resourceId));
    expect(error).toMatch(new RegExp(`^tcp port ${port} is in use by another program`));
    (await joined(port)).destroy();
    busy.close();
    await until(async () => (await portError(resourceId)) === null);
    (await joined(port, '127.0.0.2')).destroy();

    // What a server had to say goes with it.
    busy.listen(await freePort(), '127.0.0.2');
    await once(busy, 'listening');
    const { port: taken } = busy.address() as { port: number };
    await edge.app.root.expect('POST', `/resource/${resourceId}`, { proxyPort: taken });
    await until(() => portError(resourceId));
    await other.close();
    expect(await portError(resourceId)).toBeNull();
    busy.close();
  });

  it('never leads to the port of another one', async () => {
    const { port } = await raw('tcp', echo.port);
    (await joined(port)).destroy();
    const circle = await raw('tcp', port);
    // Served: who comes is cut, and not refused as where nobody listens.
    const isServed = (error: NodeJS.ErrnoException) => error.code !== 'ECONNREFUSED';
    await until(() => dial(circle.port).then((socket) => Boolean(socket.destroy()), isServed));
    await until(() => isShut(circle.port));
    (await joined(port)).destroy();
  });

  it('lets nobody new in by what is old, and goes on with who is in', async () => {
    const target = await udpPeer((payload, from, socket) => socket.send(payload, from.port, from.address));
    const [tcp, udp] = [await raw('tcp', echo.port), await raw('udp', target.port)];
    const client = await joined(tcp.port);
    const [known, stranger] = [await udpPeer(), await udpPeer()];
    await answered(known, udp.port);
    await way.cut();
    await until(() => isShut(tcp.port));
    expect(await echoed(client)).toBe(true);
    await refused(stranger, udp.port, 'stale');
    await answered(known, udp.port);
    await way.restore();
    (await joined(tcp.port)).destroy();
    await answered(stranger, udp.port);
    client.destroy();
  });

  it('takes nobody in once the server stops, and lets who is in go on for a while', async () => {
    const target = await udpPeer((payload, from, socket) => socket.send(payload, from.port, from.address));
    const [tcp, udp] = [await raw('tcp', echo.port), await raw('udp', target.port)];
    const [ending, staying] = [await joined(tcp.port), await joined(tcp.port)];
    const [known, stranger] = [await udpPeer(), await udpPeer()];
    await answered(known, udp.port);
    const drain = edge.app.get(Drain);
    let release: (() => void) | undefined;
    let finishing = false;
    drain.register('tell sessions', 'a test', () => new Promise<void>((done) => (release = done)));
    drain.register('finish requests', 'a test', () => {
      finishing = true;
      ending.end('last');
    });
    closed = edge.close();
    await until(() =>
      dial(tcp.port).then(
        (socket) => void socket.destroy(),
        () => true,
      ),
    );
    expect(finishing).toBe(false);
    await refused(stranger, udp.port, 'stopping');
    await answered(known, udp.port);
    expect(await echoed(ending)).toBe(true);
    const read = readAll(ending);
    (await until(() => release))();
    expect(await read).toEqual({ bytes: Buffer.from('last'), cut: false });
    expect((await readAll(staying)).cut).toBe(true);
    await closed;
  });
});
