import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TUNNEL } from '#contracts';
import { DOORS, type Door, DoorCredential, PROXY_SECRET } from '../support/credential-doors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { publicResource } from '../support/public-resource.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';
import { TunnelAgent } from '../support/tunnels.js';

// Tunnels at several server processes, at one that dies, and at the listener for machines.

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tunnels-'));
let agents: TunnelAgent[] = [];
afterEach(async () => {
  for (const agent of agents) await agent.remove();
  agents = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(args: string[]): TunnelAgent {
  const agent = new TunnelAgent(args);
  agents.push(agent);
  agent.start();
  return agent;
}

/** What an edge answers for a host. */
const fetchFrom = (port: number, host: string, method = 'GET'): Promise<string> =>
  new Promise((done, failed) => {
    const asked = request({ host: '127.0.0.1', port, method, agent: false, headers: { host } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part)).on('end', () => done(Buffer.concat(parts).toString()));
    });
    asked.on('error', failed).end();
  });
const connectionsOf = (metrics: string) => Number(/^gatehouse_tunnel_connections (\d+)$/m.exec(metrics)?.[1]);
const metricsAt = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

describe('an agent', () => {
  let database: TestDatabase;
  let fleet: TestFleet;
  let target: Server;
  let agent: TunnelAgent;
  let siteId: number;
  let first: One;
  let second: One;
  /** All, also those that were killed. */
  const servers: TestServer[] = [];
  /** What its edge answers for the site. */
  let ask: (method?: string) => Promise<string>;

  type One = Awaited<ReturnType<typeof startOne>>;
  async function startOne(place?: { port: number; metrics: number }, more: Record<string, string> = {}) {
    const { port, metrics } = place ?? { port: await freePort(), metrics: await freePort() };
    const env = { AGENT_URL: `http://127.0.0.1:${port}`, METRICS_PORT: String(metrics), ...more };
    const server = await startServer({ databaseUrl: database.url, port, env });
    servers.push(server);
    return { server, port, metrics, connections: async () => connectionsOf(await metricsAt(metrics)) };
  }
  const oneEach = async () => (await first.connections()) === 1 && (await second.connections()) === 1;

  beforeAll(async () => {
    database = await createTestDatabase();
    const edgePort = await freePort();
    first = await startOne(undefined, { EDGE_PORT: String(edgePort), BASE_DOMAIN: 'gate.example.net' });
    fleet = await TestFleet.create(first.server);
    const { root, org } = fleet;
    const made = await root.expect<{ siteId: number; newtId: string; secret: string }>('PUT', org.path('site'), {
      name: 'site',
      type: 'newt',
    });
    siteId = made.siteId;
    // Of the half minute in which a connection is moved it draws the first seconds.
    agent = new TunnelAgent(['--endpoint', first.server.url, '--id', made.newtId, '--secret', made.secret], {}, 0.05);
    agent.start();
    target = createServer((_request, response) => response.end('here'));
    await new Promise<void>((done) => target.listen(0, '127.0.0.1', done));
    const { host, resourceId } = await publicResource(root, org, 'app');
    const { port } = target.address() as AddressInfo;
    await root.expect('PUT', `/resource/${resourceId}/target`, { siteId, ip: '127.0.0.1', port, method: 'http' });
    ask = (method) => fetchFrom(edgePort, host, method);
  });
  afterAll(async () => {
    await agent?.remove();
    for (const server of servers) await server.stop();
    await database?.drop();
    target?.close();
    target?.closeAllConnections();
  });

  it('has both connections to the only server process, and one to each when another comes, without a request failing', async () => {
    await until(async () => (await first.connections()) === 2 && (await ask()) === 'here');
    const answers = new Set<string>();
    let over = false;
    const loops = ['GET', 'POST'].map(async (method) => {
      while (!over) answers.add(await ask(method));
    });
    second = await startOne();
    await until(oneEach);
    over = true;
    await Promise.all(loops);
    expect([...answers]).toEqual(['here']);
    const { sessions } = await fleet.root.expect<{ sessions: unknown[] }>('GET', `/site/${siteId}/sessions`);
    expect(sessions).toHaveLength(1);
  });

  it('has both to the one that is left, and one to each when the other is back', async () => {
    await second.server.kill();
    await until(async () => (await first.connections()) === 2);
    // The endpoints read as before, and the process is another.
    second = await startOne(second);
    await until(oneEach);
  });

  it('comes back with all its connections after the server was killed', async () => {
    await second.server.stop();
    await first.server.kill();
    first = await startOne(first);
    await until(async () => (await first.connections()) === 2);
  });
});

describe('over the listener for machines', () => {
  let database: TestDatabase;
  /** Takes claims and requests of operators. */
  let plain: TestServer;
  let fleet: TestFleet;
  beforeAll(async () => {
    database = await createTestDatabase();
    plain = await startServer({
      databaseUrl: database.url,
      env: { SERVER_ROLES: 'jobs', BASE_DOMAIN: 'gate.example.net' },
    });
    fleet = await TestFleet.create(plain);
  });
  afterAll(async () => {
    await plain?.stop();
    await database?.drop();
  });

  describe('every kind of credential', () => {
    let tls: TlsServer;
    let edgePort: number;
    beforeAll(async () => {
      const secretFile = join(folder, 'secret');
      writeFileSync(secretFile, PROXY_SECRET);
      edgePort = await freePort();
      const env = {
        MTLS_ON_MAIN_PORT: 'true',
        CLIENT_CERT_FROM: '127.0.0.1',
        CLIENT_CERT_SECRET_FILE: secretFile,
        BASE_DOMAIN: 'gate.example.net',
        EDGE_PORT: String(edgePort),
      };
      tls = await startTlsServer({ databaseUrl: database.url, env });
    });
    afterAll(() => tls?.stop());

    it.each(DOORS.map((door): [string, Door] => [door.name, door]))('has a tunnel by %s', async (_name, door) => {
      const credentialType = door.kind === 'newt' ? 'api_key' : door.kind;
      const key = await fleet.org.keyUnder({ credentialType }, { approveNewSites: true });
      const credential = await DoorCredential.claim(door, tls, key.siteProvisioningKey, async () => '');
      // An identity of a moment ago is known to the listener by a notice.
      if (door.kind === 'psk') await until(async () => (await credential.self(tls)) === 'in');
      const { status, headers, socket } = await credential.tunnel(tls);
      expect(status).toBe(101);
      expect(headers[TUNNEL.serverHeader]).toMatch(/^[\da-f-]{36}$/);
      await until(async () => connectionsOf(await tls.metrics()) === 1);
      socket!.destroy();
      await until(async () => connectionsOf(await tls.metrics()) === 0);
    });

    it.each(['newt', 'certificate'])('the agent serves a resource through it by %s', async (kind) => {
      const target = createServer((_request, response) => response.end(kind));
      await new Promise<void>((done) => target.listen(0, '127.0.0.1', done));
      const credentialType = kind === 'newt' ? 'api_key' : kind;
      const key = await fleet.org.keyUnder({ credentialType }, { approveNewSites: true });
      const args = ['--endpoint', `https://127.0.0.1:${tls.devicePort}`, '--tls-client-ca', tls.certFile];
      const { host, resourceId } = await publicResource(fleet.root, fleet.org, kind);
      start([...args, '--credential', kind, '--provisioning-key', key.siteProvisioningKey]);
      const siteId = await until(async () => {
        const { sites } = await fleet.root.expect<{ sites: { siteId: number }[] }>(
          'GET',
          fleet.org.path(`sites?keyId=${key.siteProvisioningKeyId}`),
        );
        return sites[0]?.siteId;
      });
      await fleet.root.expect('PUT', `/resource/${resourceId}/target`, {
        siteId,
        ip: '127.0.0.1',
        port: (target.address() as AddressInfo).port,
        method: 'http',
      });
      const ask = () => fetchFrom(edgePort, host);
      await until(async () => (await ask()) === kind);
      await fleet.root.expect('DELETE', `/site/${siteId}`);
      await until(async () => (await ask()) !== kind);
      target.close();
      target.closeAllConnections();
    });
  });
});
