import 'reflect-metadata';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSealed } from '../../libs/agent/src/credential/renewal.js';
import { bundleKeyPair, publicHalf } from '../../libs/agent/src/instance/bundle-key.js';
import { thumbprint } from '../../libs/agent/src/instance/statements.js';
import { KeyRing } from '../../libs/platform/crypto/key-ring.js';
import { SessionTokens } from '../../src/access/site-credentials/session-tokens.js';
import { AFTER_A_LEAK } from '../../src/first-run/master-key-rotation.js';
import { Challenges } from '../../src/instances/credentials/challenges.js';
import { Api, newHardwareId, newtToken, provision, register, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { failpoint } from '../support/dying-server.js';
import { basic } from '../support/est.js';
import { runToEnd } from '../support/run-program.js';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, TEST_MASTER_KEY, TEST_ROOT_KEY, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { arm } from '../support/within-request.js';

const OLD = TEST_MASTER_KEY;
const NEW = Buffer.alloc(32, 2).toString('base64');
const BOTH = { MASTER_KEY: NEW, MASTER_KEY_PREVIOUS: OLD };
const ringOf = (key: string) => new KeyRing(Buffer.from(key, 'base64'));

let database: TestDatabase;
let folder: string;
const servers = new Set<TestServer>();
beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-overlap-'));
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(env: Record<string, string>): Promise<TestServer> {
  const server = await startServer({ databaseUrl: database.url, env });
  servers.add(server);
  return server;
}
async function restart(server: TestServer, env: Record<string, string>): Promise<TestServer> {
  servers.delete(server);
  await server.stop();
  return start(env);
}
const rotate = (env: Record<string, string> = {}, preload: string[] = []) =>
  runToEnd('admin', { DATABASE_URL: database.url, ...BOTH, ...env }, ['rotate-master-key'], { preload });

/** The command dies before a statement that begins so. */
async function killedAt(statement: string): Promise<void> {
  const file = join(folder, 'armed');
  arm(file, { request: 'admin', at: statement });
  expect(await rotate({ FAILPOINT_FILE: file }, [failpoint('within-request')])).toMatchObject({ code: -1 });
  expect(existsSync(file)).toBe(false);
}

const states = async () =>
  (await queryDatabase<{ state: string }>(database.url, 'SELECT state FROM master_key ORDER BY 1')).map(
    ({ state }) => state,
  );
/** What is under the key before. */
async function left(): Promise<string[]> {
  const old = `decode('${ringOf(OLD).fingerprints[0]!.slice(0, 8)}', 'hex')`;
  const rows = await queryDatabase<{ what: string }>(
    database.url,
    `SELECT what FROM (SELECT 'psk' AS what, psk_encrypted AS value FROM site_credential UNION ALL SELECT 'secret', wrapped_key FROM secret_version
       UNION ALL SELECT 'signing key', sealed_key FROM signing_key) v WHERE substring(value from 1 for 4) = ${old} GROUP BY 1 ORDER BY 1`,
  );
  return rows.map(({ what }) => what);
}

/** A machine with a bundle key, and what servers under a master key have signed for it. */
async function machine(org: TestOrg, at: TestServer) {
  const pair = bundleKeyPair({});
  const { siteProvisioningKey } = await org.key();
  const claimed = await register(at.url, {
    provisioningKey: siteProvisioningKey,
    hardwareId: newHardwareId(),
    bundleKey: publicHalf(pair),
  });
  const { newtId, secret } = claimed.body.data;
  const [row] = await queryDatabase<{ siteId: number; credentialId: number }>(
    database.url,
    'SELECT site_id::int AS "siteId", credential_id::int AS "credentialId" FROM site_credential WHERE newt_id = $1',
    [newtId],
  );
  const bearer = row!;
  const renew = (server: TestServer, body: object) =>
    new Api(server.url, undefined, { authorization: basic(newtId, secret) }).post('/device/credential/renew', body);
  const self = async (server: TestServer, by: string) => (await new Api(server.url, by).get('/device/self')).status;
  /** By a challenge of a server. */
  const answerOf = async (server: TestServer): Promise<string> => {
    const { data } = (await renew(server, {})).body as unknown as { data: { challenge: string } };
    return openSealed(data.challenge, pair);
  };
  const about = { ...bearer, orgId: org.orgId };
  const key = { key: publicHalf(pair), jkt: thumbprint(pair) };
  return {
    renew,
    answerOf,
    sign: (masterKey: string) => new SessionTokens(ringOf(masterKey)).issue(bearer),
    /** Whether a server signs under this master key. */
    async isSignedUnder(server: TestServer, masterKey: string): Promise<[token: boolean, challenge: boolean]> {
      const { token } = (await newtToken(server.url, newtId, secret)).body.data;
      const ring = ringOf(masterKey);
      const answer = await answerOf(server);
      return [new SessionTokens(ring).verify(token) !== null, new Challenges(ring).isAnswered(answer, about, key)];
    },
    /** Whether a server takes a token and the answer to a challenge that were made under this master key a moment ago. */
    async takes(server: TestServer, masterKey: string): Promise<[token: number, challenge: number]> {
      const ring = ringOf(masterKey);
      const { challenge } = new Challenges(ring).demand(about, key).details.data as { challenge: string };
      const answered = await renew(server, { challenge: await openSealed(challenge, pair) });
      return [await self(server, new SessionTokens(ring).issue(bearer)), answered.status];
    },
  };
}

it('what was signed under either master key is taken by every server during the overlap, and under the former one by none after it', async () => {
  let [a, b] = [await start({}), await start({})];
  const org = await TestOrg.create(new Api(a.url, TEST_ROOT_KEY));
  const { renew, answerOf, sign, isSignedUnder, takes } = await machine(org, a);
  const { siteProvisioningKey } = await org.keyUnder({ credentialType: 'psk' });
  expect((await provision(a.url, { provision_key: siteProvisioningKey })).status).toBe(201);
  await org.root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('first') });
  const repeat = { 'idempotency-key': 'one' };
  const make = (server: TestServer) =>
    new Api(server.url, TEST_ROOT_KEY, repeat).put(org.path('site-provisioning-key'), {
      name: 'kept',
      maxBatchSize: null,
    });
  const made = await make(a);
  expect(made.status).toBe(201);

  // One has both: it goes on signing as the other one can read.
  b = await restart(b, BOTH);
  expect([await isSignedUnder(a, OLD), await isSignedUnder(b, OLD)]).toEqual(Array(2).fill([true, true]));
  expect([await takes(a, OLD), await takes(b, OLD), await takes(b, NEW)]).toEqual(Array(3).fill([200, 201]));

  a = await restart(a, BOTH);
  await until(async () => (await states()).includes('previous'));
  for (const server of [a, b])
    for (const key of [OLD, NEW]) expect([key, await takes(server, key)]).toEqual([key, [200, 201]]);
  for (const server of [a, b]) await until(async () => (await isSignedUnder(server, NEW)).every(Boolean));
  await (await TestSession.connect(b.wsUrl, sign(OLD))).close();
  expect((await renew(a, { challenge: await answerOf(b) })).status).toBe(201);

  // Killed after the first pages, it goes on where it was.
  expect(await left()).toEqual(['psk', 'secret', 'signing key']);
  await killedAt('UPDATE secret_version');
  expect(await left()).toEqual(['secret', 'signing key']);
  expect(await states()).toEqual(['previous', 'writing']);

  // The answer that is kept under the former key keeps it, and is answered again meanwhile.
  const paused = await rotate();
  expect(paused).toMatchObject({ code: 0, stderr: '' });
  const untilWhen = /under the key before until (\S+)\. Keep it until then, and run this once more/.exec(paused.stdout);
  expect(Date.parse(untilWhen![1]!) - Date.now()).toBeGreaterThan(23 * 3_600_000);
  expect(paused.stdout).not.toContain(AFTER_A_LEAK);
  expect(await left()).toEqual([]);
  expect(await states()).toEqual(['previous', 'writing']);
  const early = await runToEnd('main', {
    DATABASE_URL: database.url,
    PORT: String(await freePort()),
    MASTER_KEY: NEW,
  });
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('MASTER_KEY_PREVIOUS') as string });
  const again = await make(b);
  expect([again.status, again.text]).toEqual([made.status, made.text]);

  await queryDatabase(database.url, `UPDATE idempotency_key SET created_at = now() - interval '25 hours'`);
  await killedAt('DELETE FROM master_key');
  expect(await states()).toEqual(['previous', 'writing']);
  const done = await rotate();
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toContain(AFTER_A_LEAK);
  expect(await states()).toEqual(['writing']);

  [a, b] = [await restart(a, { MASTER_KEY: NEW }), await restart(b, { MASTER_KEY: NEW })];
  for (const server of [a, b]) {
    expect(await takes(server, OLD)).toEqual([401, 403]);
    expect(await takes(server, NEW)).toEqual([200, 201]);
  }
});
