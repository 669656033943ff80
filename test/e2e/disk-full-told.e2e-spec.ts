import { afterAll, beforeAll, expect, it } from 'vitest';
import { Api, provision, type TestKey, TestOrg } from '../support/api.js';
import { queryDatabase } from '../support/database.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';

let server: TestServer;
let metricsPort: number;
let key: TestKey;
beforeAll(async () => {
  metricsPort = await freePort();
  server = await startServer({ env: { METRICS_PORT: String(metricsPort) } });
  key = await (await TestOrg.create(Api.root(server))).key();
});
afterAll(async () => {
  await server?.stop();
});

const sql = (text: string) => queryDatabase(server.databaseUrl, text);
const claim = () => provision(server.url, { provision_key: key.siteProvisioningKey });
const metric = async () =>
  Number(
    /^gatehouse_database_disk_full (\S+)$/m.exec(
      await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    )?.[1],
  );
const told = () => server.logs.filter((line) => line.includes('disk of the database is full'));

// PostgreSQL says that its disk is full, without a disk: where nothing can be mounted this is all that disk-full.e2e-spec.ts leaves.
it('a refusal for want of room is told once, in the log, the metrics and /readyz, until there is room', async () => {
  expect(await metric()).toBe(0);
  await sql(
    `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`,
  );
  await sql('CREATE TRIGGER full_disk BEFORE INSERT ON site FOR EACH ROW EXECUTE FUNCTION full_disk()');
  for (let i = 0; i < 5; i++) expect((await claim()).status).toBe(503);
  const ready = await fetch(`${server.url}/readyz`);
  expect([
    ready.status,
    ((await ready.json()) as { code: string }).code,
    Number(ready.headers.get('retry-after')) > 0,
  ]).toEqual([503, 'database_full', true]);
  expect(await metric()).toBe(1);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await sql('DROP TRIGGER full_disk ON site');
  await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
  expect((await claim()).status).toBe(201);
  expect(await metric()).toBe(0);
  expect(told()).toHaveLength(1);
});
