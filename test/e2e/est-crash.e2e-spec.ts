import type { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, newHardwareId, TestOrg } from '../support/api.js';
import { behindProxy } from '../support/behind-proxy.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { type Doomed, dying, failpoint } from '../support/dying-server.js';
import { basic, certificatesIn, EstDevice } from '../support/est.js';
import { startServer, type TestServer } from '../support/server.js';
import { arm } from '../support/within-request.js';

let database: TestDatabase;
let healthy: TestServer;
let org: TestOrg;
let doomed: Doomed<TestServer>;
const proxy = behindProxy();

beforeAll(async () => {
  database = await createTestDatabase();
  const options = { databaseUrl: database.url, env: proxy.env };
  doomed = { options, failpoint: failpoint('within-request'), start: startServer };
  healthy = await startServer(options);
  org = await TestOrg.create(Api.root(healthy));
});
afterAll(async () => {
  await healthy?.stop();
  await database?.drop();
  proxy.remove();
});

const stages = async (siteId: string) =>
  (
    await queryDatabase<{ stage: string }>(
      database.url,
      `SELECT CASE WHEN revoked_at IS NULL THEN stage ELSE 'revoked' END AS stage FROM site_credential WHERE site_id = $1 ORDER BY credential_id`,
      [siteId],
    )
  ).map(({ stage }) => stage);

/** A request of an EST client. @returns the certificate. @throws when there is no answer */
async function est(
  server: TestServer,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<X509Certificate> {
  const response = await fetch(`${server.url}/.well-known/est/${path}`, {
    method: 'POST',
    headers: { ...proxy.tls, 'content-type': 'application/pkcs10', ...headers },
    body,
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return certificatesIn(text)[0]!;
}
const proving = (certificate: X509Certificate) => proxy.proving(certificate.toString());
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
      await dying(doomed, async (server, file) => {
        arm(file, { request: 'POST /.well-known/est/simpleenroll', at });
        await expect(est(server, 'simpleenroll', csr, { authorization })).rejects.toThrow('fetch failed');
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
      await dying(doomed, async (server, file) => {
        arm(file, { request: 'POST /.well-known/est/simplereenroll', at });
        await expect(est(server, 'simplereenroll', csr, proving(present))).rejects.toThrow('fetch failed');
      });
      const next = await est(healthy, 'simplereenroll', csr, proving(present));
      expect([next.subject, await successor.owns(next)]).toEqual([present.subject, true]);
      expect([await selfBy(next), await selfBy(present)]).toEqual([200, 200]);
      const [site] = await queryDatabase<{ id: string }>(
        database.url,
        'SELECT site_id AS id FROM site WHERE hardware_id = $1',
        [device.hardwareId],
      );
      const after = await stages(site!.id);
      expect([after[0], after.at(-1)]).toEqual(['previous', 'current']);
      // The lost one, which nobody has, went with the first use of the other.
      expect(after.slice(1, -1)).toEqual(at === 'answer' ? ['revoked'] : []);
    },
  );
});
