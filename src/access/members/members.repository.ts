import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, likeEscape, query, type Window } from '#platform';

export interface MemberRow {
  userId: string;
  email: string;
  emailVerified: boolean;
  username: string;
  name: string | null;
  dateCreated: Date;
  isOwner: boolean;
  autoProvisioned: boolean;
  version: number;
  roles: { roleId: number; name: string; isAdmin: boolean }[];
}

export interface MemberFilter {
  search?: string | undefined;
  /** Any of these. */
  roleIds?: number[] | undefined;
}

export interface MemberOrder {
  by: 'list_name' | 'username';
  descending: boolean;
}

const MEMBER = `SELECT u.user_id AS "userId", u.email, u.email_verified AS "emailVerified", u.username, u.name, u.created_at AS "dateCreated", m.is_owner AS "isOwner",
    m.auto_provisioned AS "autoProvisioned", m.version,
    coalesce((SELECT jsonb_agg(jsonb_build_object('roleId', r.role_id, 'name', r.name, 'isAdmin', r.is_admin) ORDER BY r.role_id)
      FROM membership_role mr JOIN role r USING (role_id) WHERE mr.org_id = m.org_id AND mr.user_id = m.user_id), '[]') AS roles
  FROM membership m JOIN "user" u USING (user_id)`;

/** The conditions that were asked for, and no others: a condition that may be absent keeps PostgreSQL from an index. */
function where(orgId: string, { search, roleIds }: MemberFilter): { text: string; values: unknown[] } {
  const values: unknown[] = [orgId];
  const parts = ['m.org_id = $1'];
  if (search !== undefined) {
    values.push(`%${likeEscape(search)}%`);
    parts.push(
      `(u.username ILIKE $${values.length} OR u.email ILIKE $${values.length} OR u.name ILIKE $${values.length})`,
    );
  }
  if (roleIds !== undefined) {
    values.push(roleIds);
    parts.push(
      `m.user_id IN (SELECT user_id FROM membership_role WHERE org_id = $1 AND role_id = ANY ($${values.length}::bigint[]))`,
    );
  }
  return { text: parts.join(' AND '), values };
}

/** One page of the list; exported for the test of its plans. */
export function pageStatement(
  orgId: string,
  filter: MemberFilter,
  order: MemberOrder,
  window: Window,
): { text: string; values: unknown[] } {
  const { text, values } = where(orgId, filter);
  const direction = order.descending ? 'DESC' : 'ASC';
  return {
    text: `${MEMBER} WHERE ${text} ORDER BY m.${order.by} ${direction}, m.user_id ${direction} LIMIT $${values.length + 1} OFFSET $${values.length + 2}`,
    values: [...values, window.limit, window.offset],
  };
}

/** All SQL about the users of an organization. */
@Injectable()
export class MembersRepository {
  async list(
    em: EntityManager,
    orgId: string,
    filter: MemberFilter,
    order: MemberOrder,
    window: Window,
  ): Promise<MemberRow[]> {
    const { text, values } = pageStatement(orgId, filter, order, window);
    return query<MemberRow>(em, text, values);
  }

  /** Members behind one, by id. */
  async after(
    em: EntityManager,
    orgId: string,
    filter: MemberFilter,
    userId: string | undefined,
    limit: number,
  ): Promise<MemberRow[]> {
    const { text, values } = where(orgId, filter);
    const behind = `m.user_id > $${values.length + 1} ORDER BY m.user_id LIMIT $${values.length + 2}`;
    return query<MemberRow>(em, `${MEMBER} WHERE ${text} AND ${behind}`, [...values, userId ?? '', limit]);
  }

  async count(em: EntityManager, orgId: string, filter: MemberFilter): Promise<number> {
    const { text, values } = where(orgId, filter);
    const users = filter.search === undefined ? '' : 'JOIN "user" u USING (user_id)';
    const rows = await query<{ n: number }>(
      em,
      `SELECT count(*) AS n FROM membership m ${users} WHERE ${text}`,
      values,
    );
    return rows[0]!.n;
  }

  async find(em: EntityManager, orgId: string, userId: string): Promise<MemberRow | null> {
    const rows = await query<MemberRow>(em, `${MEMBER} WHERE m.org_id = $1 AND m.user_id = $2`, [orgId, userId]);
    return rows[0] ?? null;
  }

  async findByUsername(em: EntityManager, orgId: string, username: string): Promise<MemberRow | null> {
    const rows = await query<MemberRow>(em, `${MEMBER} WHERE m.org_id = $1 AND m.username = $2`, [orgId, username]);
    return rows[0] ?? null;
  }

  /** A change of a member's roles locks the membership, so that two changes cannot take the last role together. */
  async lock(tx: EntityManager, orgId: string, userId: string): Promise<{ isOwner: boolean; version: number } | null> {
    const rows = await query<{ isOwner: boolean; version: number }>(
      tx,
      'SELECT is_owner AS "isOwner", version FROM membership WHERE org_id = $1 AND user_id = $2 FOR UPDATE',
      [orgId, userId],
    );
    return rows[0] ?? null;
  }

  async roleIdsOf(tx: EntityManager, orgId: string, userId: string): Promise<number[]> {
    const rows = await query<{ id: number }>(
      tx,
      'SELECT role_id AS id FROM membership_role WHERE org_id = $1 AND user_id = $2',
      [orgId, userId],
    );
    return rows.map(({ id }) => id);
  }

  /** Roles are part of what a reader of the member sees, so its version counts. */
  async setRoles(tx: EntityManager, orgId: string, userId: string, roleIds: number[]): Promise<void> {
    await execute(
      tx,
      'DELETE FROM membership_role WHERE org_id = $1 AND user_id = $2 AND role_id <> ALL ($3::bigint[])',
      [orgId, userId, roleIds],
    );
    await execute(
      tx,
      'INSERT INTO membership_role (org_id, user_id, role_id) SELECT $1, $2, unnest($3::bigint[]) ON CONFLICT DO NOTHING',
      [orgId, userId, roleIds],
    );
    await execute(tx, 'UPDATE membership SET version = version + 1 WHERE org_id = $1 AND user_id = $2', [
      orgId,
      userId,
    ]);
  }

  async setAutoProvisioned(tx: EntityManager, orgId: string, userId: string, value: boolean): Promise<void> {
    await execute(tx, 'UPDATE membership SET auto_provisioned = $3 WHERE org_id = $1 AND user_id = $2', [
      orgId,
      userId,
      value,
    ]);
  }

  async delete(tx: EntityManager, orgId: string, userId: string): Promise<void> {
    await execute(tx, 'DELETE FROM membership WHERE org_id = $1 AND user_id = $2', [orgId, userId]);
  }
}
