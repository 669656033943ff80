import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { createUser, logIn, startApp } from '../support/app.js';
import {
  accept,
  admin,
  audited,
  type Created,
  changeEmail,
  counter,
  database,
  email,
  invited,
  list,
  mail,
  member,
  one,
  org,
  PASSWORD,
  root,
  setUpInvitations,
  sql,
  theirs,
  two,
} from '../support/invitations.js';

setUpInvitations();

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
      changeEmail(`racer-${counter}-${round}@example.com`);
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
      changeEmail(`moved-${counter}-${round}@example.com`);
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
