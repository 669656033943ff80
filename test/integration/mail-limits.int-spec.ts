import { describe, expect, it } from 'vitest';
import { Retention } from '#platform';
import {
  ask,
  changeEmail,
  counter,
  email,
  honest,
  mail,
  mallory,
  memberRole,
  one,
  request,
  root,
  setUpMailboxes,
  sql,
} from '../support/mailboxes.js';

setUpMailboxes();

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
    changeEmail(`other-${counter}@example.com`);
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
