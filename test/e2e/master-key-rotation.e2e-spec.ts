import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KeyRing } from '../../libs/platform/crypto/key-ring.js';
import { Api, provision, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { runToEnd } from '../support/run-program.js';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, TEST_MASTER_KEY, TEST_ROOT_KEY, type TestServer, until } from '../support/server.js';

const NEW_KEY = Buffer.alloc(32, 2).toString('base64');
const [OLD, NEW] = [TEST_MASTER_KEY, NEW_KEY].map((key) => new KeyRing(Buffer.from(key, 'base64')).fingerprints[0]!);
const BOTH = { MASTER_KEY: NEW_KEY, MASTER_KEY_PREVIOUS: TEST_MASTER_KEY };
/** More than two pages of what one transaction seals anew. */
const PSKS = 450;

let database: TestDatabase;
const servers = new Set<TestServer>();

async function start(env: Record<string, string>): Promise<TestServer> {
  const server = await startServer({ databaseUrl: database.url, env });
  servers.add(server);
  return server;
}
async function stop(server: TestServer): Promise<void> {
  servers.delete(server);
  await server.stop();
}
const refusedStart = async (env: Record<string, string>): Promise<string> => {
  const { code, stderr } = await runToEnd('main', {
    DATABASE_URL: database.url,
    PORT: String(await freePort()),
    ...env,
  });
  expect(code).toBe(1);
  return stderr;
};
const admin = (command: string, env: Record<string, string>, onOutput?: (kill: () => void) => void) =>
  runToEnd('admin', { DATABASE_URL: database.url, ...env }, [command], { ...(onOutput ? { onOutput } : {}) });

/** How many values are under each master key, by the first bytes of its fingerprint. */
const sealed = async (): Promise<Record<string, number>> => {
  const rows = await queryDatabase<{ id: string; n: number }>(
    database.url,
    `SELECT encode(substring(value from 1 for 4), 'hex') AS id, count(*)::int AS n FROM (
       SELECT psk_encrypted AS value FROM site_credential UNION ALL SELECT wrapped_key FROM secret_version
       UNION ALL SELECT sealed_key FROM signing_key UNION ALL ${AUTHORITIES}) v WHERE value IS NOT NULL GROUP BY 1`,
  );
  return Object.fromEntries(
    rows.map(({ id, n }) => [id === OLD!.slice(0, 8) ? 'old' : id === NEW!.slice(0, 8) ? 'new' : id, n]),
  );
};
const AUTHORITIES = 'SELECT key_encrypted FROM device_ca';
const states = async (): Promise<string[]> =>
  (
    await queryDatabase<{ state: string }>(
      database.url,
      `SELECT state || CASE fingerprint WHEN '${OLD}' THEN ' old' WHEN '${NEW}' THEN ' new' END AS state FROM master_key ORDER BY 1`,
    )
  ).map(({ state }) => state);

async function csr(): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=device',
    keys: keys as never,
    signingAlgorithm: algorithm,
  });
  return request.toString('pem');
}

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await database?.drop();
});

it('is changed over two servers while machines claim, and after a kill', async () => {
  let [a, b] = [await start({}), await start({})];
  const org = await TestOrg.create(new Api(a.url, TEST_ROOT_KEY));
  const [pskKey, certificateKey] = [
    (await org.keyUnder({ credentialType: 'psk' })).siteProvisioningKey,
    (await org.keyUnder({ credentialType: 'certificate' })).siteProvisioningKey,
  ];
  const claim = async (server: TestServer): Promise<void> => {
    const { status } = await provision(server.url, { provision_key: pskKey });
    expect(status).toBe(201);
  };
  const enrol = async (server: TestServer): Promise<void> => {
    const { status } = await provision(server.url, { provision_key: certificateKey, csr: await csr() });
    expect(status).toBe(201);
  };
  await Promise.all(Array.from({ length: PSKS }, (_, i) => claim(i % 2 ? a : b)));
  await enrol(a);
  await org.root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('first') });
  expect(await states()).toEqual(['writing old']);

  // One server has both: the other could not read what is under the new one, so nothing is.
  await stop(a);
  a = await start(BOTH);
  const api = new Api(a.url, TEST_ROOT_KEY);
  await claim(a);
  await enrol(b);
  await api.expect('POST', org.path('secret/TOKEN/version'), { value: secretValue('second') });
  expect(Object.keys(await sealed())).toEqual(['old']);
  const early = await admin('rotate-master-key', BOTH);
  expect(early).toMatchObject({ code: 1, stdout: '' });
  expect(early.stderr).toMatch(new RegExp(`Restart every server .*:${b.port} `));
  expect(await states()).toEqual(['accepted new', 'writing old']);

  await stop(b);
  b = await start(BOTH);
  await until(async () => (await states()).includes('writing new'));
  expect(await refusedStart({ MASTER_KEY: TEST_MASTER_KEY })).toMatch(/has been changed/);
  expect(await refusedStart({ MASTER_KEY: NEW_KEY })).toMatch(/MASTER_KEY_PREVIOUS/);

  let claiming = true;
  const claims = Promise.all(
    [a, b].map(async (server) => {
      while (claiming) await claim(server);
    }),
  );
  await admin('rotate-master-key', BOTH, (kill) => kill());
  expect(await states()).toEqual(['previous old', 'writing new']);
  const done = await admin('rotate-master-key', BOTH);
  claiming = false;
  await claims;
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toMatch(/restart the servers without MASTER_KEY_PREVIOUS/);
  expect(await states()).toEqual(['writing new']);
  expect(Object.keys(await sealed())).toEqual(['new']);
  expect(await admin('rotate-master-key', BOTH)).toMatchObject({ code: 0 });

  await Promise.all([stop(a), stop(b)]);
  expect(await refusedStart({ MASTER_KEY: TEST_MASTER_KEY })).toMatch(/not the one/);
  const alone = await start({ MASTER_KEY: NEW_KEY });
  await claim(alone);
  await enrol(alone);
  expect(await admin('rotate-master-key', { MASTER_KEY: NEW_KEY })).toMatchObject({ code: 1 });
  const { code, stdout } = await admin('check', { MASTER_KEY: NEW_KEY });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringContaining('cannot be decrypted') as string });
});

it('cannot be taken away while a value is under it', async () => {
  const rows = await queryDatabase<{ key_id: Buffer }>(database.url, 'SELECT key_id FROM master_key');
  expect(rows).toHaveLength(1);
  await expect(queryDatabase(database.url, 'DELETE FROM master_key')).rejects.toThrow(/foreign key/);
  await expect(
    queryDatabase(database.url, `UPDATE site_credential SET psk_encrypted = '\\x0102030405' WHERE kind = 'psk'`),
  ).rejects.toThrow(/foreign key/);
});
