import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerLease } from '../../src/cluster/index.js';
import { freePort, until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// What the server dials itself (docs/health.md rules 9 and 10).

let app: TestApp;
let target: Server;
let port: number;
let siteId: number;
let resourceId: number;
let metricsPort: number;

beforeAll(async () => {
  target = createServer((_request, response) => void response.end());
  await new Promise<void>((done) => target.listen(0, '127.0.0.1', done));
  port = (target.address() as AddressInfo).port;
  metricsPort = await freePort();
  app = await openTestApp({
    METRICS_PORT: String(metricsPort),
    LOCAL_TARGETS: `acme=127.0.0.1:*,acme=10.0.0.0/24:80-90, other=192.0.2.1:1`,
  });
  await app.makeOrg('acme');
  await app.makeOrg('none');
  siteId = await localSite('acme');
  resourceId = await newResource('acme');
});
afterAll(async () => {
  target?.close();
  await app?.close();
});

const localSite = async (orgId: string) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name: 'here', type: 'local' })).siteId;
let proxyPort = 3000;
const newResource = async (orgId: string) =>
  (
    await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, {
      name: 'app',
      http: false,
      protocol: 'tcp',
      proxyPort: ++proxyPort,
    })
  ).resourceId;
const put = (body: object, id = resourceId) =>
  app.root.put(`/resource/${id}/target`, { siteId, ip: '10.0.0.9', port: 80, ...body });
const checked = async (to: number, more: object = {}) =>
  (
    await app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
      siteId,
      ip: '127.0.0.1',
      port: to,
      hcEnabled: true,
      hcInterval: 1,
      hcUnhealthyInterval: 1,
      ...more,
    })
  ).targetId;
interface Health {
  hcHealth: string;
  hcLastError: string | null;
}
const health = (targetId: number) => app.root.expect<Health>('GET', `/target/${targetId}`);
const becomes = (targetId: number, wanted: string) =>
  until(async () => {
    const now = await health(targetId);
    return now.hcHealth === wanted ? now : undefined;
  });

describe('a target on a local site', () => {
  it.each([
    [{}, undefined],
    [{ port: 91 }, 'port'],
    [{ ip: '10.0.1.9' }, 'ip'],
    [{ ip: 'app.internal', port: 5000 }, undefined],
    [{ hcEnabled: true, hcHostname: '10.0.1.9' }, 'hcHostname'],
    [{ hcEnabled: true, hcPort: 91 }, 'hcPort'],
    [{ hcEnabled: false, hcPort: 91 }, undefined],
  ])('%j is refused at %s', async (body, path) => {
    const made = await put(body);
    expect(made.status).toBe(path === undefined ? 201 : 400);
    if (path !== undefined) expect(made.body).toMatchObject({ code: 'validation', fields: [{ path }] });
  });

  it('is refused where nothing is listed for the organization, when it is changed, and when it moves there', async () => {
    const [none, of] = [await localSite('none'), await newResource('none')];
    expect(await put({ siteId: none }, of)).toMatchObject({ status: 400, body: { fields: [{ path: 'ip' }] } });
    const elsewhere = (
      await app.root.expect<{ siteId: number }>('PUT', '/org/acme/site', { name: 'there', type: 'newt' })
    ).siteId;
    const made = await put({ siteId: elsewhere, ip: '203.0.113.1' });
    const { targetId } = (made.body as { data: { targetId: number } }).data;
    const change = (body: object) => app.root.post(`/target/${targetId}`, { ip: '203.0.113.1', ...body });
    expect(await change({ siteId })).toMatchObject({ status: 400, body: { fields: [{ path: 'ip' }] } });
    expect(await change({ siteId, ip: '10.0.0.1' })).toMatchObject({ status: 200 });
    expect(await change({ siteId, ip: '10.0.0.1', hcEnabled: true, hcPort: 95 })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'hcPort' }] },
    });
  });

  it('is refused in a document, at its place', async () => {
    const document = (hostname: string) => ({
      'public-resources': {
        web: { name: 'web', mode: 'tcp', 'proxy-port': 3999, targets: [{ site: 'here', hostname, port: 80 }] },
      },
    });
    const apply = (hostname: string) =>
      app.root.put('/org/acme/blueprint', {
        blueprint: Buffer.from(JSON.stringify(document(hostname))).toString('base64'),
      });
    expect(JSON.stringify(await apply('203.0.113.1'))).toMatch(/public-resources\.web\.targets\[0\]\.hostname/);
    expect((await apply('10.0.0.3')).status).toBeLessThan(300);
  });
});

describe('checks of local sites', () => {
  it('are done by the server: what answers is healthy, what dies is not, and what comes back is again', async () => {
    const targetId = await checked(port);
    await becomes(targetId, 'healthy');
    target.closeAllConnections();
    await new Promise((done) => target.close(done));
    expect(await becomes(targetId, 'unhealthy')).toMatchObject({ hcLastError: 'nobody listens there' });
    await new Promise<void>((done) => target.listen(port, '127.0.0.1', done));
    await becomes(targetId, 'healthy');
  });

  it('never reach what the installation itself listens on', async () => {
    const own = [Number(new URL(app.root.url).port), metricsPort, Number(new URL(app.database.url).port)];
    for (const one of own) {
      const { hcLastError } = await becomes(await checked(one, { hcMode: 'tcp' }), 'unhealthy');
      expect(hcLastError).toMatch(/listener of this installation/);
    }
  });

  it('are a duty of one process, which others take over when its lease ends', async () => {
    const lease = app.get(ServerLease);
    expect(await lease.takeDuty('local health checks')).toBe(true);
    const [row] = await app.sql<{ serverId: string }>(
      `INSERT INTO server (server_id, lease_expires_at) VALUES (gen_random_uuid(), now() + interval '1 hour') RETURNING server_id AS "serverId"`,
    );
    await app.sql(`UPDATE server_duty SET server_id = $1`, [row!.serverId]);
    expect(await lease.takeDuty('local health checks')).toBe(false);
    expect(await app.db.tx((tx) => lease.holdDuty(tx, 'local health checks'))).toBe(false);
    const targetId = await checked(port);
    await app.sql('DELETE FROM server WHERE server_id = $1', [row!.serverId]);
    expect((await health(targetId)).hcHealth).toBe('unknown');
    await becomes(targetId, 'healthy');
    expect(await lease.takeDuty('local health checks')).toBe(true);
  });
});
