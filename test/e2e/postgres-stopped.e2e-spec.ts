import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { claimDataDir } from '../../libs/platform/config/data-dir.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/platform/database/embedded-postgres.js';
import { Api, provision } from '../support/api.js';
import { type TestDevice, TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';

const SESSIONS = 500;
const STOPPED_MS = 30_000;
const quiet = { info: () => undefined, warn: () => undefined };

let folder: string;
let dataDir: string;
let postgres: EmbeddedPostgres;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-stopped-'));
  chmodSync(folder, 0o711);
  dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  claimDataDir(dataDir);
  postgres = await startEmbeddedPostgres({ dataDir, log: quiet });
  server = await startServer({ databaseUrl: postgres.url });
});
afterAll(async () => {
  await server?.stop();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('PostgreSQL stopped for 30 s under 500 sessions: none is closed, every API says so, and all resumes without a restart', async () => {
  const fleet = await TestFleet.create(server);
  const devices: TestDevice[] = [];
  // Each asks the database on a connection of its own.
  while (devices.length < SESSIONS) devices.push(...(await fleet.devices(25)));
  const sessions = await Promise.all(devices.map((device) => fleet.connect(device)));
  await until(
    async () =>
      (await fleet.sql<{ n: number }>('SELECT count(*)::int AS n FROM site_presence WHERE session_id IS NOT NULL'))[0]!
        .n === SESSIONS,
  );

  const stoppedAt = Date.now();
  await postgres.stop();
  await until(async () => (await fetch(`${server.url}/readyz`)).status === 503);
  const root = Api.root(server);
  let asked = 0;
  while (Date.now() - stoppedAt < STOPPED_MS) {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    for (const reply of [
      await root.get('/orgs'),
      await root.put('/org', { orgId: 'x', name: 'x' }),
      await root.get('/user'),
      await provision(server.url, { provision_key: 'spk_x.y' }),
    ]) {
      expect(reply.status).toBe(503);
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    asked++;
    await new Promise((done) => setTimeout(done, 500));
  }
  expect(asked).toBeGreaterThan(1);
  expect(sessions.filter((session) => !session.isOpen)).toEqual([]);

  postgres = await startEmbeddedPostgres({ dataDir, log: quiet });
  await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
  expect(sessions.filter((session) => !session.isOpen)).toEqual([]);
  expect((await root.get('/orgs')).status).toBe(200);
  const rows = await fleet.sql<{ type: string; n: number }>(
    'SELECT type, count(*)::int AS n FROM event WHERE type LIKE $1 GROUP BY type',
    ['site.o%'],
  );
  expect(rows).toEqual([{ type: 'site.online', n: SESSIONS }]);
  // Revocation reaches a session that lived through it.
  await root.expect('POST', `/site/${devices[0]!.siteId}/revoke`, {});
  expect((await sessions[0]!.closed).code).toBe(4003);
  await Promise.all(sessions.slice(1).map((session) => session.close()));
});
