import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, deviceToken, newHardwareId, provision, type Reply, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { arm, withinRequest } from '../support/within-request.js';

const offerOfCredential = new URL('../support/failpoints/offer-of-credential.mjs', import.meta.url).href;
let database: TestDatabase;
let healthy: TestServer;
let org: TestOrg;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  healthy = await startServer({ databaseUrl: database.url });
  org = await TestOrg.create(Api.root(healthy));
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-failpoint-'));
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
const stages = async ({ siteId }: Device) =>
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
  const doomed = await startServer({ databaseUrl: database.url, preload: [failpoint], env: { FAILPOINT_FILE: file } });
  try {
    await work(doomed, file);
    expect(existsSync(file)).toBe(false);
  } finally {
    await doomed.stop();
    rmSync(file, { force: true });
  }
}

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
