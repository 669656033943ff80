import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { newHardwareId, provision } from '../support/api.js';
import { selfSigned } from '../support/certificate.js';
import { ClientCertProxy } from '../support/client-cert-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { clientCert, DeviceKey } from '../support/device-certificates.js';
import {
  ask,
  connectSession,
  connectTls,
  openssl,
  resume,
  startTlsServer,
  type TlsOptions,
  type TlsReply,
  type TlsServer,
} from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

const SELF = '/api/v1/device/self';
const KEPT = { headers: { connection: 'keep-alive' } };
const SECRET = 's'.repeat(40);

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-client-cert-'));
let database: TestDatabase;
/** Takes claims, and is what the proxy stands in front of. */
let plain: TestServer;
let tls: TlsServer;
let proxy: ClientCertProxy;
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
  proxy = await ClientCertProxy.start(plain.url, SECRET);
  fleet = await TestFleet.create(plain);
  const template = { credentialType: 'certificate' };
  provisioningKey = (await fleet.org.keyUnder(template, { approveNewSites: true })).siteProvisioningKey;
});
afterAll(async () => {
  proxy?.stop();
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
const remove = (device: Device) => fleet.root.expect('DELETE', `/site/${device.siteId}`);

/** Where certificates are taken. */
const PLACES: Record<string, (device: Pick<Device, 'pair'>) => Promise<TlsReply>> = {
  'at the listener': ({ pair }) => ask(tls.devicePort, SELF, pair),
  'on the main port': ({ pair }) => ask(tls.server.port, SELF, { ...pair, servername: 'device.example' }),
  'behind a proxy': ({ pair }) => ask(proxy.port, SELF, pair),
};

/** Certificates that are refused, and what their owner is told. */
const BAD: Record<string, { make: () => Promise<Pick<Device, 'pair'>>; told?: string }> = {
  'signed by its own key under the same names': {
    async make() {
      const { key, certificate } = await claim();
      return { pair: { cert: await key.imitate(certificate), key: key.pem } };
    },
  },
  'made up': { make: async () => ({ pair: await selfSigned('0d') }) },
  'of another organization, in a row of this one': { make: misplaced },
  'past its end': {
    async make() {
      const device = await claim();
      await set(device, `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`);
      return device;
    },
    told: 'renewable',
  },
  superseded: {
    async make() {
      const device = await claim();
      await set(device, `stage = 'previous', ends_at = now() - interval '1 second'`);
      return device;
    },
  },
  'of a revoked site': {
    async make() {
      const device = await claim();
      await fleet.root.expect('POST', `/site/${device.siteId}/revoke`, {});
      return device;
    },
    told: 'revocation',
  },
  'of a deleted site': {
    async make() {
      const device = await claim();
      await remove(device);
      return device;
    },
    told: 'revocation',
  },
};

/** As if a row of one organization held what another one's authority has signed. */
async function misplaced(): Promise<Device> {
  const others = await TestFleet.create(plain);
  const key = (await others.org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey;
  const foreign = await claim(key, others);
  for (const place of Object.values(PLACES))
    expect((await place(foreign)).body).toMatchObject({ device_id: foreign.deviceId });
  const own = await claim();
  await fleet.sql(
    `WITH taken AS (DELETE FROM site_credential WHERE site_id = $2 RETURNING certificate, certificate_hash, public_key_hash, serial)
     UPDATE site_credential c SET (certificate, certificate_hash, public_key_hash, serial) =
       (SELECT t.certificate, sha256(t.certificate_hash), t.public_key_hash, t.serial FROM taken t) WHERE c.site_id = $1`,
    [own.siteId, foreign.siteId],
  );
  await fleet.sql('UPDATE site_credential SET certificate_hash = $2 WHERE site_id = $1', [
    own.siteId,
    hashOf(foreign.certificate),
  ]);
  await fleet.sql(`SELECT pg_notify('site_changed', $1)`, [String(foreign.siteId)]);
  return foreign;
}

const statusFor = async (pair: TlsOptions) => (await ask(tls.devicePort, SELF, pair)).status;

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

  describe.each(Object.entries(PLACES))('%s', (_, place) => {
    it('authenticates', async () => {
      const device = await claim();
      expect(await place(device)).toMatchObject({ status: 200, body: { device_id: device.deviceId } });
    });

    it.each(Object.entries(BAD))('is refused when it is %s', async (_name, { make, told }) => {
      const device = await make();
      const { status, body } = await until(async () => {
        const reply = await place(device);
        return reply.status !== 200 && reply;
      });
      expect({ status, code: body['code'] }).toEqual({ status: 401, code: 'credential_unusable' });
      expect(Object.keys((body['data'] as object | null) ?? {})).toEqual(told ? expect.arrayContaining([told]) : []);
    });
  });

  it.each([
    ['the device API', 'GET', SELF],
    ['for a token alone', 'POST', '/api/v1/auth/device/get-token'],
  ])('ends open connections that asked %s when its time is over', async (_, method, path) => {
    const over = await claim();
    await set(over, `expires_at = now() + interval '2 seconds', renew_until = now() + interval '1 hour'`);
    const on = await connectTls(tls.devicePort, over.pair);
    // How it is closed is all one: an answer may be under way.
    const closed = new Promise((resolve) => on.on('error', () => undefined).once('close', resolve));
    const askAgain = () => ask(tls.devicePort, path, { ...KEPT, method, on });
    expect((await askAgain()).status).toBe(200);
    // Asked on and on, so that it is no other bound that closes it.
    let open = true;
    void closed.then(() => (open = false));
    await until(async () => {
      if (open) await Promise.race([closed, askAgain().catch(() => undefined)]);
      return !open;
    });
  });

  it.each([
    ['at the listener', 'TLSv1.2'],
    ['at the listener', 'TLSv1.3'],
    ['on the main port', 'TLSv1.2'],
    ['on the main port', 'TLSv1.3'],
  ] as const)('does not come back by a session %s over %s, least of all when it is revoked', async (place, version) => {
    const { siteId, pair } = await claim();
    const only = { minVersion: version, maxVersion: version, servername: 'device.example' };
    const port = place === 'at the listener' ? tls.devicePort : tls.server.port;
    const answered = (status: number) => async (on: TLSSocket) => {
      expect((await ask(port, SELF, { ...KEPT, on })).status).toBe(status);
    };
    const revoked = async (on: TLSSocket) => {
      await answered(200)(on);
      await fleet.root.expect('POST', `/site/${siteId}/revoke`, {});
      await until(async () => (await statusFor(pair)) === 401);
    };
    for (const [use, again] of [
      [answered(200), {}],
      [revoked, {}],
      [answered(401), pair],
    ] as const) {
      const second = await resume(port, { ...only, ...pair }, use, { ...only, ...again });
      expect(second.isSessionReused()).toBe(false);
      expect((await ask(port, SELF, { on: second })).status).toBe(401);
      second.destroy();
    }
  });

  it('ends with the trust in its authority, and so do the connection and the session that it opened', async () => {
    const owner = await TestFleet.create(plain);
    const template = { credentialType: 'certificate' };
    const key = (await owner.org.keyUnder(template, { approveNewSites: true })).siteProvisioningKey;
    const { pair } = await claim(key, owner);
    const kept = await connectTls(tls.devicePort, pair);
    const onKept = () => ask(tls.devicePort, SELF, { on: kept, headers: { connection: 'keep-alive' } });
    expect((await onKept()).status).toBe(200);
    const session = await connectSession(tls.devicePort, pair);
    const { body } = await ask(tls.devicePort, '/api/v1/auth/device/get-token', { ...pair, method: 'POST' });
    const { token } = body['data'] as { token: string };
    const keptEnds = once(kept, 'close');
    const rotate = (overlapSeconds: number) =>
      owner.root.expect('POST', owner.org.path('certificate-authority/rotate'), { overlapSeconds });
    await rotate(3_600);
    expect(await statusFor(pair)).toBe(200);
    expect((await onKept()).status).toBe(200);
    expect(session.ws.readyState).toBe(session.ws.OPEN);
    // The former authority's end comes sooner by a second rotation, and without another notice.
    await rotate(2);
    expect(await session.closed).toEqual({ code: 4002, reason: 'credential_ended' });
    await keptEnds;
    expect(await statusFor(pair)).toBe(401);
    await expect(connectSession(tls.devicePort, pair)).rejects.toMatchObject({ status: 401 });
    await expect(TestSession.connect(plain.wsUrl, token)).rejects.toMatchObject({ status: 401 });
  });

  it('is asked for on the main port from who names the host for machines alone', async () => {
    const { pair } = await claim();
    const { port } = tls.server;
    const asked = async () => {
      expect((await ask(port, SELF, { ...pair, servername: 'device.example' })).status).toBe(200);
      expect((await ask(port, SELF, { ...pair, servername: 'www.example' })).status).toBe(401);
      expect((await ask(port, '/healthz', { servername: 'device.example' })).status).toBe(200);
    };
    await asked();
    await tls.renew('0b');
    await asked();
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
    // What it was told of a session gives no early data, and nothing back.
    const [session, early] = [join(folder, 'session'), join(folder, 'early')];
    openssl(tls.devicePort, SELF, ['-tls1_3', '-cert', cert, '-key', key, '-sess_out', session]);
    writeFileSync(early, `GET ${SELF} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const again = openssl(tls.devicePort, SELF, ['-tls1_3', '-sess_in', session, '-early_data', early])!;
    expect(again).toContain('Early data was not sent');
    expect(again).toContain('New, TLSv1.3');
    expect(again).not.toContain(deviceId);
  });
});

describe('behind a proxy', () => {
  it('the certificate of the client counts, and none that the client tells', async () => {
    const [device, victim] = [await claim(), await claim()];
    const forged = { 'client-cert': clientCert(victim.certificate) };
    const { port } = proxy;
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
    expect((await ask(tls.devicePort, SELF, { headers: { 'client-cert': field, ...said } })).status).toBe(400);
  });
});

describe('a session behind a proxy', () => {
  it('begins by the certificate of the client, and ends with it', async () => {
    const [revoked, over] = [await claim(), await claim()];
    const begin = async ({ pair }: Device) => {
      const session = await connectSession(proxy.port, pair);
      await session.hello();
      return session;
    };
    const sessions = { revoked: await begin(revoked), over: await begin(over) };
    await fleet.root.expect('POST', `/site/${revoked.siteId}/revoke`, {});
    expect(await sessions.revoked.closed).toMatchObject({ code: 4003 });
    await set(over, `expires_at = now() - interval '1 second', renew_until = now() + interval '1 day'`);
    await fleet.sql(`SELECT pg_notify('site_changed', $1)`, [String(over.siteId)]);
    expect(await sessions.over.closed).toMatchObject({ code: 4002 });
    for (const { pair } of [revoked, over])
      await expect(connectSession(proxy.port, pair)).rejects.toMatchObject({
        status: 401,
        body: { code: 'credential_unusable' },
      });
  });

  it('is nobody’s by a certificate that the client tells, through the proxy and straight', async () => {
    const { siteId, certificate } = await claim();
    const field = clientCert(certificate);
    const said = { 'x-gatehouse-proxy': SECRET };
    await expect(connectSession(proxy.port, { headers: { 'client-cert': field } })).rejects.toMatchObject({
      status: 401,
    });
    await expect(connectSession(proxy.port, { headers: { client_cert: field } })).rejects.toMatchObject({
      status: 400,
    });
    const forged: Record<string, string | string[]>[] = [
      { 'client-cert': field },
      { 'client-cert': field, 'x-gatehouse-proxy': `${SECRET}x` },
      { client_cert: field, ...said },
      { 'client-cert': field, client_cert: field, ...said },
      { 'client-cert': [field, field], ...said },
      { 'client-cert-chain': field },
    ];
    for (const headers of forged)
      await expect(straight(headers)).rejects.toMatchObject({ status: 400, body: { code: 'validation' } });
    expect(await fleet.isOnline({ siteId, deviceId: '', apiKey: '' })).toBe(false);
    await (await straight({ 'client-cert': field, ...said })).close();
  });

  const straight = (headers: Record<string, string | string[]>) =>
    TestSession.over(new WebSocket(`${plain.wsUrl}?clientType=newt`, { headers: headers as Record<string, string> }));
});

function hashOf(pem: string): Buffer {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest();
}
