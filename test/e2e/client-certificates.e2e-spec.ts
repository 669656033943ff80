import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, provision } from '../support/api.js';
import { selfSigned } from '../support/certificate.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { clientCert, DeviceKey } from '../support/device-certificates.js';
import { ask, connectSession, connectTls, openssl, startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';

const SELF = '/api/v1/device/self';
const SECRET = 's'.repeat(40);

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-client-cert-'));
let database: TestDatabase;
/** Takes claims, and is what the proxy stands in front of. */
let plain: TestServer;
let tls: TlsServer;
let fleet: TestFleet;
let provisioningKey: string;

interface Device {
  deviceId: string;
  siteId: number;
  key: DeviceKey;
  certificate: string;
  /** For a connection. */
  pair: { cert: string; key: string };
}

beforeAll(async () => {
  database = await createTestDatabase();
  writeFileSync(join(folder, 'secret'), `${SECRET}\n`);
  plain = await startServer({
    databaseUrl: database.url,
    env: { CLIENT_CERT_FROM: '127.0.0.1', CLIENT_CERT_SECRET_FILE: join(folder, 'secret') },
  });
  tls = await startTlsServer({
    databaseUrl: database.url,
    env: { MTLS_ON_MAIN_PORT: 'true', DEVICE_TLS_NAME: 'device.example' },
  });
  fleet = await TestFleet.create(plain);
  const template = { credentialType: 'certificate' };
  provisioningKey = (await fleet.org.keyUnder(template, { approveNewSites: true })).siteProvisioningKey;
});
afterAll(async () => {
  await tls?.stop();
  await plain?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

async function claim(of = provisioningKey, owner = fleet): Promise<Device> {
  const key = await DeviceKey.make();
  const { body } = await provision(plain.url, { provision_key: of, hardware_id: newHardwareId(), csr: key.csr });
  const [row] = await owner.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  const certificate = body.certificate!;
  return { deviceId: body.device_id, siteId: row!.id, key, certificate, pair: { cert: certificate, key: key.pem } };
}

const set = (device: Device, assignments: string) =>
  fleet.sql(`UPDATE site_credential SET ${assignments} WHERE site_id = $1`, [device.siteId]);
const statusFor = async (pair: { cert: string; key: string }, path = SELF) =>
  (await ask(tls.devicePort, path, pair)).status;

describe('a client certificate', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('authenticates requests, tokens and sessions over %s', async (version) => {
    const device = await claim();
    const options = { ...device.pair, minVersion: version, maxVersion: version };
    expect(await ask(tls.devicePort, SELF, options)).toMatchObject({
      status: 200,
      body: { device_id: device.deviceId },
    });
    const token = await ask(tls.devicePort, '/api/v1/auth/device/get-token', { ...options, method: 'POST' });
    expect(token).toMatchObject({ status: 200, body: { data: { token: expect.any(String) as string } } });
    await (await connectSession(tls.devicePort, options)).close();
  });

  it('is refused where it is somebody else’s, made up, expired, superseded or over', async () => {
    const device = await claim();
    expect(await statusFor({ cert: await device.key.imitate(device.certificate), key: device.key.pem })).toBe(401);
    expect(await statusFor(await selfSigned('0d'))).toBe(401);
    expect(await statusFor(device.pair)).toBe(200);

    const others = await TestFleet.create(plain);
    const key = (await others.org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey;
    const foreign = await claim(key, others);
    expect((await ask(tls.devicePort, SELF, foreign.pair)).body).toMatchObject({ device_id: foreign.deviceId });
    // As if a row of one organization held what another one's authority has signed.
    const moved = await claim();
    await fleet.sql(
      `WITH taken AS (DELETE FROM site_credential WHERE site_id = $2 RETURNING certificate, certificate_hash, public_key_hash, serial)
       UPDATE site_credential c SET (certificate, certificate_hash, public_key_hash, serial) =
         (SELECT t.certificate, sha256(t.certificate_hash), t.public_key_hash, t.serial FROM taken t) WHERE c.site_id = $1`,
      [moved.siteId, foreign.siteId],
    );
    await fleet.sql('UPDATE site_credential SET certificate_hash = $2 WHERE site_id = $1', [
      moved.siteId,
      hashOf(foreign.certificate),
    ]);
    await fleet.sql(`SELECT pg_notify('site_changed', $1)`, [String(foreign.siteId)]);
    await until(async () => (await statusFor(foreign.pair)) === 401);

    const expired = await claim();
    await set(expired, `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`);
    const { status, body } = await ask(tls.devicePort, SELF, expired.pair);
    expect({ status, data: body['data'] }).toEqual({ status: 401, data: { renewable: true } });

    const superseded = await claim();
    await set(superseded, `stage = 'previous', ends_at = now() - interval '1 second'`);
    expect(await statusFor(superseded.pair)).toBe(401);

    const deleted = await claim();
    await fleet.root.expect('DELETE', `/site/${deleted.siteId}`);
    expect(await statusFor(deleted.pair)).toBe(401);
  });

  it('ends open connections with it, on another server, whether it is revoked or over', async () => {
    const [revoked, over] = [await claim(), await claim()];
    await set(over, `expires_at = now() + interval '3 seconds', renew_until = now() + interval '1 hour'`);
    const connections = await Promise.all([revoked, over].map(({ pair }) => connectTls(tls.devicePort, pair)));
    for (const on of connections) {
      const reply = await ask(tls.devicePort, SELF, { on, headers: { connection: 'keep-alive' } });
      expect(reply.status).toBe(200);
    }
    const closed = Promise.all(connections.map((connection) => once(connection, 'close')));
    await fleet.root.expect('DELETE', `/site/${revoked.siteId}`);
    await closed;
  });

  it('is asked for on the main port from who names the host for machines alone', async () => {
    const { pair } = await claim();
    const { port } = tls.server;
    expect((await ask(port, SELF, { ...pair, servername: 'device.example' })).status).toBe(200);
    expect((await ask(port, SELF, { ...pair, servername: 'www.example' })).status).toBe(401);
    expect((await ask(port, '/healthz', { servername: 'device.example' })).status).toBe(200);
  });

  it('is refused with a chain that is too long, and others are served', async () => {
    const { pair } = await claim();
    const huge = { ...pair, cert: pair.cert.trimEnd().concat('\n').repeat(300) };
    await expect(ask(tls.devicePort, SELF, huge)).rejects.toThrow(/alert/);
    expect(await statusFor(pair)).toBe(200);
  });

  it('is taken from openssl, where there is one', async () => {
    const { pair, deviceId } = await claim();
    const [cert, key] = [join(folder, 'device.pem'), join(folder, 'device.key')];
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key);
    const printed = openssl(tls.devicePort, SELF, ['-cert', cert, '-key', key]);
    if (printed === undefined) return;
    expect(printed).toContain(deviceId);
    expect(printed).toContain('No client certificate CA names sent');
  });
});

describe('behind a proxy', () => {
  /** By the lines of docs/credentials.md §5: asks for a certificate, takes any, and overwrites the field. */
  let proxy: Server;
  let port: number;

  beforeAll(async () => {
    proxy = createTlsServer(
      { ...(await selfSigned('0e')), ca: [], requestCert: true, rejectUnauthorized: false },
      (incoming, answer) => {
        const der = (incoming.socket as TLSSocket).getPeerX509Certificate()?.raw;
        const { 'client-cert-chain': _, ...headers } = incoming.headers;
        const sent = {
          ...headers,
          'client-cert': der ? `:${der.toString('base64')}:` : '::',
          'x-gatehouse-proxy': SECRET,
        };
        plainRequest(`${plain.url}${incoming.url}`, { method: incoming.method, headers: sent }, (reply) => {
          answer.writeHead(reply.statusCode!, reply.headers);
          reply.pipe(answer);
        }).end();
      },
    );
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    ({ port } = proxy.address() as AddressInfo);
  });
  afterAll(() => {
    proxy?.close();
    proxy?.closeAllConnections();
  });

  it('the certificate of the client counts, and none that the client tells', async () => {
    const [device, victim] = [await claim(), await claim()];
    const forged = { 'client-cert': clientCert(victim.certificate) };
    expect(await ask(port, SELF, device.pair)).toMatchObject({ status: 200, body: { device_id: device.deviceId } });
    expect(await ask(port, SELF, { ...device.pair, headers: forged })).toMatchObject({
      status: 200,
      body: { device_id: device.deviceId },
    });
    expect((await ask(port, SELF, { headers: forged })).status).toBe(401);
    expect((await ask(port, SELF, { headers: { 'client-cert-chain': 'x' } })).status).toBe(401);
    expect((await ask(port, SELF, { headers: { client_cert: clientCert(victim.certificate) } })).status).toBe(400);
    const token = await ask(port, '/api/v1/auth/device/get-token', { ...device.pair, method: 'POST' });
    expect(token.status).toBe(200);
  });

  it('nobody else is believed: straight, without the secret, twice, and on any path', async () => {
    const { certificate } = await claim();
    const field = clientCert(certificate);
    const straight = async (path: string, headers: Record<string, string | string[]>): Promise<number> => {
      const [reply] = (await once(plainRequest(`${plain.url}${path}`, { headers }).end(), 'response')) as [
        { statusCode: number; resume(): void },
      ];
      reply.resume();
      return reply.statusCode;
    };
    const said = { 'x-gatehouse-proxy': SECRET };
    expect(await straight(SELF, { 'client-cert': field, ...said })).toBe(200);
    for (const path of [SELF, '/healthz', '/api/v1/orgs', '/nowhere']) {
      expect({ path, status: await straight(path, { 'client-cert': field }) }).toEqual({ path, status: 400 });
      expect(await straight(path, { 'client-cert': field, 'x-gatehouse-proxy': `${SECRET}x` })).toBe(400);
      expect(await straight(path, { client_cert: field, ...said })).toBe(400);
      expect(await straight(path, { 'client-cert': [field, field], ...said })).toBe(400);
      expect(await straight(path, { 'client-cert-chain': field })).toBe(400);
    }
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const handshake = { ...upgrade, 'sec-websocket-key': Buffer.alloc(16).toString('base64') };
    expect(await straight('/api/v1/ws', { ...handshake, 'client-cert': field })).toBe(400);
    expect((await ask(tls.devicePort, SELF, { headers: { 'client-cert': field, ...said } })).status).toBe(400);
  });
});

function hashOf(pem: string): Buffer {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest();
}
