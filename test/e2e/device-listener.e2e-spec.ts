import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ask, resume, startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';

const SELF = '/api/v1/device/self';

let database: TestDatabase;
/** Takes claims; what is tried is another process. */
let plain: TestServer;
let tls: TlsServer;
let fleet: TestFleet;

beforeAll(async () => {
  database = await createTestDatabase();
  plain = await startServer({ databaseUrl: database.url });
  tls = await startTlsServer({
    databaseUrl: database.url,
    env: { UNFINISHED_PER_ADDRESS: '20', UNFINISHED_TOTAL: '50', MTLS_ON_MAIN_PORT: 'true' },
  });
  fleet = await TestFleet.create(plain);
});
afterAll(async () => {
  await tls?.stop();
  await plain?.stop();
  await database?.drop();
});

describe('the listener for machines', () => {
  it('answers what machines ask, and nothing else', async () => {
    const { apiKey, deviceId } = await fleet.device();
    const headers = { authorization: `Bearer ${apiKey}` };
    for (const path of ['/api/v1/device/self', '/v1/device/self'])
      expect(await ask(tls.devicePort, path, { headers })).toMatchObject({
        status: 200,
        body: { device_id: deviceId },
      });
    expect((await ask(tls.devicePort, '/api/v1/auth/device/get-token', { headers, method: 'POST' })).status).toBe(200);
    for (const path of [
      '/',
      '/healthz',
      '/api/docs',
      '/api/v1',
      '/api/v1/orgs',
      '/api/v1/auth/login',
      '/api/v1/device',
      '/api/v1/device%2f..%2forgs',
      '/api/v1/device/../orgs',
      '/api/v1/%64evice/self/../../orgs',
      '/metrics',
    ]) {
      const { rootKey } = tls.server;
      const { status, body } = await ask(tls.devicePort, path, { headers: { authorization: `Bearer ${rootKey}` } });
      expect({ path, status, code: body['code'] }).toEqual({ path, status: 404, code: 'not_found' });
    }
  });

  it('begins sessions, and takes no upgrade elsewhere', async () => {
    const { apiKey } = await fleet.device();
    const headers = { authorization: `Bearer ${apiKey}` };
    const { body } = await ask(tls.devicePort, '/api/v1/auth/device/get-token', { headers, method: 'POST' });
    const { token } = body['data'] as { token: string };
    const ws = new WebSocket(`wss://127.0.0.1:${tls.devicePort}/api/v1/ws?clientType=newt`, {
      headers: { authorization: `Bearer ${token}` },
      rejectUnauthorized: false,
    });
    await new Promise((done, failed) => ws.once('open', done).once('error', failed));
    ws.close();
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
    expect((await ask(tls.devicePort, '/api/v1/events/stream', { headers: upgrade })).status).toBe(404);
  });

  /** Each with the certificate that it began with, and after all that with a renewed one. */
  const PLACES = [
    ['it', 'TLSv1.2'],
    ['it', 'TLSv1.3'],
    ['the main port, where it asks everybody for a certificate,', 'TLSv1.2'],
    ['the main port, where it asks everybody for a certificate,', 'TLSv1.3'],
  ] as const;
  async function resumesNothing(which: string, version: 'TLSv1.2' | 'TLSv1.3'): Promise<void> {
    const port = which === 'it' ? tls.devicePort : tls.server.port;
    const only = { minVersion: version, maxVersion: version };
    const headers = { connection: 'keep-alive' };
    const again = await resume(port, only, async (on) => void (await ask(port, SELF, { on, headers })));
    expect(again.isSessionReused()).toBe(false);
    if (version === 'TLSv1.2') {
      const refused = expect(once(again, 'close')).rejects.toThrow(/no renegotiation/);
      again.renegotiate({}, () => undefined);
      await refused;
    }
    again.destroy();
  }
  it.each(PLACES)('%s resumes nothing over %s, and does not renegotiate', resumesNothing);

  it('bounds connections whose handshake does not end, and serves others meanwhile', async () => {
    const { apiKey } = await fleet.device();
    const half = Array.from({ length: 60 }, () => {
      const socket = connect({ port: tls.devicePort, host: '127.0.0.1' });
      // The first bytes of a ClientHello of 16 KB.
      socket.on('error', () => undefined).on('connect', () => socket.write(Buffer.from('16030140000100', 'hex')));
      return socket.resume();
    });
    await until(() => half.filter((socket) => !socket.destroyed).length <= 20);
    expect(half.filter((socket) => !socket.destroyed).length).toBe(20);
    const headers = { authorization: `Bearer ${apiKey}` };
    expect((await ask(tls.devicePort, '/api/v1/device/self', { headers })).status).toBe(200);
    for (const socket of half) socket.destroy();
  });

  it('takes a renewed certificate without a restart, as the main port does, and both keep all that', async () => {
    await tls.renew('0b');
    for (const [which, version] of PLACES) await resumesNothing(which, version);
  });

  it('counts handshakes', async () => {
    expect(await tls.metrics()).toMatch(/gatehouse_tls_handshakes_total\{outcome="anonymous"\} [1-9]/);
  });
});
