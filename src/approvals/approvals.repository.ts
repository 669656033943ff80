import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { Decided } from '../sites/index.js';

/** All SQL of tombstones. */
@Injectable()
export class ApprovalsRepository {
  /** Sites that were rejected and left a tombstone, of the given ids. */
  async buried(em: EntityManager, orgId: string, siteIds: number[]): Promise<Set<number>> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT site_id AS "siteId" FROM tombstone WHERE org_id = $1 AND site_id = ANY ($2::bigint[])`,
      [orgId, siteIds],
    );
    return new Set(rows.map((r) => r.siteId));
  }

  async bury(
    tx: EntityManager,
    orgId: string,
    site: Decided,
    reason: 'rejected' | 'revoked',
    by: string,
    note: string | null,
  ): Promise<boolean> {
    if (site.hardwareId === null) return false;
    await execute(
      tx,
      `INSERT INTO tombstone (org_id, hardware_id, site_name, reason, note, created_by, site_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (org_id, hardware_id) DO UPDATE SET site_name = excluded.site_name, reason = excluded.reason, note = excluded.note,
         created_by = excluded.created_by, site_id = excluded.site_id, created_at = now()`,
      [orgId, site.hardwareId, site.name, reason, note, by, site.siteId],
    );
    return true;
  }
}
