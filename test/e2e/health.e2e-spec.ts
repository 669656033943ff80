import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { freePort, type ServerOptions, startServer, type TestServer, until } from '../support/server.js';
import { TunnelAgent } from '../support/tunnels.js';

// The agent program and the built server check real targets on loopback that die and come back.

let servers: TestServer[] = [];
let agents: TunnelAgent[] = [];
let targets: WebTarget[] = [];
let database: TestDatabase | undefined;
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  for (const server of servers) await server.stop();
  for (const target of targets) await target.die();
  await database?.drop();
  [servers, agents, targets, database] = [[], [], [], undefined];
});

/** A web server on a port that it has again when it comes back. */
class WebTarget {
  private server: Server | undefined;
  port = 0;

  static async start(): Promise<WebTarget> {
    const target = new WebTarget();
    targets.push(target);
    await target.comeBack();
    return target;
  }

  async comeBack(): Promise<void> {
    const server = createServer((_request, response) => void response.end('ok'));
    await new Promise<void>((done) => server.listen(this.port, '127.0.0.1', done));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async die(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = undefined;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

async function start(options: ServerOptions = {}): Promise<TestServer> {
  database ??= await createTestDatabase();
  const server = await startServer({ databaseUrl: database.url, ...options });
  servers.push(server);
  return server;
}

interface Health {
  hcHealth: string;
  hcLastError: string | null;
  hcToldAt: string;
}

/** An organization and what it exposes, through whichever server is asked. */
class Exposed {
  private constructor(
    public root: Api,
    readonly resourceId: number,
  ) {}

  static async create(server: TestServer): Promise<Exposed> {
    const root = Api.root(server);
    const org = { orgId: 'acme', name: 'acme', subnet: '100.90.128.0/17', utilitySubnet: '100.96.128.0/20' };
    await root.expect('PUT', '/org', org);
    const { resourceId } = await root.expect<{ resourceId: number }>('PUT', '/org/acme/resource', {
      name: 'app',
      http: false,
      protocol: 'tcp',
      proxyPort: await freePort(),
    });
    return new Exposed(root, resourceId);
  }

  async target(siteId: number, { port }: WebTarget): Promise<number> {
    const body = { siteId, ip: '127.0.0.1', port, hcEnabled: true, hcInterval: 1, hcUnhealthyInterval: 1 };
    return (await this.root.expect<{ targetId: number }>('PUT', `/resource/${this.resourceId}/target`, body)).targetId;
  }

  health = (targetId: number) => this.root.expect<Health>('GET', `/target/${targetId}`);
  becomes = (targetId: number, wanted: string) =>
    until(async () => {
      const now = await this.health(targetId);
      return now.hcHealth === wanted ? now : undefined;
    });
  ofResource = async () => (await this.root.expect<{ health: string }>('GET', `/resource/${this.resourceId}`)).health;
  events = async (targetId: number) =>
    (
      await queryDatabase<{ type: string }>(
        database!.url,
        `SELECT type FROM event WHERE type LIKE 'target.%healthy' AND data ->> 'targetId' = $1 ORDER BY event_id`,
        [String(targetId)],
      )
    ).map(({ type }) => type);
}

async function agentSite({ root }: Exposed): Promise<{ siteId: number; agent: (...args: string[]) => TunnelAgent }> {
  const { siteId, newtId, secret } = await root.expect<{ siteId: number; newtId: string; secret: string }>(
    'PUT',
    '/org/acme/site',
    { name: 'site', type: 'newt' },
  );
  return {
    siteId,
    agent: (...args) => {
      const made = new TunnelAgent(['--endpoint', root.url, '--id', newtId, '--secret', secret, ...args]);
      agents.push(made);
      made.start();
      return made;
    },
  };
}

it('follows targets that die and come back, a restart of the agent, and one of the server', async () => {
  const [one, two] = [await WebTarget.start(), await WebTarget.start()];
  const port = await freePort();
  const server = await start({ port });
  const exposed = await Exposed.create(server);
  const site = await agentSite(exposed);
  const [first, second] = [await exposed.target(site.siteId, one), await exposed.target(site.siteId, two)];
  const agent = site.agent();
  for (const targetId of [first, second]) await exposed.becomes(targetId, 'healthy');
  expect(await exposed.ofResource()).toBe('healthy');

  await one.die();
  expect(await exposed.becomes(first, 'unhealthy')).toMatchObject({ hcLastError: 'nobody listens there' });
  expect(await exposed.ofResource()).toBe('degraded');
  await one.comeBack();
  await exposed.becomes(first, 'healthy');
  expect(await exposed.events(first)).toEqual(['target.healthy', 'target.unhealthy', 'target.healthy']);

  // While the agent is gone nobody knows better.
  await agent.kill();
  await two.die();
  expect((await exposed.health(second)).hcHealth).toBe('healthy');
  agent.start();
  await exposed.becomes(second, 'unhealthy');
  const before = await exposed.health(first);

  await server.stop();
  await two.comeBack();
  exposed.root = Api.root(await start({ port }));
  await exposed.becomes(second, 'healthy');
  // The other one has not changed: it was asked for.
  await until(async () => (await exposed.health(first)).hcToldAt > before.hcToldAt);
  expect(await exposed.events(first)).toHaveLength(3);
  expect(await exposed.ofResource()).toBe('healthy');
});

it('stays within --allow', async () => {
  const target = await WebTarget.start();
  const exposed = await Exposed.create(await start());
  const site = await agentSite(exposed);
  const targetId = await exposed.target(site.siteId, target);
  site.agent('--allow', `127.0.0.1:${target.port + 1}`);
  expect(await exposed.becomes(targetId, 'unhealthy')).toMatchObject({ hcLastError: 'Its address is not allowed' });
});

it('of a local site is checked by one server, and by another when that one is killed', async () => {
  const target = await WebTarget.start();
  const env = { LOCAL_TARGETS: `acme=127.0.0.1:${target.port}` };
  const first = await start({ env });
  const exposed = await Exposed.create(first);
  const { siteId } = await exposed.root.expect<{ siteId: number }>('PUT', '/org/acme/site', {
    name: 'here',
    type: 'local',
  });
  const targetId = await exposed.target(siteId, target);
  await exposed.becomes(targetId, 'healthy');
  const second = await start({ env });
  exposed.root = Api.root(second);
  await target.die();
  await exposed.becomes(targetId, 'unhealthy');
  await first.kill();
  await target.comeBack();
  await exposed.becomes(targetId, 'healthy');
  expect(await exposed.events(targetId)).toEqual(['target.healthy', 'target.unhealthy', 'target.healthy']);
});

it('a mistake in LOCAL_TARGETS ends the start with a sentence', async () => {
  await expect(start({ env: { LOCAL_TARGETS: 'acme=10.0.0.0/24:http' } })).rejects.toThrow(
    /LOCAL_TARGETS.*acme=10\.0\.0\.0\/24:http.*no port/s,
  );
});
