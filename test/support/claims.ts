import { afterAll, beforeAll } from 'vitest';
import { Api } from './api.js';
import { queryDatabase } from './database.js';
import { startServer, type TestServer } from './server.js';

export let server: TestServer;
export let second: TestServer;
export let root: Api;
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(server.databaseUrl, text, values);
export const siteOf = async (deviceId: string) =>
  (
    await sql<{
      site_id: number;
      status: string;
      name: string;
      labels: object;
      claim_id: number;
      key_id: string;
      key_generation: number;
      template_id: number;
    }>('SELECT * FROM site WHERE device_id = $1', [deviceId])
  )[0]!;

/** Two servers on one database. */
export function setUpClaims(): void {
  beforeAll(async () => {
    server = await startServer();
    second = await startServer({ databaseUrl: server.databaseUrl });
    root = Api.root(server);
  });
  afterAll(async () => {
    await second?.stop();
    await server?.stop();
  });
}
