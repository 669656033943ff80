import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { TestFleet } from '../support/devices.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let server: TestServer;
let fleet: TestFleet;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await DatabaseProxy.start(database.url);
  server = await startServer({ databaseUrl: proxy.url });
  fleet = await TestFleet.create(server, database.url);
});
afterAll(async () => {
  await proxy?.restore().catch(() => undefined);
  await server?.stop();
  await proxy?.stop();
  await database?.drop();
});

it('keeps every session while PostgreSQL is away, and repairs what was missed when it is back', async () => {
  const devices = await fleet.devices(40);
  const pending = await fleet.device('pending');
  const sessions = await Promise.all(devices.map((device) => fleet.connect(device)));
  const waiting = await fleet.connect(pending);
  await waiting.hello();
  const token = (await fleet.root.as(devices[0]!.apiKey).expect<{ token: string }>('POST', '/auth/device/get-token'))
    .token;

  await proxy.cut();
  await until(async () => (await fetch(`${server.url}/readyz`)).status === 503);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await expect(TestSession.connect(server.wsUrl, token)).rejects.toMatchObject({
    status: 503,
    headers: { 'retry-after': '5' },
  });
  // Messages are still answered.
  await Promise.all(sessions.map((session) => session.settled()));
  waiting.send('agent/applied', { version: 1, ok: false, error: 'while away' });
  const [closing, revoked, ...others] = sessions;
  await closing!.close();
  // Nobody hears of these two: the notices are lost with the connection.
  await fleet.sql('UPDATE site_credential SET revoked_at = now() WHERE site_id = $1', [devices[1]!.siteId]);
  await fleet.sql(`UPDATE site SET status = 'approved', desired_version = desired_version + 1 WHERE site_id = $1`, [
    pending.siteId,
  ]);
  expect(await fleet.isOnline(devices[0]!)).toBe(true);

  await proxy.restore();
  expect((await revoked!.closed).code).toBe(4003);
  await waiting.message('agent/state', (data) => data['status'] === 'approved');
  await until(async () => !(await fleet.isOnline(devices[0]!)));
  await until(
    async () =>
      (
        await fleet.sql(`SELECT 1 FROM agent_report WHERE site_id = $1 AND applied_error = 'while away'`, [
          pending.siteId,
        ])
      ).length,
  );
  for (const session of [...others, waiting]) expect(session.isOpen).toBe(true);
  for (const device of devices.slice(2)) expect(await fleet.events(device)).toEqual(['site.online']);
  expect(await fleet.events(devices[0]!)).toEqual(['site.online', 'site.offline']);
  const again = await fleet.connect(devices[0]!);
  await again.settled();
  await Promise.all([again, waiting, ...others].map((session) => session.close()));
});
