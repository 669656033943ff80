import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { breakOff } from '#contracts';
import { RawListener } from '../../src/edge/index.js';
import { ProxyHeaderReader } from '../../src/edge/policy/proxy-protocol.js';
import { TestOrg } from '../support/api.js';
import { TestEdge } from '../support/edge.js';
import { dial, readAll, TcpTarget, UdpPeer } from '../support/raw.js';
import { freePort, until } from '../support/server.js';
import { EchoTarget, usable } from '../support/tunnels.js';

// The server in this process; the agent is the program, targets and clients are real sockets.

let edge: TestEdge;
let siteId: number;
let echo: EchoTarget;
let cleanUp: (() => void)[] = [];

beforeAll(async () => {
  edge = await TestEdge.start({ RAW_PORTS: '10000-32767' });
  edge.app.get(RawListener).start();
  ({ siteId } = await edge.site());
  echo = await EchoTarget.start();
});
afterEach(() => {
  for (const clean of cleanUp) clean();
  cleanUp = [];
});
afterAll(async () => {
  echo?.stop();
  await edge?.close();
});

interface Raw {
  resourceId: number;
  port: number;
}
const view = (resourceId: number) =>
  edge.app.root.expect<{ portError: string | null }>('GET', `/resource/${resourceId}`);
const change = (resourceId: number, body: object) => edge.app.root.expect('POST', `/resource/${resourceId}`, body);

/** A raw resource with a target behind the agent. */
async function raw(protocol: 'tcp' | 'udp', target: number, more: object = {}, site = siteId): Promise<Raw> {
  const { root } = edge.app;
  const port = await freePort();
  const { resourceId } = await root.expect<Raw>('PUT', edge.org.path('resource'), {
    name: 'raw',
    http: false,
    protocol,
    proxyPort: port,
  });
  if (Object.keys(more).length > 0) await change(resourceId, more);
  await edge.target(resourceId, site, target, { method: undefined });
  return { resourceId, port };
}

async function tcpTarget(serve: (socket: Socket) => void): Promise<TcpTarget> {
  const target = await TcpTarget.start(serve);
  cleanUp.push(() => target.stop());
  return target;
}

async function udpPeer(answer?: Parameters<typeof UdpPeer.start>[0]): Promise<UdpPeer> {
  const peer = await UdpPeer.start(answer);
  cleanUp.push(() => peer.stop());
  return peer;
}

/** A connection that has reached a target which says something first, or answers `hello`. */
async function joined(port: number, hello = 'hello'): Promise<Socket> {
  return await until(async () => {
    const socket = await dial(port).catch(() => undefined);
    if (!socket) return undefined;
    socket.write(hello);
    const came = await new Promise<boolean>((done) => {
      socket.once('data', () => done(true)).once('close', () => done(false));
    });
    if (came) cleanUp.push(() => socket.destroy());
    return came ? socket : undefined;
  });
}

/** Whether nobody is let in on a port (any more). */
const isShut = (port: number) =>
  dial(port).then(
    async (socket) => (await readAll(socket)).cut,
    () => true,
  );

describe('a raw TCP resource', () => {
  it('carries bytes both ways, and the end of each side by itself', async () => {
    const whole = await tcpTarget((socket) => {
      socket.write('first');
      const parts: Buffer[] = [];
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('end', () => socket.end(`got ${Buffer.concat(parts).length}`));
    });
    const { port } = await raw('tcp', whole.port);
    const client = await joined(port);
    const read = readAll(client);
    client.end(Buffer.alloc(100_000));
    expect(String((await read).bytes)).toBe('got 100005');
    expect((await read).cut).toBe(false);
    const ending = await tcpTarget((socket) => {
      socket.end('bye');
      socket.on('data', (part: Buffer) => got.push(part));
      socket.on('end', () => got.push(Buffer.from('|end')));
    });
    const got: Buffer[] = [];
    const other = await raw('tcp', ending.port);
    const late = await joined(other.port);
    if (!late.readableEnded) await once(late, 'end');
    late.end(' and more');
    await until(() => String(Buffer.concat(got)).endsWith('hello and more|end'));
  });

  it('goes at the pace of a slow reader, and brings it everything', async () => {
    const chunk = randomBytes(64_000);
    const count = 500;
    let taken = 0;
    const target = await tcpTarget((socket) => {
      const pump = () => {
        while (taken < count) if (!(taken++, socket.write(chunk))) return;
        socket.end();
      };
      socket.once('data', () => {
        socket.write('.');
        socket.once('data', pump).on('drain', pump);
      });
    });
    const { port } = await raw('tcp', target.port);
    const client = await joined(port);
    client.pause();
    client.write('go');
    await until(() => taken > 0);
    // It stands still while nobody reads.
    let last = -1;
    await until(() => {
      const isStill = taken === last;
      last = taken;
      return isStill;
    }, 200);
    expect(taken).toBeLessThan(count);
    const read = readAll(client);
    client.resume();
    const { bytes, cut } = await read;
    expect(cut).toBe(false);
    expect(bytes.length).toBe(count * chunk.length);
    expect(bytes.subarray(-chunk.length).equals(chunk)).toBe(true);
  });

  it('is over for the target when the client breaks it', async () => {
    const { port } = await raw('tcp', echo.port);
    const before = echo.sockets.size;
    const client = await joined(port);
    await until(() => echo.sockets.size === before + 1);
    breakOff(client);
    await until(() => echo.sockets.size === before);
  });

  it('is broken off for the client when the target breaks it', async () => {
    const target = await tcpTarget((socket) => {
      socket.write('half of it');
      socket.on('data', (part: Buffer) => part.includes('break') && breakOff(socket));
    });
    const { port } = await raw('tcp', target.port);
    const client = await joined(port);
    const read = readAll(client);
    client.write('break');
    expect((await read).cut).toBe(true);
  });

  it('tells the target who connects, by either version of the PROXY protocol', async () => {
    const heads: Buffer[] = [];
    const target = await tcpTarget((socket) => {
      let head: Buffer = Buffer.alloc(0);
      socket.on('data', (part: Buffer) => {
        head = Buffer.concat([head, part]);
        if (!head.includes('hello')) return;
        heads.push(head);
        socket.write('.');
      });
    });
    const { port, resourceId } = await raw('tcp', target.port, { proxyProtocol: true });
    const first = await joined(port);
    expect(String(heads.at(-1))).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${first.localPort} ${port}\r\nhello`);
    await change(resourceId, { proxyProtocolVersion: 2 });
    let client = first;
    await until(async () => {
      client = await joined(port);
      return heads.at(-1)![0] === 0x0d;
    });
    const { source, rest } = new ProxyHeaderReader().push(heads.at(-1)!)!;
    expect([source, String(rest)]).toEqual([{ address: '127.0.0.1', port: client.localPort }, 'hello']);
  });

  it('tries another target when one refuses', async () => {
    const { port, resourceId } = await raw('tcp', await freePort());
    await edge.target(resourceId, siteId, echo.port, { method: undefined });
    for (let i = 0; i < 4; i++) (await joined(port)).destroy();
  });

  it('shows a port that another program has, and takes it when it is free', async () => {
    const busy = createServer();
    const port = await freePort();
    await new Promise<void>((done) => busy.listen(port, '127.0.0.1', done));
    const { resourceId } = await raw('tcp', echo.port);
    await change(resourceId, { proxyPort: port });
    const { portError } = await until(async () => {
      const read = await view(resourceId);
      return read.portError !== null && read;
    });
    expect(portError).toMatch(`tcp port ${port} is in use by another program`);
    await new Promise((done) => busy.close(done));
    await joined(port);
    await until(async () => (await view(resourceId)).portError === null);
  });

  it('cuts what is open when its target or port changes, it is disabled or deleted', async () => {
    const other = await EchoTarget.start();
    cleanUp.push(() => other.stop());
    const { port, resourceId } = await raw('tcp', echo.port);
    const { root } = edge.app;
    const cutBy = async (at: number, act: () => Promise<unknown>) => {
      const read = readAll(await joined(at));
      await act();
      expect((await read).cut).toBe(true);
    };
    const { targets } = await root.expect<{ targets: { targetId: number }[] }>(
      'GET',
      `/resource/${resourceId}/targets`,
    );
    await cutBy(port, () =>
      root.expect('POST', `/target/${targets[0]!.targetId}`, { siteId, ip: '127.0.0.1', port: other.port }),
    );
    const moved = await freePort();
    await cutBy(port, () => change(resourceId, { proxyPort: moved }));
    expect(await isShut(port)).toBe(true);
    await cutBy(moved, () => change(resourceId, { enabled: false }));
    await until(() => isShut(moved));
    await change(resourceId, { enabled: true });
    await cutBy(moved, () => root.expect('DELETE', `/resource/${resourceId}`));
  });

  it('is for one organization alone: who came first', async () => {
    const { port } = await raw('tcp', echo.port);
    await joined(port);
    const org = await TestOrg.create(edge.app.root);
    const { resourceId } = await edge.app.root.expect<Raw>('PUT', org.path('resource'), {
      name: 'second',
      http: false,
      protocol: 'tcp',
      proxyPort: port,
    });
    expect((await view(resourceId)).portError).toMatch('was taken by another resource before');
    await joined(port);
  });
});

describe('a raw UDP resource', () => {
  it('carries datagrams both ways, whole, each client on its own', async () => {
    const target = await udpPeer((payload, from, socket) => socket.send(payload, from.port, from.address));
    const { port } = await raw('udp', target.port);
    const [one, two] = [await udpPeer(), await udpPeer()];
    await until(() => {
      one.send('first', port);
      return one.received.length > 0;
    });
    const big = randomBytes(20_000);
    one.send(big, port);
    two.send('second', port);
    await until(() => one.received.some(({ payload }) => payload.equals(big)) && two.received.length > 0);
    expect(one.received.every(({ payload, from }) => from.port === port && String(payload) !== 'second')).toBe(true);
    expect(two.received.map(({ payload }) => String(payload))).toEqual(['second']);
    expect(new Set(target.received.map(({ from }) => from.port)).size).toBe(2);
  });

  it('answers a single datagram with ten times its size at most', async () => {
    const target = await udpPeer((payload, from, socket) => {
      for (let i = 0; i < (String(payload) === 'warm' ? 1 : 30); i++)
        socket.send(Buffer.alloc(1_000), from.port, from.address);
    });
    const { port } = await raw('udp', target.port);
    const warm = await udpPeer();
    await until(() => {
      warm.send('warm', port);
      return warm.received.length > 0;
    });
    const client = await udpPeer();
    client.send(Buffer.alloc(1_000), port);
    await until(() => client.received.length >= 10);
    warm.send('warm', port);
    const before = warm.received.length;
    await until(() => warm.received.length > before);
    expect(client.received.length).toBe(10);
    client.send(Buffer.alloc(1_000), port);
    await until(() => client.received.length === 40);
  });
});

it('adds bytes to the traffic of its resource and site', async () => {
  const { port, resourceId } = await raw('tcp', echo.port);
  const client = await joined(port);
  client.write(Buffer.alloc(500_000));
  const { sql } = edge.app;
  await until(async () => {
    const [row] = await sql<{ bytes: number }>(
      'SELECT coalesce(sum(bytes_in), 0)::int AS bytes FROM traffic_hour WHERE resource_id = $1',
      [resourceId],
    );
    return row!.bytes === 500_005;
  });
});

it('ends what is open when the agent is gone, or its site suspended, and goes on with the next one', async () => {
  const { siteId: own, agent } = await edge.site();
  const { port } = await raw('tcp', echo.port, {}, own);
  const read = readAll(await joined(port));
  await agent.kill();
  expect((await read).cut).toBe(true);
  agent.start();
  await usable(edge.registry, own);
  const again = readAll(await joined(port));
  await edge.app.root.expect('POST', `/site/${own}`, { status: 'pending' });
  expect((await again).cut).toBe(true);
  await until(() => isShut(port));
});
