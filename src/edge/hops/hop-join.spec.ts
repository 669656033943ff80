import { once } from 'node:events';
import http2, { type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../../test/support/server.js';
import { LinkPool } from '../server/link-pool.js';
import { TargetLink } from '../server/target-link.js';
import { ConnectSession } from '../tunnels/connect-session.js';
import { joinHop } from './hop-join.js';
import { HopSession } from './hop-session.js';

const SITE = { siteId: 1, orgId: 'acme' };
const TARGET = { protocol: 'tcp', host: '127.0.0.1', port: 80, payload: 'http' } as const;
const BOUNDS = { streams: 10, ghosts: 10, ghostBytes: 1_000_000 };

let servers: Server[];
/** From the process with tunnels to the agent, and as the agent has it. */
let tunnel: ConnectSession;
let agent: ServerHttp2Session;
/** From the process that has the request to the one with tunnels. */
let hop: HopSession;

/** A server of HTTP/2 on loopback, and a connection to it. */
async function reach(server: http2.Http2Server): Promise<Socket> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return connect((server.address() as AddressInfo).port, '127.0.0.1');
}

beforeEach(async () => {
  servers = [];
  const settings = { enableConnectProtocol: true };
  const echo = http2.createServer({ settings });
  echo.on('session', (session) => (agent = session));
  echo.on('stream', (stream) => {
    stream.on('error', () => undefined).respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const passed = { bytesRead: () => 0, bytesWritten: () => 0 };
  tunnel = new ConnectSession(await reach(echo), passed, BOUNDS);
  const holder = http2.createServer({ settings });
  holder.on('stream', (stream) => {
    stream.on('error', () => undefined);
    joinHop(stream, tunnel.connect(TARGET));
  });
  hop = new HopSession((await reach(holder)) as TLSSocket);
  await Promise.all([tunnel.ready, hop.ready]);
});
afterEach(() => {
  for (const session of [hop, tunnel]) session.end('closed');
  for (const server of servers) server.close();
});

async function link(): Promise<TargetLink> {
  const made = new TargetLink(hop.connectSite(SITE, TARGET), 'target', SITE.siteId);
  await made.stream.opened;
  return made;
}

it.each([
  ['the agent moves it', () => agent.close()],
  ['its process stops', () => tunnel.drain()],
])(
  'no exchange begins over a hop on a tunnel that is being left, and what is under way goes on: %s',
  async (_, leave) => {
    const pool = new LinkPool();
    const [kept, busy] = [await link(), await link()];
    const heard: string[] = [];
    const user = { ended() {}, broken: () => void heard.push('broken'), drained() {} };
    busy.use({ ...user, received: (chunk) => void heard.push(String(chunk)) });
    pool.put(kept);
    expect(pool.take('target')).toBe(kept);
    pool.put(kept);
    leave();
    await until(() => !kept.isOpen);
    expect(pool.take('target')).toBeUndefined();
    expect(pool.size).toBe(0);
    await until(() => !busy.isOpen);
    busy.stream.duplex.write('goes on');
    await until(() => heard.length > 0);
    expect(heard).toEqual(['goes on']);
    // The connection between the processes is good for other tunnels.
    expect(hop.isUsable).toBe(true);
  },
);
