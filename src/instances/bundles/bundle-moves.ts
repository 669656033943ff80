import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';

/** What a machine has of its bundles and leases, when it becomes the machine of another site (docs/replacements.md). */
@Injectable()
export class BundleMoves {
  /**
   * The key that bundles are sealed for, the version that the machine knows, and its chain of leases; those of the machine before are forgotten. Versions
   * go on counting from the higher one. Both sites are locked; `sitesChanged` then offers the bundle of the site.
   */
  async move(tx: EntityManager, orgId: string, from: number, to: number): Promise<void> {
    const [kept] = await query<{ version: number | null }>(
      tx,
      'DELETE FROM site_bundle WHERE org_id = $1 AND site_id = $2 RETURNING version',
      [orgId, to],
    );
    await execute(
      tx,
      `UPDATE site_bundle SET site_id = $3, version = CASE WHEN version IS NOT NULL THEN greatest(version, $4::bigint) END, rollout_id = NULL
       WHERE org_id = $1 AND site_id = $2`,
      [orgId, from, to, kept?.version ?? null],
    );
    await execute(tx, 'DELETE FROM site_lease WHERE org_id = $1 AND site_id = $2', [orgId, to]);
    await execute(tx, 'UPDATE site_lease SET site_id = $3 WHERE org_id = $1 AND site_id = $2', [orgId, from, to]);
  }
}
