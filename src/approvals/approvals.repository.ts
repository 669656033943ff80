import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query, type Window } from '#platform';
import type { Decided } from '../sites/index.js';
import type { RejectionQuery, RejectionView } from './approvals.dto.js';
import { nonceTombstone } from './tombstone.entity.js';

type Rejected = { [K in keyof RejectionQuery]?: RejectionQuery[K] | null };

const REJECTED = `FROM event e WHERE e.org_uid = $1 AND e.type = 'site.rejected' AND ($2::text IS NULL OR e.data ->> 'hardwareId' = $2)
  AND ($3::timestamptz IS NULL OR e.created_at >= $3) AND ($4::timestamptz IS NULL OR e.created_at < $4)`;
const REJECTION = `
  SELECT e.site_id AS "siteId", e.data ->> 'niceId' AS "niceId", e.data ->> 'name' AS name, e.data ->> 'hardwareId' AS "hardwareId", e.data ->> 'by' AS by,
    e.data ->> 'note' AS note, e.created_at AS "rejectedAt",
    (SELECT t.hardware_id FROM tombstone t WHERE t.org_id = $5 AND t.site_id = e.site_id AND t.reason = 'rejected' LIMIT 1) AS tombstone`;

/** All SQL of tombstones. */
@Injectable()
export class ApprovalsRepository {
  /** How a tombstone would name the devices of these sites; one that no claim could show to be the same again is not among them. */
  async namesOf(em: EntityManager, orgId: string, siteIds: number[]): Promise<Map<number, string>> {
    const rows = await query<{ siteId: number; hardwareId: string | null; nonceHash: Buffer }>(
      em,
      `SELECT s.site_id AS "siteId", s.hardware_id AS "hardwareId", w.nonce_hash AS "nonceHash"
       FROM site s LEFT JOIN claim_window w ON w.site_id = s.site_id AND w.by_nonce
       WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[]) AND (s.hardware_id IS NOT NULL OR w.by_nonce)`,
      [orgId, siteIds],
    );
    return new Map(rows.map(({ siteId, hardwareId, nonceHash }) => [siteId, hardwareId ?? nonceTombstone(nonceHash)]));
  }

  /** Sites that were rejected and left a tombstone, of the given ids. */
  async buried(em: EntityManager, orgId: string, siteIds: number[]): Promise<Set<number>> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT site_id AS "siteId" FROM tombstone WHERE org_id = $1 AND site_id = ANY ($2::bigint[]) AND reason = 'rejected'`,
      [orgId, siteIds],
    );
    return new Set(rows.map((r) => r.siteId));
  }

  /** Of these sites those that receive secrets once they are approved. */
  async receiving(em: EntityManager, orgId: string, siteIds: number[]): Promise<Set<number>> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT s.site_id AS "siteId" FROM site s JOIN site_with_secrets USING (site_id)
       WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[])`,
      [orgId, siteIds],
    );
    return new Set(rows.map((r) => r.siteId));
  }

  /** Refuses the device of a site that is still there. @returns false when nothing tells that device from others */
  async bury(
    tx: EntityManager,
    orgId: string,
    site: Decided,
    reason: 'rejected' | 'revoked' | 'replaced',
    by: string,
    note: string | null,
  ): Promise<boolean> {
    const name = (await this.namesOf(tx, orgId, [site.siteId])).get(site.siteId);
    if (name === undefined) return false;
    await execute(
      tx,
      `INSERT INTO tombstone (org_id, hardware_id, site_name, reason, note, created_by, site_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (org_id, hardware_id) DO UPDATE SET site_name = excluded.site_name, reason = excluded.reason, note = excluded.note,
         created_by = excluded.created_by, site_id = excluded.site_id, created_at = now()`,
      // The site of a device that was replaced is another device's: lifting the tombstone lets nobody have it.
      [orgId, name, site.name, reason, note, by, reason === 'replaced' ? null : site.siteId],
    );
    return true;
  }

  /** Newest first, with the tombstones that are still there. */
  async rejections(
    em: EntityManager,
    orgId: string,
    orgUid: string,
    { hardwareId = null, from = null, to = null }: Rejected,
    window: Window,
  ): Promise<{ rejections: RejectionView[]; total: number }> {
    const values = [orgUid, hardwareId, from, to];
    const rejections = await query<RejectionView>(
      em,
      `${REJECTION} ${REJECTED} ORDER BY e.org_uid DESC, e.event_id DESC LIMIT $6 OFFSET $7`,
      [...values, orgId, window.limit, window.offset],
    );
    const [count] = await query<{ total: number }>(em, `SELECT count(*) AS total ${REJECTED}`, values);
    return { rejections, total: count!.total };
  }

  /** Those of sites before one, from the newest site back: a site is rejected once. */
  async rejectionsBefore(
    em: EntityManager,
    orgId: string,
    orgUid: string,
    { hardwareId = null, from = null, to = null }: Rejected,
    siteId: number | undefined,
    limit: number,
  ): Promise<RejectionView[]> {
    return query<RejectionView>(em, `${REJECTION} ${REJECTED} AND e.site_id < $6 ORDER BY e.site_id DESC LIMIT $7`, [
      orgUid,
      hardwareId,
      from,
      to,
      orgId,
      siteId ?? Number.MAX_SAFE_INTEGER,
      limit,
    ]);
  }

  /** Claims of that device are odd from now on. @returns the site whose device it refused, null when that is not known; undefined when there was no such tombstone. */
  async lift(tx: EntityManager, orgId: string, hardwareId: string): Promise<number | null | undefined> {
    const [row] = await query<{ siteId: number | null }>(
      tx,
      `WITH lifted AS (DELETE FROM tombstone WHERE org_id = $1 AND hardware_id = $2 RETURNING org_id, hardware_id, site_id),
            kept AS (INSERT INTO lifted_tombstone (org_id, hardware_id) SELECT org_id, hardware_id FROM lifted ON CONFLICT DO NOTHING)
       SELECT site_id AS "siteId" FROM lifted`,
      [orgId, hardwareId],
    );
    return row?.siteId;
  }
}
