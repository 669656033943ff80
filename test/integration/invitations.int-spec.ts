import { describe, expect, it } from 'vitest';
import { Retention } from '#platform';
import { UsersService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { createUser } from '../support/app.js';
import {
  accept,
  admin,
  anybody,
  ask,
  audited,
  counter,
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
  tokenIn,
  two,
} from '../support/invitations.js';

setUpInvitations();

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
