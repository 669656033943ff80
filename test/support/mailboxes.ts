import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Api } from './api.js';
import { type StartedApp, startApp } from './app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from './database.js';
import { TestMailServer } from './smtp.js';

interface Created {
  inviteLink: string;
  emailSent: boolean;
  emailError?: string;
}
export let database: TestDatabase;
export let mail: TestMailServer;
export let one: StartedApp;
export let two: StartedApp;
export let root: Api;
export let anybody: Api;
export let counter = 0;
/** Whose inviter accepts the invitation, and who invites the real person. */
export let mallory: string;
export let honest: string;
export let email: string;
/** The address that everything here is about from now on. */
export function changeEmail(address: string): void {
  email = address;
}
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
export const memberRole = async (org: string) =>
  (await sql<{ id: number }>(`SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`, [org]))[0]!.id;
export const ask = async (org: string, body: object = {}) =>
  root.expect<Created>('POST', `/org/${org}/create-invite`, {
    email,
    roleId: await memberRole(org),
    validHours: 24,
    ...body,
  });
export const request = (address = email) => anybody.post('/auth/verify-email/request', { email: address });

/** Two servers with one mail server; two organizations and an address for each test. */
export function setUpMailboxes(): void {
  beforeAll(async () => {
    [database, mail] = [await createTestDatabase(), await TestMailServer.start()];
    const smtp = { SMTP_URL: mail.url, MAIL_FROM: 'gate@example.com', REFUSALS_PER_MINUTE: '1000000' };
    [one, two] = [await startApp(database.url, smtp), await startApp(database.url, smtp)];
    [root, anybody] = [one.root, new Api(one.url)];
  });
  afterAll(async () => {
    await Promise.all([one?.close(), two?.close(), mail?.stop()]);
    await database?.drop();
  });
  beforeEach(async () => {
    [mallory, honest, email] = [`mallory-${++counter}`, `honest-${counter}`, `person-${counter}@example.com`];
    for (const orgId of [mallory, honest]) await root.expect('PUT', '/org', { orgId, name: `The ${orgId}` });
    mail.mails.length = 0;
  });
}
