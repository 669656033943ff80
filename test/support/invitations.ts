import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { Api } from './api.js';
import { type StartedApp, startApp } from './app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from './database.js';
import { TestMailServer } from './smtp.js';

export interface Created {
  inviteLink: string;
  expiresAt: number;
  emailSent: boolean;
  emailError?: string;
}
export interface Invitation {
  inviteId: string;
  email: string;
  expiresAt: number;
  roles: { roleId: number; roleName: string }[];
}
export const PASSWORD = 'battery staple';
export let database: TestDatabase;
export let mail: TestMailServer;
export let one: StartedApp;
export let two: StartedApp;
export let root: Api;
export let anybody: Api;
export let counter = 0;
export let org: string;
export let email: string;
/** The address that everything here is about from now on. */
export function changeEmail(address: string): void {
  email = address;
}
export let member: number;
export let admin: number;
export let theirs: number;
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
export const ask = (body: object = {}, api = root) =>
  api.post<Created>(`/org/${org}/create-invite`, { email, roleIds: [member], validHours: 24, ...body });
export const tokenIn = (link: string) => new URL(link).searchParams.get('token')!;
export const list = () =>
  root.expect<{ invitations: Invitation[]; pagination: object }>('GET', `/org/${org}/invitations`);
export const accept = (token: string, password?: string, api = anybody) =>
  api.post<{ accepted: true; orgId: string; userId: string }>('/invite/accept', {
    token,
    ...(password === undefined ? {} : { password }),
  });
export const audited = () =>
  sql<{ action: string; actor_type: string; actor_id: string; target_id: string }>(
    `SELECT action, actor_type, actor_id, target_id FROM audit WHERE org_id = $1 AND action LIKE 'invitation.%' ORDER BY audit_id`,
    [org],
  );
export async function invited(body: object = {}): Promise<{ token: string; inviteId: string; created: Created }> {
  const reply = await ask(body);
  expect(reply.status, reply.text).toBe(200);
  const token = tokenIn(reply.body.data.inviteLink);
  return { token, inviteId: token.split('-')[0]!, created: reply.body.data };
}

/** Two servers with one mail server, and a fresh organization and address for each test. */
export function setUpInvitations(): void {
  beforeAll(async () => {
    [database, mail] = [await createTestDatabase(), await TestMailServer.start()];
    const smtp = {
      SMTP_URL: mail.url,
      MAIL_FROM: 'Gatehouse <gate@example.com>',
      PUBLIC_URL: 'https://gate.example.com',
    };
    [one, two] = [await startApp(database.url, smtp), await startApp(database.url)];
    [root, anybody] = [one.root, new Api(one.url)];
    await root.expect('PUT', '/org', { orgId: 'other', name: 'Other' });
    [{ roleId: theirs }] = (await sql<{ roleId: number }>(
      `SELECT role_id AS "roleId" FROM role WHERE org_id = 'other' AND name = 'Member'`,
    )) as [{ roleId: number }];
  });
  afterAll(async () => {
    await Promise.all([one?.close(), two?.close(), mail?.stop()]);
    await database?.drop();
  });
  beforeEach(async () => {
    org = `org-${++counter}`;
    email = `guest-${counter}@example.com`;
    await root.expect('PUT', '/org', { orgId: org, name: `Organization ${counter}` });
    const { roles } = await root.expect<{ roles: { roleId: number; name: string }[] }>('GET', `/org/${org}/roles`);
    [admin, member] = ['Admin', 'Member'].map((name) => roles.find((role) => role.name === name)!.roleId) as [
      number,
      number,
    ];
    mail.mails.length = 0;
    [mail.refusing, mail.silent] = [false, false];
  });
}
