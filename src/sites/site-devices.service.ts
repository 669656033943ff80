import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Oddity } from '#contracts';
import { query } from '#platform';
import type { SiteStatus, SiteType } from './sites.repository.js';

/** What of a site is its machine's, and goes with it when another machine takes its place (docs/replacements.md). */
export interface SiteDevice {
  deviceId: string;
  hardwareId: string | null;
  claimId: number | null;
  keyId: string | null;
  keyGeneration: number | null;
  templateId: number | null;
  claimedFrom: string | null;
  /** What was odd about the machine. */
  oddities: Oddity[];
}

/** The same of a site that is there, with how it stands. */
export interface LockedDevice extends SiteDevice {
  siteId: number;
  niceId: string;
  name: string;
  type: SiteType;
  status: SiteStatus;
  suspended: boolean;
  revoked: boolean;
  desiredVersion: number;
}

const DEVICE = `site_id AS "siteId", nice_id AS "niceId", name, type, status, suspended_at IS NOT NULL AS suspended, revoked_at IS NOT NULL AS revoked,
  desired_version AS "desiredVersion", device_id AS "deviceId", hardware_id AS "hardwareId", claim_id AS "claimId", key_id AS "keyId",
  key_generation AS "keyGeneration", template_id AS "templateId", host(claimed_from) AS "claimedFrom", oddities`;

/** Which machine a site has. What else hangs on the machine is moved by its owners, and the caller. */
@Injectable()
export class SiteDevices {
  /** Locks these sites in the order of their ids, until the end of the transaction. @returns those that are there */
  async lock(tx: EntityManager, orgId: string, siteIds: number[]): Promise<Map<number, LockedDevice>> {
    const rows = await query<LockedDevice>(
      tx,
      `SELECT ${DEVICE} FROM site WHERE org_id = $1 AND site_id = ANY ($2::bigint[]) ORDER BY site_id FOR UPDATE`,
      [orgId, siteIds],
    );
    return new Map(rows.map((row) => [row.siteId, row]));
  }

  /** Without a lock. */
  async find(em: EntityManager, orgId: string, siteId: number): Promise<LockedDevice | null> {
    const [row] = await query<LockedDevice>(em, `SELECT ${DEVICE} FROM site WHERE org_id = $1 AND site_id = $2`, [
      orgId,
      siteId,
    ]);
    return row ?? null;
  }

  /**
   * Gives a site, which is locked, another machine: it is in service again when it was revoked. Nobody else has the machine's ids any more.
   * @param seen the desired version that the machine has seen as another site: it goes on counting from there
   */
  async give(tx: EntityManager, orgId: string, siteId: number, device: SiteDevice, seen: number): Promise<void> {
    await query(
      tx,
      `WITH given AS (
         UPDATE site SET device_id = $3, hardware_id = $4, claim_id = $5, key_id = $6, key_generation = $7, template_id = $8, claimed_from = $10, oddities = $11,
           revoked_at = NULL, reclaim_allowed_until = NULL, desired_version = greatest(desired_version, $9) + 1, version = version + 1
         WHERE org_id = $1 AND site_id = $2 RETURNING site_id
       ) SELECT pg_notify('site_changed', site_id::text) FROM given`,
      [
        orgId,
        siteId,
        device.deviceId,
        device.hardwareId,
        device.claimId,
        device.keyId,
        device.keyGeneration,
        device.templateId,
        seen,
        device.claimedFrom,
        device.oddities,
      ],
    );
  }
}
