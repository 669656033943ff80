import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { MadeFromNetwork, MadeSites } from './leaked-keys.dto.js';

/** Networks that an answer tells of, and sites that it names of each. */
const NAMED_NETWORKS = 100;
const NAMED_SITES = 20;

/** Which sites of a key are meant. */
export interface Leak {
  orgId: string;
  orgUid: string;
  keyId: string;
  /** null: since it was made. */
  since: string | null;
  networks: string[];
}

const networkOf = (address: string) =>
  `network(set_masklen(${address}, CASE family(${address}) WHEN 4 THEN 24 ELSE 48 END))`;

/** By the claim that a site has its device from: one that took a site over counts as made then. */
const MADE = `
  WITH used AS MATERIALIZED (
    SELECT DISTINCT ${networkOf('address')} AS network FROM claim
    WHERE org_uid = $2 AND key_id = $3 AND created_at < coalesce($4::timestamptz, '-infinity')
      AND outcome IN ('created', 'recognised', 'reissued') AND address IS NOT NULL
  ), made AS MATERIALIZED (
    SELECT s.site_id, s.status = 'approved' AND s.revoked_at IS NULL AS approved, p.session_id IS NOT NULL AS connected,
      coalesce(c.created_at, s.created_at) AS made_at, ${networkOf('c.address')} AS network,
      coalesce(c.address <<= ANY ($5::inet[]) OR ${networkOf('c.address')} IN (SELECT network FROM used), false) AS known
    FROM site s LEFT JOIN claim c ON c.claim_id = s.claim_id LEFT JOIN site_presence p ON p.site_id = s.site_id
    WHERE s.org_id = $1 AND s.key_id = $3 AND coalesce(c.created_at, s.created_at) >= coalesce($4::timestamptz, '-infinity')
  )`;

/** What a key made, and whence. */
@Injectable()
export class LeakedKeysRepository {
  /** In all, of known networks and of new ones. */
  async made(em: EntityManager, leak: Leak): Promise<{ known: MadeSites; new: MadeSites }> {
    const rows = await query<MadeSites & { known: boolean }>(
      em,
      `${MADE} SELECT k AS known, count(DISTINCT network) AS networks, count(site_id) AS sites, count(*) FILTER (WHERE approved) AS approved,
         count(*) FILTER (WHERE connected) AS connected
       FROM unnest('{f,t}'::boolean[]) k LEFT JOIN made ON made.known = k GROUP BY k ORDER BY k`,
      valuesOf(leak),
    );
    const [fresh, known] = rows.map(({ known: _, ...counts }) => counts);
    return { known: known!, new: fresh! };
  }

  networks(em: EntityManager, leak: Leak): Promise<MadeFromNetwork[]> {
    return query<MadeFromNetwork>(
      em,
      `${MADE} SELECT network::text, known, count(*) AS sites, count(*) FILTER (WHERE approved) AS approved, min(made_at) AS "firstAt",
         max(made_at) AS "lastAt", to_jsonb((array_agg(site_id ORDER BY site_id))[1:${NAMED_SITES}]) AS "siteIds"
       FROM made GROUP BY network, known ORDER BY known, count(*) DESC, network LIMIT ${NAMED_NETWORKS}`,
      valuesOf(leak),
    );
  }

  /** Those in service, by id. */
  async approved(em: EntityManager, leak: Leak, which: 'all' | 'new_networks', limit: number): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      em,
      `${MADE} SELECT site_id AS "siteId" FROM made WHERE approved AND ($6 OR NOT known) ORDER BY site_id LIMIT $7`,
      [...valuesOf(leak), which === 'all', limit],
    );
    return rows.map(({ siteId }) => siteId);
  }
}

const valuesOf = ({ orgId, orgUid, keyId, since, networks }: Leak) => [orgId, orgUid, keyId, since, networks];
