import type { EntityManager } from 'typeorm';
import { notFound, query } from '#platform';

/** Sites that a resource is to name stay until the end of the transaction. @throws not_found for one of another organization */
export async function lockSites(tx: EntityManager, orgId: string, siteIds: number[]): Promise<void> {
  if (siteIds.length === 0) return;
  const text = 'SELECT FROM site WHERE org_id = $1 AND site_id = ANY($2::bigint[]) ORDER BY site_id FOR KEY SHARE';
  if ((await query(tx, text, [orgId, siteIds])).length !== siteIds.length) throw notFound('Site');
}
