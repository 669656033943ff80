import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';
import type { RouteRow, SiteStanding } from './route-table.js';

/** Rows of one statement; a constant in its text, so that plans are made for pages. */
export const PAGE = 1_000;

/** In service. The proof of a domain is not asked for: names that exist stay with their resource (docs/adr/0019). */
const ROUTED = 'r.http AND r.enabled AND r.staged_by IS NULL AND r.full_domain IS NOT NULL';

const ROW = 'SELECT r.*, hash_record_extended(r, 0) AS hash FROM resource r';
/** Those of $1 that are in service. */
const OF_IDS = `unnest($1::bigint[]) AS i(resource_id) CROSS JOIN LATERAL (${ROW} WHERE r.resource_id = i.resource_id AND ${ROUTED}) r`;

/**
 * Of a resource `r`: what the table holds, without a hash and without a secret of its own, and a fingerprint of the rows that it is made of.
 */
const PARTS = `
  CROSS JOIN LATERAL (
    SELECT r.resource_id AS "resourceId", r.org_id AS "orgId", r.name, r.full_domain AS domain, r.ssl, r.block_access AS "blockAccess",
      r.sticky_session AS "stickySession", nullif(r.set_host_header, '') AS "setHostHeader", nullif(r.tls_server_name, '') AS "tlsServerName",
      r.response_timeout_seconds AS "responseTimeoutSeconds", r.stale_seconds AS "staleSeconds", r.headers, r.post_auth_path AS "postAuthPath", CASE WHEN r.maintenance_mode_enabled THEN json_build_object('type', r.maintenance_mode_type,
        'title', r.maintenance_title, 'message', r.maintenance_message, 'estimatedTime', r.maintenance_estimated_time) END AS maintenance,
      json_build_object('sso', r.sso, 'password', r.password_hash IS NOT NULL, 'pincode', r.pincode_hash IS NOT NULL,
        'headerAuth', r.header_auth_hash IS NOT NULL, 'whitelist', r.email_whitelist_enabled, 'skipToIdpId', r.skip_to_idp_id) AS protection) d
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(p ORDER BY u.rule_id), '[]') AS rules, bit_xor(hash_record_extended(u, 0)) AS hash
    FROM resource_rule u CROSS JOIN LATERAL (SELECT u.rule_id AS "ruleId", u.action, u.match, u.value, u.priority, u.enabled) p
    WHERE u.resource_id = r.resource_id AND u.enabled AND r.apply_rules) u
  CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(p ORDER BY t.target_id), '[]') AS targets, bit_xor(hash_record_extended(t, 0)) AS hash
    FROM target t CROSS JOIN LATERAL (
      SELECT t.target_id AS "targetId", t.site_id AS "siteId", t.ip, t.port, t.method, t.enabled, t.path, t.path_match_type AS "pathMatchType",
        t.rewrite_path AS "rewritePath", t.rewrite_path_type AS "rewritePathType", t.priority, t.insecure_tls AS "insecureTls",
        t.hc_enabled AND t.hc_health = 'unhealthy' AS unhealthy) p
    WHERE t.resource_id = r.resource_id AND t.enabled) t`;

const FINGERPRINT = 'hash_record_extended(ROW (r.hash, u.hash, t.hash), 0)::text AS fingerprint';

const STANDING = `json_build_object('siteId', s.site_id, 'approved', s.status = 'approved' AND s.revoked_at IS NULL, 'type', s.type)`;

/** Which state of a resource the database has. */
export interface Fingerprint {
  resourceId: number;
  fingerprint: string;
}

/** What the route table is made of. Statements of some thousand rows at most, by indexes, however many resources there are. */
@Injectable()
export class RoutesRepository {
  /** A page of all resources in service. @param after the last one of the page before */
  fingerprints(em: EntityManager, after: number): Promise<Fingerprint[]> {
    return prepared(
      em,
      'route_fingerprints',
      `SELECT r.resource_id AS "resourceId", ${FINGERPRINT}
       FROM (${ROW} WHERE r.resource_id > $1 AND ${ROUTED} ORDER BY r.resource_id LIMIT ${PAGE}) r ${PARTS} ORDER BY r.resource_id`,
      [after],
    );
  }

  /** The same of those of these that are in service. */
  fingerprintsOf(em: EntityManager, resourceIds: number[]): Promise<Fingerprint[]> {
    return prepared(
      em,
      'route_fingerprints_of',
      `SELECT r.resource_id AS "resourceId", ${FINGERPRINT}
       FROM ${OF_IDS} ${PARTS}`,
      [resourceIds],
    );
  }

  /** Those in service of an organization: all at once, since no index has them in their order. */
  async resourceIds(em: EntityManager, orgId: string): Promise<number[]> {
    const rows = await prepared<{ id: number }>(
      em,
      'route_ids_of_org',
      `SELECT r.resource_id AS id FROM resource r WHERE r.org_id = $1 AND ${ROUTED}`,
      [orgId],
    );
    return rows.map(({ id }) => id);
  }

  /** Those of these that are in service. */
  routes(em: EntityManager, resourceIds: number[]): Promise<RouteRow[]> {
    return prepared(
      em,
      'routes',
      `SELECT to_json(d) AS settings, u.rules, t.targets, ${FINGERPRINT}, EXISTS (SELECT FROM closed_org o WHERE o.org_id = r.org_id) AS "orgClosed"
       FROM ${OF_IDS} ${PARTS}`,
      [resourceIds],
    );
  }

  async sites(em: EntityManager, siteIds: number[]): Promise<SiteStanding[]> {
    const rows = await prepared<{ site: SiteStanding }>(
      em,
      'route_sites',
      `SELECT ${STANDING} AS site FROM unnest($1::bigint[]) AS i(site_id) JOIN site s ON s.site_id = i.site_id`,
      [siteIds],
    );
    return rows.map(({ site }) => site);
  }

  /** Those of these that are closed. */
  async closedOrgs(em: EntityManager, orgIds: string[]): Promise<string[]> {
    const rows = await prepared<{ orgId: string }>(
      em,
      'route_closed_orgs',
      'SELECT o.org_id AS "orgId" FROM closed_org o WHERE o.org_id = ANY ($1)',
      [orgIds],
    );
    return rows.map(({ orgId }) => orgId);
  }
}
