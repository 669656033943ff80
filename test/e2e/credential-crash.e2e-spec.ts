import type { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, deviceToken, newHardwareId, provision, type Reply, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { clientCert } from '../support/device-certificates.js';
import { basic, certificatesIn, EstDevice } from '../support/est.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { arm, withinRequest } from '../support/within-request.js';

const offerOfCredential = new URL('../support/failpoints/offer-of-credential.mjs', import.meta.url).href;
let database: TestDatabase;
let healthy: TestServer;
let org: TestOrg;
let folder: string;

/** Behind a proxy that ends TLS and tells the certificates of its clients: this machine. */
let env: Record<string, string>;
const SECRET = 's'.repeat(32);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-failpoint-'));
  writeFileSync(join(folder, 'secret'), SECRET);
  env = {
    TRUST_PROXY: '127.0.0.1',
    CLIENT_CERT_FROM: '127.0.0.1',
    CLIENT_CERT_SECRET_FILE: join(folder, 'secret'),
  };
  database = await createTestDatabase();
  healthy = await startServer({ databaseUrl: database.url, env });
  org = await TestOrg.create(Api.root(healthy));
});
afterAll(async () => {
  await healthy?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

interface Device {
  siteId: number;
  key: string;
}

async function enrol(): Promise<Device> {
  const { siteProvisioningKey } = await org.key();
  const { body } = await provision(healthy.url, {
    provision_key: siteProvisioningKey,
    hardware_id: newHardwareId(),
  });
  const [row] = await queryDatabase<{ id: string }>(
    database.url,
    'SELECT site_id AS id FROM site WHERE device_id = $1',
    [body.device_id],
  );
  expect(await self(healthy, body.api_key)).toBe(200);
  return { siteId: Number(row!.id), key: body.api_key };
}

const self = async (server: TestServer, key: string) => (await new Api(server.url, key).get('/device/self')).status;
const renew = (server: TestServer, key: string) =>
  new Api(server.url, key).post('/device/credential/renew', {}) as unknown as Promise<Reply<{ api_key: string }>>;
const stages = async ({ siteId }: Pick<Device, 'siteId'>) =>
  (
    await queryDatabase<{ stage: string }>(
      database.url,
      `SELECT CASE WHEN revoked_at IS NULL THEN stage ELSE 'revoked' END AS stage FROM site_credential WHERE site_id = $1 ORDER BY credential_id`,
      [siteId],
    )
  ).map(({ stage }) => stage);

/** A server that dies at the failpoint once its file is there. */
async function dying(failpoint: string, work: (doomed: TestServer, file: string) => Promise<void>): Promise<void> {
  const file = join(folder, 'armed');
  const doomed = await startServer({
    databaseUrl: database.url,
    preload: [failpoint],
    env: { ...env, FAILPOINT_FILE: file },
  });
  try {
    await work(doomed, file);
    expect(existsSync(file)).toBe(false);
  } finally {
    await doomed.stop();
    rmSync(file, { force: true });
  }
}

/** A request of an EST client. @returns the certificate. @throws when there is no answer */
async function est(
  server: TestServer,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<X509Certificate> {
  const response = await fetch(`${server.url}/.well-known/est/${path}`, {
    method: 'POST',
    headers: { 'x-forwarded-proto': 'https', 'content-type': 'application/pkcs10', ...headers },
    body,
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return certificatesIn(text)[0]!;
}
const proving = (certificate: X509Certificate) => ({
  'client-cert': clientCert(certificate.toString()),
  'x-gatehouse-proxy': SECRET,
});
const selfBy = async (certificate: X509Certificate) =>
  (await new Api(healthy.url, undefined, proving(certificate)).get('/device/self')).status;

describe('the server killed in EST', () => {
  it.each(['COMMIT', 'answer'])(
    'in simpleenroll, before its %s: the same request again gets the certificate, one site and one use',
    async (at) => {
      const key = await org.keyUnder({ credentialType: 'certificate' }, { maxBatchSize: 1 });
      const device = await EstDevice.make(newHardwareId());
      const csr = await device.csr();
      const authorization = basic(device.hardwareId, key.siteProvisioningKey);
      await dying(withinRequest, async (doomed, file) => {
        arm(file, { request: 'POST /.well-known/est/simpleenroll', at });
        await expect(est(doomed, 'simpleenroll', csr, { authorization })).rejects.toThrow('fetch failed');
      });
      const sites = () =>
        queryDatabase<{ deviceId: string }>(
          database.url,
          'SELECT device_id AS "deviceId" FROM site WHERE hardware_id = $1',
          [device.hardwareId],
        );
      expect(await sites()).toHaveLength(at === 'answer' ? 1 : 0);
      const certificate = await est(healthy, 'simpleenroll', csr, { authorization });
      const [site, ...others] = await sites();
      expect([certificate.subject, others]).toEqual([`CN=${site!.deviceId}`, []]);
      expect(await device.owns(certificate)).toBe(true);
      expect(await selfBy(certificate)).toBe(200);
      expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
    },
  );

  it.each(['COMMIT', 'answer'])(
    'in simplereenroll, before its %s: the same request again gets the next certificate, and both are good',
    async (at) => {
      const key = await org.keyUnder({ credentialType: 'certificate' });
      const device = await EstDevice.make(newHardwareId());
      const present = await est(healthy, 'simpleenroll', await device.csr(), {
        authorization: basic(device.hardwareId, key.siteProvisioningKey),
      });
      const successor = await EstDevice.make(device.hardwareId);
      const csr = await successor.csr(present.subject);
      await dying(withinRequest, async (doomed, file) => {
        arm(file, { request: 'POST /.well-known/est/simplereenroll', at });
        await expect(est(doomed, 'simplereenroll', csr, proving(present))).rejects.toThrow('fetch failed');
      });
      const next = await est(healthy, 'simplereenroll', csr, proving(present));
      expect([next.subject, await successor.owns(next)]).toEqual([present.subject, true]);
      expect([await selfBy(next), await selfBy(present)]).toEqual([200, 200]);
      const [site] = await queryDatabase<{ id: string }>(
        database.url,
        'SELECT site_id AS id FROM site WHERE hardware_id = $1',
        [device.hardwareId],
      );
      const after = await stages({ siteId: Number(site!.id) });
      expect([after[0], after.at(-1)]).toEqual(['previous', 'current']);
      // The lost one, which nobody has, went with the first use of the other.
      expect(after.slice(1, -1)).toEqual(at === 'answer' ? ['revoked'] : []);
    },
  );
});

describe('the server killed', () => {
  it.each(['COMMIT', 'answer'])(
    'in a renewal, before its %s: the device asks again, and ends with one credential in force',
    async (at) => {
      const device = await enrol();
      await dying(withinRequest, async (doomed, file) => {
        arm(file, { request: 'POST /device/credential/renew', at });
        await expect(renew(doomed, device.key)).rejects.toThrow();
      });
      const { status, body } = await renew(healthy, device.key);
      expect(status).toBe(201);
      expect(await self(healthy, body.api_key)).toBe(200);
      expect(await self(healthy, device.key)).toBe(200);
      const after = await stages(device);
      expect(after[0]).toBe('previous');
      expect(after.at(-1)).toBe('current');
      expect(after.slice(1, -1).every((stage) => stage === 'revoked')).toBe(true);
    },
  );

  it.each(['COMMIT', 'answer'])(
    'in the first use of the next credential, before its %s: both still do, and it happens once',
    async (at) => {
      const device = await enrol();
      const { body } = await renew(healthy, device.key);
      await dying(withinRequest, async (doomed, file) => {
        arm(file, { request: 'GET /device/self', at });
        await expect(self(doomed, body.api_key)).rejects.toThrow();
      });
      expect(await self(healthy, body.api_key)).toBe(200);
      expect(await self(healthy, device.key)).toBe(200);
      expect(await stages(device)).toEqual(['previous', 'current']);
      expect(
        await queryDatabase(
          database.url,
          `SELECT 1 FROM event WHERE type = 'site.credential_rotated' AND site_id = $1`,
          [device.siteId],
        ),
      ).toHaveLength(1);
    },
  );

  it('before the next credential left over the session: it is handed out again by the server that is there', async () => {
    const device = await enrol();
    const connect = async (server: TestServer) => {
      const { body } = await deviceToken(server.url, device.key);
      const session = await TestSession.connect(server.wsUrl, body.data.token);
      await session.hello({ capabilities: ['credentials'] });
      return session;
    };
    await dying(offerOfCredential, async (doomed, file) => {
      const session = await connect(doomed);
      writeFileSync(file, '');
      await Api.root(healthy).expect('POST', `/site/${device.siteId}/rotate-credential`, { overlapSeconds: 0 });
      await session.closed;
      expect(session.received.some(({ type }) => type === 'agent/credential')).toBe(false);
    });
    const session = await connect(healthy);
    const { data } = await session.message('agent/credential');
    const next = (data['credential'] as { api_key: string }).api_key;
    expect(await self(healthy, next)).toBe(200);
    // Without an overlap the session of the one before ends with it.
    expect(await session.closed).toEqual({ code: 4002, reason: 'credential_ended' });
    await until(async () => (await self(healthy, device.key)) === 401);
    expect(
      await queryDatabase(database.url, 'SELECT 1 FROM credential_rotation WHERE site_id = $1', [device.siteId]),
    ).toEqual([]);
  });
});
