import { Injectable } from '@nestjs/common';
import { type Action, grants } from '#contracts';
import { Db, likeEscape, type Principal, query, type Window } from '#platform';
import type { ListOrgsQuery, OrgCounts, OrgSort } from './orgs.dto.js';

/** Keys that end within this are told of. */
const SOON = `interval '7 days'`;

interface Row {
  orgId: string;
  sites: Record<string, number>;
  keysEnding: number;
  lastClaimAt: string | null;
}

/** @returns the organizations that a caller belongs to and may read; undefined for who may read all there are. */
export function ownOrgs({ authority }: Principal): string[] | undefined {
  switch (authority.kind) {
    case 'rootKey':
      return undefined;
    case 'user':
      return authority.serverAdmin
        ? undefined
        : [...authority.memberships.keys()].filter((orgId) => may(authority, orgId, 'getOrg'));
    case 'orgKey':
      return may(authority, authority.orgId, 'getOrg') ? [authority.orgId] : [];
    default:
      return [];
  }
}

const may = (authority: Principal['authority'], orgId: string, action: Action): boolean =>
  grants(authority, { kind: 'org', action, orgId }) === 'granted';

/** SQL that is true of the organizations in which the caller holds an action: of others not even the order may tell. */
type Reads = (action: Action) => string;
interface Order {
  joins?: string;
  by: string;
}

// Together, as the counts below.
const SITES = `LEFT JOIN (SELECT org_id, sum(sites) FILTER (WHERE state = 'online') AS online, sum(sites) FILTER (WHERE state = 'offline') AS offline,
    sum(sites) FILTER (WHERE state = 'pending') AS pending FROM org_site_state GROUP BY org_id) s USING (org_id)`;
const KEYS = `LEFT JOIN (SELECT org_id, count(*) AS ending FROM org_key_ending WHERE expires_at <= now() + ${SOON} GROUP BY org_id) k USING (org_id)`;
const ofSites = (reads: Reads, ...states: string[]) =>
  `CASE WHEN ${reads('listSites')} THEN ${states.map((state) => `coalesce(s.${state}, 0)`).join(' + ')} END`;
const ofKeys = (reads: Reads) => `CASE WHEN ${reads('listSiteProvisioningKeys')} THEN coalesce(k.ending, 0) END`;
const ORDERS: Record<OrgSort, (reads: Reads) => Order> = {
  orgId: () => ({ by: 'org_id' }),
  name: () => ({ by: 'lower(o.name)' }),
  online: (reads) => ({ joins: SITES, by: ofSites(reads, 'online') }),
  offline: (reads) => ({ joins: SITES, by: ofSites(reads, 'offline') }),
  pending: (reads) => ({ joins: SITES, by: ofSites(reads, 'pending') }),
  keysEnding: (reads) => ({ joins: KEYS, by: ofKeys(reads) }),
  attention: (reads) => {
    const [sites, keys] = [ofSites(reads, 'offline', 'pending'), ofKeys(reads)];
    return { joins: `${SITES} ${KEYS}`, by: `coalesce(${sites} + ${keys}, ${sites}, ${keys})` };
  },
  lastClaimAt: (reads) => ({
    joins: `LEFT JOIN LATERAL (SELECT created_at FROM org_claim c WHERE c.org_uid = o.org_uid ORDER BY c.claim_id DESC LIMIT 1) c ON ${reads('listClaims')}`,
    by: 'c.created_at',
  }),
};

const MATCHING =
  '($1::text[] IS NULL OR org_id = ANY ($1)) AND ($2::text IS NULL OR org_id ILIKE $2 OR o.name ILIKE $2)';
const filterOf = (own: string[] | undefined, text: string | undefined) => [
  own ?? null,
  text ? `%${likeEscape(text)}%` : null,
];

/** What somebody sees of many organizations at once. */
@Injectable()
export class OrgOverview {
  constructor(private readonly db: Db) {}

  /** @returns the organizations of a page, in their order, and how many there are in all */
  async page(
    principal: Principal,
    { query: text, sort_by = 'orgId', order }: ListOrgsQuery,
    window: Window,
  ): Promise<{ orgIds: string[]; total: number }> {
    const own = ownOrgs(principal);
    const filter = filterOf(own, text);
    const values: unknown[] = [...filter, window.limit, window.offset];
    const { joins = '', by } = ORDERS[sort_by]((action) =>
      own
        ? `org_id = ANY ($${values.push(own.filter((orgId) => may(principal.authority, orgId, action)))}::text[])`
        : 'true',
    );
    const direction = order === 'desc' ? 'DESC' : 'ASC';
    const em = this.db.manager;
    const [rows, [all]] = await Promise.all([
      query<{ orgId: string }>(
        em,
        `SELECT org_id AS "orgId" FROM org o ${joins} WHERE ${MATCHING} ORDER BY ${by} ${direction} NULLS LAST, org_id ${direction} LIMIT $3 OFFSET $4`,
        values,
      ),
      query<{ total: number }>(em, `SELECT count(*)::int AS total FROM org o WHERE ${MATCHING}`, filter),
    ]);
    return { orgIds: rows.map(({ orgId }) => orgId), total: all!.total };
  }

  /** @returns those behind an id, by their ids, for who reads them all */
  async after(
    principal: Principal,
    text: string | undefined,
    orgId: string | undefined,
    limit: number,
  ): Promise<string[]> {
    const rows = await query<{ orgId: string }>(
      this.db.manager,
      `SELECT org_id AS "orgId" FROM org o WHERE ${MATCHING} AND org_id > $3 ORDER BY org_id LIMIT $4`,
      [...filterOf(ownOrgs(principal), text), orgId ?? '', limit],
    );
    return rows.map((row) => row.orgId);
  }

  /** One statement for all. What the caller may not read of an organization is null. */
  async counts({ authority }: Principal, orgIds: string[]): Promise<Map<string, OrgCounts>> {
    if (orgIds.length === 0) return new Map();
    const rows = await query<Row>(
      this.db.manager,
      // Together: for each organization by itself the planner may read all sites of all.
      `WITH s AS (SELECT org_id, jsonb_object_agg(state, sites) AS sites FROM org_site_state WHERE org_id = ANY ($1) GROUP BY org_id)
       SELECT o.org_id AS "orgId", coalesce(s.sites, '{}') AS sites,
         (SELECT count(*) FROM org_key_ending k WHERE k.org_id = o.org_id AND k.expires_at <= now() + ${SOON}) AS "keysEnding",
         (SELECT c.created_at FROM org_claim c WHERE c.org_uid = o.org_uid ORDER BY c.claim_id DESC LIMIT 1) AS "lastClaimAt"
       FROM org o LEFT JOIN s USING (org_id) WHERE o.org_id = ANY ($1)`,
      [orgIds],
    );
    return new Map(
      rows.map(({ orgId, sites, keysEnding, lastClaimAt }) => {
        const reads = (action: Action) => may(authority, orgId, action);
        const known = {
          sites: reads('listSites') ? states(sites) : null,
          keysEnding: reads('listSiteProvisioningKeys') ? keysEnding : null,
        };
        const lastClaim = reads('listClaims') && lastClaimAt !== null ? new Date(lastClaimAt) : null;
        return [orgId, { ...known, attention: attentionOf(known), lastClaimAt: lastClaim }];
      }),
    );
  }
}

function states(found: Record<string, number>): NonNullable<OrgCounts['sites']> {
  const of = (state: string) => found[state] ?? 0;
  return {
    total: Object.values(found).reduce((sum, n) => sum + n, 0),
    pending: of('pending'),
    neverConnected: of('never_connected'),
    online: of('online'),
    offline: of('offline'),
    suspended: of('suspended'),
    revoked: of('revoked'),
  };
}

/** The same as in `ORDERS`. */
function attentionOf({ sites, keysEnding }: Pick<OrgCounts, 'sites' | 'keysEnding'>): number | null {
  if (!sites && keysEnding === null) return null;
  return (sites ? sites.offline + sites.pending : 0) + (keysEnding ?? 0);
}
