import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';

const RESET_HOURS = 1;

/** All SQL about links by which people choose a new password. */
@Injectable()
export class PasswordResetsRepository {
  readonly expired = 'expires_at < now()';

  /** Ends the link that the user had. @returns until when it is good */
  async write(tx: EntityManager, userId: string, tokenHash: Buffer, mailed: boolean): Promise<Date> {
    const [row] = await query<{ expiresAt: Date }>(
      tx,
      `INSERT INTO password_reset (user_id, token_hash, mailed, expires_at) VALUES ($1, $2, $3, now() + interval '${RESET_HOURS} hours')
       ON CONFLICT (user_id) DO UPDATE SET token_hash = EXCLUDED.token_hash, mailed = EXCLUDED.mailed, expires_at = EXCLUDED.expires_at
       RETURNING expires_at AS "expiresAt"`,
      [userId, tokenHash, mailed],
    );
    return row!.expiresAt;
  }

  /** Whose link it is, as long as it is good. */
  async userOf(em: EntityManager, tokenHash: Buffer): Promise<string | null> {
    const rows = await query<{ id: string }>(
      em,
      'SELECT user_id AS id FROM password_reset WHERE token_hash = $1 AND expires_at > now()',
      [tokenHash],
    );
    return rows[0]?.id ?? null;
  }

  /** Of two at once the second finds nothing. @returns null for one that is not good any more */
  async spend(tx: EntityManager, tokenHash: Buffer): Promise<{ mailed: boolean } | null> {
    const rows = await query<{ mailed: boolean }>(
      tx,
      'DELETE FROM password_reset WHERE token_hash = $1 AND expires_at > now() RETURNING mailed',
      [tokenHash],
    );
    return rows[0] ?? null;
  }
}
