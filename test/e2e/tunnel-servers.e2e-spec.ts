import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AgentTunnel, TUNNEL } from '#contracts';
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
const fetchFrom = (port: number, host: string): Promise<string> =>
  new Promise((done, failed) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, headers: { host } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part)).on('end', () => done(Buffer.concat(parts).toString()));
    });
    asked.on('error', failed).end();
  });
const connectionsOf = (metrics: string) => Number(/^gatehouse_tunnel_connections (\d+)$/m.exec(metrics)?.[1]);
const metricsAt = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

describe('an agent', () => {
  async function startOne(databaseUrl?: string, port?: number, metricsPort?: number) {
    const [own, metrics] = [port ?? (await freePort()), metricsPort ?? (await freePort())];
    const env = { AGENT_URL: `http://127.0.0.1:${own}`, METRICS_PORT: String(metrics) };
    const server = await startServer({ port: own, env, ...(databaseUrl === undefined ? {} : { databaseUrl }) });
    return { server, port: own, metrics, connections: async () => connectionsOf(await metricsAt(metrics)) };
  }

  /** An agent program of a new site. */
  async function startAgent({ root, org }: TestFleet, url: string): Promise<TunnelAgent> {
    const made = { name: 'site', type: 'newt' };
    const { newtId, secret } = await root.expect<Record<string, string>>('PUT', org.path('site'), made);
    return start(['--endpoint', url, '--id', newtId!, '--secret', secret!]);
  }

  it('has a connection to each server process, and both to one when that is the only one', async () => {
    const first = await startOne();
    const second = await startOne(first.server.databaseUrl);
    const fleet = await TestFleet.create(first.server);
    const device = await fleet.device();
    await until(async () => {
      const session = await fleet.connect(device);
      const { welcome } = await session.hello({ capabilities: ['tunnel.h2'] });
      await session.close();
      const tunnel = welcome.data['tunnel'] as AgentTunnel;
      expect(tunnel.connections).toBe(2);
      return tunnel.endpoints.length === 2;
    }, 1_000);
    await startAgent(fleet, first.server.url);
    await until(async () => (await first.connections()) === 1 && (await second.connections()) === 1);
    await second.server.kill();
    await until(async () => (await first.connections()) === 2);
    await second.server.stop();
    await first.server.stop();
  });

  it('comes back with all its connections after the server was killed', async () => {
    const database = await createTestDatabase();
    const before = await startOne(database.url);
    await startAgent(await TestFleet.create(before.server), before.server.url);
    await until(async () => (await before.connections()) === 2);
    await before.server.kill();
    const after = await startOne(database.url, before.port, before.metrics);
    await until(async () => (await after.connections()) === 2);
    await after.server.stop();
    await before.server.stop();
    await database.drop();
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
