import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RolePreset } from '#contracts';
import { execute, prepared, query, type Window } from '#platform';
import type { Use } from '../last-uses.js';
import type { OwnSession } from './sessions.dto.js';

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
  sessionId: string;
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
      `SELECT ${USER}, s.session_id AS "sessionId", extract(epoch FROM s.expires_at - now())::float8 AS "secondsLeft"
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
    session: { tokenHash: Buffer; userId: string; address: string | null; userAgent: string | null; ttlHours: number },
  ): Promise<Date> {
    await execute(em, 'DELETE FROM user_session WHERE user_id = $1 AND expires_at <= now()', [session.userId]);
    const rows = await query<{ expiresAt: Date }>(
      em,
      `INSERT INTO user_session (token_hash, user_id, address, user_agent, last_used_at, last_used_address, expires_at)
       VALUES ($1, $2, $3, $4, now(), $3, now() + make_interval(hours => $5)) RETURNING expires_at AS "expiresAt"`,
      [session.tokenHash, session.userId, session.address, session.userAgent, session.ttlHours],
    );
    return rows[0]!.expiresAt;
  }

  /** A user's sessions that have not ended, the one used last first. `here`: which of them asks. */
  async ofUser(em: EntityManager, userId: string, here: Buffer, window: Window): Promise<[OwnSession[], number]> {
    const rows = await query<OwnSession>(
      em,
      `SELECT session_id AS "sessionId", token_hash = $2 AS "isCurrent", user_agent AS "userAgent", created_at AS "createdAt", host(address) AS "createdFrom",
         last_used_at AS "lastUsedAt", host(last_used_address) AS "lastUsedFrom", expires_at AS "expiresAt"
       FROM user_session WHERE user_id = $1 AND expires_at > now()
       ORDER BY last_used_at DESC NULLS LAST, created_at DESC, session_id LIMIT $3 OFFSET $4`,
      [userId, here, window.limit, window.offset],
    );
    const [found] = await query<{ total: number }>(
      em,
      'SELECT count(*)::int AS total FROM user_session WHERE user_id = $1 AND expires_at > now()',
      [userId],
    );
    return [rows, found!.total];
  }

  /** Of several uses of one session the last one counts, and none goes back behind what another server wrote. */
  async used(em: EntityManager, uses: Use[]): Promise<void> {
    await execute(
      em,
      `WITH u AS (SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::inet[], $3::timestamptz[]) AS u(id, address, at) ORDER BY id, at DESC),
         held AS (SELECT s.session_id FROM user_session s JOIN u ON u.id = s.session_id ORDER BY 1 FOR NO KEY UPDATE OF s)
       UPDATE user_session s SET last_used_at = u.at, last_used_address = u.address FROM u JOIN held ON held.session_id = u.id
       WHERE s.session_id = u.id AND coalesce(s.last_used_at < u.at, true)`,
      [uses.map((u) => u.id), uses.map((u) => u.address), uses.map((u) => u.at)],
    );
  }

  /** @param sessionId as somebody wrote it @returns false when it is none of the user's */
  async deleteById(em: EntityManager, userId: string, sessionId: string): Promise<boolean> {
    return (
      (await execute(em, 'DELETE FROM user_session WHERE user_id = $1 AND session_id::text = $2', [
        userId,
        sessionId,
      ])) === 1
    );
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
