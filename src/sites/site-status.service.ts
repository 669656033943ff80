import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Oddity, SiteState } from '#contracts';
import { execute, prepared, query } from '#platform';
import type { SiteStatus } from './sites.repository.js';

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

/** What somebody who decides should see of a site. */
export interface Seen extends Standing {
  oddities: Oddity[];
}

const STANDING = 'status, suspended_at IS NOT NULL AS suspended, revoked_at IS NOT NULL AS revoked';
const DECIDED = `site_id AS "siteId", nice_id AS "niceId", name, hardware_id AS "hardwareId"`;

/**
 * Whether sites are in service, and whether their device may claim again: what decisions and claims change of it. A conditional UPDATE decides
 * each race; notices go out with the commit. What a decision causes, and its audit row, is the caller's.
 */
@Injectable()
export class SiteStatusService {
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

  /** The caller revokes its credentials. @returns null when the site was revoked already, or is not there. */
  async revoke(tx: EntityManager, orgId: string, siteId: number): Promise<Decided | null> {
    return this.change(
      tx,
      `UPDATE site SET revoked_at = now(), reclaim_allowed_until = NULL, desired_version = desired_version + 1
       WHERE org_id = $1 AND site_id = $2 AND revoked_at IS NULL RETURNING *`,
      [orgId, siteId],
    );
  }

  /** Lets the site's device claim once more, with a new credential, within so many seconds (docs/claims.md rule 13). @returns until when, or null when it is not there */
  async allowReclaim(tx: EntityManager, orgId: string, siteId: number, seconds: number): Promise<Date | null> {
    const [row] = await query<{ until: Date }>(
      tx,
      `UPDATE site SET reclaim_allowed_until = now() + make_interval(secs => $3) WHERE org_id = $1 AND site_id = $2
       RETURNING reclaim_allowed_until AS until`,
      [orgId, siteId, seconds],
    );
    return row?.until ?? null;
  }

  /**
   * After such a claim: a revoked site is back, which was blocked before, and nobody else may follow. Who has the site is settled, so what told of
   * two of them goes. The row is locked.
   */
  async reclaimed(tx: EntityManager, siteId: number): Promise<void> {
    await execute(
      tx,
      `UPDATE site SET reclaim_allowed_until = NULL, revoked_at = NULL, oddities = ARRAY(
         SELECT o FROM unnest(oddities) o WHERE o <> ALL ('{contested,duplicate_session,hardware_id_blocked_before}')
         UNION ALL SELECT 'hardware_id_blocked_before' WHERE revoked_at IS NOT NULL OR 'hardware_id_blocked_before' = ANY (oddities))
       WHERE site_id = $1`,
      [siteId],
    );
  }

  /** Lets the next claim of a revoked site's device in, with a new credential (docs/claims.md rule 29): of this site, or of this hardware id. @returns the sites */
  async rearm(tx: EntityManager, orgId: string, siteId: number | null, hardwareId: string): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      tx,
      `UPDATE site SET reclaim_allowed_until = 'infinity' WHERE org_id = $1 AND (site_id = $2 OR hardware_id = $3) AND revoked_at IS NOT NULL
       RETURNING site_id AS "siteId"`,
      [orgId, siteId, hardwareId],
    );
    return rows.map((row) => row.siteId);
  }

  async of(em: EntityManager, orgId: string, siteIds: number[]): Promise<Map<number, Seen>> {
    const rows = await query<Seen & { siteId: number }>(
      em,
      `SELECT site_id AS "siteId", oddities, ${STANDING} FROM site WHERE org_id = $1 AND site_id = ANY($2::bigint[])`,
      [orgId, siteIds],
    );
    return new Map(rows.map((r) => [r.siteId, r]));
  }

  /** @returns the state that the database keeps of a site which is there (docs/adr/0070). */
  async stateOf(em: EntityManager, siteId: number): Promise<SiteState> {
    const [row] = await prepared<{ state: SiteState }>(
      em,
      'site_state',
      'SELECT state FROM site_presence WHERE site_id = $1',
      [siteId],
    );
    return row!.state;
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

  private async change(tx: EntityManager, update: string, values: unknown[]): Promise<Decided | null> {
    const [row] = await query<Decided>(
      tx,
      `WITH s AS (${update}) SELECT ${DECIDED}, pg_notify('site_changed', site_id::text) FROM s`,
      values,
    );
    return row ? { siteId: row.siteId, niceId: row.niceId, name: row.name, hardwareId: row.hardwareId } : null;
  }
}
