import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Retention } from '#platform';
import { MailboxesService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { CSRF, createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';
import { TestMailServer } from '../support/smtp.js';

interface Created {
  inviteLink: string;
  emailSent: boolean;
  emailError?: string;
}
interface Person {
  userId: string;
  emailVerified: boolean;
  memberships: { orgId: string }[];
}

const [STRANGER, OWNER] = ['password of the stranger', 'password of the owner'];
let database: TestDatabase;
let mail: TestMailServer;
let one: StartedApp;
let two: StartedApp;
let root: Api;
let anybody: Api;
let counter = 0;
/** Whose inviter accepts the invitation, and who invites the real person. */
let mallory: string;
let honest: string;
let email: string;

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

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const memberRole = async (org: string) =>
  (await sql<{ id: number }>(`SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`, [org]))[0]!.id;
const ask = async (org: string, body: object = {}) =>
  root.expect<Created>('POST', `/org/${org}/create-invite`, {
    email,
    roleId: await memberRole(org),
    validHours: 24,
    ...body,
  });
const tokenIn = (text: string) => /token=([\w-]+)/.exec(text)![1]!;
/** The link of the answer, which its inviter reads, and the one in the mail. */
const answered = async (org: string) => tokenIn((await ask(org)).inviteLink);
async function mailed(org: string): Promise<string> {
  expect(await ask(org, { sendEmail: true })).toMatchObject({ emailSent: true });
  return tokenIn(mail.mails.at(-1)!.text);
}
const accept = (token: string, password?: string, api = anybody) =>
  api.post<{ orgId: string; userId: string }>('/invite/accept', {
    token,
    ...(password === undefined ? {} : { password }),
  });
const logsIn = async (password: string) =>
  (await new Api(one.url, undefined, CSRF).post('/auth/login', { email, password })).status === 200;
const open = async (org: string) =>
  (await root.expect<{ invitations: object[] }>('GET', `/org/${org}/invitations`)).invitations.length;
const memberships = async () =>
  (
    await sql<{ org: string }>(
      'SELECT org_id AS org FROM membership JOIN "user" USING (user_id) WHERE email = $1 ORDER BY 1',
      [email],
    )
  ).map(({ org }) => org);
const accounts = () => sql<{ email_verified: boolean }>('SELECT email_verified FROM "user" WHERE email = $1', [email]);

/** An account for somebody else's address. */
async function stolen(): Promise<{ userId: string; session: Api }> {
  const reply = await accept(await answered(mallory), STRANGER);
  expect(reply.status, reply.text).toBe(200);
  return { userId: reply.body.data.userId, session: await logIn(two.url, email, STRANGER) };
}

const request = (address = email) => anybody.post('/auth/verify-email/request', { email: address });
/** What was asked for has been done. */
const settled = () => until(() => one.app.get(MailboxesService)['requests'] === 0);
/** The code of the last mail. */
async function code(): Promise<string> {
  const before = mail.mails.length;
  expect((await request()).status).toBe(200);
  await until(() => mail.mails.length > before);
  return /"code": "(\w+)"/.exec(mail.mails.at(-1)!.text)![1]!;
}
const verify = (value: string, newPassword = OWNER, api = anybody) =>
  api.post<{ userId: string; left: object[] }>('/auth/verify-email', { code: value, newPassword });

describe('an account that a link of the answer made', () => {
  it('is not verified, wherever it is read, and is a member of the inviting organization', async () => {
    const { userId, session } = await stolen();
    expect(await session.expect<Person>('GET', '/user')).toMatchObject({
      userId,
      emailVerified: false,
      memberships: [{ orgId: mallory }],
    });
    expect(await root.expect('GET', `/user/${userId}`)).toMatchObject({ emailVerified: false });
    expect((await root.expect<{ users: object[] }>('GET', `/org/${mallory}/users?query=${email}`)).users).toMatchObject(
      [{ id: userId, emailVerified: false }],
    );
  });

  it('joins no other organization: its invitation stays open, also against the link of its own answer', async () => {
    const { session } = await stolen();
    const token = await answered(honest);
    for (const password of [undefined, STRANGER, OWNER])
      expect((await accept(token, password)).body).toMatchObject({ status: 409, code: 'conflict' });
    expect((await accept(token, undefined, session)).status).toBe(409);
    expect([await open(honest), await memberships()]).toEqual([1, [mallory]]);
    expect((await session.get(`/org/${honest}`)).status).toBe(404);
  });

  it('of two such links at once is of one organization', async () => {
    for (let round = 0; round < 3; round++) {
      email = `twice-${counter}-${round}@example.com`;
      const tokens = [await answered(mallory), await answered(honest)] as const;
      const replies = await Promise.all([accept(tokens[0], STRANGER), accept(tokens[1], OWNER, new Api(two.url))]);
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(await memberships()).toEqual([replies[0]!.status === 200 ? mallory : honest]);
    }
  });

  it('goes with its organization, or when it is removed, and its address is free again', async () => {
    const { userId, session } = await stolen();
    await root.expect('DELETE', `/org/${mallory}/user/${userId}`);
    expect([await accounts(), await logsIn(STRANGER)]).toEqual([[], false]);
    expect((await session.get('/user')).status).toBe(401);
    await accept(await answered(mallory), STRANGER);
    await root.expect('DELETE', `/org/${mallory}`);
    expect(await accounts()).toEqual([]);
    expect((await accept(await answered(honest), OWNER)).status).toBe(200);
  });

  it('goes when its last two memberships go at once; a verified one stays', async () => {
    const userId = await createUser(one, { email, password: OWNER });
    for (const verified of [true, false]) {
      await sql(`INSERT INTO membership (org_id, user_id) SELECT unnest($1::text[]), $2`, [[mallory, honest], userId]);
      await sql('UPDATE "user" SET email_verified = $2 WHERE user_id = $1', [userId, verified]);
      const removed = await Promise.all([mallory, honest].map((org) => root.delete(`/org/${org}/user/${userId}`)));
      expect(removed.map(({ status }) => status)).toEqual([200, 200]);
      expect(await accounts()).toEqual(verified ? [{ email_verified: true }] : []);
    }
  });
});

describe('a mailed link', () => {
  it('makes a verified account, which joins others', async () => {
    const reply = await accept(await mailed(mallory), OWNER);
    expect(await root.expect('GET', `/user/${reply.body.data.userId}`)).toMatchObject({ emailVerified: true });
    expect((await accept(await answered(honest))).status).toBe(200);
    expect(await memberships()).toEqual([honest, mallory]);
  });

  it('takes the address: new password, no session, no membership of before, told to both sides', async () => {
    const { userId, session } = await stolen();
    const token = await mailed(honest);
    mail.mails.length = 0;
    expect((await accept(token)).body).toMatchObject({ status: 400, fields: [{ path: 'password' }] });
    expect((await accept(token, OWNER)).body.data).toMatchObject({ userId, orgId: honest });
    await until(async () => (await session.get('/user')).status === 401);
    expect([await logsIn(STRANGER), await logsIn(OWNER)]).toEqual([false, true]);
    expect([await memberships(), await accounts()]).toEqual([[honest], [{ email_verified: true }]]);
    expect(mail.mails).toMatchObject([{ to: [email], subject: 'Your account was a member of organizations' }]);
    expect(mail.mails[0]!.text).toContain(`${mallory} "The ${mallory}"`);
    // The feed holds back what is newer than the oldest transaction of the cluster, and other specs have transactions open.
    const events = await until(async () => {
      const page = await root.expect<{ events: object[] }>('GET', `/org/${mallory}/events?type=member.left`);
      return page.events.length > 0 && page.events;
    });
    expect(events).toMatchObject([{ type: 'member.left', data: { userId, email, reason: 'mailbox_proven' } }]);
    expect((await root.expect<{ events: object[] }>('GET', `/org/${honest}/events?type=member.left`)).events).toEqual(
      [],
    );
    expect(
      await sql(
        `SELECT org_id, action, actor_id FROM audit WHERE target_id = $1 AND action IN ('user.prove_mailbox', 'org_user.remove') ORDER BY org_id`,
        [userId],
      ),
    ).toEqual([
      { org_id: mallory, action: 'org_user.remove', actor_id: userId },
      { org_id: null, action: 'user.prove_mailbox', actor_id: userId },
    ]);
  });

  it('and a link of an answer at once end in the hands of the owner', async () => {
    for (let round = 0; round < 4; round++) {
      email = `raced-${counter}-${round}@example.com`;
      const tokens = [await answered(mallory), await mailed(honest)] as const;
      const replies = await Promise.all([accept(tokens[0], STRANGER), accept(tokens[1], OWNER, new Api(two.url))]);
      expect(replies[1].status, replies[1].text).toBe(200);
      expect([await accounts(), await logsIn(STRANGER), await logsIn(OWNER)]).toEqual([
        [{ email_verified: true }],
        false,
        true,
      ]);
      expect(await memberships()).toContain(honest);
    }
  });
});

describe('a mailed code', () => {
  it('proves the mailbox, after which open invitations are accepted', async () => {
    const { userId, session } = await stolen();
    const token = await answered(honest);
    const reply = await verify(await code());
    expect(reply.body.data).toEqual({ userId, email, left: [{ orgId: mallory, orgName: `The ${mallory}` }] });
    await until(async () => (await session.get('/user')).status === 401);
    expect([await logsIn(STRANGER), await logsIn(OWNER), await memberships()]).toEqual([false, true, []]);
    expect((await accept(token)).status).toBe(200);
    expect(await memberships()).toEqual([honest]);
  });

  it('is stored as a hash alone, works once, within a day, and says nothing else about itself', async () => {
    await stolen();
    const [first, second] = [await code(), await code()];
    const rows = await sql<{ row: string }>(
      'SELECT c::text AS row FROM mailbox_code c JOIN "user" USING (user_id) WHERE email = $1',
      [email],
    );
    expect(rows).toHaveLength(2);
    for (const { row } of rows) expect([row.includes(first), row.includes(second)]).toEqual([false, false]);
    await sql(`UPDATE mailbox_code SET expires_at = now() - interval '1 second' WHERE code_hash = sha256($1::bytea)`, [
      first,
    ]);
    // Another one that was asked for meanwhile takes none away.
    const replies = await Promise.all([verify(second), verify(second, OWNER, new Api(two.url))]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 404]);
    const refused = [
      await verify(first),
      await verify(second),
      await verify('x'),
      replies.find(({ status }) => status === 404)!,
    ];
    expect(new Set(refused.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(await sql('SELECT 1 FROM mailbox_code JOIN "user" USING (user_id) WHERE email = $1', [email])).toEqual([]);
  });

  it('is refused to a bad password without being spent', async () => {
    await stolen();
    const value = await code();
    expect((await verify(value, 'short')).body).toMatchObject({ status: 400, fields: [{ path: 'newPassword' }] });
    expect((await verify(value)).status).toBe(200);
  });

  it('is asked for alike, whoever has an account, and goes to those alone who have one to prove', async () => {
    await stolen();
    const verified = `verified-${counter}@example.com`;
    await createUser(one, { email: verified, password: OWNER });
    const replies = [await request(verified), await request(`nobody-${counter}@example.com`), await request()];
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    await settled();
    expect(mail.mails.map(({ to }) => to)).toEqual([[email]]);
    expect(
      await sql('SELECT 1 FROM mailed_address WHERE email = ANY ($1)', [[verified, `nobody-${counter}@example.com`]]),
    ).toEqual([]);
  });

  it('is counted: five mails a day, each with a code that is good', async () => {
    await stolen();
    const codes = [];
    for (let i = 0; i < 5; i++) codes.push(await code());
    for (let i = 0; i < 3; i++) expect((await request()).status).toBe(200);
    await settled();
    expect(mail.mails).toHaveLength(5);
    expect((await verify(codes[0]!)).status).toBe(200);
  });

  it('cannot be asked for without a mail server', async () => {
    const bare = await startApp(database.url);
    try {
      expect((await new Api(bare.url).post('/auth/verify-email/request', { email })).body).toMatchObject({
        status: 400,
        code: 'not_available',
      });
    } finally {
      await bare.close();
    }
  });

  it('ends a login that was being checked', async () => {
    const { userId } = await stolen();
    await sql('DELETE FROM user_session WHERE user_id = $1', [userId]);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      // What a proof does to the row, held between the comparison of the old password and the session.
      await client.query(`UPDATE "user" SET password_hash = 'another' WHERE user_id = $1`, [userId]);
      const login = new Api(two.url, undefined, CSRF).post('/auth/login', { email, password: STRANGER });
      await until(
        async () =>
          (await sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
            .length > 0,
      );
      await client.query('COMMIT');
      expect((await login).status).toBe(401);
      expect(await sql('SELECT 1 FROM user_session WHERE user_id = $1', [userId])).toEqual([]);
    } finally {
      await client.end();
    }
  });

  it('of an account that is deleted meanwhile is refused', async () => {
    await stolen();
    const value = await code();
    const [proven, deleted] = await Promise.all([verify(value), root.delete(`/org/${mallory}`)]);
    expect(deleted.status).toBe(200);
    expect([200, 404]).toContain(proven.status);
    expect(await accounts()).toEqual(proven.status === 200 ? [{ email_verified: true }] : []);
    expect(await memberships()).toEqual([]);
  });
});

describe('a server administrator', () => {
  it('confirms an account as it is', async () => {
    const { userId, session } = await stolen();
    const waiting = await code();
    for (let i = 0; i < 2; i++)
      expect(await root.expect('POST', `/user/${userId}/verify`)).toMatchObject({ userId, emailVerified: true });
    expect((await session.get('/user')).status).toBe(200);
    expect((await verify(waiting)).status).toBe(404);
    expect((await accept(await answered(honest))).status).toBe(200);
    expect([await memberships(), await logsIn(STRANGER)]).toEqual([[honest, mallory], true]);
  });

  it('alone does so', async () => {
    const { userId, session } = await stolen();
    expect((await session.post(`/user/${userId}/verify`)).status).toBe(403);
    expect((await root.post('/user/nobody/verify')).status).toBe(404);
    const adminEmail = `admin-${counter}@example.com`;
    const adminId = await createUser(one, { email: adminEmail, password: OWNER, serverAdmin: true });
    expect(await root.expect('GET', `/user/${adminId}`)).toMatchObject({ emailVerified: true, serverAdmin: true });
    await expect(sql('UPDATE "user" SET email_verified = false WHERE user_id = $1', [adminId])).rejects.toMatchObject({
      constraint: 'user_admin_verified',
    });
    expect((await (await logIn(one.url, adminEmail, OWNER)).post(`/user/${userId}/verify`)).status).toBe(200);
  });
});

describe('mails to one address', () => {
  const send = (org: string) => ask(org, { sendEmail: true });
  const remove = async (org: string) => {
    const { invitations } = await root.expect<{ invitations: { inviteId: string }[] }>(
      'GET',
      `/org/${org}/invitations`,
    );
    for (const { inviteId } of invitations) await root.expect('DELETE', `/org/${org}/invitations/${inviteId}`);
  };

  it('are bounded, whatever is deleted in between; the link is in the answer', async () => {
    for (let i = 0; i < 5; i++) {
      expect(await send(mallory)).toMatchObject({ emailSent: true });
      await remove(mallory);
    }
    const refused = await send(mallory);
    expect(refused).toMatchObject({ emailSent: false, emailError: expect.stringContaining('for today') as string });
    expect(
      await sql('SELECT 1 FROM invitation WHERE org_id = $1 AND mailed_token_hash IS NULL', [mallory]),
    ).toHaveLength(1);
    await root.expect('DELETE', `/org/${mallory}`);
    await root.expect('PUT', '/org', { orgId: mallory, name: 'Again' });
    expect(await send(mallory)).toMatchObject({ emailSent: false });
    // Others are not silenced by it.
    expect(await send(honest)).toMatchObject({ emailSent: true });
    expect(mail.mails).toHaveLength(6);
    email = `other-${counter}@example.com`;
    expect(await send(mallory)).toMatchObject({ emailSent: true });
  });

  it('are bounded over all organizations, also of many at once, until a day has passed', async () => {
    const orgs = Array.from({ length: 8 }, (_, i) => `crowd-${counter}-${i}`);
    for (const orgId of orgs) await root.expect('PUT', '/org', { orgId, name: orgId });
    for (let round = 0; round < 2; round++) {
      await Promise.all(orgs.map(send));
      await Promise.all(orgs.map(remove));
    }
    expect((await Promise.all(orgs.map(send))).filter(({ emailSent }) => emailSent)).toHaveLength(4);
    expect(mail.mails).toHaveLength(20);
    await sql(
      `UPDATE mailed_address SET sent_at = ARRAY(SELECT t - interval '25 hours' FROM unnest(sent_at) t), last_at = last_at - interval '25 hours' WHERE email = $1`,
      [email],
    );
    expect(await send(mallory)).toMatchObject({ emailSent: true });
    expect(await sql('SELECT senders FROM mailed_address WHERE email = $1', [email])).toEqual([{ senders: [mallory] }]);
    await sql(`UPDATE mailed_address SET last_at = last_at - interval '25 hours' WHERE email = $1`, [email]);
    await one.app.get(Retention).sweep();
    expect(await sql('SELECT 1 FROM mailed_address WHERE email = $1', [email])).toEqual([]);
  });

  it('quote and shorten what others chose', async () => {
    // A right-to-left override, quotes, and what would end a header if it came so far.
    await sql('UPDATE org SET name = $2 WHERE org_id = $1', [
      mallory,
      `Pay\r\nBcc: all@example.com\r\n\u202e"now" ${'x'.repeat(200)}`,
    ]);
    await send(mallory);
    expect(mail.mails).toMatchObject([{ to: [email] }]);
    const { subject, text } = mail.mails[0]!;
    expect(subject).toBe(`Invitation to "Pay Bcc: all@example.com now ${'x'.repeat(31)}..."`);
    expect(text.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  });

  it.each(['"a\r\nBcc: b"@example.com', '"x@evil.example y"@example.com', '"a,b"@example.com'])(
    'go to one mailbox: %j is none',
    async (address) => {
      const body = { email: address, roleId: await memberRole(mallory), validHours: 1, sendEmail: true };
      expect((await root.post(`/org/${mallory}/create-invite`, body)).body).toMatchObject({
        status: 400,
        fields: [{ path: 'email' }],
      });
      expect((await request(address)).body).toMatchObject({ status: 400, fields: [{ path: 'email' }] });
    },
  );
});
