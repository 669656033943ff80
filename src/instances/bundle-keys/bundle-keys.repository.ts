import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query, type SiteBundleKey } from '#platform';

export type KeyOfSite = SiteBundleKey & { siteId: number };

const columns = (rows: KeyOfSite[]): unknown[] => [
  rows.map((row) => row.siteId),
  rows.map((row) => JSON.stringify(row.key)),
  rows.map((row) => row.jkt),
];

/** All SQL about the keys that bundles are sealed for. What was fetched under another key has another digest. */
@Injectable()
export class BundleKeysRepository {
  async insert(tx: EntityManager, orgId: string, rows: KeyOfSite[]): Promise<void> {
    await prepared(
      tx,
      'bundle_key_insert',
      `INSERT INTO site_bundle (site_id, org_id, bundle_key, bundle_jkt)
       SELECT i.site_id, $4, i.key, i.jkt FROM unnest($1::bigint[], $2::jsonb[], $3::text[]) AS i(site_id, key, jkt)
       ON CONFLICT (site_id) DO UPDATE SET bundle_key = excluded.bundle_key, bundle_jkt = excluded.bundle_jkt, digest = NULL`,
      [...columns(rows), orgId],
    );
  }

  /** The site is locked. @returns the thumbprint of its key, or null */
  async jktOf(tx: EntityManager, siteId: number): Promise<string | null> {
    const [row] = await query<{ jkt: string | null }>(
      tx,
      'SELECT bundle_jkt AS jkt FROM site_bundle WHERE site_id = $1 FOR UPDATE',
      [siteId],
    );
    return row?.jkt ?? null;
  }

  async of(em: EntityManager, siteId: number): Promise<SiteBundleKey | null> {
    const [row] = await prepared<SiteBundleKey>(
      em,
      'bundle_key_of',
      'SELECT bundle_key AS key, bundle_jkt AS jkt FROM site_bundle WHERE site_id = $1 AND bundle_key IS NOT NULL',
      [siteId],
    );
    return row ?? null;
  }

  async remove(tx: EntityManager, siteId: number): Promise<void> {
    await execute(tx, 'UPDATE site_bundle SET bundle_key = NULL, bundle_jkt = NULL, digest = NULL WHERE site_id = $1', [
      siteId,
    ]);
  }

  /** Of sites that are there and have none. Most sessions bring the key that is known: those are only read. @returns the sites that it is new to */
  adopt(tx: EntityManager, rows: KeyOfSite[]): Promise<{ siteId: number; orgId: string; niceId: string }[]> {
    return query(
      tx,
      `WITH i AS (SELECT * FROM unnest($1::bigint[], $2::jsonb[], $3::text[]) AS i(site_id, key, jkt)),
         held AS (SELECT s.site_id, s.org_id, s.nice_id, i.key, i.jkt FROM i JOIN site s USING (site_id)
                  WHERE NOT EXISTS (SELECT FROM site_bundle b WHERE b.site_id = i.site_id AND b.bundle_key IS NOT NULL)
                  ORDER BY s.site_id FOR NO KEY UPDATE OF s),
         kept AS (INSERT INTO site_bundle AS b (site_id, org_id, bundle_key, bundle_jkt) SELECT site_id, org_id, key, jkt FROM held ORDER BY site_id
                  ON CONFLICT (site_id) DO UPDATE SET bundle_key = excluded.bundle_key, bundle_jkt = excluded.bundle_jkt, digest = NULL
                  WHERE b.bundle_key IS NULL
                  RETURNING b.site_id)
       SELECT site_id AS "siteId", org_id AS "orgId", nice_id AS "niceId" FROM held JOIN kept USING (site_id)`,
      columns(rows),
    );
  }
}
