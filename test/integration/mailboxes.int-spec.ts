import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { MailboxesService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { CSRF, createUser, logIn, startApp } from '../support/app.js';
import {
  anybody,
  ask,
  changeEmail,
  counter,
  database,
  email,
  honest,
  mail,
  mallory,
  one,
  request,
  root,
  setUpMailboxes,
  sql,
  two,
} from '../support/mailboxes.js';
import { until } from '../support/server.js';

setUpMailboxes();

interface Person {
  userId: string;
  emailVerified: boolean;
  memberships: { orgId: string }[];
}
const [STRANGER, OWNER] = ['password of the stranger', 'password of the owner'];
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
/** What was asked for has been done. */
const settled = () => until(() => one.app.get(MailboxesService).late.unfinished === 0);
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
      changeEmail(`twice-${counter}-${round}@example.com`);
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
      changeEmail(`raced-${counter}-${round}@example.com`);
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
