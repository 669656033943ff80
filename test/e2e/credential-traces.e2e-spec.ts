// What proves a credential goes to its machine and stays nowhere else: docs/credentials.md §3 and §8.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactDecrypt } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AgentCredential, CREDENTIAL_PATHS, type RenewChallenge, type RenewedCredential } from '#contracts';
import { Api, newHardwareId, provision, type Reply } from '../support/api.js';
import { DOORS, DoorCredential, PROXY_SECRET } from '../support/credential-doors.js';
import { queryDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { dumpOf, spellingsOf } from '../support/traces.js';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-traces-'));
/** For operators, and for machines. */
let plain: TestServer;
let server: TlsServer;
let fleet: TestFleet;
beforeAll(async () => {
  const env = { LOG_LEVEL: 'trace' };
  plain = await startServer({ env });
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, PROXY_SECRET);
  server = await startTlsServer({
    databaseUrl: plain.databaseUrl,
    env: {
      ...env,
      MTLS_ON_MAIN_PORT: 'true',
      CLIENT_CERT_FROM: '127.0.0.1',
      CLIENT_CERT_SECRET_FILE: secretFile,
    },
  });
  fleet = await TestFleet.create(plain);
});
afterAll(async () => {
  await server?.stop();
  await plain?.stop();
  rmSync(folder, { recursive: true });
});

/** How the private half of every authority begins, as PKCS#8. */
const AUTHORITY_KEY = Buffer.from('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420', 'hex');

const siteOf = async (deviceId: string) =>
  (await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [deviceId]))[0]!.id;
const deviceOf = async (newtId: string) =>
  (
    await fleet.sql<{ id: string }>(
      'SELECT device_id AS id FROM site JOIN site_credential USING (site_id) WHERE newt_id = $1',
      [newtId],
    )
  )[0]!.id;

/** Claimed, used, renewed with a lost answer, and rotated over the session where the server makes the secret. @returns what was secret of it */
async function lived(door: (typeof DOORS)[number]): Promise<string[]> {
  const template = { credentialType: door.kind === 'newt' ? 'api_key' : door.kind };
  const { siteProvisioningKey } = await fleet.org.keyUnder(template);
  const isIn = (one: DoorCredential) => until(async () => (await one.self(server)) === 'in');
  const first = await DoorCredential.claim(door, server, siteProvisioningKey, deviceOf);
  await isIn(first);
  const lost = (await first.renew(server)).next!;
  const next = (await first.renew(server)).next!;
  await isIn(next);
  const all = [first, lost, next];
  const token = await next.token(server);
  const session = await next.connect(server);
  await session.hello({ capabilities: ['credentials'] });
  await fleet.root.expect('POST', `/site/${await siteOf(first.deviceId)}/rotate-credential`, { overlapSeconds: 60 });
  const { credential } = (await session.message('agent/credential')).data as AgentCredential;
  if (credential) {
    all.push(next.followedBy(credential));
    await isIn(all.at(-1)!);
  }
  await session.close();
  return [...all.flatMap(({ secrets }) => secrets), token as string, siteProvisioningKey.split('.').at(-1)!];
}

/** @returns the challenge, what is in it, and the credential that it bought */
async function challenged(): Promise<string[]> {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const { kty, crv, x } = publicKey.export({ format: 'jwk' });
  const { siteProvisioningKey } = await fleet.org.key();
  const { body } = await provision(plain.url, {
    provision_key: siteProvisioningKey,
    hardware_id: newHardwareId(),
    bundle_key: { kty, crv, x },
  });
  const path = CREDENTIAL_PATHS.renew.replace('/api/v1', '');
  const api = new Api(plain.url, body.api_key, { 'idempotency-key': 'renewal-1' });
  const asked = (await api.post(path, {})) as unknown as Reply<{ data: RenewChallenge }>;
  expect(asked.status).toBe(403);
  const { challenge } = asked.body.data;
  const answer = new TextDecoder().decode((await compactDecrypt(challenge, privateKey)).plaintext);
  expect((await new Api(plain.url, body.api_key).post(path, { challenge: `${answer}A` })).status).toBe(403);
  const again = new Api(plain.url, body.api_key, { 'idempotency-key': 'renewal-2' });
  const renewed = (await again.post(path, { challenge: answer })) as unknown as Reply<RenewedCredential>;
  expect(renewed.status).toBe(201);
  return [challenge, answer, answer.split('.')[1]!, body.api_key, renewed.body.api_key!];
}

it('no row, log, metric or list tells of what proves a credential', async () => {
  const secrets = [...(await challenged()), PROXY_SECRET];
  for (const door of DOORS) {
    const own = await lived(door);
    // A device's own key is never sent; the others get a secret for each of four credentials.
    if (door.kind !== 'certificate') expect(own).toHaveLength(6);
    secrets.push(...own);
  }
  const lists = ['audit', 'events', 'jobs', 'sites', 'credential-rotations', 'certificate-authorities'];
  const told = await Promise.all(lists.map((list) => fleet.root.get(fleet.org.path(list))));
  expect(told.map(({ status }) => status)).toEqual(lists.map(() => 200));
  const sites = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site');
  for (const { id } of sites) told.push(await fleet.root.get(`/site/${id}/credentials`));
  const places = {
    lists: told.map(({ text }) => text).join('\n'),
    rows: await dumpOf(plain.databaseUrl),
    logs: [...plain.logs, ...server.server.logs].join('\n'),
    metrics: await server.metrics(),
  };
  const psks = secrets.filter((one) => /^[\w-]{43}$/.test(one)).map((one) => Buffer.from(one, 'base64url'));
  const bytes = [...new Set(secrets)].map((one) => Buffer.from(one));
  const traces = [...bytes, ...psks, AUTHORITY_KEY].flatMap(spellingsOf);
  const foundIn = (content: string) => traces.filter((trace) => content.includes(trace));
  const found = Object.entries(places).flatMap(([place, content]) =>
    foundIn(content).map((trace) => `${place}: ${trace}`),
  );
  expect(found).toEqual([]);

  // The search finds what is there.
  await queryDatabase(plain.databaseUrl, 'CREATE TABLE leak (key bytea, body text)');
  await queryDatabase(plain.databaseUrl, 'INSERT INTO leak VALUES ($1, $2)', [
    psks[0],
    JSON.stringify({ secrets: secrets.slice(0, 2) }),
  ]);
  expect(foundIn(await dumpOf(plain.databaseUrl)).length).toBeGreaterThanOrEqual(3);
});
