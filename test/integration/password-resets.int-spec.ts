import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { systemPrincipal } from '#platform';
import { PasswordResetsService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { CSRF, createUser, logIn, startApp } from '../support/app.js';
import {
  anybody,
  ask,
  counter,
  database,
  email,
  mail,
  mallory,
  one,
  setUpMailboxes,
  sql,
  two,
} from '../support/mailboxes.js';
import { until } from '../support/server.js';

setUpMailboxes();

const [OLD, NEW, OTHER] = ['the old password', 'the new password', 'another password'];
const link = /http:\/\/[^/\s]+\/reset#token=([\w-]{43})\s/;
const requestReset = (address: string, api = anybody) => api.post('/auth/reset-password/request', { email: address });
const confirm = (token: string, newPassword = NEW, api = anybody) =>
  api.post<{ userId: string; email: string; left: { orgId: string }[] }>('/auth/reset-password/confirm', {
    token,
    newPassword,
  });
const logsIn = async (password: string, address = email) =>
  (await new Api(one.url, undefined, CSRF).post('/auth/login', { email: address, password })).status === 200;
const settled = () => until(() => [one, two].every(({ app }) => app.get(PasswordResetsService).late.unfinished === 0));
const account = (address = email) => createUser(one, { email: address, password: OLD });
/** The token of the mail that this request sends. */
async function mailedToken(address = email): Promise<string> {
  const before = mail.mails.length;
  expect((await requestReset(address)).status).toBe(200);
  await until(() => mail.mails.length > before);
  expect(mail.mails.at(-1)!.to).toEqual([address]);
  return link.exec(mail.mails.at(-1)!.text)![1]!;
}
/** Holds the account's row, as a transaction that takes long does. @returns what ends it */
async function held(userId: string): Promise<() => Promise<void>> {
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM "user" WHERE user_id = $1 FOR UPDATE', [userId]);
  return () => client.end();
}
const stored = () =>
  sql<{ n: number }>('SELECT count(*)::int AS n FROM password_reset JOIN "user" USING (user_id) WHERE email = $1', [
    email,
  ]);

describe('a forgotten password', () => {
  it('is chosen anew by the mailed link, which ends every session', async () => {
    const userId = await account();
    const sessions = [await logIn(one.url, email, OLD), await logIn(two.url, email, OLD)];
    const token = await mailedToken(email);
    expect((await confirm(token)).body).toMatchObject({ status: 200, data: { userId, email, left: [] } });
    for (const session of sessions) await until(async () => (await session.get('/user')).status === 401);
    expect([await logsIn(NEW), await logsIn(OLD)]).toEqual([true, false]);
    expect(
      await sql(
        'SELECT action, actor_type, target_id FROM audit WHERE target_id = $1 AND action ~ $2 ORDER BY audit_id',
        [userId, 'reset'],
      ),
    ).toEqual([
      { action: 'user.send_reset', actor_type: 'anonymous', target_id: userId },
      { action: 'user.reset_password', actor_type: 'user', target_id: userId },
    ]);
  });

  it('keeps its old one until the link is used, whatever the address is written like', async () => {
    await account();
    expect((await requestReset(email.toUpperCase())).status).toBe(200);
    await until(() => mail.mails.length === 1);
    expect(mail.mails[0]!.to).toEqual([email]);
    expect(await logsIn(OLD)).toBe(true);
  });

  it('keeps what an unusable new one was refused for, and its link', async () => {
    await account();
    const token = await mailedToken();
    for (const bad of ['short', 'x'.repeat(73), '']) expect((await confirm(token, bad)).status).toBe(400);
    expect((await confirm(token)).status).toBe(200);
  });
});

describe('the request', () => {
  it('is answered alike for an address without an account: body, status and headers', async () => {
    await account();
    const answers = await Promise.all([email, `nobody-${counter}@example.com`].map((address) => requestReset(address)));
    const shape = ({ status, body, headers }: (typeof answers)[0]) => [
      status,
      body,
      [...headers.keys()].filter((name) => name !== 'date').sort(),
    ];
    expect(shape(answers[0]!)).toEqual(shape(answers[1]!));
    await settled();
    expect(mail.mails.map(({ to }) => to)).toEqual([[email]]);
  });

  it('is answered before anything is looked up: also while nobody can look', async () => {
    const userId = await account();
    const release = await held(userId);
    try {
      const [known, unknown] = await Promise.all([requestReset(email), requestReset(`nobody-${counter}@example.com`)]);
      expect([known.status, unknown.status]).toEqual([200, 200]);
      expect(mail.mails).toEqual([]);
    } finally {
      await release();
    }
    await until(() => mail.mails.length === 1);
  });

  it('finds a place however long the mails of known addresses take', async () => {
    const addresses = Array.from({ length: 30 }, (_, i) => `slow-${counter}-${i}@example.com`);
    await sql(
      'INSERT INTO "user" (user_id, email, username, email_verified) SELECT $2 || n, a, a, true FROM unnest($1::text[]) WITH ORDINALITY AS u(a, n)',
      [addresses, `slow${counter}-`],
    );
    mail.silent = true;
    try {
      for (const address of addresses) {
        expect((await requestReset(address)).status).toBe(200);
        await until(
          async () =>
            (await sql('SELECT FROM password_reset JOIN "user" USING (user_id) WHERE email = $1', [address])).length ===
            1,
        );
      }
    } finally {
      mail.silent = false;
    }
    await settled();
  });

  it('is bounded: mails to an address in a day, and 429 for one source', async () => {
    await account();
    for (let i = 0; i < 7; i++) expect((await requestReset(email)).status).toBe(200);
    await settled();
    expect(mail.mails).toHaveLength(5);
    const limited = await startApp(database.url, {
      SMTP_URL: mail.url,
      MAIL_FROM: 'gate@example.com',
      REFUSALS_PER_MINUTE: '3',
    });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++)
      statuses.push((await requestReset(`nobody-${i}@example.com`, new Api(limited.url))).status);
    await limited.close();
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });

  it.each([[{}], [{ email: 'no address' }], [{ email: 'a@b.example', orgId: 'x' }]])(
    'is refused when wrong: %j',
    async (body) => {
      expect((await anybody.post('/auth/reset-password/request', body)).status).toBe(400);
    },
  );
});

describe('a link', () => {
  it('works once', async () => {
    await account();
    const token = await mailedToken();
    expect((await confirm(token)).status).toBe(200);
    expect((await confirm(token, OTHER)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect(await logsIn(NEW)).toBe(true);
  });

  it('works once for two who use it at the same time, at two servers', async () => {
    await account();
    for (let round = 0; round < 3; round++) {
      const { link: made } = await one.app.get(PasswordResetsService).makeLink(systemPrincipal('test'), email);
      const token = made.split('=')[1]!;
      const replies = await Promise.all([confirm(token, NEW), confirm(token, OTHER, new Api(two.url))]);
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 404]);
      const won = replies[0]!.status === 200;
      expect([await logsIn(NEW), await logsIn(OTHER)]).toEqual([won, !won]);
    }
  });

  it('ends with a newer one, and of two requests at once one is good', async () => {
    await account();
    const older = await mailedToken();
    const newer = await mailedToken();
    expect((await confirm(older)).status).toBe(404);
    mail.mails.length = 0;
    await Promise.all([requestReset(email), requestReset(email, new Api(two.url))]);
    await until(() => mail.mails.length === 2);
    const tokens = mail.mails.map(({ text }) => link.exec(text)![1]!);
    const statuses = [];
    for (const token of [newer, ...tokens]) statuses.push((await confirm(token)).status);
    expect(statuses.sort()).toEqual([200, 404, 404]);
  });

  it('ends after an hour, and with any change of the password', async () => {
    const userId = await account();
    const late = await mailedToken();
    const [row] = await sql<{ hour: boolean }>(
      `SELECT expires_at BETWEEN now() + interval '59 minutes' AND now() + interval '1 hour' AS hour FROM password_reset WHERE user_id = $1`,
      [userId],
    );
    expect(row).toEqual({ hour: true });
    await sql('UPDATE password_reset SET expires_at = now() WHERE user_id = $1', [userId]);
    expect((await confirm(late)).status).toBe(404);
    const token = await mailedToken();
    const session = await logIn(one.url, email, OLD);
    await session.expect('POST', '/auth/change-password', { currentPassword: OLD, newPassword: OTHER });
    expect(await stored()).toEqual([{ n: 0 }]);
    expect((await confirm(token)).status).toBe(404);
    expect(await logsIn(OTHER)).toBe(true);
  });

  it('changes nobody else’s password, and a wrong one is refused and counted', async () => {
    await account();
    const stranger = `stranger-${counter}@example.com`;
    await account(stranger);
    const token = await mailedToken(stranger);
    expect((await confirm(token)).body.data).toMatchObject({ email: stranger });
    expect([await logsIn(OLD), await logsIn(NEW, stranger)]).toEqual([true, true]);
    for (const wrong of ['x', 'x'.repeat(43), token.toLowerCase(), `${token} `])
      expect((await confirm(wrong)).status).toBe(404);
    expect((await confirm('x'.repeat(65))).status).toBe(400);
  });

  it('is stored as a hash alone', async () => {
    const userId = await account();
    const token = await mailedToken();
    const [row] = await sql<{ row: string; hashed: boolean }>(
      'SELECT p::text AS row, token_hash = sha256($2::bytea) AS hashed FROM password_reset p WHERE user_id = $1',
      [userId, token],
    );
    expect([row!.hashed, row!.row.includes(token)]).toEqual([true, false]);
    expect(await sql('SELECT FROM audit a WHERE a::text LIKE $1', [`%${token}%`])).toEqual([]);
  });
});

describe('an account whose mailbox nobody proved', () => {
  const unproven = async () => {
    const token = /token=([\w-]+)/.exec((await ask(mallory)).inviteLink)![1]!;
    expect((await anybody.post('/invite/accept', { token, password: OLD })).status).toBe(200);
  };
  const standing = () =>
    sql(
      'SELECT email_verified AS proven, EXISTS (SELECT FROM membership m WHERE m.user_id = u.user_id) AS member FROM "user" u WHERE email = $1',
      [email],
    );

  it('is proven by the mailed link, and loses what somebody else gave it', async () => {
    await unproven();
    const token = await mailedToken();
    expect(mail.mails.at(-1)!.text).toContain('loses the memberships');
    expect((await confirm(token)).body.data).toMatchObject({ left: [{ orgId: mallory }] });
    expect(await standing()).toEqual([{ proven: true, member: false }]);
    expect([await logsIn(NEW), await logsIn(OLD)]).toEqual([true, false]);
  });

  it('is not proven by the link of the server’s machine, which mails nothing', async () => {
    await unproven();
    const { link: made } = await one.app.get(PasswordResetsService).makeLink(systemPrincipal('test'), email);
    expect((await confirm(made.split('=')[1]!)).body.data).toMatchObject({ left: [] });
    expect(await standing()).toEqual([{ proven: false, member: true }]);
    expect([await logsIn(NEW), mail.mails]).toEqual([true, []]);
  });
});
