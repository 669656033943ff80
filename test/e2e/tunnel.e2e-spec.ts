import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TUNNEL } from '#contracts';
import { TunnelRegistry } from '../../src/edge/tunnels/tunnel-registry.js';
import { Api, TestOrg } from '../support/api.js';
import { freePort, until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';
import {
  askPlainUpgrade,
  dialed,
  EchoTarget,
  echoes,
  publish,
  TunnelAgent,
  usable,
  webSocketProxy,
} from '../support/tunnels.js';

// The server in this process, so that a test can open streams as the edge will; the agent is the program, and its target a server on loopback.

let app: TestApp;
let org: TestOrg;
let target: EchoTarget;
let registry: TunnelRegistry;
let agents: TunnelAgent[] = [];

beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  target = await EchoTarget.start();
  registry = app.get(TunnelRegistry);
});
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  agents = [];
});
afterAll(async () => {
  target?.stop();
  await app?.close();
});

interface Site {
  siteId: number;
  newtId: string;
  secret: string;
}
const newSite = async (): Promise<Site> => {
  const { siteId, newtId, secret } = await app.root.expect<Site>('PUT', org.path('site'), {
    name: 'site',
    type: 'newt',
  });
  return { siteId, newtId, secret };
};

/** An agent of a site of its own that may dial the target. */
async function start(
  args: string[] = [],
  url = app.root.url,
): Promise<Site & { agent: TunnelAgent; resourceId: number }> {
  const site = await newSite();
  const resourceId = await publish(app.root, org, site.siteId, target.port, await freePort());
  const agent = new TunnelAgent(['--endpoint', url, '--id', site.newtId, '--secret', site.secret, ...args]);
  agents.push(agent);
  agent.start();
  return { ...site, agent, resourceId };
}

describe('a tunnel', () => {
  it('carries bytes to a target behind the agent, over each of its connections', async () => {
    const { siteId } = await start();
    await usable(registry, siteId);
    for (const connection of registry.usable(siteId)) {
      expect(connection.transport.kind).toBe('upgrade');
      expect(await echoes(connection, target.port)).toBe(true);
    }
  });

  it('goes over a websocket where a proxy passes nothing else on', async () => {
    const proxy = await webSocketProxy(Number(new URL(app.root.url).port));
    const { siteId, agent } = await start([], proxy.url);
    const connection = await usable(registry, siteId);
    expect(connection.transport.kind).toBe('websocket');
    expect(await echoes(connection, target.port)).toBe(true);
    // What has passed is tried first the next time.
    const before = proxy.refused();
    connection.end('ghosts');
    await until(() => agent.output.includes('tunnel 1: lost') || agent.output.includes('tunnel 2: lost'));
    await usable(registry, siteId);
    expect(proxy.refused()).toBe(before);
    proxy.close();
  });

  it('opens streams on the connection that has fewest', async () => {
    const { siteId } = await start();
    const busy = await usable(registry, siteId);
    const { opened } = busy.connect({ protocol: 'tcp', host: '127.0.0.1', port: target.port, payload: 'tcp' });
    await opened;
    expect(registry.usable(siteId)[0]).not.toBe(busy);
    expect(registry.usable(siteId)[1]).toBe(busy);
  });

  it('leads to nothing that the state does not list, nor beyond --allow', async () => {
    const other = await EchoTarget.start();
    const { siteId } = await start(['--allow', `127.0.0.1:${target.port}`]);
    const connection = await usable(registry, siteId);
    // Right after the beginning the server itself may end a stream to what is not listed.
    await until(async () => (await dialed(connection, other.port)) === 'not_listed');
    await publish(app.root, org, siteId, other.port, await freePort());
    await until(async () => (await dialed(connection, other.port)) === 'not_allowed');
    expect(await dialed(connection, target.port)).toBe('connected');
    expect(other.sockets.size).toBe(0);
    other.stop();
  });

  it('ends streams to what is listed no more', async () => {
    const { siteId, resourceId } = await start();
    const connection = await usable(registry, siteId);
    const { duplex, opened } = connection.connect({
      protocol: 'tcp',
      host: '127.0.0.1',
      port: target.port,
      payload: 'tcp',
    });
    await opened;
    await app.root.expect('POST', `/resource/${resourceId}`, { enabled: false });
    await once(duplex, 'close');
    await until(() => target.sockets.size === 0);
    await until(async () => (await dialed(connection, target.port)) === 'not_listed');
    await app.root.expect('POST', `/resource/${resourceId}`, { enabled: true });
    await until(async () => (await dialed(connection, target.port)) === 'connected');
  });

  it('comes back after the agent was killed', async () => {
    const { siteId, agent } = await start();
    await usable(registry, siteId);
    await agent.kill();
    await until(() => registry.allOf(siteId).length === 0);
    agent.start();
    expect(await echoes(await usable(registry, siteId), target.port)).toBe(true);
  });
});

describe('a site', () => {
  it('that is suspended loses its tunnels and what goes through them, and has them again when it is approved', async () => {
    const { siteId, agent } = await start();
    const connection = await usable(registry, siteId);
    const { duplex, opened } = connection.connect({
      protocol: 'tcp',
      host: '127.0.0.1',
      port: target.port,
      payload: 'tcp',
    });
    await opened;
    await app.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
    await connection.closed;
    expect(duplex.destroyed).toBe(true);
    await until(() => target.sockets.size === 0);
    await until(() => agent.output.includes('not approved any more'));
    expect(registry.allOf(siteId)).toEqual([]);
    await app.root.expect('POST', `/site/${siteId}`, { status: 'approved' });
    expect(await echoes(await usable(registry, siteId), target.port)).toBe(true);
  });

  it('that is deleted loses them, and its agent ends', async () => {
    const { siteId, agent } = await start();
    const connection = await usable(registry, siteId);
    await app.root.expect('DELETE', `/site/${siteId}`);
    await connection.closed;
    await until(() => agent.output.includes('was deleted'));
    expect(registry.allOf(siteId)).toEqual([]);
  });

  it('of an organization that is closed loses them', async () => {
    const before = org;
    org = await TestOrg.create(app.root);
    const { siteId } = await start();
    const connection = await usable(registry, siteId);
    await app.root.expect('POST', org.path('close'));
    await connection.closed;
    org = before;
  });

  // The agent gives its tunnels up when its session tells it to, before the server does or after: these peers never do.
  it.each([
    ['suspended', 'refused', (siteId: number) => app.root.expect('POST', `/site/${siteId}`, { status: 'pending' })],
    ['deleted', 'credential_ended', (siteId: number) => app.root.expect('DELETE', `/site/${siteId}`)],
    ['of an organization that is closed', 'refused', () => app.root.expect('POST', org.path('close'))],
  ] as const)('that is %s loses those that its machine would keep', async (_, why, act) => {
    const before = org;
    org = await TestOrg.create(app.root);
    const site = await newSite();
    const { socket } = await upgrade(await tokenOf(site));
    const [connection] = registry.allOf(site.siteId);
    await act(site.siteId);
    expect(await connection!.closed).toBe(why);
    socket?.destroy();
    org = before;
  });

  it('has eight connections to a process at most, of which the oldest gives way', async () => {
    const site = await newSite();
    const sockets = [];
    for (let n = 0; n < 8; n++) sockets.push(await upgrade(await tokenOf(site)));
    const [oldest] = registry.allOf(site.siteId);
    sockets.push(await upgrade(await tokenOf(site)));
    expect(await oldest!.closed).toBe('replaced');
    expect(registry.allOf(site.siteId)).toHaveLength(8);
    for (const { socket } of sockets) socket?.destroy();
    await until(() => registry.allOf(site.siteId).length === 0);
  });
});

const tokenOf = async ({ newtId, secret }: Site) =>
  (await new Api(app.root.url).expect<{ token: string }>('POST', '/auth/newt/get-token', { newtId, secret })).token;
const upgrade = (token?: string, protocol: string = TUNNEL.protocol) => askPlainUpgrade(app.root.url, protocol, token);

describe('an upgrade', () => {
  it('is refused with a reason to whom there is no tunnel for', async () => {
    const site = await newSite();
    const token = await tokenOf(site);
    expect(await upgrade()).toMatchObject({ status: 401, code: 'credential_unusable' });
    expect(await upgrade(`${token}x`)).toMatchObject({ status: 401, code: 'credential_unusable' });
    expect(await upgrade(token, 'h2c')).toMatchObject({ status: 400, code: 'validation' });
    expect(await upgrade(token, 'websocket')).toMatchObject({ status: 400, code: 'validation' });
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    expect(await upgrade(token)).toMatchObject({ status: 403, code: 'pending_approval' });
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
    await app.root.expect('DELETE', `/site/${site.siteId}`);
    expect(await upgrade(token)).toMatchObject({ status: 401, code: 'credential_unusable' });
    expect(registry.allOf(site.siteId)).toEqual([]);
  });
});
