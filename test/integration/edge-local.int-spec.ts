import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InternalListener } from '../../src/edge/index.js';
import { selfSigned } from '../support/certificate.js';
import { TestEdge, WebTarget } from '../support/edge.js';
import { H2cTarget } from '../support/h2c.js';
import { freePort, until } from '../support/server.js';

// What the server dials itself for a local site, and what it tells a proxy in front of it (docs/edge.md rules 19 and 20).

let edge: TestEdge;
let siteId: number;
let own: Record<string, number>;
let internal: string;

beforeAll(async () => {
  own = { METRICS_PORT: await freePort(), EDGE_PORT: await freePort(), INTERNAL_PORT: await freePort() };
  const ports = Object.fromEntries(Object.entries(own).map(([name, port]) => [name, String(port)]));
  edge = await TestEdge.start({ ...ports, LOCAL_TARGETS: 'here=127.0.0.1:*,here=169.254.0.0/16:*' }, { orgId: 'here' });
  own['the API'] = Number(new URL(edge.app.root.url).port);
  own['the database'] = Number(new URL(edge.app.database.url).port);
  internal = `http://127.0.0.1:${await edge.app.get(InternalListener).listen(edge.port)}/api/v1`;
  const made = await edge.app.root.expect<{ siteId: number }>('PUT', edge.org.path('site'), {
    name: 'here',
    type: 'local',
  });
  siteId = made.siteId;
});
afterAll(async () => edge?.close());

describe('a local site', () => {
  it('is dialed by the server: HTTP, HTTPS and h2c', async () => {
    const web = await WebTarget.start((request, response) => void response.end(`web ${request.url}`));
    const host = await edge.publish(siteId, web.port);
    expect(await edge.get(host, '/a')).toMatchObject({ status: 200, text: 'web /a' });
    web.stop();

    const secure = https.createServer(await selfSigned('01'), (_request, response) => response.end('secure'));
    await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
    const { resourceId, host: name } = await edge.resource();
    const { port } = secure.address() as AddressInfo;
    const targetId = await edge.target(resourceId, siteId, port, { method: 'https' });
    await until(async () => (await edge.get(name)).status === 502);
    const change = { siteId, ip: '127.0.0.1', insecureTls: true };
    await edge.app.root.expect('POST', `/target/${targetId}`, change);
    await until(async () => (await edge.get(name)).text === 'secure');
    secure.closeAllConnections();
    secure.close();

    const h2c = await H2cTarget.start((stream) => stream.end('h2c'));
    expect(await edge.get(await edge.publish(siteId, h2c.port, {}, { method: 'h2c' }))).toMatchObject({ text: 'h2c' });
    h2c.stop();
  });

  it('never leads to a listener of this installation, or to a metadata service', async () => {
    const places = [
      ...Object.entries(own).map(([name, port]) => ({ name, ip: '127.0.0.1', port })),
      { name: 'another spelling of the API', ip: 'localhost', port: own['the API']! },
      { name: 'metadata', ip: '169.254.169.254', port: 80 },
    ];
    for (const { name, ip, port } of places) {
      const { resourceId, host } = await edge.resource();
      await edge.target(resourceId, siteId, port, { ip });
      // Not served yet, not open to all yet, without its target yet.
      const { status, text } = await until(async () => {
        const answer = await edge.get(host);
        return ![404, 401, 503].includes(answer.status) && answer;
      });
      expect({ name, status, text }).toMatchObject({ status: 502, text: expect.stringContaining('bad_gateway') });
    }
  });
});

describe('what a proxy asks', () => {
  const known = async (domain: string) => (await fetch(`${internal}/edge/host-known?domain=${domain}`)).status;

  it('is whether a host is served', async () => {
    const { resourceId, host } = await edge.resource();
    await until(async () => (await known(host)) === 200);
    expect(await known(host.toUpperCase())).toBe(200);
    for (const no of ['', 'x.example', `${host}:80`, `a.${host}`, '%00', `${host}/`]) expect(await known(no)).toBe(404);
    await edge.app.root.expect('POST', `/resource/${resourceId}`, { enabled: false });
    await until(async () => (await known(host)) === 404);
  });

  it('is a document for Traefik', async () => {
    const { resourceId, host } = await edge.resource();
    await until(async () => (await known(host)) === 200);
    const reply = await fetch(`${internal}/traefik-config?certResolver=le`);
    expect(reply.headers.get('content-type')).toBe('application/json');
    const { http } = (await reply.json()) as { http: { routers: Record<string, unknown>; services: unknown } };
    expect(http.routers[`gatehouse-${resourceId}`]).toEqual({
      rule: `Host(\`${host}\`)`,
      service: 'gatehouse',
      middlewares: ['gatehouse'],
      tls: { certResolver: 'le' },
    });
    expect(http.services).toEqual({
      gatehouse: { loadBalancer: { passHostHeader: true, servers: [{ url: `http://127.0.0.1:${edge.port}` }] } },
    });
  });

  it('is nothing else', async () => {
    expect((await fetch(`${internal}/orgs`)).status).toBe(404);
    expect((await fetch(`${internal}/traefik-config`, { method: 'POST' })).status).toBe(405);
  });
});
