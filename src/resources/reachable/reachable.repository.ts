import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, type Window } from '#platform';
import type { ReachableResource, ReachableSiteResource } from './reachable.dto.js';

/** Granted to the user by name or by a role; $2 null: somebody who reaches everything. */
const GRANTED = (
  table: string,
) => `($2::text IS NULL OR EXISTS (SELECT FROM ${table}_user g WHERE g.${table}_id = r.${table}_id AND g.user_id = $2)
  OR EXISTS (SELECT FROM ${table}_role g JOIN membership_role m USING (role_id) WHERE g.${table}_id = r.${table}_id AND m.org_id = $1 AND m.user_id = $2))`;

@Injectable()
export class ReachableRepository {
  async isAdmin(em: EntityManager, orgId: string, userId: string): Promise<boolean> {
    const rows = await query(
      em,
      'SELECT FROM membership_role m JOIN role USING (role_id) WHERE m.org_id = $1 AND m.user_id = $2 AND is_admin',
      [orgId, userId],
    );
    return rows.length > 0;
  }

  publicOnes(em: EntityManager, orgId: string, userId: string | null, window: Window): Promise<ReachableResource[]> {
    return query(
      em,
      `SELECT r.resource_id AS "resourceId", r.name, r.full_domain AS domain, r.enabled,
         r.http AND (r.sso OR r.email_whitelist_enabled OR r.password_hash IS NOT NULL OR r.pincode_hash IS NOT NULL OR r.header_auth_hash IS NOT NULL) AS protected, r.protocol
       FROM resource r WHERE r.org_id = $1 AND r.staged_by IS NULL AND ${GRANTED('resource')} ORDER BY r.name, r.resource_id LIMIT $3 OFFSET $4`,
      [orgId, userId, window.limit, window.offset],
    );
  }

  privateOnes(
    em: EntityManager,
    orgId: string,
    userId: string | null,
    window: Window,
  ): Promise<ReachableSiteResource[]> {
    return query(
      em,
      `SELECT r.site_resource_id AS "siteResourceId", r.name, r.destination, r.mode, r.enabled, r.alias
       FROM site_resource r WHERE r.org_id = $1 AND r.staged_by IS NULL AND ${GRANTED('site_resource')} ORDER BY r.name, r.site_resource_id LIMIT $3 OFFSET $4`,
      [orgId, userId, window.limit, window.offset],
    );
  }
}
