import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { Api, deviceToken, newHardwareId, provision, TestOrg } from './api.js';
import { queryDatabase } from './database.js';
import { startServer, type TestServer } from './server.js';
import { type Refused, TestSession } from './session.js';

export let server: TestServer;
export let org: TestOrg;
export let approved: string;
export let pending: string;
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(server.databaseUrl, text, values);
/** A new site with a device key, its numbers, and a token. */
export async function device(key = approved) {
  const { body } = await provision(server.url, {
    provision_key: key,
    device_name: `device ${randomUUID()}`,
    hardware_id: newHardwareId(),
  });
  const [row] = await sql<{ site_id: number; nice_id: string; desired_version: number }>(
    'SELECT site_id::int, nice_id, desired_version::int FROM site WHERE device_id = $1',
    [body.device_id],
  );
  const { body: answer } = await deviceToken(server.url, body.api_key);
  return {
    deviceId: body.device_id,
    apiKey: body.api_key,
    siteId: row!.site_id,
    niceId: row!.nice_id,
    version: row!.desired_version,
    token: answer.data.token,
  };
}
export const connect = (token: string) => TestSession.connect(server.wsUrl, token);
export const refusal = (token: string) =>
  connect(token).then(
    () => Promise.reject(new Error('The upgrade was accepted')),
    (refused: Refused) => refused,
  );
export const presence = async (siteId: number) =>
  (
    await sql<{ session_id: string | null; client_type: string }>(
      'SELECT session_id, client_type FROM site_presence WHERE site_id = $1',
      [siteId],
    )
  )[0];
export const isOnline = async (siteId: number) => ((await presence(siteId))?.session_id ?? null) !== null;

/** A server, and an organization with a key that approves and one that does not. */
export function setUpDeviceSessions(): void {
  beforeAll(async () => {
    server = await startServer();
    org = await TestOrg.create(Api.root(server));
    approved = (await org.key({ approveNewSites: true })).siteProvisioningKey;
    pending = (await org.key({ approveNewSites: false })).siteProvisioningKey;
  });
  afterAll(async () => {
    await server?.stop();
  });
}
