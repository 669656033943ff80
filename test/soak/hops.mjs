// One of two server processes is killed under a client in a loop at the edge of the other: no request fails once the agent has its tunnels there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../load/lib.mjs';
import { freePort } from '../load/testbed.mjs';

const AGENT = fileURLToPath(new URL('../../dist/agent/gatehouse-agent.mjs', import.meta.url));
/** Requests after the agent is back, each time. */
const REQUESTS = 200;

export const hops = {
  about: 'kill -9 of one of two servers under a client at the edge of the other',
  times: 100,
  async run(testbed, times) {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'));
    const target = http.createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const { port: targetPort } = /** @type {import('node:net').AddressInfo} */ (target.address());
    const databaseUrl = await testbed.database();
    const start = async () => {
      const [port, metrics, edge] = [await freePort(), await freePort(), await freePort()];
      const env = {
        AGENT_URL: `http://127.0.0.1:${port}`,
        METRICS_PORT: String(metrics),
        EDGE_PORT: String(edge),
        BASE_DOMAIN: 'gate.example.net',
      };
      return { server: await testbed.server(databaseUrl, { port, env }), metrics, edge };
    };
    const lasting = await start();
    const { newtId, secret } = await publish(lasting.server, targetPort);
    const startAgent = (file) => {
      const flags = ['--config-file', file, '--endpoint', lasting.server.url, '--id', newtId, '--secret', secret];
      return spawn(process.execPath, [AGENT, ...flags], { stdio: 'ignore' });
    };
    let requests = 0;
    let agent;
    try {
      for (let i = 0; i < times; i++) {
        const other = await start();
        // A new life of the agent has a tunnel to each, once the one that it asks has heard of the other.
        for (;;) {
          agent = startAgent(join(folder, 'agent.json'));
          while ((await tunnels(lasting.metrics)) + (await tunnels(other.metrics)) < 2) await sleep(20);
          if ((await tunnels(other.metrics)) === 1) break;
          agent.kill('SIGKILL');
          await once(agent, 'exit');
        }
        while ((await ask(lasting.edge)) !== 200) await sleep(20);
        let over = false;
        let back = false;
        let after = 0;
        const loop = (async () => {
          while (!over) {
            const counts = back;
            const status = await ask(lasting.edge);
            requests++;
            if (!counts) continue;
            after++;
            // What was under way as the process died may fail; nothing that comes later.
            if (status !== 200) throw new Error(`a request ended with ${status} after kill ${i}`);
          }
        })();
        other.server.child.kill('SIGKILL');
        await other.server.child.ended;
        await Promise.race([loop, reaches(() => tunnels(lasting.metrics), 2)]);
        back = true;
        while (after < REQUESTS) await Promise.race([loop, sleep(10)]);
        over = true;
        await loop;
        agent.kill('SIGKILL');
        await once(agent, 'exit');
      }
      return { claims: 1, requests, kills: times };
    } finally {
      agent?.kill('SIGKILL');
      target.close();
      target.closeAllConnections();
      await lasting.server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** A site, and a public resource with a target at it. @returns what its agent shows */
async function publish(server, port) {
  await server.api('PUT', '/org', { orgId: 'hops', name: 'hops', subnet: '100.90.128.0/20' });
  const site = await server.api('PUT', '/org/hops/site', { name: 'site', type: 'newt' });
  const { domains } = await server.api('GET', '/org/hops/domains');
  const { resourceId } = await server.api('PUT', '/org/hops/resource', {
    name: 'App',
    http: true,
    protocol: 'tcp',
    domainId: domains[0].domainId,
    subdomain: 'app',
  });
  await server.api('POST', `/resource/${resourceId}`, { sso: false, ssl: false });
  await server.api('PUT', `/resource/${resourceId}/target`, {
    siteId: site.siteId,
    ip: '127.0.0.1',
    port,
    method: 'http',
  });
  return site;
}

/** @returns the status of one answer; 0: there was none, or not a whole one */
const ask = (port) =>
  new Promise((done) => {
    http
      .get({ host: '127.0.0.1', port, headers: { host: 'app.gate.example.net' }, agent: false }, (answer) => {
        answer.resume();
        answer.on('end', () => done(answer.complete ? answer.statusCode : 0)).on('error', () => done(0));
      })
      .on('error', () => done(0));
  });

async function tunnels(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^gatehouse_tunnel_connections (\d+)$/m.exec(text)?.[1]);
}

async function reaches(value, wanted) {
  while ((await value()) !== wanted) await sleep(20);
}
