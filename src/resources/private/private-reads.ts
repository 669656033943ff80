import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, likeEscape, prepared, query, type Window } from '#platform';
import { countOf, idsBehind, pageOfIds } from '../pages.js';
import type { ListSiteResourcesQuery, SiteResourceItem, SiteResourceOnSite, SiteResourceRow } from './private.dto.js';
import { ROW } from './private.repository.js';

const SITES = `
  LEFT JOIN LATERAL (
    SELECT jsonb_agg(s.site_id ORDER BY m.position, s.site_id) AS ids, jsonb_agg(s.name ORDER BY m.position, s.site_id) AS names,
      jsonb_agg(s.nice_id ORDER BY m.position, s.site_id) AS nice_ids, jsonb_agg(s.address::text ORDER BY m.position, s.site_id) AS addresses,
      jsonb_agg(s.type = 'local' OR p.session_id IS NOT NULL ORDER BY m.position, s.site_id) AS onlines
    FROM site_resource_site m JOIN site s ON s.site_id = m.site_id LEFT JOIN site_presence p ON p.site_id = s.site_id WHERE m.site_resource_id = r.site_resource_id
  ) s ON true`;

type Item = Omit<SiteResourceItem, 'siteId'>;

const ITEM = `
  SELECT ${ROW}, coalesce(s.ids, '[]') AS "siteIds", coalesce(s.names, '[]') AS "siteNames", coalesce(s.nice_ids, '[]') AS "siteNiceIds",
    coalesce(s.addresses, '[]') AS "siteAddresses", coalesce(s.onlines, '[]') AS "siteOnlines" FROM site_resource r ${SITES}`;

const COLUMNS: Columns<SiteResourceItem> = {
  siteResourceId: true,
  orgId: true,
  networkId: true,
  defaultNetworkId: true,
  niceId: true,
  name: true,
  ssl: true,
  mode: true,
  scheme: true,
  proxyPort: true,
  destinationPort: true,
  destination: true,
  enabled: true,
  alias: true,
  aliasAddress: true,
  tcpPortRangeString: true,
  udpPortRangeString: true,
  disableIcmp: true,
  authDaemonPort: true,
  authDaemonMode: true,
  domainId: true,
  subdomain: true,
  fullDomain: true,
  siteId: true,
  siteIds: true,
  siteNames: true,
  siteNiceIds: true,
  siteAddresses: true,
  siteOnlines: true,
};

function toItem({ siteIds, siteNames, siteNiceIds, siteAddresses, siteOnlines, ...row }: Item): SiteResourceItem {
  return { ...row, siteId: siteIds[0] ?? null, siteIds, siteNames, siteNiceIds, siteAddresses, siteOnlines };
}

/** Lists of private resources. */
@Injectable()
export class PrivateReads {
  /** One page by name, which the indexes serve whatever the number of resources. */
  async page(em: EntityManager, orgId: string, q: ListSiteResourcesQuery, window: Window): Promise<SiteResourceItem[]> {
    const { text, values } = privatePage(orgId, q, window);
    const rows = isPlain(q)
      ? await prepared<Item>(em, `site_resources_page_${q.order ?? 'asc'}`, text, values)
      : await query<Item>(em, text, values);
    return rows.map(toItem);
  }

  /** All matches, by id. */
  whole(em: EntityManager, orgId: string, q: ListSiteResourcesQuery): ExportSource<SiteResourceItem, number> {
    return {
      name: 'private-resources',
      columns: COLUMNS,
      page: (after, limit) => this.after(em, orgId, q, after, limit),
      keyOf: (resource) => resource.siteResourceId,
    };
  }

  private async after(
    em: EntityManager,
    orgId: string,
    q: ListSiteResourcesQuery,
    siteResourceId: number | undefined,
    limit: number,
  ): Promise<SiteResourceItem[]> {
    const { arms, values } = conditions(orgId, q);
    const ids = idsBehind('site_resource', 'site_resource_id', arms, `$${values.length + 1}`, `$${values.length + 2}`);
    const text = `${ITEM} WHERE r.site_resource_id = ANY(${ids}) ORDER BY r.site_resource_id`;
    return (await query<Item>(em, text, [...values, siteResourceId ?? 0, limit])).map(toItem);
  }

  /** The exact number of matches: without a filter from the counters that the table's triggers keep. */
  async total(em: EntityManager, orgId: string, q: ListSiteResourcesQuery): Promise<number> {
    if (isPlain(q)) {
      const text = `SELECT coalesce(sum(n), 0)::bigint AS n FROM resource_count WHERE org_id = $1 AND kind = 'private'`;
      const [row] = await prepared<{ n: number }>(em, 'site_resources_total', text, [orgId]);
      return row!.n;
    }
    const { arms, values } = conditions(orgId, q);
    const [row] = await query<{ n: number }>(em, countOf('site_resource', arms), values);
    return row!.n;
  }

  /** By name; those that wait for the site's approval too. */
  async onSite(em: EntityManager, orgId: string, siteId: number, window: Window): Promise<SiteResourceOnSite[]> {
    const rows = await prepared<SiteResourceRow>(
      em,
      'site_resources_on_site',
      `SELECT ${ROW} FROM site_resource r
       WHERE r.org_id = $1 AND (r.staged_by IS NULL OR r.staged_by = $2) AND r.site_resource_id IN (
         SELECT m.site_resource_id FROM site_resource_site m WHERE m.site_id = $2 UNION ALL SELECT w.site_resource_id FROM site_resource w WHERE w.staged_by = $2) ORDER BY r.name, r.site_resource_id LIMIT $3 OFFSET $4`,
      [orgId, siteId, window.limit, window.offset],
    );
    return rows.map((row) => ({
      ...row,
      siteId,
      siteNetworks: { siteId, networkId: row.networkId },
      networks: { networkId: row.networkId, niceId: null, name: null, scope: 'resource', orgId },
      siteResources: row,
    }));
  }
}

/** The statement of a page, for tests that look at its plan too. */
export function privatePage(
  orgId: string,
  q: ListSiteResourcesQuery,
  window: Window,
): { text: string; values: unknown[] } {
  const { arms, values } = conditions(orgId, q);
  const direction = q.order === 'desc' ? 'DESC' : 'ASC';
  const order = `ORDER BY r.name ${direction}, r.site_resource_id ${direction}`;
  const ids = pageOfIds(
    'site_resource',
    'site_resource_id',
    arms,
    direction,
    `$${values.length + 1}`,
    `$${values.length + 2}`,
  );
  return {
    text: `${ITEM} WHERE r.site_resource_id = ANY(${ids}) ${order}`,
    values: [...values, window.limit, window.offset],
  };
}

const isPlain = (q: ListSiteResourcesQuery) => !q.query && q.mode === undefined && q.siteId === undefined;

/**
 * Every value is a parameter; the text depends only on which filters are there. What waits with a site is shown where that site is asked
 * about (docs/claims.md rule 23): an arm of its own.
 */
function conditions(orgId: string, q: ListSiteResourcesQuery): { arms: string[]; values: unknown[] } {
  const values: unknown[] = [orgId];
  const add = (value: unknown) => `$${values.push(value)}`;
  const parts = ['r.org_id = $1'];
  const arms = ['r.staged_by IS NULL'];
  if (q.siteId !== undefined) {
    const p = add(q.siteId);
    arms[0] += ` AND r.site_resource_id IN (SELECT m.site_resource_id FROM site_resource_site m WHERE m.site_id = ${p})`;
    arms.push(`r.staged_by = ${p}`);
  }
  if (q.mode !== undefined) parts.push(`r.mode = ${add(q.mode)}`);
  if (q.query) {
    const p = add(`%${likeEscape(q.query)}%`);
    // Two arms rather than one OR over two tables: each is served by its own index of trigrams.
    parts.push(`r.site_resource_id IN (
      SELECT f.site_resource_id FROM site_resource f
      WHERE f.org_id = $1 AND (f.name ILIKE ${p} OR f.nice_id ILIKE ${p} OR f.destination ILIKE ${p} OR f.alias ILIKE ${p} OR host(f.alias_address) ILIKE ${p})
      UNION ALL SELECT m.site_resource_id FROM site s JOIN site_resource_site m ON m.site_id = s.site_id WHERE s.org_id = $1 AND s.name ILIKE ${p})`);
  }
  return { arms: arms.map((arm) => [arm, ...parts].join(' AND ')), values };
}
