import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Principal } from '#platform';
import { RefusedLogins } from '../../src/access/sessions/refused-logins.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

it('a flood of failed logins leaves its share of rows in the audit, and one that counts the rest', async () => {
  const caller = (n: number): Principal => ({
    authority: { kind: 'provisioningKey' },
    kind: 'anonymous',
    id: null,
    name: `guess${n}@example.com`,
    address: '192.0.2.66',
  });
  for (let n = 0; n < 500; n++) app.get(RefusedLogins).record(caller(n));
  const rows = await until(async () => {
    const { audit } = await app.root.expect<{
      audit: { actorId: string; result: string; address: string; details: { count?: number } | null }[];
    }>('GET', '/audit?action=auth.login&pageSize=1000');
    return audit.reduce((sum, row) => sum + (row.details?.count ?? 1), 0) === 500 ? audit : undefined;
  });
  // A minute may have ended meanwhile.
  expect(rows.length).toBeGreaterThanOrEqual(51);
  expect(rows.length).toBeLessThanOrEqual(102);
  expect(rows.at(-1)).toMatchObject({ actorId: 'guess0@example.com', result: 'failure', address: '192.0.2.66' });
  expect(rows.filter((row) => row.details?.count).every((row) => row.actorId === 'many')).toBe(true);
  app.get(RefusedLogins).record({ ...caller(500), address: '198.51.100.9' });
  await until(async () => (await app.sql(`SELECT FROM audit WHERE actor_id = 'guess500@example.com'`)).length === 1);
});
