import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, execute, exportOfRows, prepared, query, type Window } from '#platform';

/** A device that is to take over a site with its next claim. */
export interface Waiting {
  siteId: number;
  /** In the normal form of a MAC address, if it is one. */
  hardwareId: string;
}

/** A replacement that was prepared. */
export interface WaitingReplacement extends Waiting {
  niceId: string;
  name: string;
  askedBy: string;
  askedAt: Date;
  expiresAt: Date;
}

const COLUMNS: Columns<WaitingReplacement> = {
  siteId: true,
  niceId: true,
  name: true,
  hardwareId: true,
  askedBy: true,
  askedAt: true,
  expiresAt: true,
};

/** Of the organization $1 and, if one is given, the site $2. */
const IN_TIME = 'r.org_id = $1 AND r.expires_at > now() AND ($2::bigint IS NULL OR r.site_id = $2)';
const WAITING = `SELECT r.site_id AS "siteId", s.nice_id AS "niceId", s.name, r.hardware_id AS "hardwareId", r.asked_by AS "askedBy", r.asked_at AS "askedAt",
    r.expires_at AS "expiresAt"
  FROM site_replacement r JOIN site s ON s.site_id = r.site_id WHERE ${IN_TIME}`;

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

  /** What sites of the organization, or one of them, wait for; what is due first comes first. */
  async list(
    em: EntityManager,
    orgId: string,
    siteId: number | undefined,
    window: Window,
  ): Promise<{ rows: WaitingReplacement[]; total: number }> {
    const values = [orgId, siteId ?? null];
    const rows = await query<WaitingReplacement>(em, `${WAITING} ORDER BY r.expires_at, r.site_id LIMIT $3 OFFSET $4`, [
      ...values,
      window.limit,
      window.offset,
    ]);
    const [count] = await query<{ n: number }>(
      em,
      `SELECT count(*) AS n FROM site_replacement r WHERE ${IN_TIME}`,
      values,
    );
    return { rows, total: count!.n };
  }

  all(em: EntityManager, orgId: string, siteId: number | undefined): ExportSource<WaitingReplacement, unknown[]> {
    const values = [orgId, siteId ?? null];
    return exportOfRows(em, { name: 'site-replacements', columns: COLUMNS, by: ['siteId'], rows: WAITING, values });
  }

  /** The site waits for no device any more. @returns for which it did; undefined: for none */
  async withdraw(tx: EntityManager, orgId: string, siteId: number): Promise<string | undefined> {
    const [row] = await query<{ hardwareId: string }>(
      tx,
      `DELETE FROM site_replacement WHERE org_id = $1 AND site_id = $2 AND expires_at > clock_timestamp() RETURNING hardware_id AS "hardwareId"`,
      [orgId, siteId],
    );
    return row?.hardwareId;
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

  /** How far the site has come counts for the key that its device came by, and for none if it was made by hand. */
  async followKey(tx: EntityManager, siteId: number): Promise<void> {
    await execute(
      tx,
      `WITH former AS (DELETE FROM site_progress p USING site s WHERE p.site_id = $1 AND s.site_id = p.site_id AND s.key_id IS NULL)
       INSERT INTO site_progress (site_id, org_id, key_id, connected_at, configured_at)
         SELECT s.site_id, s.org_id, s.key_id, p.connected_at, CASE WHEN a.applied_version IS NOT NULL AND a.applied_error IS NULL THEN now() END
         FROM site s JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN site_agent a ON a.site_id = s.site_id
         WHERE s.site_id = $1 AND s.key_id IS NOT NULL AND p.connected_at IS NOT NULL
       ON CONFLICT (site_id) DO UPDATE SET key_id = excluded.key_id`,
      [siteId],
    );
  }

  /** Both sites are locked. */
  async movePublicKeys(tx: EntityManager, from: number, to: number): Promise<void> {
    await execute(tx, 'UPDATE device_public_key SET site_id = $2 WHERE site_id = $1', [from, to]);
  }
}
