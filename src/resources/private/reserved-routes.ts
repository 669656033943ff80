import type { EntityManager } from 'typeorm';
import { query } from '#platform';

/** SQL: whether the organization's own machines have this address, or all of this range. */
export const RESERVED_ROUTE = (route: string) => `(
  EXISTS (SELECT FROM address_range g WHERE g.org_id = $1 AND g.cidr >>= ${route}::inet)
  OR EXISTS (SELECT FROM org o WHERE o.org_id = $1 AND (o.utility_subnet >>= ${route}::inet OR o.subnet >>= ${route}::inet)))`;

/** Those of the addresses and ranges that no private resource may lead to, because they are the organization's own. */
export async function reservedRoutes(tx: EntityManager, orgId: string, routes: string[]): Promise<string[]> {
  const rows = await query<{ route: string }>(
    tx,
    `SELECT route FROM unnest($2::text[]) AS route WHERE ${RESERVED_ROUTE('route')}`,
    [orgId, routes],
  );
  return rows.map((row) => row.route);
}
