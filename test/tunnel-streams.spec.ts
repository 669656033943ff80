import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DialPolicy } from '../libs/agent/src/tunnel/dial-policy.js';
import { TunnelStreams } from '../libs/agent/src/tunnel/tunnel-streams.js';
import type { AgentLists } from '../libs/contracts/index.js';
import type { StreamTarget } from '../src/edge/dialing/target-stream.js';
import { LinkPool } from '../src/edge/server/link-pool.js';
import { TargetLink } from '../src/edge/server/target-link.js';
import { GHOST_MS, MAX_CONTROL_FRAMES, MAX_GHOSTS } from '../src/edge/tunnels/bounds.js';
import { TunnelConnection } from '../src/edge/tunnels/tunnel-connection.js';

/** Both ends of a tunnel over a socket of loopback, without the upgrade that comes before it. */
let connection: TunnelConnection;
let targets: Server[];
let sockets: Set<Socket>;
let ends: Socket[];
const LISTS: AgentLists = {
  targets: [],
  healthChecks: [],
  resources: [{ id: 1, mode: 'host', destination: '127.0.0.1', tcpPorts: '*', udpPorts: '*' }],
};
const OWNER = { siteId: 1, orgId: 'acme', credentialId: 1, endsAt: Infinity };

beforeEach(() => {
  [targets, sockets, ends] = [[], new Set(), []];
});
afterEach(() => {
  for (const socket of [...sockets, ...ends]) socket.destroy();
  for (const server of targets) server.close();
});

async function listen(server: Server): Promise<number> {
  targets.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

/** @returns what the agent has of a connection, and a server that is joined with it */
async function joined(): Promise<Socket> {
  const server = createServer({ noDelay: true });
  const port = await listen(server);
  const agentEnd = connect({ port, host: '127.0.0.1', noDelay: true });
  const [[serverEnd]] = (await Promise.all([once(server, 'connection'), once(agentEnd, 'connect')])) as [
    [Socket],
    unknown,
  ];
  ends.push(agentEnd, serverEnd);
  for (const end of [agentEnd, serverEnd]) end.on('error', () => undefined);
  connection = new TunnelConnection(
    serverEnd,
    { ...OWNER },
    {
      kind: 'upgrade',
      bytesRead: () => serverEnd.bytesRead,
      bytesWritten: () => serverEnd.bytesWritten,
    },
  );
  return agentEnd;
}

async function agent(lists = LISTS): Promise<TunnelStreams> {
  const streams = new TunnelStreams(new DialPolicy([]));
  streams.apply(lists);
  streams.serve(await joined());
  await connection.ready;
  return streams;
}

/** An agent that does what it likes with what it is asked. */
async function hostile(onStream: (stream: ServerHttp2Stream) => void): Promise<ServerHttp2Session> {
  const server = http2.createServer({ settings: { maxConcurrentStreams: 10_000 } });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    onStream(stream);
  });
  const begun = once(server, 'session') as Promise<[ServerHttp2Session]>;
  server.emit('connection', await joined());
  const [session] = await begun;
  session.on('error', () => undefined);
  await connection.ready;
  return session;
}

/** @returns a target on which everything that connects is served so */
async function target(serve: (socket: Socket) => void, payload: 'http' | 'tcp' = 'tcp'): Promise<StreamTarget> {
  const port = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.on('end', () => socket.end());
      serve(socket);
    }),
  );
  return { protocol: 'tcp', host: '127.0.0.1', port, payload };
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const settled = (condition: () => boolean) => expect.poll(condition, { timeout: 60_000 }).toBe(true);
const refusal = async (to: StreamTarget) => {
  try {
    await connection.connect(to).opened;
    return 'connected';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a stream', () => {
  it('carries bytes both ways and passes on the end of each direction', async () => {
    await agent();
    const echo = await target((socket) => void socket.pipe(socket));
    const bytes = randomBytes(10 * 1024 * 1024);
    const stream = connection.connect(echo);
    stream.duplex.end(bytes);
    expect(digest(await readAll(stream.duplex))).toBe(digest(bytes));
    await settled(() => connection.streams.size === 0 && sockets.size === 0);
    let heard = '';
    const first = await target((socket) => socket.end('first').on('data', (chunk) => (heard += String(chunk))));
    const half = connection.connect(first);
    expect(String(await readAll(half.duplex))).toBe('first');
    half.duplex.end('second');
    await settled(() => heard === 'second' && sockets.size === 0);
  });

  it('tells why there is none', async () => {
    const streams = await agent();
    const echo = await target((socket) => void socket.pipe(socket));
    expect(await refusal(echo)).toBe('connected');
    expect(await refusal({ ...echo, host: '127.0.0.2' })).toBe('not_listed');
    targets.at(-1)!.close();
    await settled(() => !targets.at(-1)!.listening);
    expect(await refusal(echo)).toBe('refused');
    streams.apply({ ...LISTS, resources: [] });
    expect(await refusal(echo)).toBe('not_listed');
    connection.end('closed');
    expect(() => connection.connect(echo)).toThrow('gone');
  });

  it('is reset when the target breaks off: what came is not all', async () => {
    await agent();
    // What is not read when a socket is destroyed makes a reset of it.
    const broken = await target((socket) => socket.once('readable', () => socket.destroy()));
    const stream = connection.connect(broken);
    stream.duplex.write(Buffer.alloc(1024 * 1024));
    stream.duplex.resume();
    await new Promise((done) => stream.duplex.once('close', done));
    expect(stream.duplex.rstCode).toBe(http2.constants.NGHTTP2_CONNECT_ERROR);
  });

  it('ends when a state does not list its target any more', async () => {
    const streams = await agent();
    const echo = await target((socket) => void socket.pipe(socket));
    const stream = connection.connect(echo);
    await stream.opened;
    streams.apply({ targets: [], healthChecks: [], resources: [] });
    stream.duplex.resume();
    await settled(() => connection.streams.size === 0 && sockets.size === 0);
    const again = await agent();
    const other = connection.connect(await target((socket) => void socket.pipe(socket)));
    await other.opened;
    connection.keepOnly(() => false);
    await settled(() => connection.streams.size === 0 && sockets.size === 0);
    again.apply(LISTS);
  });

  it.each(['http', 'tcp'] as const)(
    'of %s is given up three hundred times in a row, and the connection lives',
    async (payload) => {
      await agent();
      const big = Buffer.alloc(256 * 1024);
      const web = await target((socket) => socket.once('data', () => socket.write(big)), payload);
      for (let i = 0; i < 300; i++) {
        const stream = connection.connect(web);
        stream.duplex.write('x');
        await once(stream.duplex, 'data');
        stream.abort();
      }
      // Ends of byte streams that were over the budget of resets are half-closed until they may be reset.
      await settled(() => {
        connection.look(performance.now() + GHOST_MS);
        return connection.streams.size === 0 && sockets.size === 0;
      });
      expect(connection.isUsable).toBe(true);
    },
  );

  it('is kept for the next exchange; one that says something unasked is ended', async () => {
    await agent();
    const web = await target((socket) => socket.on('data', (chunk) => socket.write(`to ${String(chunk)}`)), 'http');
    const pool = new LinkPool();
    const link = new TargetLink(connection.connect(web), 'key', 1);
    const heard: string[] = [];
    const nothing = () => undefined;
    const user = {
      received: (chunk: Buffer) => heard.push(String(chunk)),
      ended: nothing,
      broken: nothing,
      drained: nothing,
    };
    for (const word of ['one', 'two']) {
      link.use(user);
      link.stream.duplex.write(word);
      await settled(() => heard.at(-1) === `to ${word}`);
      link.stream.duplex.pause();
      link.release();
      pool.put(link);
      expect(pool.take('other')).toBeUndefined();
      expect(pool.take('key')).toBe(link);
    }
    pool.put(link);
    for (const socket of sockets) socket.write('HTTP/1.1 200 smuggled');
    await settled(() => !link.isOpen && sockets.size === 0);
    expect(pool.take('key')).toBeUndefined();
    expect(pool.size).toBe(0);
    const idle = new TargetLink(connection.connect(web), 'key', 1);
    await idle.stream.opened;
    pool.put(idle, 0);
    pool.sweep(59_000);
    expect(pool.size).toBe(1);
    pool.sweep(60_000);
    await settled(() => pool.size === 0 && sockets.size === 0);
  });

  it('is opened no more on a connection that the agent is leaving, and none goes on to another exchange', async () => {
    const streams = new TunnelStreams(new DialPolicy([]));
    streams.apply(LISTS);
    const session = streams.serve(await joined());
    await connection.ready;
    const echo = await target((socket) => void socket.pipe(socket), 'http');
    const kept = connection.connect(echo);
    await kept.opened;
    const link = new TargetLink(kept, 'key', 1);
    link.release();
    const pool = new LinkPool();
    pool.put(link);
    session.close();
    // On its way when the agent said so: nobody has looked at it.
    expect([connection.isUsable, await refusal(echo)]).toEqual([true, 'not_here']);
    expect([connection.isUsable, await refusal(echo)]).toEqual([false, 'gone']);
    expect(pool.take('key')).toBeUndefined();
    // With its last stream it ends.
    expect(await connection.closed).toBe('closed');
  });

  it('of UDP carries datagrams, each whole', async () => {
    await agent();
    const udp = createSocket('udp4');
    udp.on('message', (payload, { port, address }) =>
      udp.send(Buffer.concat([payload, Buffer.from('!')]), port, address),
    );
    await new Promise<void>((done) => udp.bind(0, '127.0.0.1', done));
    const heard: string[] = [];
    const flow = connection.connectUdp({ host: '127.0.0.1', port: udp.address().port }, (payload) =>
      heard.push(String(payload)),
    );
    for (const payload of ['one', 'two'.repeat(1000), '']) flow.send(Buffer.from(payload));
    await settled(() => heard.length === 3);
    expect(heard).toEqual(['one!', `${'two'.repeat(1000)}!`, '!']);
    flow.close();
    await settled(() => connection.streams.size === 0);
    udp.close();
  });

  it('may be sent further ahead while few are open', async () => {
    const agentEnd = await joined();
    const streams = new TunnelStreams(new DialPolicy([]));
    streams.apply(LISTS);
    const session = streams.serve(agentEnd);
    await connection.ready;
    const echo = await target((socket) => void socket.pipe(socket));
    const kilobytes = () => session.localSettings.initialWindowSize! / 1024;
    await connection.connect(echo).opened;
    await settled(() => kilobytes() === 1024);
    const others = Array.from({ length: 32 }, () => connection.connect(echo));
    await settled(() => kilobytes() === 256);
    for (const other of others) other.abort();
    await settled(() => kilobytes() === 1024);
  });

  it('that nobody reads leaves room for others', async () => {
    await agent();
    const endless = await target((socket) => {
      const more = () => {
        while (socket.write(Buffer.alloc(64 * 1024)));
      };
      socket.once('data', more).on('drain', more);
    }, 'http');
    for (let i = 0; i < 150; i++) {
      const { duplex } = connection.connect(endless);
      duplex.write('x');
      duplex.pause();
      if (i % 10 === 0) connection.look(performance.now());
    }
    await settled(() => sockets.size === 150);
    connection.look(performance.now());
    const echo = await target((socket) => void socket.pipe(socket));
    const bytes = randomBytes(1024 * 1024);
    const stream = connection.connect(echo);
    stream.duplex.end(bytes);
    expect(digest(await readAll(stream.duplex))).toBe(digest(bytes));
  });
});

describe('an agent that means ill', () => {
  const somewhere: StreamTarget = { protocol: 'tcp', host: '127.0.0.1', port: 1, payload: 'http' };

  it('loses the connection for streams that it never closes', async () => {
    await hostile((stream) => stream.respond({ ':status': 200 }));
    for (let i = 0; i < MAX_GHOSTS; i++) {
      const stream = connection.connect(somewhere);
      await stream.opened;
      stream.abort();
    }
    connection.look(performance.now());
    expect(connection.isUsable).toBe(true);
    connection.look(performance.now() + GHOST_MS);
    expect(await connection.closed).toBe('ghosts');
  });

  it('loses it for what it goes on sending on them', async () => {
    await hostile((stream) => {
      stream.respond({ ':status': 200 });
      const more = () => {
        while (stream.writable && stream.write(Buffer.alloc(64 * 1024)));
      };
      stream.on('drain', more);
      more();
    });
    const stream = connection.connect(somewhere);
    await stream.opened;
    stream.abort();
    await settled(() => {
      connection.look(performance.now());
      return !connection.isUsable;
    });
    expect(await connection.closed).toBe('ghosts');
  });

  it.each(['pings', 'settings'])('loses it for a flood of %s', async (what) => {
    const session = await hostile(() => undefined);
    let sent = 0;
    const send = () => {
      if (session.destroyed) return;
      sent++;
      if (what === 'pings') session.ping(() => send());
      else session.settings({ initialWindowSize: 65_535 + sent }, () => send());
    };
    send();
    expect(await connection.closed).toBe('flood');
    expect(sent).toBeLessThan(MAX_CONTROL_FRAMES + 10);
  });

  it('is not believed with a header that is too large', async () => {
    await hostile((stream) => stream.respond({ ':status': 200, 'x-large': 'x'.repeat(9 * 1024) }));
    expect(await refusal(somewhere)).not.toBe('connected');
    expect(connection.streams.size).toBe(0);
  });

  it('is given up when it answers no two pings', async () => {
    const agentEnd = await joined();
    agentEnd.pause();
    for (let i = 0; i < 2; i++) connection.ping();
    expect(ends[1]!.destroyed).toBe(false);
    connection.ping();
    expect(await connection.closed).toBe('silent');
  });

  it('whose credential ends has no connection any more', async () => {
    await agent();
    connection.owner.endsAt = performance.now() + 1_000;
    connection.look(performance.now());
    expect(connection.isUsable).toBe(true);
    connection.look(performance.now() + 1_000);
    expect(await connection.closed).toBe('credential_ended');
  });
});
