import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, deviceToken, newHardwareId, newNonce, newtToken, provision, register, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer } from '../support/server.js';

const failpoint = new URL('../support/failpoints/claim-committed.mjs', import.meta.url).href;
let database: TestDatabase;
let healthy: TestServer;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  healthy = await startServer({ databaseUrl: database.url });
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-failpoint-'));
});
afterAll(async () => {
  await healthy?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends `claim` to a server that dies between commit and answer. */
async function losing(claim: (url: string) => Promise<unknown>): Promise<void> {
  const file = join(folder, 'armed');
  const doomed = await startServer({ databaseUrl: database.url, preload: [failpoint], env: { FAILPOINT_FILE: file } });
  try {
    writeFileSync(file, '');
    await expect(claim(doomed.url)).rejects.toThrow();
  } finally {
    await doomed.stop();
  }
}

describe('the server killed between commit and answer', () => {
  it('device door: the retry ends with a working credential, one site and one use', async () => {
    const org = await TestOrg.create(Api.root(healthy));
    const key = await org.key({ maxBatchSize: 5 });
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
    await losing((url) => provision(url, body));
    const committed = await queryDatabase<{ device_id: string }>(database.url, 'SELECT device_id FROM site WHERE org_id = $1', [org.orgId]);
    expect(committed).toHaveLength(1);

    const retry = await provision(healthy.url, body);
    expect(retry.status).toBe(201);
    expect(retry.body.device_id).toBe(committed[0]!.device_id);
    expect((await deviceToken(healthy.url, retry.body.api_key)).status).toBe(200);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
    expect((await org.sites()).pagination.total).toBe(1);
  });

  it('newt door: the same for the agent', async () => {
    const org = await TestOrg.create(Api.root(healthy));
    const key = await org.key({ maxBatchSize: 1 });
    const body = { provisioningKey: key.siteProvisioningKey, hardwareId: newHardwareId(), claimNonce: newNonce() };
    await losing((url) => register(url, body));
    const retry = await register(healthy.url, body);
    expect(retry.status).toBe(201);
    expect((await newtToken(healthy.url, retry.body.data.newtId, retry.body.data.secret)).status).toBe(200);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
    expect((await org.sites()).pagination.total).toBe(1);
  });
});
