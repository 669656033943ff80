import { afterAll, beforeAll } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { createUser, type StartedApp, startApp } from './app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from './database.js';

export let database: TestDatabase;
export let one: StartedApp;
export let two: StartedApp;
export let adminId: string;
export const admin = { email: 'admin@example.com', password: 'correct horse' };
export const member = { email: 'member@example.com', password: 'battery staple' };
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
export const audited = (action: string) =>
  sql<{ actor_type: string; actor_id: string; result: string; address: string; target_id: string }>(
    'SELECT actor_type, actor_id, result, host(address) AS address, target_id FROM audit WHERE action = $1 ORDER BY audit_id',
    [action],
  );
export async function orgKey(orgId: string, actions: string[] = []): Promise<{ id: string; token: string }> {
  const key = await one.root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${orgId}/api-key`, {
    name: 'k',
  });
  if (actions.length > 0)
    await one.root.expect('POST', `/org/${orgId}/api-key/${key.apiKeyId}/actions`, { actionIds: actions });
  return { id: key.apiKeyId, token: `${key.apiKeyId}.${key.apiKey}` };
}

/** Two servers, the organizations acme and other, a server administrator and a member of acme. */
export function setUpAccess(): void {
  beforeAll(async () => {
    database = await createTestDatabase();
    [one, two] = [await startApp(database.url), await startApp(database.url)];
    adminId = await createUser(one, { ...admin, serverAdmin: true });
    await one.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
    await one.root.expect('PUT', '/org', { orgId: 'other', name: 'Other' });
    const memberId = await createUser(one, member);
    const [role] = await sql<{ role_id: number }>(`SELECT role_id FROM role WHERE org_id = 'acme' AND name = 'Member'`);
    await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, 'acme', memberId, { roleIds: [role!.role_id] }));
  });
  afterAll(async () => {
    await Promise.all([one?.close(), two?.close()]);
    await database?.drop();
  });
}
