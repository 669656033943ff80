import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';

/** What a lease says of its site, and whether the chain went on. */
export interface LeaseFacts {
  orgUid: string;
  deviceId: string;
  niceId: string;
  status: 'pending' | 'approved';
  /** The bundle version that was asked for; the offered one where that is newer and the one asked for is not known (any more). */
  ver: number;
  /** Of that version as it was fetched last; empty when it is not known. */
  digest: string;
  granted: boolean;
}

export interface LeaseStep {
  jti: string;
  prev: string | null;
  ver: number;
  expiresAt: Date;
}

/** All SQL of leases: the last two of each site (docs/instances.md §4). */
@Injectable()
export class LeasesRepository {
  /**
   * The next link, if the chain goes on from `prev`: where there is no chain yet, where `prev` is the last lease, or the one before, whose answer
   * was lost. Of two with the same `prev` the second sees what the first made. @returns undefined when the site is gone.
   */
  async advance(em: EntityManager, orgId: string, siteId: number, step: LeaseStep): Promise<LeaseFacts | undefined> {
    const [facts] = await prepared<LeaseFacts>(
      em,
      'lease_advance',
      `WITH facts AS (
         SELECT s.site_id, s.org_id, o.org_uid, s.device_id, s.nice_id, s.status, v.version, v.digest
         FROM site s JOIN org o ON o.org_id = s.org_id LEFT JOIN site_bundle b ON b.site_id = s.site_id
           LEFT JOIN LATERAL (
             SELECT * FROM (VALUES (b.version, b.digest), ((b.overtaken->>'version')::bigint, b.overtaken->>'digest'), (b.applied_version, b.applied_digest)) AS known(version, digest)
             WHERE $4::bigint > 0 AND (known.version = $4 OR known.version = b.version AND b.version > $4) ORDER BY known.version LIMIT 1) v ON true
         WHERE s.site_id = $1 AND s.org_id = $2
       ), link AS (
         INSERT INTO site_lease AS l (site_id, org_id, jti, previous_jti, expires_at)
         SELECT site_id, org_id, $3, $5::text, $6::timestamptz FROM facts WHERE status = 'approved'
         ON CONFLICT (site_id) DO UPDATE SET jti = excluded.jti, previous_jti = $5::text, expires_at = excluded.expires_at
         WHERE NOT l.held AND (l.jti = $5::text OR l.previous_jti IS NOT DISTINCT FROM $5::text)
         RETURNING site_id
       )
       SELECT org_uid AS "orgUid", device_id AS "deviceId", nice_id AS "niceId", status, coalesce(version, $4) AS ver, coalesce(digest, '') AS digest, EXISTS (SELECT FROM link) AS granted FROM facts`,
      [siteId, orgId, step.jti, step.ver, step.prev, step.expiresAt],
    );
    return facts;
  }

  /**
   * After `advance` did not: locks the chain. `cloned`: neither the last lease nor the one before; false when the chain has begun anew
   * meanwhile. `isNews`: nobody was told within the hour.
   */
  async lock(
    tx: EntityManager,
    siteId: number,
    prev: string | null,
  ): Promise<{ held: boolean; cloned: boolean; isNews: boolean; onClone: 'alert' | 'hold' } | undefined> {
    await execute(tx, 'SELECT FROM site_lease WHERE site_id = $1 FOR UPDATE', [siteId]);
    const [row] = await query<{ held: boolean; cloned: boolean; isNews: boolean; onClone: 'alert' | 'hold' }>(
      tx,
      `SELECT l.held, l.jti IS DISTINCT FROM $2::text AND l.previous_jti IS DISTINCT FROM $2::text AS cloned,
         coalesce(l.cloned_at < now() - interval '1 hour', true) AS "isNews", coalesce(p.on_clone, 'alert') AS "onClone"
       FROM site_lease l JOIN site s ON s.site_id = l.site_id LEFT JOIN provisioning_profile p ON p.profile_id = s.profile_id WHERE l.site_id = $1`,
      [siteId, prev],
    );
    return row;
  }

  /** A clone was seen. @param held whether neither of the two gets a lease from now on */
  async cloned(tx: EntityManager, siteId: number, held: boolean, isNews: boolean): Promise<void> {
    await execute(
      tx,
      'UPDATE site_lease SET held = $2, cloned_at = CASE WHEN $3 THEN now() ELSE cloned_at END WHERE site_id = $1',
      [siteId, held, isNews],
    );
  }

  /** The chain is locked: it goes on with this lease, after the last one. */
  async goOn(tx: EntityManager, siteId: number, { jti, expiresAt }: LeaseStep): Promise<void> {
    await execute(
      tx,
      'UPDATE site_lease SET previous_jti = jti, jti = $2, expires_at = $3::timestamptz WHERE site_id = $1',
      [siteId, jti, expiresAt],
    );
  }

  /** The next request of each begins a new chain, whatever lease it has. */
  async begin(tx: EntityManager, orgId: string, siteIds: number[]): Promise<void> {
    await execute(tx, 'DELETE FROM site_lease WHERE org_id = $1 AND site_id = ANY ($2::bigint[])', [orgId, siteIds]);
  }

  /** The same of all sites, except those whose leases are held back after a clone: there an operator decides. */
  async beginAll(tx: EntityManager): Promise<void> {
    await execute(tx, 'DELETE FROM site_lease WHERE NOT held');
  }
}
