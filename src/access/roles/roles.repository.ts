import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { nameKey } from '#contracts';
import { type ExportSource, execute, exportOfRows, likeEscape, query, type Window } from '#platform';
import { Role } from './role.entity.js';
import type { RoleUser } from './roles.dto.js';

export type RoleRow = Role & { orgName: string };

const COLUMNS = `r.role_id AS "roleId", r.org_id AS "orgId", r.is_admin AS "isAdmin", r.name, r.description, r.preset, r.actions,
  r.require_device_approval AS "requireDeviceApproval", r.allow_ssh AS "allowSsh", r.ssh_sudo_mode AS "sshSudoMode", r.ssh_sudo_commands AS "sshSudoCommands",
  r.ssh_create_home_dir AS "sshCreateHomeDir", r.ssh_unix_groups AS "sshUnixGroups", r.version`;

/** All SQL about roles. */
@Injectable()
export class RolesRepository {
  async insert(em: EntityManager, role: Partial<Role> & Pick<Role, 'orgId' | 'name'>): Promise<number> {
    const inserted = await em.getRepository(Role).insert({ ...role, nameKey: nameKey(role.name) });
    return (inserted.identifiers[0] as { roleId: number }).roleId;
  }

  /** The roles of these names, in any case and width, but for Admin; by the name that was asked for. */
  async named(em: EntityManager, orgId: string, names: string[]): Promise<Map<string, { id: number; name: string }>> {
    const rows = await query<{ key: string; name: string; id: number }>(
      em,
      'SELECT name_key AS key, name, role_id AS id FROM role WHERE org_id = $1 AND NOT is_admin AND name_key = ANY ($2)',
      [orgId, names.map(nameKey)],
    );
    const byKey = new Map(rows.map(({ key, ...role }) => [key, role]));
    return new Map(
      names.flatMap((name) => (byKey.has(nameKey(name)) ? [[name, byKey.get(nameKey(name))!] as const] : [])),
    );
  }

  async insertMissing(em: EntityManager, orgId: string, names: string[], actions: string[]): Promise<void> {
    await execute(
      em,
      'INSERT INTO role (org_id, name, name_key, actions) SELECT $1, n, k, $4 FROM unnest($2::text[], $3::text[]) AS u(n, k) ORDER BY k, n ON CONFLICT (org_id, name_key) DO NOTHING',
      [orgId, names, names.map(nameKey), actions],
    );
  }

  async orgOf(em: EntityManager, roleId: number): Promise<string | null> {
    const rows = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM role WHERE role_id = $1', [roleId]);
    return rows[0]?.orgId ?? null;
  }

  async countOf(em: EntityManager, orgId: string, roleIds: number[]): Promise<number> {
    const rows = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM role WHERE org_id = $1 AND role_id = ANY ($2::bigint[])',
      [orgId, roleIds],
    );
    return rows[0]!.n;
  }

  async find(em: EntityManager, orgId: string, roleId: number): Promise<Role | null> {
    return em.getRepository(Role).findOneBy({ orgId, roleId });
  }

  /** The roles among `roleIds` that the organization has, until the transaction ends nobody deletes them; `FOR UPDATE` nobody uses them either. */
  async lock(tx: EntityManager, orgId: string, roleIds: number[], strength: 'KEY SHARE' | 'UPDATE'): Promise<Role[]> {
    return query<Role>(
      tx,
      `SELECT ${COLUMNS} FROM role r WHERE r.org_id = $1 AND r.role_id = ANY ($2::bigint[]) ORDER BY r.role_id FOR ${strength}`,
      [orgId, roleIds],
    );
  }

  /** `changes` is not empty; the row is locked. */
  async update(tx: EntityManager, orgId: string, roleId: number, changes: Partial<Role>): Promise<void> {
    await tx
      .getRepository(Role)
      .update({ orgId, roleId }, changes.name === undefined ? changes : { ...changes, nameKey: nameKey(changes.name) });
  }

  /** Whoever has the one role gets the other. */
  async moveMembers(tx: EntityManager, orgId: string, from: number, to: number): Promise<void> {
    await execute(
      tx,
      `UPDATE membership m SET version = m.version + 1 FROM (
         SELECT user_id FROM membership WHERE org_id = $1 AND user_id IN (SELECT user_id FROM membership_role WHERE org_id = $1 AND role_id = $2)
         ORDER BY user_id FOR UPDATE
       ) u WHERE m.org_id = $1 AND m.user_id = u.user_id`,
      [orgId, from],
    );
    await execute(
      tx,
      `INSERT INTO membership_role (org_id, user_id, role_id) SELECT org_id, user_id, $3 FROM membership_role WHERE org_id = $1 AND role_id = $2
       ON CONFLICT DO NOTHING`,
      [orgId, from, to],
    );
  }

  async delete(tx: EntityManager, orgId: string, roleId: number): Promise<void> {
    await execute(tx, 'DELETE FROM role WHERE org_id = $1 AND role_id = $2', [orgId, roleId]);
  }

  async list(
    em: EntityManager,
    orgId: string,
    search: string | undefined,
    descending: boolean,
    window: Window,
  ): Promise<RoleRow[]> {
    return query<RoleRow>(
      em,
      `SELECT ${COLUMNS}, o.name AS "orgName" FROM role r JOIN org o USING (org_id)
       WHERE r.org_id = $1 AND ($2::text IS NULL OR r.name ILIKE $2)
       ORDER BY r.name ${descending ? 'DESC' : 'ASC'} LIMIT $3 OFFSET $4`,
      [orgId, pattern(search), window.limit, window.offset],
    );
  }

  /** Those behind an id, by id. */
  async after(
    em: EntityManager,
    orgId: string,
    search: string | undefined,
    roleId: number | undefined,
    limit: number,
  ): Promise<RoleRow[]> {
    return query<RoleRow>(
      em,
      `SELECT ${COLUMNS}, o.name AS "orgName" FROM role r JOIN org o USING (org_id)
       WHERE r.org_id = $1 AND ($2::text IS NULL OR r.name ILIKE $2) AND r.role_id > $3 ORDER BY r.role_id LIMIT $4`,
      [orgId, pattern(search), roleId ?? 0, limit],
    );
  }

  async count(em: EntityManager, orgId: string, search: string | undefined): Promise<number> {
    const rows = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM role WHERE org_id = $1 AND ($2::text IS NULL OR name ILIKE $2)',
      [orgId, pattern(search)],
    );
    return rows[0]!.n;
  }

  async users(em: EntityManager, orgId: string, roleId: number, window: Window): Promise<RoleUser[]> {
    return query<RoleUser>(em, `${USERS} ORDER BY mr.user_id LIMIT $3 OFFSET $4`, [
      orgId,
      roleId,
      window.limit,
      window.offset,
    ]);
  }

  allUsers(em: EntityManager, orgId: string, roleId: number): ExportSource<RoleUser, unknown[]> {
    const columns = { userId: true, username: true, email: true, name: true, isOwner: true } as const;
    const list = { name: `role-${roleId}-users`, columns, rows: USERS, values: [orgId, roleId] };
    return exportOfRows<RoleUser, 'userId'>(em, { ...list, by: ['userId'] });
  }

  async countUsers(em: EntityManager, orgId: string, roleId: number): Promise<number> {
    const rows = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM membership_role WHERE org_id = $1 AND role_id = $2',
      [orgId, roleId],
    );
    return rows[0]!.n;
  }
}

const USERS = `SELECT u.user_id AS "userId", u.username, u.email, u.name, m.is_owner AS "isOwner"
  FROM membership_role mr JOIN membership m USING (org_id, user_id) JOIN "user" u USING (user_id)
  WHERE mr.org_id = $1 AND mr.role_id = $2`;

const pattern = (search: string | undefined) => (search === undefined ? null : `%${likeEscape(search)}%`);
