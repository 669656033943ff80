import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { LeftOrganization } from './mailboxes.dto.js';

export interface Holder {
  userId: string;
  email: string;
  emailVerified: boolean;
}

const CODE_HOURS = 24;
const MAIL_WINDOW = `interval '24 hours'`;

/** All SQL about who owns a mailbox, and about what is mailed to one. */
@Injectable()
export class MailboxesRepository {
  readonly expiredCodes = 'expires_at < now()';
  readonly expiredMails = `last_at < now() - ${MAIL_WINDOW}`;

  async find(em: EntityManager, email: string): Promise<Holder | null> {
    const rows = await query<Holder>(
      em,
      'SELECT user_id AS "userId", email, email_verified AS "emailVerified" FROM "user" WHERE email = $1',
      [email],
    );
    return rows[0] ?? null;
  }

  /** Held until the transaction ends: of two who would prove or confirm one account the second sees what the first did. */
  async lock(tx: EntityManager, by: 'email' | 'user_id', value: string): Promise<Holder | null> {
    const rows = await query<Holder>(
      tx,
      `SELECT user_id AS "userId", email, email_verified AS "emailVerified" FROM "user" WHERE ${by} = $1 FOR NO KEY UPDATE`,
      [value],
    );
    return rows[0] ?? null;
  }

  /**
   * @returns false when the address has a user; of two at once the second waits for the first. It may meet it at the unique index of user names, which
   * are addresses, before that of addresses.
   */
  async insert(
    tx: EntityManager,
    user: { userId: string; email: string; passwordHash: string; emailVerified: boolean },
  ): Promise<boolean> {
    const made = await execute(
      tx,
      `INSERT INTO "user" (user_id, email, username, password_hash, email_verified) VALUES ($1, $2, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [user.userId, user.email, user.passwordHash, user.emailVerified],
    );
    return made === 1;
  }

  /** Also forgets the codes: there is nothing left to prove. */
  async setVerified(tx: EntityManager, userId: string): Promise<void> {
    await execute(tx, 'UPDATE "user" SET email_verified = true WHERE user_id = $1', [userId]);
    await execute(tx, 'DELETE FROM mailbox_code WHERE user_id = $1', [userId]);
  }

  async dropMemberships(tx: EntityManager, userId: string): Promise<LeftOrganization[]> {
    return query<LeftOrganization>(
      tx,
      `WITH gone AS (DELETE FROM membership WHERE user_id = $1 RETURNING org_id)
       SELECT org_id AS "orgId", name AS "orgName" FROM gone JOIN org USING (org_id) ORDER BY org_id`,
      [userId],
    );
  }

  async addCode(tx: EntityManager, userId: string, codeHash: Buffer): Promise<void> {
    await execute(
      tx,
      `INSERT INTO mailbox_code (code_hash, user_id, expires_at) VALUES ($2, $1, now() + interval '${CODE_HOURS} hours')`,
      [userId, codeHash],
    );
  }

  async hasCode(em: EntityManager, codeHash: Buffer): Promise<boolean> {
    return (
      (await query(em, 'SELECT 1 AS one FROM mailbox_code WHERE code_hash = $1 AND expires_at > now()', [codeHash]))
        .length > 0
    );
  }

  /** Whose code it is, as long as it was not used. */
  async userOfCode(tx: EntityManager, codeHash: Buffer): Promise<string | null> {
    const rows = await query<{ id: string }>(
      tx,
      'SELECT user_id AS id FROM mailbox_code WHERE code_hash = $1 AND expires_at > now()',
      [codeHash],
    );
    return rows[0]?.id ?? null;
  }

  /** Counts one mail to an address, unless its sender sent `own` or all senders together sent `all` within a day. @returns whether it may be sent. */
  async countMail(
    tx: EntityManager,
    email: string,
    sender: string,
    { own, all }: { own: number; all: number },
  ): Promise<boolean> {
    const recent = `unnest(m.sent_at, m.senders) AS r(at, sender) WHERE at > now() - ${MAIL_WINDOW}`;
    const counted = await execute(
      tx,
      `INSERT INTO mailed_address AS m (email, senders, sent_at, last_at) VALUES ($1, ARRAY[$2], ARRAY[now()], now())
       ON CONFLICT (email) DO UPDATE SET last_at = now(),
         senders = ARRAY(SELECT r.sender FROM ${recent} ORDER BY at) || $2, sent_at = ARRAY(SELECT r.at FROM ${recent} ORDER BY at) || now()
       WHERE (SELECT count(*) < $4 AND count(*) FILTER (WHERE r.sender = $2) < $3 FROM ${recent})`,
      [email, sender, own, all],
    );
    return counted === 1;
  }
}
