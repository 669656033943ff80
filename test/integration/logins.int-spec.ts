import { describe, expect, it } from 'vitest';
import { Retention, systemPrincipal } from '#platform';
import { UsersService } from '../../src/access/index.js';
import { SessionsRepository } from '../../src/access/sessions/sessions.repository.js';
import { admin, adminId, audited, database, member, one, orgKey, setUpAccess, sql, two } from '../support/access.js';
import { Api } from '../support/api.js';
import { CSRF, createUser, logIn, startApp } from '../support/app.js';
import { until } from '../support/server.js';

setUpAccess();

describe('logging in', () => {
  it('sets a cookie that pages cannot read, and answers who it is', async () => {
    const reply = await new Api(one.url, undefined, CSRF).post<{ email: string }>('/auth/login', {
      email: 'Admin@Example.com',
      password: admin.password,
    });
    expect(reply.status).toBe(200);
    const cookie = reply.headers.get('set-cookie')!;
    expect(cookie).toMatch(/^gatehouse_session=[\w-]{43}; Path=\/; Expires=.*; HttpOnly; SameSite=Lax$/);
    expect(reply.text).not.toContain(/=([\w-]+);/.exec(cookie)![1]!);
    const user = await (await logIn(two.url, admin.email, admin.password)).expect<{
      userId: string;
      memberships: object[];
    }>('GET', '/user');
    expect(user.userId).toBe(adminId);
    // Organizations that a key creates belong to the first administrator.
    expect(user.memberships).toMatchObject([
      { orgId: 'acme', isOwner: true, roles: [{ name: 'Admin', isAdmin: true }] },
      { orgId: 'other' },
    ]);
  });

  it('uses the __Host- prefix and Secure behind https', async () => {
    const https = await startApp(database.url, { PUBLIC_URL: 'https://gatehouse.example.com' });
    try {
      const reply = await new Api(https.url, undefined, CSRF).post('/auth/login', admin);
      expect(reply.headers.get('set-cookie')).toMatch(/^__Host-gatehouse_session=.*; HttpOnly; Secure; SameSite=Lax$/);
    } finally {
      await https.close();
    }
  });

  it('answers an unknown user, a wrong password and a password-less user alike', async () => {
    await sql(
      `INSERT INTO "user" (user_id, email, username) VALUES ('nopassword', 'nopassword@example.com', 'nopassword@example.com')`,
    );
    const anonymous = new Api(one.url, undefined, CSRF);
    const replies = [
      await anonymous.post('/auth/login', { email: admin.email, password: 'wrong' }),
      await anonymous.post('/auth/login', { email: 'nobody@example.com', password: 'wrong' }),
      await anonymous.post('/auth/login', { email: 'nopassword@example.com', password: 'wrong' }),
    ];
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(replies[0]!.status).toBe(401);
  });

  it('is audited with address and result, success and failure', async () => {
    // Failures are recorded after the answer: those of other tests may come meanwhile.
    const email = 'audited@example.com';
    const rows = async () =>
      (await audited('auth.login')).filter((row) => row.actor_id === email || row.actor_id === adminId).slice(-2);
    await new Api(one.url, undefined, CSRF).post('/auth/login', { email, password: 'wrong' });
    await until(async () => (await rows()).at(-1)?.actor_id === email);
    await logIn(one.url, admin.email, admin.password);
    expect(await rows()).toEqual([
      { actor_type: 'anonymous', actor_id: email, result: 'failure', address: '127.0.0.1', target_id: null },
      { actor_type: 'user', actor_id: adminId, result: 'success', address: '127.0.0.1', target_id: adminId },
    ]);
  });

  it('refuses more than 72 bytes and a missing CSRF header', async () => {
    const reply = await new Api(one.url, undefined, CSRF).post('/auth/login', {
      email: admin.email,
      password: 'ä'.repeat(40),
    });
    expect(reply.body).toMatchObject({ code: 'validation', fields: [{ path: 'password' }] });
    expect((await new Api(one.url).post('/auth/login', admin)).body).toMatchObject({ code: 'csrf', status: 403 });
  });

  it('throttles refusals only: the right password is let in while guesses are turned away', async () => {
    const strict = await startApp(database.url, { REFUSALS_PER_MINUTE: '3' });
    try {
      const anonymous = new Api(strict.url, undefined, CSRF);
      const statuses = [];
      for (let i = 0; i < 5; i++)
        statuses.push((await anonymous.post('/auth/login', { email: admin.email, password: 'guess' })).status);
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      expect(
        (await anonymous.post('/auth/login', { email: admin.email, password: 'guess' })).headers.get('retry-after'),
      ).toMatch(/^\d+$/);
      expect((await anonymous.post('/auth/login', admin)).status).toBe(200);
    } finally {
      await strict.close();
    }
  });
});

describe('a session', () => {
  it('is ignored on /v1, where any origin may call', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    expect((await session.get('/api/v1/org/acme')).status).toBe(200);
    const reply = await session.as(undefined, { origin: 'https://elsewhere.example' }).get('/v1/org/acme');
    expect(reply.body).toMatchObject({ status: 401, message: 'API key required' });
    expect(reply.headers.get('access-control-allow-origin')).toBe('*');
    expect(reply.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await one.root.get('/api/v1/orgs')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is not looked at when a key is there', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    const cookie = session.extra;
    expect((await session.as('wrong.key', cookie).get('/org/acme')).status).toBe(401);
    expect((await session.as((await orgKey('other', ['getOrg'])).token, cookie).get('/org/acme')).status).toBe(404);
  });

  it('ends on every server process when it is logged out', async () => {
    const session = await logIn(one.url, member.email, member.password);
    const elsewhere = new Api(two.url, undefined, session.extra);
    expect((await elsewhere.get('/user')).status).toBe(200);
    expect((await elsewhere.get('/org/acme')).status).toBe(200);
    expect((await session.post('/auth/logout')).status).toBe(200);
    await until(async () => (await elsewhere.get('/org/acme')).status === 401);
    expect(await audited('auth.logout')).toHaveLength(1);
  });

  it('sees what its roles allow, and nothing of other organizations', async () => {
    const session = await logIn(one.url, member.email, member.password);
    expect((await session.get('/org/acme')).status).toBe(200);
    expect((await session.get('/org/other')).status).toBe(404);
    expect((await session.get('/org/nosuch')).text).toBe((await session.get('/org/other')).text);
    expect((await session.post('/org/acme', { name: 'Mine' })).status).toBe(403);
    expect(
      (await session.expect<{ orgs: { orgId: string }[] }>('GET', '/orgs')).orgs.map(({ orgId }) => orgId),
    ).toEqual(['acme']);
  });

  it('ends everywhere but here when the password changes', async () => {
    const email = 'changes@example.com';
    const id = await createUser(one, { email, password: 'the old one' });
    const [here, there] = [await logIn(one.url, email, 'the old one'), await logIn(two.url, email, 'the old one')];
    expect((await there.get('/user')).status).toBe(200);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'not it', newPassword: 'the new one' })).status,
    ).toBe(400);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'the old one', newPassword: 'short' })).status,
    ).toBe(400);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'the old one', newPassword: 'the new one' })).status,
    ).toBe(200);
    await until(async () => (await there.get('/user')).status === 401);
    expect((await here.get('/user')).status).toBe(200);
    await expect(logIn(one.url, email, 'the old one')).rejects.toThrow('401');
    await logIn(one.url, email, 'the new one');
    expect((await audited('user.change_password')).map((row) => [row.actor_id, row.result])).toEqual([
      [id, 'failure'],
      [id, 'success'],
    ]);
  });

  it('ends when an operator resets the password', async () => {
    const email = 'reset@example.com';
    await createUser(one, { email, password: 'the old one' });
    const session = await logIn(two.url, email, 'the old one');
    expect((await session.get('/user')).status).toBe(200);
    await one.app.get(UsersService).resetPassword(systemPrincipal('admin command'), email, 'set by hand');
    await until(async () => (await session.get('/user')).status === 401);
    await logIn(one.url, email, 'set by hand');
  });

  it('is told to its user, with where it began and was last used, and to nobody else', async () => {
    const email = 'sessions@example.com';
    const userId = await createUser(one, { email, password: 'correct horse' });
    const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
    await new Api(one.url, undefined, { ...CSRF, 'user-agent': `${firefox} ${'x'.repeat(300)}` }).post('/auth/login', {
      email,
      password: 'correct horse',
    });
    const here = await logIn(one.url, email, 'correct horse');
    const list = async (api: Api) =>
      (await api.expect<{ sessions: Record<string, unknown>[] }>('GET', '/auth/sessions')).sessions;
    const [mine, other] = await list(here);
    const seen = { createdFrom: '127.0.0.1', lastUsedFrom: '127.0.0.1' };
    expect(mine).toMatchObject({ ...seen, isCurrent: true });
    expect(other).toMatchObject({
      ...seen,
      isCurrent: false,
      userAgent: `${firefox} ${'x'.repeat(300)}`.slice(0, 300),
    });
    expect(mine!['lastUsedAt']).toEqual(expect.any(String));
    expect(
      (await list(await logIn(two.url, admin.email, admin.password))).map(({ sessionId }) => sessionId),
    ).not.toContain(mine!['sessionId']);
    // A use is written behind the answer; one that was kept from another time is not.
    await sql(`UPDATE user_session SET last_used_at = now() - interval '1 hour' WHERE user_id = $1`, [userId]);
    const sessionId = String(mine!['sessionId']);
    const repository = one.app.get(SessionsRepository);
    const earlier = new Date(Date.now() - 2 * 3_600_000);
    await repository.used(one.db.manager, [{ id: sessionId, address: '192.0.2.9', at: earlier }]);
    expect((await list(here))[0]).toMatchObject({ sessionId, lastUsedFrom: '127.0.0.1' });
    const elsewhere = new Api(two.url, undefined, here.extra);
    expect((await elsewhere.get('/user')).status).toBe(200);
    await until(async () => Date.parse(String((await list(here))[0]!['lastUsedAt'])) > Date.now() - 60_000);
  });

  it('is ended by its user on every server, one alone or all the others', async () => {
    const email = 'ends@example.com';
    const userId = await createUser(one, { email, password: 'correct horse' });
    const [here, there, third] = [
      await logIn(one.url, email, 'correct horse'),
      await logIn(two.url, email, 'correct horse'),
      await logIn(two.url, email, 'correct horse'),
    ];
    const idOf = async (api: Api) =>
      (
        await api.expect<{ sessions: { sessionId: string; isCurrent: boolean }[] }>('GET', '/auth/sessions')
      ).sessions.find(({ isCurrent }) => isCurrent)!.sessionId;
    const id = await idOf(there);
    const somebody = await logIn(one.url, member.email, member.password);
    expect((await somebody.delete(`/auth/session/${id}`)).status).toBe(404);
    expect((await here.delete('/auth/session/none')).status).toBe(404);
    expect((await there.get('/user')).status).toBe(200);
    expect((await here.delete(`/auth/session/${id}`)).status).toBe(200);
    await until(async () => (await there.get('/org/acme')).status === 401);
    expect((await here.delete(`/auth/session/${id}`)).status).toBe(404);
    expect((await here.post<{ ended: number }>('/auth/end-other-sessions')).body.data).toEqual({ ended: 1 });
    await until(async () => (await third.get('/org/acme')).status === 401);
    expect((await here.post<{ ended: number }>('/auth/end-other-sessions')).body.data).toEqual({ ended: 0 });
    expect((await here.get('/user')).status).toBe(200);
    expect((await somebody.get('/user')).status).toBe(200);
    expect(
      await sql(`SELECT details FROM audit WHERE action = 'auth.end_session' AND target_id = $1 ORDER BY audit_id`, [
        userId,
      ]),
    ).toEqual([{ details: { sessionId: id } }, { details: { count: 1 } }]);
  });

  it('stores no token', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    const token = session.extra['cookie']!.split('=')[1]!;
    const rows = await sql<{ hash: string }>(`SELECT encode(token_hash, 'escape') AS hash FROM user_session`);
    expect(rows.some((row) => row.hash.includes(token))).toBe(false);
  });
});

describe('sessions that have ended', () => {
  it('are swept', async () => {
    await sql(
      `INSERT INTO user_session (token_hash, user_id, expires_at) VALUES ('\\x01', $1, now() - interval '1 second'), ('\\x02', $1, now() + interval '1 hour')`,
      [adminId],
    );
    await one.app.get(Retention).sweep();
    expect(
      await sql(`SELECT encode(token_hash, 'hex') AS hash FROM user_session WHERE token_hash IN ('\\x01', '\\x02')`),
    ).toEqual([{ hash: '02' }]);
  });
});
