import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Config,
  type ExportSource,
  exportOfRows,
  likeEscape,
  prepared,
  query,
  type Window,
} from '#platform';
import { countOf, idsBehind, pageOfIds } from '../pages.js';
import { urlOf } from './resource-url.js';
import type {
  ListResourcesQuery,
  ResourceItem,
  ResourceName,
  ResourceSiteItem,
  ResourceTargetItem,
} from './resources.dto.js';

/** The very expression of the index `resource_auth_state`. */
const AUTH_STATE = `(CASE WHEN NOT r.http THEN 'none' WHEN r.sso OR r.email_whitelist_enabled OR r.password_hash IS NOT NULL OR r.pincode_hash IS NOT NULL
  OR r.header_auth_hash IS NOT NULL THEN 'protected' ELSE 'not_protected' END)`;

const ITEM = `
  r.resource_id AS "resourceId", r.nice_id AS "niceId", r.name, r.ssl, r.subdomain, r.full_domain AS "fullDomain",
  CASE WHEN r.password_hash IS NOT NULL THEN r.resource_id END AS "passwordId", r.sso, CASE WHEN r.pincode_hash IS NOT NULL THEN r.resource_id END AS "pincodeId",
  r.email_whitelist_enabled AS whitelist, r.http, r.protocol, CASE WHEN r.http THEN 'http' ELSE r.protocol END AS mode, r.proxy_port AS "proxyPort", r.wildcard, r.enabled, r.domain_id AS "domainId",
  CASE WHEN r.header_auth_hash IS NOT NULL THEN r.resource_id END AS "headerAuthId", r.health, t.targets`;

const TARGETS = `
  LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('targetId', t.target_id, 'resourceId', t.resource_id, 'siteId', t.site_id, 'ip', t.ip, 'port', t.port, 'enabled', t.enabled,
      'healthStatus', t.hc_health, 'hcEnabled', t.hc_enabled, 'siteName', s.name, 'siteNiceId', s.nice_id,
      'siteOnline', s.type = 'local' OR p.session_id IS NOT NULL, 'siteType', s.type) ORDER BY t.target_id) AS targets
    FROM target t JOIN site s ON s.site_id = t.site_id LEFT JOIN site_presence p ON p.site_id = t.site_id WHERE t.resource_id = r.resource_id
  ) t ON true`;

const COLUMNS: Columns<ResourceItem> = {
  resourceId: true,
  niceId: true,
  name: true,
  mode: true,
  protocol: true,
  http: true,
  fullDomain: true,
  domainId: true,
  subdomain: true,
  wildcard: true,
  proxyPort: true,
  ssl: true,
  enabled: true,
  health: true,
  url: true,
  sso: true,
  passwordId: true,
  pincodeId: true,
  headerAuthId: true,
  whitelist: true,
  targets: true,
  sites: true,
};

const NAMES = 'SELECT resource_id AS "resourceId", name FROM resource WHERE org_id = $1 AND staged_by IS NULL';

type ItemRow = Omit<ResourceItem, 'targets' | 'sites' | 'url'> & { targets: ResourceTargetItem[] | null };

/** Where a list looks: in the whole organization, or on one site, where those that wait with it are shown too. */
export interface Scope {
  orgId: string;
  siteId?: number;
}

/** Lists of public resources. */
@Injectable()
export class ResourceReads {
  constructor(private readonly config: Config) {}

  /** One page by name, which the indexes serve whatever the number of resources. */
  async page(em: EntityManager, scope: Scope, q: ListResourcesQuery, window: Window): Promise<ResourceItem[]> {
    const { text, values } = pageStatement(scope, q, window);
    const rows = isPlain(scope, q)
      ? await prepared<ItemRow>(em, `resources_page_${q.order ?? 'asc'}`, text, values)
      : await query<ItemRow>(em, text, values);
    return rows.map((row) => this.itemOf(row));
  }

  /** All matches, by id. */
  whole(em: EntityManager, scope: Scope, q: ListResourcesQuery): ExportSource<ResourceItem, number> {
    return {
      name: 'resources',
      columns: COLUMNS,
      page: (after, limit) => this.after(em, scope, q, after, limit),
      keyOf: (resource) => resource.resourceId,
    };
  }

  private async after(
    em: EntityManager,
    scope: Scope,
    q: ListResourcesQuery,
    resourceId: number | undefined,
    limit: number,
  ): Promise<ResourceItem[]> {
    const { arms, values } = conditions(scope, q);
    const ids = idsBehind('resource', 'resource_id', arms, `$${values.length + 1}`, `$${values.length + 2}`);
    const rows = await query<ItemRow>(
      em,
      `SELECT ${ITEM} FROM resource r ${TARGETS} WHERE r.resource_id = ANY (${ids}) ORDER BY r.resource_id`,
      [...values, resourceId ?? 0, limit],
    );
    return rows.map((row) => this.itemOf(row));
  }

  private itemOf({ targets: all, ...row }: ItemRow): ResourceItem {
    const targets = all ?? [];
    const sites = new Map<number, ResourceSiteItem>();
    for (const { siteId, siteName, siteNiceId, siteOnline, siteType } of targets) {
      sites.set(siteId, { siteId, siteName, siteNiceId, ...(siteType === 'local' ? {} : { online: siteOnline }) });
    }
    return { ...row, url: urlOf(this.config, row), targets: targets.map(inOrder), sites: [...sites.values()] };
  }

  /** The exact number of matches: without a filter from the counters that the table's triggers keep. */
  async total(em: EntityManager, scope: Scope, q: ListResourcesQuery): Promise<number> {
    if (isPlain(scope, q)) {
      const [row] = await prepared<{ n: number }>(
        em,
        'resources_total',
        `SELECT coalesce(sum(n), 0)::bigint AS n FROM resource_count WHERE org_id = $1 AND kind = 'public'`,
        [scope.orgId],
      );
      return row!.n;
    }
    const { arms, values } = conditions(scope, q);
    const [row] = await query<{ n: number }>(em, countOf('resource', arms), values);
    return row!.n;
  }

  /** By name; all of them unless a window is given. */
  allNames(em: EntityManager, orgId: string): ExportSource<ResourceName, unknown[]> {
    const columns = { resourceId: true, name: true } as const;
    return exportOfRows<ResourceName, 'resourceId'>(em, {
      name: 'resource-names',
      columns,
      by: ['resourceId'],
      rows: NAMES,
      values: [orgId],
    });
  }

  async names(em: EntityManager, orgId: string, window: Window | null): Promise<ResourceName[]> {
    return query<ResourceName>(em, `${NAMES} ORDER BY name, resource_id LIMIT $2 OFFSET $3`, [
      orgId,
      window?.limit ?? null,
      window?.offset ?? 0,
    ]);
  }
}

/** The statement of a page, for tests that look at its plan too. */
export function pageStatement(
  scope: Scope,
  q: ListResourcesQuery,
  window: Window,
): { text: string; values: unknown[] } {
  const { arms, values } = conditions(scope, q);
  const direction = q.order === 'desc' ? 'DESC' : 'ASC';
  const ids = pageOfIds('resource', 'resource_id', arms, direction, `$${values.length + 1}`, `$${values.length + 2}`);
  const text = `SELECT ${ITEM} FROM resource r ${TARGETS} WHERE r.resource_id = ANY(${ids}) ORDER BY r.name ${direction}, r.resource_id ${direction}`;
  return { text, values: [...values, window.limit, window.offset] };
}

const NARROWING: (keyof ListResourcesQuery)[] = ['query', 'enabled', 'authState', 'healthStatus', 'siteId'];
const isPlain = (scope: Scope, q: ListResourcesQuery) =>
  scope.siteId === undefined && NARROWING.every((key) => q[key] === undefined);

/**
 * Every value is a parameter; the text depends only on which filters are there. What waits with a site is shown where that site is asked
 * about, targets there or not (docs/claims.md rule 23): an arm of its own.
 */
function conditions(scope: Scope, q: ListResourcesQuery): { arms: string[]; values: unknown[] } {
  const values: unknown[] = [scope.orgId];
  const add = (value: unknown) => `$${values.push(value)}`;
  const parts = ['r.org_id = $1'];
  const siteId = scope.siteId ?? q.siteId;
  const arms = ['r.staged_by IS NULL'];
  if (siteId !== undefined) {
    const p = add(siteId);
    arms[0] += ` AND r.resource_id IN (SELECT t.resource_id FROM target t WHERE t.site_id = ${p})`;
    arms.push(`r.staged_by = ${p}`);
  }
  if (q.enabled !== undefined) parts.push(`r.enabled = ${add(q.enabled)}`);
  if (q.healthStatus !== undefined) parts.push(`r.health = ${add(q.healthStatus)}`);
  if (q.authState !== undefined) parts.push(`${AUTH_STATE} = ${add(q.authState)}`);
  if (q.query) {
    const p = add(`%${likeEscape(q.query)}%`);
    parts.push(`(r.name ILIKE ${p} OR r.nice_id ILIKE ${p} OR r.full_domain ILIKE ${p})`);
  }
  return { arms: arms.map((arm) => [arm, ...parts].join(' AND ')), values };
}

/** jsonb sorts its keys. */
function inOrder(t: ResourceTargetItem): ResourceTargetItem {
  const {
    targetId,
    resourceId,
    siteId,
    ip,
    port,
    enabled,
    healthStatus,
    hcEnabled,
    siteName,
    siteNiceId,
    siteOnline,
    siteType,
  } = t;
  return {
    targetId,
    resourceId,
    siteId,
    ip,
    port,
    enabled,
    healthStatus,
    hcEnabled,
    siteName,
    siteNiceId,
    siteOnline,
    siteType,
  };
}
