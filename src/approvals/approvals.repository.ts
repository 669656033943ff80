import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { SiteStatus } from '../sites/index.js';

/** What a decision needs to know about the site it changed. */
export interface Decided {
  siteId: number;
  niceId: string;
  name: string;
  hardwareId: string | null;
}

/** Suspended: approved once and set back to pending. */
export interface Standing {
  status: SiteStatus;
  suspended: boolean;
  revoked: boolean;
}

export interface LockedSite extends Decided, Standing {}

const STANDING = 'status, suspended_at IS NOT NULL AS suspended, revoked_at IS NOT NULL AS revoked';
const DECIDED = `site_id AS "siteId", nice_id AS "niceId", name, hardware_id AS "hardwareId"`;

/** All SQL of decisions. The conditional UPDATE decides a race; the notice goes out with the commit. */
@Injectable()
export class ApprovalsRepository {
  /** @returns null when the site is not pending (any more), suspended although only `newOnes` are meant, or not there. */
  async approve(
    tx: EntityManager,
    orgId: string,
    siteId: number,
    by: string,
    note: string | null,
    newOnes: boolean,
  ): Promise<Decided | null> {
    return this.change(
      tx,
      `UPDATE site SET status = 'approved', suspended_at = NULL, decided_at = now(), decided_by = $3, decision_note = $4, desired_version = desired_version + 1
       WHERE org_id = $1 AND site_id = $2 AND status = 'pending' AND revoked_at IS NULL AND NOT ($5 AND suspended_at IS NOT NULL) RETURNING *`,
      [orgId, siteId, by, note, newOnes],
    );
  }

  /** @returns null when the site is not approved (any more), or not there. */
  async suspend(
    tx: EntityManager,
    orgId: string,
    siteId: number,
    by: string,
    note: string | null,
  ): Promise<Decided | null> {
    return this.change(
      tx,
      `UPDATE site SET status = 'pending', suspended_at = now(), decided_at = now(), decided_by = $3, decision_note = $4, desired_version = desired_version + 1
       WHERE org_id = $1 AND site_id = $2 AND status = 'approved' AND revoked_at IS NULL RETURNING *`,
      [orgId, siteId, by, note],
    );
  }

  /** Closes every way back to a credential. @returns null when the site was revoked already, or is not there. */
  async revoke(tx: EntityManager, orgId: string, siteId: number): Promise<Decided | null> {
    return this.change(
      tx,
      `UPDATE site SET revoked_at = now(), nonce_closed_at = coalesce(nonce_closed_at, now()), reclaim_allowed_until = NULL, desired_version = desired_version + 1
       WHERE org_id = $1 AND site_id = $2 AND revoked_at IS NULL RETURNING *`,
      [orgId, siteId],
    );
  }

  /** Lets the next claim of a revoked site's hardware id in, with a new credential (docs/claims.md rule 29). */
  async rearm(tx: EntityManager, orgId: string, hardwareId: string): Promise<void> {
    await execute(
      tx,
      `UPDATE site SET reclaim_allowed_until = 'infinity' WHERE org_id = $1 AND hardware_id = $2 AND revoked_at IS NOT NULL`,
      [orgId, hardwareId],
    );
  }

  /** Sites that were rejected and left a tombstone, of the given ids. */
  async buried(em: EntityManager, orgId: string, siteIds: number[]): Promise<Set<number>> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT site_id AS "siteId" FROM tombstone WHERE org_id = $1 AND site_id = ANY ($2::bigint[])`,
      [orgId, siteIds],
    );
    return new Set(rows.map((r) => r.siteId));
  }

  async standingOf(em: EntityManager, orgId: string, siteIds: number[]): Promise<Map<number, Standing>> {
    const rows = await query<Standing & { siteId: number }>(
      em,
      `SELECT site_id AS "siteId", ${STANDING} FROM site WHERE org_id = $1 AND site_id = ANY($2::bigint[])`,
      [orgId, siteIds],
    );
    return new Map(rows.map((r) => [r.siteId, r]));
  }

  /** Waits for whoever decides on this site at the moment. */
  async lock(tx: EntityManager, orgId: string, siteId: number): Promise<LockedSite | null> {
    const [row] = await query<LockedSite>(
      tx,
      `SELECT ${DECIDED}, ${STANDING} FROM site WHERE org_id = $1 AND site_id = $2 FOR UPDATE`,
      [orgId, siteId],
    );
    return row ?? null;
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

  private async change(tx: EntityManager, update: string, values: unknown[]): Promise<Decided | null> {
    const [row] = await query<Decided>(
      tx,
      `WITH s AS (${update}) SELECT ${DECIDED}, pg_notify('site_changed', site_id::text) FROM s`,
      values,
    );
    return row ? { siteId: row.siteId, niceId: row.niceId, name: row.name, hardwareId: row.hardwareId } : null;
  }
}
