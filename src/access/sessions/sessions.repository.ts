import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolePreset } from '#contracts';
import { execute, prepared, query } from '#platform';

export interface MembershipRow {
  orgId: string;
  orgUid: string;
  orgName: string;
  isOwner: boolean;
  roles: { roleId: number; name: string; isAdmin: boolean; preset: RolePreset | null; actions: string[] }[];
}

export interface UserRow {
  userId: string;
  email: string;
  emailVerified: boolean;
  username: string;
  name: string | null;
  serverAdmin: boolean;
  memberships: MembershipRow[];
}

export interface SessionRow extends UserRow {
  secondsLeft: number;
}

const USER = `u.user_id AS "userId", u.email, u.email_verified AS "emailVerified", u.username, u.name, u.server_admin AS "serverAdmin",
  coalesce((SELECT jsonb_agg(jsonb_build_object('orgId', m.org_id, 'orgUid', o.org_uid, 'orgName', o.name, 'isOwner', m.is_owner, 'roles',
      coalesce((SELECT jsonb_agg(jsonb_build_object('roleId', r.role_id, 'name', r.name, 'isAdmin', r.is_admin, 'preset', r.preset, 'actions', r.actions) ORDER BY r.role_id)
        FROM membership_role mr JOIN role r USING (role_id) WHERE mr.org_id = m.org_id AND mr.user_id = m.user_id), '[]')) ORDER BY m.org_id)
    FROM membership m JOIN org o USING (org_id) WHERE m.user_id = u.user_id), '[]') AS memberships`;

/** All SQL about sessions. */
@Injectable()
export class SessionsRepository {
  /** The hot path: the user, the memberships and their actions in one statement. */
  async find(em: EntityManager, tokenHash: Buffer): Promise<SessionRow | null> {
    const rows = await prepared<SessionRow>(
      em,
      'session_find',
      `SELECT ${USER}, extract(epoch FROM s.expires_at - now())::float8 AS "secondsLeft"
       FROM user_session s JOIN "user" u USING (user_id)
       WHERE s.token_hash = $1 AND s.expires_at > now()`,
      [tokenHash],
    );
    return rows[0] ?? null;
  }

  /** The same without a session. */
  async findUser(em: EntityManager, userId: string): Promise<UserRow | null> {
    const rows = await query<UserRow>(em, `SELECT ${USER} FROM "user" u WHERE u.user_id = $1`, [userId]);
    return rows[0] ?? null;
  }

  /** Also forgets the user's sessions that have ended by themselves. */
  async insert(
    em: EntityManager,
    session: { tokenHash: Buffer; userId: string; address: string | null; ttlHours: number },
  ): Promise<Date> {
    await execute(em, 'DELETE FROM user_session WHERE user_id = $1 AND expires_at <= now()', [session.userId]);
    const rows = await query<{ expiresAt: Date }>(
      em,
      `INSERT INTO user_session (token_hash, user_id, address, expires_at)
       VALUES ($1, $2, $3, now() + make_interval(hours => $4)) RETURNING expires_at AS "expiresAt"`,
      [session.tokenHash, session.userId, session.address, session.ttlHours],
    );
    return rows[0]!.expiresAt;
  }

  async delete(em: EntityManager, tokenHash: Buffer): Promise<boolean> {
    return (await execute(em, 'DELETE FROM user_session WHERE token_hash = $1', [tokenHash])) === 1;
  }

  /** `except`: the session that stays. @returns how many ended. */
  async deleteOfUser(em: EntityManager, userId: string, except?: Buffer): Promise<number> {
    return execute(em, 'DELETE FROM user_session WHERE user_id = $1 AND ($2::bytea IS NULL OR token_hash <> $2)', [
      userId,
      except ?? null,
    ]);
  }
}
