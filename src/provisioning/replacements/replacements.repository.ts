import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';

/** A device that is to take over a site with its next claim. */
export interface Waiting {
  siteId: number;
  /** In the normal form of a MAC address, if it is one. */
  hardwareId: string;
}

/** All SQL of replacements, and which site public keys belong to. */
@Injectable()
export class ReplacementsRepository {
  /** In place of what waited for this site. @throws unique violation when the device is to take over another site */
  async prepare(
    tx: EntityManager,
    orgId: string,
    { siteId, hardwareId }: Waiting,
    seconds: number,
    by: string,
  ): Promise<Date> {
    await execute(
      tx,
      'DELETE FROM site_replacement WHERE org_id = $1 AND hardware_id = $2 AND site_id <> $3 AND expires_at <= now()',
      [orgId, hardwareId, siteId],
    );
    const [row] = await query<{ expiresAt: Date }>(
      tx,
      `INSERT INTO site_replacement (site_id, org_id, hardware_id, expires_at, asked_by) VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5)
       ON CONFLICT (site_id) DO UPDATE SET hardware_id = excluded.hardware_id, expires_at = excluded.expires_at, by_site_id = NULL,
         asked_by = excluded.asked_by, asked_at = now()
       RETURNING expires_at AS "expiresAt"`,
      [siteId, orgId, hardwareId, seconds, by],
    );
    return row!.expiresAt;
  }

  /** Of these hardware ids, in the normal form. Looked at by every batch of claims. */
  waiting(em: EntityManager, orgId: string, hardwareIds: string[]): Promise<Waiting[]> {
    return prepared<Waiting>(
      em,
      'replacements_waiting',
      `SELECT site_id AS "siteId", hardware_id AS "hardwareId" FROM site_replacement
       WHERE org_id = $1 AND hardware_id = ANY ($2::text[]) AND expires_at > now()`,
      [orgId, hardwareIds],
    );
  }

  /** Spends what waits for the device. @returns who had asked for it; undefined when nothing waits (any more) */
  async take(tx: EntityManager, orgId: string, { siteId, hardwareId }: Waiting): Promise<string | undefined> {
    const [row] = await query<{ by: string }>(
      tx,
      `DELETE FROM site_replacement WHERE org_id = $1 AND site_id = $2 AND hardware_id = $3 AND expires_at > clock_timestamp() RETURNING asked_by AS by`,
      [orgId, siteId, hardwareId],
    );
    return row?.by;
  }

  /** That it was done by another site, which goes; nothing waits any more. */
  async done(tx: EntityManager, orgId: string, siteId: number, bySiteId: number, by: string): Promise<void> {
    await execute(
      tx,
      `INSERT INTO site_replacement (site_id, org_id, by_site_id, asked_by) VALUES ($1, $2, $3, $4)
       ON CONFLICT (site_id) DO UPDATE SET hardware_id = NULL, expires_at = NULL, by_site_id = excluded.by_site_id, asked_by = excluded.asked_by, asked_at = now()`,
      [siteId, orgId, bySiteId, by],
    );
  }

  /** Whether the last replacement of the site was by this one. */
  async wasBy(em: EntityManager, orgId: string, siteId: number, bySiteId: number): Promise<boolean> {
    const rows = await query(
      em,
      'SELECT FROM site_replacement WHERE org_id = $1 AND site_id = $2 AND by_site_id = $3',
      [orgId, siteId, bySiteId],
    );
    return rows.length > 0;
  }

  /** The site that has one of these hardware ids, and whether one of them is tombstoned. */
  async known(
    em: EntityManager,
    orgId: string,
    hardwareIds: string[],
  ): Promise<{ siteId: number | null; buried: boolean }> {
    const [row] = await query<{ siteId: number | null; buried: boolean }>(
      em,
      `SELECT (SELECT min(site_id) FROM site WHERE org_id = $1 AND hardware_id = ANY ($2::text[])) AS "siteId",
         EXISTS (SELECT FROM tombstone WHERE org_id = $1 AND hardware_id = ANY ($2::text[])) AS buried`,
      [orgId, hardwareIds],
    );
    return row!;
  }

  /** How far the site has come counts for the key that its device came by. */
  async followKey(tx: EntityManager, siteId: number): Promise<void> {
    await execute(
      tx,
      'UPDATE site_progress p SET key_id = s.key_id FROM site s WHERE p.site_id = $1 AND s.site_id = p.site_id AND s.key_id IS NOT NULL',
      [siteId],
    );
  }

  /** Both sites are locked. */
  async movePublicKeys(tx: EntityManager, from: number, to: number): Promise<void> {
    await execute(tx, 'UPDATE device_public_key SET site_id = $2 WHERE site_id = $1', [from, to]);
  }
}
