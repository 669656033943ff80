import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import type { Session, SiteAtHand } from './gateway/session.js';

export interface DesiredRow extends SiteAtHand {
  siteId: number;
  /** Of the credential that the session began with. */
  standing: 'usable' | 'ended' | 'revoked';
  orgId: string;
  /** When another credential was asked for that the site has not taken; milliseconds since 1970, null: none. */
  rotation: number | null;
  /** The session that presence has for the site. */
  sessionId: string | null;
  /** Only when this session has not been sent it yet, and the site is approved. */
  config: Record<string, unknown> | null;
  /** Likewise; null where the site has none. */
  bundle: { version: number; digest?: string } | null;
}

export interface Applied {
  siteId: number;
  version: number;
  error: string | null;
}

export interface Introduction {
  siteId: number;
  /** null: not said this time. */
  version: string | null;
  facts: Record<string, unknown> | null;
  clientType: 'newt' | 'agent';
  takesBundles: boolean;
  takesCredentials: boolean;
}

export interface SelfRow {
  deviceId: string;
  siteId: number;
  niceId: string;
  name: string;
  status: 'pending' | 'approved';
  version: number;
  config: Record<string, unknown>;
}

/** Sites that are still there, and stay until the reports about them are written. */
const HELD =
  'held AS (SELECT site_id, org_id FROM site WHERE site_id = ANY($1::bigint[]) ORDER BY site_id FOR KEY SHARE)';

/** What sessions read and write of their sites. */
@Injectable()
export class AgentsRepository {
  /** Credential, status and desired state of many sessions' sites in one query. A site without a row is deleted. */
  desired(em: EntityManager, sessions: Session[]): Promise<DesiredRow[]> {
    return prepared<DesiredRow>(
      em,
      'agents_desired',
      `SELECT s.site_id AS "siteId", s.org_id AS "orgId", s.status, extract(epoch FROM r.requested_at)::float8 * 1000 AS rotation, s.desired_version AS version, s.docker_socket_enabled AS "takesLabels", CASE WHEN c.credential_id IS NULL OR s.revoked_at IS NOT NULL THEN 'revoked' WHEN u.credential_id IS NULL THEN 'ended' ELSE 'usable' END AS standing,
              extract(epoch FROM u.until - now())::float8 * 1000 AS "endsIn", p.session_id AS "sessionId",
              CASE WHEN is_due THEN s.config END AS config,
              CASE WHEN is_due AND b.version IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object('version', b.version, 'digest', b.digest)) END AS bundle
       FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::text[]) AS i(site_id, credential_id, greeted, sent_version, sent_status)
       JOIN site s ON s.site_id = i.site_id
       CROSS JOIN LATERAL (SELECT i.greeted AND s.status = 'approved' AND (s.desired_version <> i.sent_version OR i.sent_status IS DISTINCT FROM s.status) AS is_due) d
       LEFT JOIN bundle_offer b ON is_due AND b.site_id = i.site_id
       LEFT JOIN site_credential c ON c.credential_id = i.credential_id AND c.site_id = i.site_id AND c.revoked_at IS NULL
       LEFT JOIN usable_credential u ON u.credential_id = c.credential_id
       LEFT JOIN credential_rotation r ON r.site_id = i.site_id
       LEFT JOIN site_presence p ON p.site_id = i.site_id`,
      [
        sessions.map((s) => s.siteId),
        sessions.map((s) => s.credentialId),
        sessions.map((s) => s.greeted),
        sessions.map((s) => s.sentVersion),
        sessions.map((s) => s.sentStatus),
      ],
    );
  }

  /** Of sites that are gone, those that were rejected. */
  async rejected(em: EntityManager, siteIds: number[]): Promise<Set<number>> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT DISTINCT site_id AS "siteId" FROM event WHERE type = 'site.rejected' AND site_id = ANY ($1::bigint[])`,
      [siteIds],
    );
    return new Set(rows.map((row) => row.siteId));
  }

  async saveApplied(tx: EntityManager, rows: Applied[]): Promise<void> {
    await execute(
      tx,
      `WITH ${HELD}
       INSERT INTO agent_report AS r (site_id, org_id, applied_version, applied_error)
       SELECT site_id, org_id, i.version, i.error FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS i(site_id, version, error) JOIN held USING (site_id)
       ORDER BY site_id
       ON CONFLICT (site_id) DO UPDATE SET applied_version = excluded.applied_version, applied_error = excluded.applied_error
       WHERE (r.applied_version, r.applied_error) IS DISTINCT FROM (excluded.applied_version, excluded.applied_error)`,
      [rows.map((r) => r.siteId), rows.map((r) => r.version), rows.map((r) => r.error)],
    );
  }

  async saveIntroductions(tx: EntityManager, rows: Introduction[]): Promise<void> {
    const siteIds = rows.map((r) => r.siteId);
    await execute(
      tx,
      `WITH ${HELD}
       INSERT INTO agent_report AS r (site_id, org_id, agent_version, agent_facts)
       SELECT site_id, org_id, i.version, i.facts FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) AS i(site_id, version, facts) JOIN held USING (site_id)
       ORDER BY site_id
       ON CONFLICT (site_id) DO UPDATE SET agent_version = coalesce(excluded.agent_version, r.agent_version), agent_facts = coalesce(excluded.agent_facts, r.agent_facts)
       WHERE (r.agent_version, r.agent_facts) IS DISTINCT FROM (coalesce(excluded.agent_version, r.agent_version), coalesce(excluded.agent_facts, r.agent_facts))`,
      [siteIds, rows.map((r) => r.version), rows.map((r) => (r.facts ? JSON.stringify(r.facts) : null))],
    );
    await execute(
      tx,
      `WITH i AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::boolean[]) AS i(site_id, client_type, takes_bundles, takes_credentials)),
            locked AS (SELECT p.site_id FROM site_presence p WHERE p.site_id = ANY($1::bigint[]) ORDER BY p.site_id FOR UPDATE)
       UPDATE site_presence p SET client_type = i.client_type, takes_bundles = i.takes_bundles, takes_credentials = i.takes_credentials
       FROM i JOIN locked USING (site_id) WHERE p.site_id = i.site_id
         AND (p.client_type, p.takes_bundles, p.takes_credentials) IS DISTINCT FROM (i.client_type, i.takes_bundles, i.takes_credentials)`,
      [siteIds, rows.map((r) => r.clientType), rows.map((r) => r.takesBundles), rows.map((r) => r.takesCredentials)],
    );
  }

  async self(em: EntityManager, orgId: string, siteId: number): Promise<SelfRow | undefined> {
    const rows = await query<SelfRow>(
      em,
      `SELECT device_id AS "deviceId", site_id AS "siteId", nice_id AS "niceId", name, status, desired_version AS version, config
       FROM site WHERE site_id = $1 AND org_id = $2`,
      [siteId, orgId],
    );
    return rows[0];
  }
}
