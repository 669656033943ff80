import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import { User } from './user.entity.js';

/** All SQL about users and memberships. */
@Injectable()
export class UsersRepository {
  async credentialsOf(
    em: EntityManager,
    email: string,
  ): Promise<{ userId: string; passwordHash: string | null } | null> {
    const rows = await query<{ userId: string; passwordHash: string | null }>(
      em,
      'SELECT user_id AS "userId", password_hash AS "passwordHash" FROM "user" WHERE email = $1',
      [email],
    );
    return rows[0] ?? null;
  }

  async passwordHashOf(em: EntityManager, userId: string): Promise<string | null> {
    const rows = await query<{ hash: string | null }>(
      em,
      'SELECT password_hash AS hash FROM "user" WHERE user_id = $1',
      [userId],
    );
    return rows[0]?.hash ?? null;
  }

  async find(em: EntityManager, userId: string): Promise<User | null> {
    return em.getRepository(User).findOneBy({ userId });
  }

  async insert(
    em: EntityManager,
    user: Pick<User, 'userId' | 'email' | 'username' | 'name' | 'passwordHash' | 'emailVerified' | 'serverAdmin'>,
  ): Promise<void> {
    await em.getRepository(User).insert(user);
  }

  /** Whether the password is still that one; it stays so until the transaction ends. */
  async holdPassword(tx: EntityManager, userId: string, passwordHash: string): Promise<boolean> {
    return (
      (
        await query(tx, 'SELECT 1 AS one FROM "user" WHERE user_id = $1 AND password_hash = $2 FOR SHARE', [
          userId,
          passwordHash,
        ])
      ).length > 0
    );
  }

  /** Links for a new one end with it. `expected`: only while the password is still that one. */
  async setPassword(
    em: EntityManager,
    userId: string,
    passwordHash: string,
    expected?: string | null,
  ): Promise<boolean> {
    const changed = await execute(
      em,
      `UPDATE "user" SET password_hash = $2, password_changed_at = now()
       WHERE user_id = $1 AND ($3::text IS NULL OR password_hash = $3)`,
      [userId, passwordHash, expected ?? null],
    );
    if (changed === 1) await execute(em, 'DELETE FROM password_reset WHERE user_id = $1', [userId]);
    return changed === 1;
  }

  async setAddress(em: EntityManager, userId: string, email: string): Promise<void> {
    await execute(em, 'UPDATE "user" SET email = $2, username = $2 WHERE user_id = $1', [userId, email]);
  }

  async firstServerAdmin(em: EntityManager): Promise<string | null> {
    const rows = await query<{ id: string }>(
      em,
      'SELECT user_id AS id FROM "user" WHERE server_admin ORDER BY created_at, user_id LIMIT 1',
    );
    return rows[0]?.id ?? null;
  }

  async isMemberByEmail(em: EntityManager, orgId: string, email: string): Promise<boolean> {
    const rows = await query(
      em,
      'SELECT 1 AS one FROM membership JOIN "user" u USING (user_id) WHERE org_id = $1 AND u.email = $2',
      [orgId, email],
    );
    return rows.length > 0;
  }

  async isMember(em: EntityManager, orgId: string, userId: string): Promise<boolean> {
    return (
      (await query(em, 'SELECT 1 AS one FROM membership WHERE org_id = $1 AND user_id = $2', [orgId, userId])).length >
      0
    );
  }

  async addMember(
    em: EntityManager,
    orgId: string,
    userId: string,
    isOwner: boolean,
    roleIds: number[],
  ): Promise<void> {
    await execute(em, 'INSERT INTO membership (org_id, user_id, is_owner) VALUES ($1, $2, $3)', [
      orgId,
      userId,
      isOwner,
    ]);
    await execute(
      em,
      `INSERT INTO membership_role (org_id, user_id, role_id)
       SELECT $1, $2, role_id FROM role WHERE org_id = $1 AND role_id = ANY ($3::bigint[])`,
      [orgId, userId, roleIds],
    );
  }
}
