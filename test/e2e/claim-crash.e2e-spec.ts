import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, deviceToken, newHardwareId, newNonce, newtToken, provision, register, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { dyingServer, failpoint } from '../support/dying-server.js';
import { startServer, type TestServer, until } from '../support/server.js';

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
const losing = (claim: (url: string) => Promise<unknown>): Promise<void> =>
  dyingServer(database.url, failpoint('claim-committed'), async (doomed, file) => {
    writeFileSync(file, '');
    await expect(claim(doomed.url)).rejects.toThrow();
  });

describe('the server killed between commit and answer', () => {
  it('devices: the retry ends with a working credential, one site and one use', async () => {
    const org = await TestOrg.create(Api.root(healthy));
    const key = await org.key({ maxBatchSize: 5 });
    const body = { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId(), claim_nonce: newNonce() };
    await losing((url) => provision(url, body));
    const committed = await queryDatabase<{ device_id: string }>(
      database.url,
      'SELECT device_id FROM site WHERE org_id = $1',
      [org.orgId],
    );
    expect(committed).toHaveLength(1);

    const retry = await provision(healthy.url, body);
    expect(retry.status).toBe(201);
    expect(retry.body.device_id).toBe(committed[0]!.device_id);
    expect((await deviceToken(healthy.url, retry.body.api_key)).status).toBe(200);
    expect((await org.readKey(key.siteProvisioningKeyId)).numUsed).toBe(1);
    expect((await org.sites()).pagination.total).toBe(1);
  });

  it('newts: the same for the agent', async () => {
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

describe("a profile's blueprint, between the claim's commit and its application", () => {
  const text =
    'public-resources:\n  "{{site.niceId}}":\n    name: "{{site.hardwareId}}"\n    protocol: http\n    full-domain: "{{site.niceId}}.localhost"\n    targets: [{method: http, hostname: localhost, port: 80}]\n';
  const owed = () => queryDatabase(database.url, 'SELECT site_id FROM profile_blueprint_due');

  async function fleet(): Promise<{ org: TestOrg; key: string; resources: () => Promise<string[]> }> {
    const org = await TestOrg.create(Api.root(healthy));
    const { profileId } = await org.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: 'fleet',
      blueprint: text,
    });
    const { siteProvisioningKey: key } = await org.keyUnder({ profileId });
    const resources = async () =>
      (await org.root.expect<{ resources: { name: string }[] }>('GET', org.path('resources?pageSize=1000'))).resources
        .map((r) => r.name)
        .sort();
    return { org, key, resources };
  }

  it('survives the death of the server: another one applies it once, though the device never comes back', async () => {
    const { org, key, resources } = await fleet();
    const hardwareId = newHardwareId();
    await losing((url) => provision(url, { provision_key: key, hardware_id: hardwareId }));
    expect((await org.sites()).pagination.total).toBe(1);
    await until(async () => (await owed()).length === 0);
    expect(await resources()).toEqual([hardwareId]);
    expect((await org.root.expect<{ blueprints: object[] }>('GET', org.path('blueprints'))).blueprints).toHaveLength(1);
  });

  it('survives the loss of the database: every site of a batch gets it once', async () => {
    const { org, key, resources } = await fleet();
    const proxy = await DatabaseProxy.start(database.url);
    const file = join(folder, 'held');
    const server = await startServer({
      databaseUrl: proxy.url,
      preload: [failpoint('claim-held')],
      env: { FAILPOINT_FILE: file },
    });
    try {
      writeFileSync(file, '');
      const ids = Array.from({ length: 20 }, newHardwareId).sort();
      const claims = ids.map((hardware_id) => provision(server.url, { provision_key: key, hardware_id }));
      await until(async () => (await owed()).length === ids.length);
      await proxy.cut();
      rmSync(file);
      // Each was decided and is answered as such; nothing was applied.
      expect((await Promise.all(claims)).map((reply) => reply.status)).toEqual(ids.map(() => 201));
      await proxy.restore();
      await until(async () => (await owed()).length === 0);
      expect(await resources()).toEqual(ids);
      expect(
        (await org.root.expect<{ blueprints: object[] }>('GET', org.path('blueprints?limit=100'))).blueprints,
      ).toHaveLength(ids.length);
    } finally {
      await server.stop();
      await proxy.stop();
    }
  });
});
