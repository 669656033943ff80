import { afterAll, beforeAll, beforeEach } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { Api } from './api.js';
import { createUser, type StartedApp, startApp } from './app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from './database.js';

export interface Role {
  roleId: number;
  name: string;
  isAdmin: boolean;
  description: string | null;
  sshSudoCommands: string;
}
export interface OrgUser {
  userId: string;
  roleIds: number[];
  isAdmin: boolean;
  autoProvisioned: boolean;
  isOwner: boolean;
}
let database: TestDatabase;
export let one: StartedApp;
export let two: StartedApp;
export let root: Api;
export let ownerId: string;
let counter = 0;
/** A fresh organization for each test, and one that is somebody else's. */
export let org: string;
export let other: string;
export let admin: Role;
export let member: Role;
export let theirs: Role;
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
export const rolesOf = async (orgId: string) =>
  (await root.expect<{ roles: Role[] }>('GET', `/org/${orgId}/roles`)).roles;
export const newRole = (name: string, extra: object = {}) =>
  root.expect<Role>('PUT', `/org/${org}/role`, { name, ...extra });
export const withMatch = (etag: string) => root.as(root.authorization, { 'if-match': etag });
export const read = (userId: string) => root.expect<OrgUser>('GET', `/org/${org}/user/${userId}`);
export const auditOf = (orgId: string) =>
  sql<{ action: string; target_id: string; details: Record<string, unknown> }>(
    'SELECT action, target_id, details FROM audit WHERE org_id = $1 ORDER BY audit_id',
    [orgId],
  );
export async function newMember(
  roleIds = [member.roleId],
  orgId = org,
  password?: string,
): Promise<{ userId: string; email: string }> {
  const email = `user-${++counter}@example.com`;
  const userId = password === undefined ? `user${counter}` : await createUser(one, { email, password });
  if (password === undefined)
    await sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [userId, email]);
  await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, orgId, userId, { roleIds }));
  return { userId, email };
}

/** Two servers, and for each test a fresh organization beside one that is somebody else’s. */
export function setUpPeople(): void {
  beforeAll(async () => {
    database = await createTestDatabase();
    [one, two] = [await startApp(database.url), await startApp(database.url)];
    root = one.root;
    ownerId = await createUser(one, { email: 'owner@example.com', password: 'correct horse', serverAdmin: true });
  });
  afterAll(async () => {
    await Promise.all([one?.close(), two?.close()]);
    await database?.drop();
  });
  beforeEach(async () => {
    [org, other] = [`org-${++counter}`, `other-${counter}`];
    for (const orgId of [org, other]) await root.expect('PUT', '/org', { orgId, name: orgId });
    const roles = await rolesOf(org);
    [admin, member] = ['Admin', 'Member'].map((name) => roles.find((role) => role.name === name)!) as [Role, Role];
    theirs = (await rolesOf(other)).find((role) => role.name === 'Member')!;
  });
}
