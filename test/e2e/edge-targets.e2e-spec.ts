import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RouteTable } from '../../src/edge/routing/route-table.js';
import { selfSigned } from '../support/certificate.js';
import { TestEdge, WebTarget } from '../support/edge.js';
import { until } from '../support/server.js';

let edge: TestEdge;
let siteId: number;
beforeAll(async () => {
  edge = await TestEdge.start();
  ({ siteId } = await edge.site());
});
afterAll(async () => edge?.close());

describe('a target that speaks TLS', () => {
  it('with a certificate of its own is refused, until it may have any; and again when it may not', async () => {
    const server = https.createServer(await selfSigned('01'), (_request, response) => response.end('secret'));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { resourceId, host } = await edge.resource();
    const target = { ip: '127.0.0.1', port: (server.address() as AddressInfo).port, method: 'https' };
    const targetId = await edge.target(resourceId, siteId, target.port, { method: 'https' });
    await until(async () => (await edge.get(host)).status === 502);
    await edge.app.root.expect('POST', `/target/${targetId}`, { siteId, ...target, insecureTls: true });
    await until(async () => (await edge.get(host)).text === 'secret');
    // A stream that was opened without a look at the certificate is not used any more.
    await edge.app.root.expect('POST', `/target/${targetId}`, { siteId, ...target, insecureTls: false });
    await until(async () => (await edge.get(host)).status === 502);
    server.closeAllConnections();
    server.close();
  });
});

describe('a target that does not answer', () => {
  it('is waited for as long as the resource says', async () => {
    const target = await WebTarget.start((request, response) => {
      if (request.url === '/') response.end('here');
    });
    const host = await edge.publish(siteId, target.port, { responseTimeoutSeconds: 1 });
    expect(edge.app.get(RouteTable).find(host)!.settings).toMatchObject({ responseTimeoutSeconds: 1 });
    expect(await edge.get(host, '/never')).toMatchObject({ status: 504, text: expect.stringContaining('timeout') });
    target.stop();
  });
});
