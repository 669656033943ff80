import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, execute, exportOfRows, limitsOf, query, type Window } from '#platform';
import type { GrantedRole, GrantedUser } from './grants.dto.js';

export const ROLE_COLUMNS: Columns<GrantedRole> = { roleId: true, name: true, description: true, isAdmin: true };
export const USER_COLUMNS: Columns<GrantedUser> = {
  userId: true,
  username: true,
  type: true,
  idpName: true,
  idpId: true,
  email: true,
};

const ROLES = `SELECT r.role_id AS "roleId", r.name, r.description, r.is_admin AS "isAdmin" FROM role r
  WHERE r.org_id = $1 AND (r.is_admin OR r.role_id IN (SELECT g.role_id FROM resource_role g WHERE g.resource_id = $2))`;
const USERS = `SELECT u.user_id AS "userId", u.username, 'internal' AS type, NULL AS "idpName", NULL AS "idpId", u.email
  FROM resource_user g JOIN "user" u USING (user_id) WHERE g.org_id = $1 AND g.resource_id = $2`;

/** All SQL about who may pass a public resource. */
@Injectable()
export class GrantsRepository {
  async roles(em: EntityManager, orgId: string, resourceId: number, window: Window | null): Promise<GrantedRole[]> {
    return query<GrantedRole>(em, `${ROLES} ORDER BY r.is_admin DESC, r.name, r.role_id LIMIT $3 OFFSET $4`, [
      orgId,
      resourceId,
      ...limitsOf(window),
    ]);
  }

  async users(em: EntityManager, orgId: string, resourceId: number, window: Window | null): Promise<GrantedUser[]> {
    return query<GrantedUser>(em, `${USERS} ORDER BY u.username, u.user_id LIMIT $3 OFFSET $4`, [
      orgId,
      resourceId,
      ...limitsOf(window),
    ]);
  }

  allRoles(em: EntityManager, orgId: string, id: number): ExportSource<GrantedRole, unknown[]> {
    const list = { name: `resource-${id}-roles`, columns: ROLE_COLUMNS, rows: ROLES, values: [orgId, id] };
    return exportOfRows(em, { ...list, by: ['roleId'] });
  }

  allUsers(em: EntityManager, orgId: string, id: number): ExportSource<GrantedUser, unknown[]> {
    const list = { name: `resource-${id}-users`, columns: USER_COLUMNS, rows: USERS, values: [orgId, id] };
    return exportOfRows(em, { ...list, by: ['userId'] });
  }

  /** @returns those that the organization has; they stay until the end of the transaction. */
  async rolesAmong(
    tx: EntityManager,
    orgId: string,
    roleIds: number[],
  ): Promise<{ roleId: number; isAdmin: boolean }[]> {
    return query(
      tx,
      'SELECT role_id AS "roleId", is_admin AS "isAdmin" FROM role WHERE org_id = $1 AND role_id = ANY($2::bigint[]) ORDER BY role_id FOR KEY SHARE',
      [orgId, roleIds],
    );
  }

  /** Likewise. */
  async membersAmong(tx: EntityManager, orgId: string, userIds: string[]): Promise<{ userId: string }[]> {
    return query(
      tx,
      'SELECT user_id AS "userId" FROM membership WHERE org_id = $1 AND user_id = ANY($2::text[]) ORDER BY user_id FOR KEY SHARE',
      [orgId, userIds],
    );
  }

  async removeRole(tx: EntityManager, resourceId: number, roleId: number): Promise<number> {
    return execute(tx, 'DELETE FROM resource_role WHERE resource_id = $1 AND role_id = $2', [resourceId, roleId]);
  }

  /** @returns how many were not there. */
  async addUsers(tx: EntityManager, orgId: string, resourceId: number, userIds: string[]): Promise<number> {
    return execute(
      tx,
      'INSERT INTO resource_user (org_id, resource_id, user_id) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING',
      [orgId, resourceId, userIds],
    );
  }

  async removeUser(tx: EntityManager, resourceId: number, userId: string): Promise<number> {
    return execute(tx, 'DELETE FROM resource_user WHERE resource_id = $1 AND user_id = $2', [resourceId, userId]);
  }
}
