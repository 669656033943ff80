import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { likeEscape, query, type Window } from '../../../libs/platform/index.js';
import { Role } from './role.entity.js';

export interface RoleRow {
  roleId: number;
  name: string;
  description: string | null;
  isAdmin: boolean;
  orgName: string;
}

/** All SQL about roles. */
@Injectable()
export class RolesRepository {
  async insert(em: EntityManager, role: Pick<Role, 'orgId' | 'name' | 'description' | 'isAdmin' | 'actions'>): Promise<number> {
    const inserted = await em.getRepository(Role).insert(role);
    return (inserted.identifiers[0] as { roleId: number }).roleId;
  }

  async orgOf(em: EntityManager, roleId: number): Promise<string | null> {
    const rows = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM role WHERE role_id = $1', [roleId]);
    return rows[0]?.orgId ?? null;
  }

  async list(em: EntityManager, orgId: string, search: string | undefined, descending: boolean, window: Window): Promise<RoleRow[]> {
    return query<RoleRow>(
      em,
      `SELECT r.role_id AS "roleId", r.name, r.description, r.is_admin AS "isAdmin", o.name AS "orgName"
       FROM role r JOIN org o USING (org_id)
       WHERE r.org_id = $1 AND ($2::text IS NULL OR r.name ILIKE $2)
       ORDER BY r.name ${descending ? 'DESC' : 'ASC'} LIMIT $3 OFFSET $4`,
      [orgId, pattern(search), window.limit, window.offset],
    );
  }

  async count(em: EntityManager, orgId: string, search: string | undefined): Promise<number> {
    const rows = await query<{ n: number }>(
      em, 'SELECT count(*) AS n FROM role WHERE org_id = $1 AND ($2::text IS NULL OR name ILIKE $2)', [orgId, pattern(search)],
    );
    return rows[0]!.n;
  }
}

const pattern = (search: string | undefined) => (search === undefined ? null : `%${likeEscape(search)}%`);
