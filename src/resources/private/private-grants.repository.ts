import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, execute, exportOfRows, limitsOf, query, type Window } from '#platform';
import type { GrantedRole, GrantedUser } from '../grants/grants.dto.js';
import { ROLE_COLUMNS, USER_COLUMNS } from '../grants/grants.repository.js';
import type { GrantedClient } from './private-grants.dto.js';

const CLIENT_COLUMNS: Columns<GrantedClient> = { clientId: true, name: true, subnet: true };

const ROLES = `SELECT r.role_id AS "roleId", r.name, r.description, r.is_admin AS "isAdmin" FROM role r
  WHERE r.org_id = $1 AND (r.is_admin OR r.role_id IN (SELECT g.role_id FROM site_resource_role g WHERE g.site_resource_id = $2))`;
const USERS = `SELECT u.user_id AS "userId", u.username, 'internal' AS type, NULL AS "idpName", NULL::int AS "idpId", u.email
  FROM site_resource_user g JOIN "user" u USING (user_id) WHERE g.org_id = $1 AND g.site_resource_id = $2`;
const CLIENTS = `SELECT c.client_id AS "clientId", c.name, c.address::text AS subnet FROM site_resource_client g JOIN client c USING (client_id)
  WHERE c.org_id = $1 AND g.site_resource_id = $2`;

/** All SQL about who may use a private resource. Writes are for a resource that the transaction holds locked. */
@Injectable()
export class PrivateGrantsRepository {
  async roles(em: EntityManager, orgId: string, siteResourceId: number, window: Window | null): Promise<GrantedRole[]> {
    return query<GrantedRole>(em, `${ROLES} ORDER BY r.is_admin DESC, r.name, r.role_id LIMIT $3 OFFSET $4`, [
      orgId,
      siteResourceId,
      ...limitsOf(window),
    ]);
  }

  async users(em: EntityManager, orgId: string, siteResourceId: number, window: Window | null): Promise<GrantedUser[]> {
    return query<GrantedUser>(em, `${USERS} ORDER BY u.username, u.user_id LIMIT $3 OFFSET $4`, [
      orgId,
      siteResourceId,
      ...limitsOf(window),
    ]);
  }

  async clients(
    em: EntityManager,
    orgId: string,
    siteResourceId: number,
    window: Window | null,
  ): Promise<GrantedClient[]> {
    return query<GrantedClient>(em, `${CLIENTS} ORDER BY c.name, c.client_id LIMIT $3 OFFSET $4`, [
      orgId,
      siteResourceId,
      ...limitsOf(window),
    ]);
  }

  allRoles(em: EntityManager, orgId: string, id: number): ExportSource<GrantedRole, unknown[]> {
    const list = { name: `private-resource-${id}-roles`, columns: ROLE_COLUMNS, rows: ROLES, values: [orgId, id] };
    return exportOfRows(em, { ...list, by: ['roleId'] });
  }

  allUsers(em: EntityManager, orgId: string, id: number): ExportSource<GrantedUser, unknown[]> {
    const list = { name: `private-resource-${id}-users`, columns: USER_COLUMNS, rows: USERS, values: [orgId, id] };
    return exportOfRows(em, { ...list, by: ['userId'] });
  }

  allClients(em: EntityManager, orgId: string, id: number): ExportSource<GrantedClient, unknown[]> {
    const list = {
      name: `private-resource-${id}-clients`,
      columns: CLIENT_COLUMNS,
      rows: CLIENTS,
      values: [orgId, id],
    };
    return exportOfRows(em, { ...list, by: ['clientId'] });
  }

  /** @returns how many were not there; so does the next one. */
  async addUsers(tx: EntityManager, orgId: string, siteResourceId: number, userIds: string[]): Promise<number> {
    const text =
      'INSERT INTO site_resource_user (org_id, site_resource_id, user_id) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING';
    return execute(tx, text, [orgId, siteResourceId, userIds]);
  }

  async addClients(tx: EntityManager, siteResourceId: number, clientIds: number[]): Promise<number> {
    return execute(
      tx,
      'INSERT INTO site_resource_client (site_resource_id, client_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING',
      [siteResourceId, clientIds],
    );
  }

  async removeRole(tx: EntityManager, siteResourceId: number, roleId: number): Promise<number> {
    return execute(tx, 'DELETE FROM site_resource_role WHERE site_resource_id = $1 AND role_id = $2', [
      siteResourceId,
      roleId,
    ]);
  }

  async removeUser(tx: EntityManager, siteResourceId: number, userId: string): Promise<number> {
    return execute(tx, 'DELETE FROM site_resource_user WHERE site_resource_id = $1 AND user_id = $2', [
      siteResourceId,
      userId,
    ]);
  }

  async removeClient(tx: EntityManager, siteResourceId: number, clientId: number): Promise<number> {
    return execute(tx, 'DELETE FROM site_resource_client WHERE site_resource_id = $1 AND client_id = $2', [
      siteResourceId,
      clientId,
    ]);
  }

  /** @returns how many of these resources the organization has; they stay until the end of the transaction. */
  async countAmong(tx: EntityManager, orgId: string, siteResourceIds: number[]): Promise<number> {
    const text =
      'SELECT site_resource_id FROM site_resource WHERE org_id = $1 AND site_resource_id = ANY($2::bigint[]) ORDER BY site_resource_id FOR KEY SHARE';
    return (await query(tx, text, [orgId, siteResourceIds])).length;
  }

  /** Grants many resources to one client. @returns those that it did not have. */
  async addToClient(tx: EntityManager, clientId: number, siteResourceIds: number[]): Promise<number[]> {
    const rows = await query<{ id: number }>(
      tx,
      `INSERT INTO site_resource_client (site_resource_id, client_id) SELECT id, $1 FROM unnest($2::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING
       RETURNING site_resource_id AS id`,
      [clientId, siteResourceIds],
    );
    return rows.map((row) => row.id);
  }
}
