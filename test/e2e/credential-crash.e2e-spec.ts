import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentCredential } from '#contracts';
import { DOORS, type Door, DoorCredential } from '../support/credential-doors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTlsServer, type TlsServer } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { dying, failpoint } from '../support/dying-server.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { arm } from '../support/within-request.js';

let database: TestDatabase;
/** For operators. */
let plain: TestServer;
/** The one that lives. */
let healthy: TlsServer;
let fleet: TestFleet;
const keys = new Map<string, string>();

beforeAll(async () => {
  database = await createTestDatabase();
  plain = await startServer({ databaseUrl: database.url });
  healthy = await startTlsServer({ databaseUrl: database.url });
  fleet = await TestFleet.create(plain);
  for (const credentialType of ['api_key', 'psk', 'certificate'])
    keys.set(credentialType, (await fleet.org.keyUnder({ credentialType })).siteProvisioningKey);
});
afterAll(async () => {
  await healthy?.stop();
  await plain?.stop();
  await database?.drop();
});

/** One of each kind. */
const KINDS = DOORS.filter(({ name }) => !/main port|proxy|EST/.test(name));

/** A site by this door, whose credential was used. */
async function claimed(door: Door): Promise<{ first: DoorCredential; siteId: number }> {
  const provisioningKey = keys.get(door.kind) ?? keys.get('api_key')!;
  const first = await DoorCredential.claim(door, healthy, provisioningKey, async (newtId) => {
    const [row] = await fleet.sql<{ id: string }>(
      'SELECT device_id AS id FROM site JOIN site_credential USING (site_id) WHERE newt_id = $1',
      [newtId],
    );
    return row!.id;
  });
  await isIn(first);
  const [row] = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
    first.deviceId,
  ]);
  return { first, siteId: row!.id };
}

/** A pre-shared key is heard of a moment later. */
const isIn = (credential: DoorCredential, server = healthy) =>
  until(async () => (await credential.self(server)) === 'in');

async function renewed(credential: DoorCredential): Promise<DoorCredential> {
  const { outcome, next } = await credential.renew(healthy);
  expect(outcome).toBe('in');
  return next!;
}

const stages = async (siteId: number) =>
  (
    await fleet.sql<{ stage: string }>(
      `SELECT CASE WHEN revoked_at IS NULL THEN stage ELSE 'revoked' END AS stage FROM site_credential WHERE site_id = $1 ORDER BY credential_id`,
      [siteId],
    )
  ).map(({ stage }) => stage);

/** A server with all doors dies at the failpoint. */
const killed = (point: string, work: (server: TlsServer, file: string) => Promise<void>): Promise<void> =>
  dying({ options: { databaseUrl: database.url }, failpoint: failpoint(point), start: startTlsServer }, work);

describe.each(KINDS)('the server killed, $name', (door) => {
  it.each(['COMMIT', 'answer'])(
    'in a renewal, before its %s: the device asks again, and ends with one credential in force',
    async (at) => {
      const { first, siteId } = await claimed(door);
      await killed('within-request', async (doomed, file) => {
        await isIn(first, doomed);
        arm(file, { request: 'POST /device/credential/renew', at });
        await expect(first.renew(doomed)).rejects.toThrow();
      });
      const next = await renewed(first);
      await isIn(next);
      await isIn(first);
      const after = await stages(siteId);
      expect(after[0]).toBe('previous');
      expect(after.at(-1)).toBe('current');
      expect(after.slice(1, -1).every((stage) => stage === 'revoked')).toBe(true);
    },
  );

  it.each(['COMMIT', 'answer'])(
    'in the first use of the next credential, before its %s: both still do, and it happens once',
    async (at) => {
      const { first, siteId } = await claimed(door);
      const next = await renewed(first);
      await killed('within-request', async (doomed, file) => {
        await isIn(first, doomed);
        arm(file, { request: 'GET /device/self', at });
        // Until it is heard of, a pre-shared key ends no handshake.
        await until(async () => (await next.self(doomed).catch(() => 'dead' as const)) === 'dead');
      });
      await isIn(next);
      await isIn(first);
      expect(await stages(siteId)).toEqual(['previous', 'current']);
      expect(
        await fleet.sql(`SELECT 1 FROM event WHERE type = 'site.credential_rotated' AND site_id = $1`, [siteId]),
      ).toHaveLength(1);
    },
  );

  it('before the next credential left over the session: it is handed out again by the server that is there', async () => {
    const { first, siteId } = await claimed(door);
    const connect = async (server: TlsServer) => {
      const session = await first.connect(server);
      await session.hello({ capabilities: ['credentials'] });
      return session;
    };
    await killed('offer-of-credential', async (doomed, file) => {
      await isIn(first, doomed);
      const session = await connect(doomed);
      writeFileSync(file, '');
      await fleet.root.expect('POST', `/site/${siteId}/rotate-credential`, { overlapSeconds: 0 });
      await session.closed;
      expect(session.received.some(({ type }) => type === 'agent/credential')).toBe(false);
    });
    const session = await connect(healthy);
    const { credential } = (await session.message('agent/credential')).data as AgentCredential;
    // A certificate takes a CSR.
    expect(credential === undefined).toBe(door.kind === 'certificate');
    const next = credential === undefined ? await renewed(first) : first.followedBy(credential);
    await isIn(next);
    // Without an overlap the session of the one before ends with it.
    expect(await session.closed).toEqual({ code: 4002, reason: 'credential_ended' });
    await until(async () => (await first.self(healthy)) === 'refused');
    expect((await stages(siteId)).filter((stage) => stage !== 'revoked')).toEqual(['previous', 'current']);
    expect(await fleet.sql('SELECT 1 FROM credential_rotation WHERE site_id = $1', [siteId])).toEqual([]);
  });
});
