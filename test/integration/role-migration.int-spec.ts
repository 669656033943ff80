import { afterAll, beforeAll, expect, it } from 'vitest';
import { queryDatabase, type TestDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await migrateFixture('0.1.0');
});
afterAll(() => database?.drop());

it('an organization of 0.1.0 has the built-in roles, but for one of whose name there was one, which holds what it held', async () => {
  const roles = await queryDatabase<{ name: string; preset: string | null; actions: string[]; told: boolean }>(
    database.url,
    `SELECT name, preset, actions, EXISTS (SELECT FROM audit WHERE action = 'role.create' AND actor_id = 'upgrade' AND target_id = role_id::text) AS told
     FROM role WHERE org_id = 'acme' AND name IN ('Operator', 'Approver', 'Viewer') ORDER BY name`,
  );
  expect(roles).toEqual([
    { name: 'Approver', preset: 'approver', actions: [], told: true },
    { name: 'Operator', preset: null, actions: ['getOrg', 'getResource', 'listResources'], told: false },
    { name: 'Viewer', preset: 'viewer', actions: [], told: true },
  ]);
});
