import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Principal } from '#platform';
import { RefusedLogins } from '../../src/access/sessions/refused-logins.js';
import { type House, openHouse } from '../support/test-app.js';
import { until } from '../support/server.js';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house?.close());

it('a flood of failed logins leaves its share of rows in the audit, and one that counts the rest', async () => {
  const caller = (n: number): Principal => ({ have: { kind: 'provisioningKey' }, kind: 'anonymous', id: null, name: `guess${n}@example.com`, address: '192.0.2.66' });
  for (let n = 0; n < 500; n++) house.get(RefusedLogins).record(caller(n));
  const rows = await until(async () => {
    const { audit } = await house.root.expect<{ audit: { actorId: string; result: string; address: string; details: { count?: number } | null }[] }>('GET', '/audit?action=auth.login&pageSize=1000');
    return audit.reduce((sum, row) => sum + (row.details?.count ?? 1), 0) === 500 ? audit : undefined;
  });
  // A minute may have ended meanwhile.
  expect(rows.length).toBeGreaterThanOrEqual(51);
  expect(rows.length).toBeLessThanOrEqual(102);
  expect(rows.at(-1)).toMatchObject({ actorId: 'guess0@example.com', result: 'failure', address: '192.0.2.66' });
  expect(rows.filter((row) => row.details?.count).every((row) => row.actorId === 'many')).toBe(true);
  house.get(RefusedLogins).record({ ...caller(500), address: '198.51.100.9' });
  await until(async () => (await house.sql(`SELECT FROM audit WHERE actor_id = 'guess500@example.com'`)).length === 1);
});
