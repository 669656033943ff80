import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TUNNEL } from '#contracts';
import { TunnelRegistry } from '../../src/edge/tunnels/tunnel-registry.js';
import { TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { selfSigned } from '../support/certificate.js';
import { DOORS, type Door, DoorCredential, PROXY_SECRET } from '../support/credential-doors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';
import { EchoTarget, echoes, publish, TunnelAgent, usable } from '../support/tunnels.js';

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

const connectionsOf = (metrics: string) => Number(/^gatehouse_tunnel_connections (\d+)$/m.exec(metrics)?.[1]);
const metricsAt = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

describe('with two server processes', () => {
  let servers: { server: TestServer; metricsPort: number; env: Record<string, string> }[];
  let org: TestOrg;

  async function startOne(databaseUrl?: string) {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const env = { AGENT_URL: `http://127.0.0.1:${port}`, METRICS_PORT: String(metricsPort) };
    const server = await startServer({ port, env, ...(databaseUrl === undefined ? {} : { databaseUrl }) });
    return { server, metricsPort, env };
  }

  it('an agent has a connection to each, and again after one was killed and is back', async () => {
    const first = await startOne();
    servers = [first, await startOne(first.server.databaseUrl)];
    const fleet = await TestFleet.create(first.server);
    org = fleet.org;
    const { newtId, secret } = await fleet.root.expect<{ newtId: string; secret: string }>('PUT', org.path('site'), {
      name: 'site',
      type: 'newt',
    });
    const each = (...wanted: number[]) =>
      until(async () => {
        const seen = await Promise.all(
          servers.map(async ({ metricsPort }) => connectionsOf(await metricsAt(metricsPort))),
        );
        return seen.join() === wanted.join();
      });
    start(['--endpoint', first.server.url, '--id', newtId, '--secret', secret]);
    await each(1, 1);
    const second = servers[1]!;
    await second.server.kill();
    // Where the other one is gone, both are at the one that is there.
    await until(async () => connectionsOf(await metricsAt(first.metricsPort)) === 2);
    await first.server.kill();
    servers[1] = {
      ...second,
      server: await startServer({ port: second.server.port, env: second.env, databaseUrl: first.server.databaseUrl }),
    };
    servers[0] = {
      ...first,
      server: await startServer({ port: first.server.port, env: first.env, databaseUrl: first.server.databaseUrl }),
    };
    await until(async () => {
      const seen = await Promise.all(
        servers.map(async ({ metricsPort }) => connectionsOf(await metricsAt(metricsPort))),
      );
      return seen[0]! + seen[1]! === 2;
    });
    for (const { server } of servers.toReversed()) await server.stop();
    await first.server.stop();
  });
});

describe('over the listener for machines', () => {
  let database: TestDatabase;
  /** Takes claims and requests of operators. */
  let plain: TestServer;
  let fleet: TestFleet;
  beforeAll(async () => {
    database = await createTestDatabase();
    plain = await startServer({ databaseUrl: database.url, env: { SERVER_ROLES: 'jobs' } });
    fleet = await TestFleet.create(plain);
  });
  afterAll(async () => {
    await plain?.stop();
    await database?.drop();
  });

  describe('every kind of credential', () => {
    let tls: TlsServer;
    beforeAll(async () => {
      const secretFile = join(folder, 'secret');
      writeFileSync(secretFile, PROXY_SECRET);
      const env = { MTLS_ON_MAIN_PORT: 'true', CLIENT_CERT_FROM: '127.0.0.1', CLIENT_CERT_SECRET_FILE: secretFile };
      tls = await startTlsServer({ databaseUrl: database.url, env });
    });
    afterAll(() => tls?.stop());

    it.each(DOORS.map((door): [string, Door] => [door.name, door]))('has a tunnel by %s', async (_name, door) => {
      const credentialType = door.kind === 'newt' ? 'api_key' : door.kind;
      const key = await fleet.org.keyUnder({ credentialType }, { approveNewSites: true });
      const credential = await DoorCredential.claim(door, tls, key.siteProvisioningKey, async () => '');
      const { status, headers, socket } = await credential.tunnel(tls);
      expect(status).toBe(101);
      expect(headers[TUNNEL.serverHeader]).toMatch(/^[\da-f-]{36}$/);
      await until(async () => connectionsOf(await tls.metrics()) === 1);
      socket!.destroy();
      await until(async () => connectionsOf(await tls.metrics()) === 0);
    });
  });

  it('an agent with a certificate of its own carries bytes, and loses the tunnel with the site', async () => {
    const { certFile, keyFile } = await certificateFiles();
    const devicePort = await freePort();
    const app: StartedApp = await startApp(database.url, {
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: keyFile,
      DEVICE_TLS_PORT: String(devicePort),
    });
    const target = await EchoTarget.start();
    const key = await fleet.org.keyUnder({ credentialType: 'certificate' }, { approveNewSites: true });
    const endpoint = `https://127.0.0.1:${devicePort}`;
    const args = ['--endpoint', endpoint, '--tls-client-ca', certFile, '--credential', 'certificate'];
    const agent = start([...args, '--provisioning-key', key.siteProvisioningKey]);
    const registry = app.app.get(TunnelRegistry);
    const siteId = await until(() => [...registry.siteIds][0]);
    await publish(fleet.root, fleet.org, siteId, target.port, await freePort());
    const connection = await usable(registry, siteId);
    await until(async () => (await echoes(connection, target.port).catch(() => false)) === true);
    await fleet.root.expect('DELETE', `/site/${siteId}`);
    expect(await connection.closed).toBe('credential_ended');
    await until(() => agent.output.includes('was deleted'));
    target.stop();
    await app.close();
  });
});

async function certificateFiles(): Promise<{ certFile: string; keyFile: string }> {
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const { cert, key } = await selfSigned('0c');
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  return { certFile, keyFile };
}
