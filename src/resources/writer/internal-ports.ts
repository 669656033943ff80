import type { EntityManager } from 'typeorm';
import { conflict, query } from '#platform';

/** Where a site's agent may listen for a target. */
export const FIRST_PORT = 40_000;
export const LAST_PORT = 65_534;

export const noPort = () => conflict('The site has no internal port left');

/** Unused internal ports of sites, as many as each wants and has, in any order; none of a local site, which no agent listens for. */
export async function freePorts(em: EntityManager, wanted: Map<number, number>): Promise<Map<number, number[]>> {
  const rows = await query<{ siteId: number; ports: (number | string)[] }>(
    em,
    `SELECT s.site_id AS "siteId", ARRAY(
       SELECT p FROM generate_series(${FIRST_PORT}, ${LAST_PORT}) AS p WHERE NOT EXISTS (SELECT FROM target t WHERE t.site_id = s.site_id AND t.internal_port = p)
       ORDER BY random() LIMIT w.n) AS ports
     FROM unnest($1::bigint[], $2::int[]) AS w(site_id, n) JOIN site s USING (site_id) WHERE s.type <> 'local'`,
    [[...wanted.keys()], [...wanted.values()]],
  );
  return new Map(rows.map(({ siteId, ports }) => [siteId, ports.map(Number)]));
}
