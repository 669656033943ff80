import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';

export interface ExpiredSite {
  siteId: number;
  orgId: string;
  niceId: string;
  name: string;
  hardwareId: string | null;
  ephemeralSeconds: number;
  /** Its last session ended then, or it was claimed then and had none. */
  offlineSince: Date;
}

/** $1: since when some server takes sessions. Of a closed organization none can come; its time begins anew when it is reopened. */
const DUE = `
  SELECT s.site_id AS "siteId", s.org_id AS "orgId", s.nice_id AS "niceId", s.name, s.hardware_id AS "hardwareId", s.ephemeral_seconds AS "ephemeralSeconds",
    coalesce(p.last_seen_at, s.created_at) AS "offlineSince"
  FROM site s JOIN org o ON o.org_id = s.org_id AND o.closed_at IS NULL LEFT JOIN site_presence p ON p.site_id = s.site_id
  WHERE s.ephemeral_seconds IS NOT NULL AND s.suspended_at IS NULL AND s.revoked_at IS NULL AND p.session_id IS NULL
    AND greatest(coalesce(p.last_seen_at, s.created_at), $1::timestamptz, o.reopened_at) + make_interval(secs => s.ephemeral_seconds) <= now()`;

/** All SQL about ephemeral sites that have been offline for too long. */
@Injectable()
export class SiteExpiryRepository {
  /** Some of those with higher ids than `after`, in the order of ids, without a lock. */
  due(em: EntityManager, takenSince: Date, after: number, limit: number): Promise<ExpiredSite[]> {
    return query<ExpiredSite>(em, `${DUE} AND s.site_id > $2 ORDER BY s.site_id LIMIT $3`, [takenSince, after, limit]);
  }

  /**
   * Locks a site and its presence, and only then looks whether it is due still: a session that opened meanwhile is seen, and one that opens now
   * waits and finds the site gone.
   */
  async lockDue(tx: EntityManager, takenSince: Date, siteId: number): Promise<ExpiredSite | undefined> {
    const held = await query(tx, 'SELECT 1 FROM site WHERE site_id = $1 FOR UPDATE SKIP LOCKED', [siteId]);
    if (held.length === 0) return undefined;
    await query(tx, 'SELECT 1 FROM site_presence WHERE site_id = $1 FOR UPDATE', [siteId]);
    const [due] = await query<ExpiredSite>(tx, `${DUE} AND s.site_id = $2`, [takenSince, siteId]);
    return due;
  }
}
