import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Retention } from '#platform';
import { UsersService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { TestMailServer } from '../support/smtp.js';

interface Created {
  inviteLink: string;
  expiresAt: number;
  emailSent: boolean;
  emailError?: string;
}
interface Invitation {
  inviteId: string;
  email: string;
  expiresAt: number;
  roles: { roleId: number; roleName: string }[];
}

const PASSWORD = 'battery staple';
let database: TestDatabase;
let mail: TestMailServer;
let one: StartedApp;
let two: StartedApp;
let root: Api;
let anybody: Api;
let counter = 0;
let org: string;
let email: string;
let member: number;
let admin: number;
let theirs: number;

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
  const { roles } = await root.expect<{ roles: { roleId: number }[] }>('GET', `/org/${org}/roles`);
  [admin, member] = roles.map(({ roleId }) => roleId) as [number, number];
  mail.mails.length = 0;
  [mail.refusing, mail.silent] = [false, false];
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const ask = (body: object = {}, api = root) =>
  api.post<Created>(`/org/${org}/create-invite`, { email, roleIds: [member], validHours: 24, ...body });
const tokenIn = (link: string) => new URL(link).searchParams.get('token')!;
const list = () => root.expect<{ invitations: Invitation[]; pagination: object }>('GET', `/org/${org}/invitations`);
const accept = (token: string, password?: string, api = anybody) =>
  api.post<{ accepted: true; orgId: string; userId: string }>('/invite/accept', {
    token,
    ...(password === undefined ? {} : { password }),
  });
const audited = () =>
  sql<{ action: string; actor_type: string; actor_id: string; target_id: string }>(
    `SELECT action, actor_type, actor_id, target_id FROM audit WHERE org_id = $1 AND action LIKE 'invitation.%' ORDER BY audit_id`,
    [org],
  );

async function invited(body: object = {}): Promise<{ token: string; inviteId: string; created: Created }> {
  const reply = await ask(body);
  expect(reply.status, reply.text).toBe(200);
  const token = tokenIn(reply.body.data.inviteLink);
  return { token, inviteId: token.split('-')[0]!, created: reply.body.data };
}

describe('an invitation', () => {
  it('has the form that clients know, and its token is stored as a hash alone', async () => {
    const before = Date.now();
    const { created, inviteId, token } = await invited({
      email: email.toUpperCase().replace('GUEST', 'GUEST+x'),
      roleIds: undefined,
      roleId: member,
    });
    expect(Object.keys(created)).toEqual(['inviteLink', 'expiresAt', 'emailSent']);
    expect(created.inviteLink).toMatch(
      /^https:\/\/gate\.example\.com\/invite\?token=[A-Za-z0-9]{10}-[A-Za-z0-9]{32}&email=guest%2Bx-\d+%40example\.com$/,
    );
    expect(created.expiresAt).toBeGreaterThan(before + 24 * 3_600_000 - 60_000);
    expect(created.expiresAt).toBeLessThan(Date.now() + 24 * 3_600_000 + 60_000);
    const [row] = await sql<{ row: string }>('SELECT i::text AS row FROM invitation i WHERE invite_id = $1', [
      inviteId,
    ]);
    expect(row!.row).not.toContain(token.split('-')[1]);
    const { invitations, pagination } = await list();
    expect([invitations, pagination]).toEqual([
      [
        {
          inviteId,
          email: `guest+x-${counter}@example.com`,
          expiresAt: created.expiresAt,
          roles: [{ roleId: member, roleName: 'Member' }],
        },
      ],
      { total: 1, limit: 1000, offset: 0 },
    ]);
    expect(await root.expect('GET', `/org/${org}/invitations/${inviteId}`)).toEqual(invitations[0]);
    expect(await audited()).toEqual([
      {
        action: 'invitation.create',
        actor_type: 'root_key',
        actor_id: expect.any(String) as string,
        target_id: inviteId,
      },
    ]);
  });

  it.each([
    { email: 'nobody' },
    { email: undefined },
    { roleIds: [] },
    { roleIds: undefined },
    { validHours: 0 },
    { validHours: -1 },
    { validHours: 169 },
    { validHours: undefined },
    { validHours: '24' },
    { sendEmail: 'yes' },
    { unknown: 1 },
  ])('is refused when wrong: %j', async (body) => {
    expect((await ask(body)).body).toMatchObject({ status: 400, code: 'validation' });
  });

  it('names roles of its own organization only', async () => {
    for (const body of [
      { roleIds: [theirs] },
      { roleIds: [member, theirs] },
      { roleId: theirs },
      { roleIds: [999_999] },
    ])
      expect((await ask(body)).status).toBe(404);
    expect((await list()).invitations).toEqual([]);
  });

  it('is one for an address: of two at once one is made', async () => {
    const replies = await Promise.all([ask(), ask({}, new Api(two.url, root.authorization))]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect((await ask()).body).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('is not for a member', async () => {
    const userId = await createUser(one, { email, password: PASSWORD });
    await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, org, userId, { roleIds: [member] }));
    expect((await ask({ email: email.toUpperCase() })).body).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('is made anew with other roles at most three times an hour, whoever asks at once', async () => {
    const first = await invited();
    const second = await invited({ regenerate: true, roleIds: [admin], validHours: 1 });
    expect(second.inviteId).toBe(first.inviteId);
    expect((await list()).invitations).toMatchObject([
      { roles: [{ roleId: admin, roleName: 'Admin' }], expiresAt: second.created.expiresAt },
    ]);
    expect((await accept(first.token, PASSWORD)).status).toBe(404);
    const replies = await Promise.all(
      [1, 2, 3, 4, 5].flatMap(() => [
        ask({ regenerate: true }),
        ask({ regenerate: true }, new Api(two.url, root.authorization)),
      ]),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, ...Array<number>(8).fill(429)]);
    const refused = replies.find(({ status }) => status === 429)!;
    expect(refused.body.code).toBe('rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500);
    await sql(
      `UPDATE invitation SET regenerated_at = ARRAY(SELECT t - interval '61 minutes' FROM unnest(regenerated_at) t) WHERE org_id = $1`,
      [org],
    );
    expect((await ask({ regenerate: true })).status).toBe(200);
    expect((await audited()).map(({ action }) => action)).toEqual([
      'invitation.create',
      ...Array<string>(4).fill('invitation.regenerate'),
    ]);
  });

  it('that has expired is gone, and may be made again within the limit', async () => {
    const { inviteId, token } = await invited();
    const expire = () => sql(`UPDATE invitation SET expires_at = now() - interval '1 second' WHERE org_id = $1`, [org]);
    await expire();
    expect(await list()).toEqual({ invitations: [], pagination: { total: 0, limit: 1000, offset: 0 } });
    expect((await root.get(`/org/${org}/invitations/${inviteId}`)).status).toBe(404);
    expect((await accept(token, PASSWORD)).status).toBe(404);
    for (const status of [200, 200, 200, 429]) {
      expect((await ask()).status).toBe(status);
      await expire();
    }
    await one.app.get(Retention).sweep();
    expect(await sql('SELECT 1 FROM invitation WHERE org_id = $1', [org])).toHaveLength(1);
    await sql(`UPDATE invitation SET expires_at = now() - interval '61 minutes' WHERE org_id = $1`, [org]);
    await one.app.get(Retention).sweep();
    expect(await sql('SELECT 1 FROM invitation WHERE org_id = $1', [org])).toEqual([]);
  });

  it('is revoked', async () => {
    const { inviteId, token } = await invited();
    expect((await root.delete(`/org/other/invitations/${inviteId}`)).status).toBe(404);
    expect((await root.delete(`/org/${org}/invitations/${inviteId}`)).body).toMatchObject({ status: 200, data: null });
    expect((await root.delete(`/org/${org}/invitations/${inviteId}`)).status).toBe(404);
    expect((await accept(token, PASSWORD)).status).toBe(404);
  });

  it('asked for twice with one Idempotency-Key is one, with one link and one mail', async () => {
    const keyed = root.as(root.authorization, { 'idempotency-key': `invite-${counter}` });
    const replies = [await ask({ sendEmail: true }, keyed), await ask({ sendEmail: true }, keyed)];
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect(replies[1]!.body).toEqual(replies[0]!.body);
    expect(replies[0]!.body.data.emailSent).toBe(true);
    expect(mail.mails).toHaveLength(1);
  });
});

describe('its mail', () => {
  it('goes to the address, from MAIL_FROM, with the link and with the call of the API that accepts it', async () => {
    const { created } = await invited({ sendEmail: true });
    expect(created.emailSent).toBe(true);
    expect(mail.mails).toMatchObject([{ from: 'gate@example.com', to: [email] }]);
    expect(mail.mails[0]!.subject).toBe(`Invitation to "Organization ${counter}"`);
    expect(created).not.toHaveProperty('emailError');
    const [, url, body] = /POST (\S+)[\s\S]*?(\{"token".*\})/.exec(mail.mails[0]!.text)!;
    expect(url).toBe('https://gate.example.com/api/v1/invite/accept');
    const { token } = JSON.parse(body!) as { token: string };
    const link = `https://gate.example.com/invite?token=${token}&email=${encodeURIComponent(email)}`;
    expect(mail.mails[0]!.text).toContain(link);
    // The answer has a link of its own: what was mailed is in the mailbox alone.
    expect([token.split('-')[0], link === created.inviteLink]).toEqual([
      tokenIn(created.inviteLink).split('-')[0],
      false,
    ]);
    expect((await anybody.post(new URL(url!).pathname, body)).status).toBe(200);
    expect((await accept(tokenIn(created.inviteLink), PASSWORD)).status).toBe(404);
  });

  it('is not sent unasked', async () => {
    expect((await invited()).created.emailSent).toBe(false);
    expect(mail.mails).toEqual([]);
  });

  it('that the server refuses loses nothing', async () => {
    mail.refusing = true;
    const { created, token } = await invited({ sendEmail: true });
    expect(created).toMatchObject({ emailSent: false, emailError: 'the mail server refused the address' });
    expect((await accept(token, PASSWORD)).status).toBe(200);
  });

  it('waits for a silent server only so long, and for none in a transaction', async () => {
    mail.silent = true;
    const slow = ask({ sendEmail: true });
    // Committed while the mail still waits.
    await expect.poll(async () => (await list()).invitations.length).toBe(1);
    const reply = await slow;
    expect(reply).toMatchObject({
      status: 200,
      body: { data: { emailSent: false, emailError: 'the mail server took too long' } },
    });
  });

  it('is not tried without SMTP_URL: the link is in the answer', async () => {
    const reply = await ask({ sendEmail: true }, new Api(two.url, root.authorization));
    expect(reply.body.data).toMatchObject({
      inviteLink: expect.stringContaining('/invite?token=') as string,
      emailSent: false,
      emailError: 'this server has no SMTP_URL',
    });
  });
});

describe('accepting', () => {
  it('makes the user, membership and roles, and the user can log in', async () => {
    const { token, inviteId } = await invited({ roleIds: [member, admin] });
    const reply = await accept(token, PASSWORD);
    expect(reply.status).toBe(200);
    const { userId } = reply.body.data;
    expect(reply.body.data).toEqual({ accepted: true, orgId: org, userId });
    const session = await logIn(one.url, email, PASSWORD);
    expect(await session.expect('GET', '/user')).toMatchObject({
      userId,
      email,
      serverAdmin: false,
      memberships: [{ orgId: org, isOwner: false }],
    });
    expect(await root.expect('GET', `/org/${org}/user/${userId}`)).toMatchObject({
      roleIds: [admin, member],
      isAdmin: true,
    });
    expect((await list()).invitations).toEqual([]);
    expect((await audited()).at(-1)).toEqual({
      action: 'invitation.accept',
      actor_type: 'user',
      actor_id: userId,
      target_id: inviteId,
    });
    const log = await sql<{ n: number }>(
      `SELECT count(*) AS n FROM audit WHERE target_id IN ($1, $2) OR actor_id = $1`,
      [userId, inviteId],
    );
    // Created, accepted, logged in.
    expect(log).toEqual([{ n: 3 }]);
  });

  it('adds a user who exists, whose password stays', async () => {
    const userId = await createUser(one, { email, password: PASSWORD });
    const { token } = await invited();
    expect((await accept(token, 'another password')).body.data).toMatchObject({ userId });
    await logIn(one.url, email, PASSWORD);
  });

  it('adds a logged-in user on every server at once', async () => {
    await createUser(one, { email, password: PASSWORD });
    const session = await logIn(two.url, email, PASSWORD);
    expect((await session.get(`/org/${org}`)).status).toBe(404);
    const { token } = await invited();
    expect((await accept(token)).status).toBe(200);
    await expect.poll(async () => (await session.get(`/org/${org}`)).status).toBe(200);
  });

  it('works once: of two at once one wins', async () => {
    for (let round = 0; round < 3; round++) {
      email = `racer-${counter}-${round}@example.com`;
      const { token } = await invited();
      const replies = await Promise.all([accept(token, PASSWORD), accept(token, 'other password', new Api(two.url))]);
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 404]);
      expect((await accept(token, PASSWORD)).status).toBe(404);
      expect(await sql('SELECT 1 FROM "user" WHERE email = $1', [email])).toHaveLength(1);
    }
  });

  it('of mailed invitations by two organizations at once makes one user, a member of both', async () => {
    await invited({ sendEmail: true });
    await root.expect<Created>('POST', '/org/other/create-invite', {
      email,
      roleId: theirs,
      validHours: 1,
      sendEmail: true,
    });
    const [ours, others] = mail.mails.map(({ text }) => /token=([\w-]+)/.exec(text)![1]!) as [string, string];
    const replies = await Promise.all([accept(ours, PASSWORD), accept(others, PASSWORD, new Api(two.url))]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect(replies[0]!.body.data.userId).toBe(replies[1]!.body.data.userId);
    expect(await sql('SELECT org_id FROM membership WHERE user_id = $1', [replies[0]!.body.data.userId])).toHaveLength(
      2,
    );
  });

  it('needs a password of its own for a new user, and spends nothing without', async () => {
    const { token } = await invited();
    expect((await accept(token)).body).toMatchObject({
      status: 400,
      code: 'validation',
      fields: [{ path: 'password' }],
    });
    expect((await accept(token, 'short')).body).toMatchObject({ status: 400, fields: [{ path: 'password' }] });
    expect((await accept(token, 'ä'.repeat(37))).body).toMatchObject({ status: 400, fields: [{ path: 'password' }] });
    expect((await accept(token, PASSWORD)).status).toBe(200);
  });

  it('of a member is a conflict', async () => {
    const { token } = await invited();
    const userId = await createUser(one, { email, password: PASSWORD });
    await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, org, userId, { roleIds: [member] }));
    expect((await accept(token)).body).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('does not say what is wrong with a token', async () => {
    const { token, inviteId } = await invited();
    const wrong = [
      'x',
      `${inviteId}-${'A'.repeat(32)}`,
      `${'A'.repeat(10)}-${token.split('-')[1]!}`,
      inviteId,
      `${token}x`,
    ];
    const replies = await Promise.all(wrong.map((text) => accept(text, PASSWORD)));
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(replies[0]!.body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await accept(token, PASSWORD)).status).toBe(200);
  });

  it('counts refusals, and never turns a right token away', async () => {
    const strict = await startApp(database.url, { REFUSALS_PER_MINUTE: '3' });
    try {
      const { token, inviteId } = await invited();
      const guess = () => accept(`${inviteId}-${'A'.repeat(32)}`, PASSWORD, new Api(strict.url));
      const replies = [];
      for (let i = 0; i < 5; i++) replies.push(await guess());
      expect(replies.map(({ status }) => status)).toEqual([404, 404, 404, 429, 429]);
      expect(replies[4]!.headers.get('retry-after')).toMatch(/^\d+$/);
      expect((await accept(token, PASSWORD, new Api(strict.url))).status).toBe(200);
    } finally {
      await strict.close();
    }
  });

  it('while its role is replaced leaves nobody without a role', async () => {
    for (let round = 0; round < 5; round++) {
      email = `moved-${counter}-${round}@example.com`;
      const { roleId } = await root.expect<{ roleId: number }>('PUT', `/org/${org}/role`, { name: `Old ${round}` });
      const { token } = await invited({ roleIds: [roleId] });
      await createUser(one, { email, password: PASSWORD });
      const [accepted, deleted] = await Promise.all([
        accept(token),
        root.delete(`/role/${roleId}`, { roleId: member }),
      ]);
      expect([accepted.status, deleted.status]).toEqual([200, 200]);
      expect(await root.expect('GET', `/org/${org}/user/${accepted.body.data.userId}`)).toMatchObject({
        roleIds: [member],
      });
    }
  });

  it('of what is revoked while its role is replaced fails neither', async () => {
    const { roleId } = await root.expect<{ roleId: number }>('PUT', `/org/${org}/role`, { name: 'Old' });
    const { inviteId } = await invited({ roleIds: [roleId] });
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('DELETE FROM invitation WHERE invite_id = $1', [inviteId]);
      const deleted = root.delete(`/role/${roleId}`, { roleId: member });
      await expect.poll(async () => (await sql('SELECT 1 FROM pg_locks WHERE NOT granted')).length).toBeGreaterThan(0);
      await client.query('COMMIT');
      expect((await deleted).status).toBe(200);
    } finally {
      await client.end();
    }
  });
});
