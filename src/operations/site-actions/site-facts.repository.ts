import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { Standing } from '../../sites/index.js';
import type { SiteActionName } from './site-actions.dto.js';

/** What decides whether an act does something to a site. Facts that the act does not ask for are empty. */
export interface SiteFacts extends Standing {
  siteId: number;
  connected: boolean;
  labels: Record<string, string>;
  groupIds: number[];
  profileId: number | null;
  /** Secrets, once it is approved. */
  receives: boolean;
  buried: boolean;
  recognisable: boolean;
}

/** What an act on sites touches beside them. */
export interface Touched {
  connected: number;
  resources: number;
}

const FACTS = `
  s.site_id AS "siteId", s.status, s.suspended_at IS NOT NULL AS suspended, s.revoked_at IS NOT NULL AS revoked, s.labels, s.profile_id AS "profileId",
  EXISTS (SELECT FROM site_presence p WHERE p.site_id = s.site_id AND p.session_id IS NOT NULL) AS connected,
  CASE WHEN $3 IN ('add_groups', 'remove_groups') THEN ARRAY(SELECT m.group_id FROM site_group_member m WHERE m.site_id = s.site_id ORDER BY 1) ELSE '{}' END AS "groupIds",
  $3 IN ('resume', 'allow_reclaim') AND EXISTS (SELECT FROM site_with_secrets w WHERE w.site_id = s.site_id) AS receives,
  $3 = 'allow_reclaim' AND EXISTS (SELECT FROM tombstone t WHERE t.org_id = s.org_id AND (t.hardware_id = s.hardware_id OR t.site_id = s.site_id)) AS buried,
  $3 = 'allow_reclaim' AND (s.hardware_id IS NOT NULL OR EXISTS (SELECT FROM claim_window w WHERE w.site_id = s.site_id AND w.by_nonce)) AS recognisable`;

/** What acts on many sites ask about them. */
@Injectable()
export class SiteFactsRepository {
  /** Those of the organization, by id. */
  async of(
    em: EntityManager,
    orgId: string,
    siteIds: number[],
    action: SiteActionName,
  ): Promise<Map<number, SiteFacts>> {
    const rows = await query<Omit<SiteFacts, 'groupIds'> & { groupIds: string[] }>(
      em,
      `SELECT ${FACTS} FROM site s WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[])`,
      [orgId, siteIds, action],
    );
    return new Map(rows.map((row) => [row.siteId, { ...row, groupIds: row.groupIds.map(Number) }]));
  }

  /** Locks them until the end of the transaction, in the order of their ids: what is known of them holds until they are acted on. */
  async lock(tx: EntityManager, orgId: string, siteIds: number[], action: SiteActionName): Promise<void> {
    const strength = action === 'delete' ? 'UPDATE' : 'NO KEY UPDATE';
    await query(
      tx,
      `SELECT FROM site WHERE org_id = $1 AND site_id = ANY ($2::bigint[]) ORDER BY site_id FOR ${strength}`,
      [orgId, siteIds],
    );
  }

  /** How many of these sites are connected, and how many public and private resources have to do with them; one on two sites counts twice. */
  async touched(em: EntityManager, orgId: string, siteIds: number[]): Promise<Touched> {
    const [row] = await query<Touched>(
      em,
      `SELECT count(*) FILTER (WHERE p.session_id IS NOT NULL) AS connected, coalesce(sum(r.n), 0)::bigint AS resources
       FROM site s LEFT JOIN site_presence p USING (site_id) JOIN site_resource_total r USING (site_id)
       WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[])`,
      [orgId, siteIds],
    );
    return row!;
  }
}
