import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { FOREIGN_CLIENTS } from '../support/clients/index.js';
import { replay, type Values } from '../support/clients/replay.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer } from '../support/server.js';

// What clients that others wrote send, in their order, and what they read of the answers (test/support/clients).
let database: TestDatabase;
let server: TestServer;
let root: Api;
let serial = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  server = await startServer({ databaseUrl: database.url, env: { BASE_DOMAIN: 'gate.example.net' } });
  root = Api.root(server);
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** An organization of its own with a member, and what the client was configured with. */
async function configured(): Promise<Values> {
  const [org, w] = [`replay-${++serial}`, `w${randomBytes(4).toString('hex')}`];
  const [subnet, utilitySubnet] = ['100.90.128.0/20', '100.96.128.0/20'];
  await root.expect('PUT', '/org', { orgId: org, name: org, subnet, utilitySubnet });
  const { domains } = await root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${org}/domains`);
  const { roles } = await root.expect<{ roles: { roleId: number; name: string }[] }>('GET', `/org/${org}/roles`);
  const role = (name: string) => roles.find((one) => one.name === name)!.roleId;
  const email = `${w}@example.com`;
  const { inviteLink } = await root.expect<{ inviteLink: string }>('POST', `/org/${org}/create-invite`, {
    email,
    roleId: role('Member'),
    validHours: 1,
  });
  const token = new URL(inviteLink).searchParams.get('token');
  await new Api(server.url).expect('POST', '/invite/accept', { token, password: 'a password of a test' });
  const [user] = await queryDatabase<{ id: string }>(
    database.url,
    `SELECT user_id AS id FROM "user" WHERE email = '${email}'`,
  );
  return {
    org,
    w,
    domain: domains[0]!.domainId,
    adminRole: role('Admin'),
    memberRole: role('Member'),
    user: user!.id,
    free: '100.90.128.200',
  };
}

describe('a client that others wrote gets what it reads', () => {
  it.each(FOREIGN_CLIENTS.map((client) => [client.name, client] as const))('%s', async (_, client) => {
    await replay(client, server.url, server.rootKey, await configured());
  });

  it('and a replay fails when it does not: a field that is gone, one of another kind, another value, another status', async () => {
    const values = await configured();
    const calling = (call: object) =>
      replay(
        { name: 'x', calls: [{ method: 'GET', path: '/org/{org}', ...call }] },
        server.url,
        server.rootKey,
        values,
      );
    await calling({ reads: { 'org.orgId': 'string' } });
    await expect(calling({ reads: { 'org.color': 'string' } })).rejects.toThrow('org.color is undefined, not string');
    await expect(calling({ reads: { 'org.orgId': 'integer' } })).rejects.toThrow('not integer');
    await expect(calling({ shows: { 'org.name': 'other' } })).rejects.toThrow('not "other"');
    await expect(calling({ status: 404 })).rejects.toThrow('answers 200, not 404');
    await expect(calling({ path: '/org/{org}/clients', reads: { 'clients[].name': 'string' } })).rejects.toThrow(
      'the list is empty',
    );
  });
});
