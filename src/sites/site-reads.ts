import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, notFound, prepared, query, type Window } from '#platform';
import { alone, groupColumn, type How, type SiteSelection, select } from './site-conditions.js';
import { type Cursor, cursorOf } from './site-cursor.js';
import { type ItemRow, type OneRow, toItem, toView } from './site-rows.js';
import type { ListSitesQuery, SiteFilter, SiteItem, SiteView } from './sites.dto.js';

const COLUMNS = `
  s.site_id AS "siteId", s.org_id AS "orgId", s.nice_id AS "niceId", s.name, s.type, s.status, s.address::text AS address, s.subnet, s.pub_key AS "pubKey",
  s.megabytes_in AS "megabytesIn", s.megabytes_out AS "megabytesOut", s.docker_socket_enabled AS "dockerSocketEnabled",
  s.auto_update_enabled AS "autoUpdateEnabled", s.auto_update_override_org AS "autoUpdateOverrideOrg", s.remote_subnets AS "remoteSubnets", s.device_id AS "deviceId",
  s.hardware_id AS "hardwareId", s.labels, s.key_id AS "keyId", s.key_generation AS "keyGeneration", s.template_id AS "templateId", s.profile_id AS "profileId", s.claim_id AS "claimId", s.description, host(s.claimed_from) AS "claimedFrom", s.oddities,
  a.agent_version AS "agentVersion", s.created_at AS "createdAt", s.decided_by AS "decidedBy", s.decided_at AS "decidedAt", s.decision_note AS "decisionNote",
  s.suspended_at AS "suspendedAt", s.revoked_at AS "revokedAt", s.ephemeral_seconds AS "ephemeralSeconds", s.desired_version AS "desiredVersion", a.applied_version AS "appliedVersion",
  a.applied_error AS "appliedError", p.state, p.session_id IS NOT NULL AS connected, p.last_seen_at AS "lastSeenAt",
  ARRAY(SELECT m.group_id FROM site_group_member m WHERE m.site_id = s.site_id ORDER BY m.group_id) AS "groupIds"`;

const ONE = `
  SELECT ${COLUMNS}, a.agent_facts AS facts, s.version, n.connected_from AS "connectedFrom", n.connected_since AS "connectedSince",
    n.ended_at AS "disconnectedAt", n.end_reason AS "disconnectReason", (
    SELECT c.newt_id FROM site_credential c WHERE c.site_id = s.site_id AND c.kind = 'newt' ORDER BY c.revoked_at IS NULL DESC, c.stage = 'current' DESC, c.credential_id DESC LIMIT 1
  ) AS "newtId"
  FROM site s JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN site_agent a ON a.site_id = s.site_id
    JOIN site_connection n ON n.site_id = s.site_id WHERE s.org_id = $1 AND s.site_id = $2`;

/** What a list can be sorted by, with the table that has it and the type of its values. The site's id decides between equals. */
const ORDER = {
  name: ['site', 's.name', 'text'],
  megabytesIn: ['site', 's.megabytes_in', 'float8'],
  megabytesOut: ['site', 's.megabytes_out', 'float8'],
  createdAt: ['site', 's.created_at', 'timestamptz'],
  state: ['presence', 'p.state', 'text'],
  lastSeenAt: ['presence', 'p.seen_order', 'timestamptz'],
  agentVersion: ['presence', 'p.version_order', 'text'],
} as const;

/** Which rows of a list: a window from its beginning or, `fromEnd`, from its end; or what follows a cursor. */
export interface Cut extends Window {
  fromEnd?: boolean;
  cursor?: Cursor;
  how?: How;
}

/** One of so many matches at least is walked to, in the order of an index; fewer are collected. */
const WALKED = 8;

const EXPORTED: Columns<SiteItem> = {
  siteId: true,
  niceId: true,
  name: true,
  pubKey: true,
  subnet: true,
  megabytesIn: true,
  megabytesOut: true,
  orgName: true,
  type: true,
  online: true,
  address: true,
  newtVersion: true,
  exitNodeId: true,
  exitNodeName: true,
  exitNodeEndpoint: true,
  remoteExitNodeId: true,
  resourceCount: true,
  status: true,
  newtUpdateAvailable: true,
  state: true,
  deviceId: true,
  description: true,
  hardwareId: true,
  labels: true,
  groupIds: true,
  keyId: true,
  keyGeneration: true,
  templateId: true,
  profileId: true,
  claimId: true,
  claimedFrom: true,
  oddities: true,
  agentVersion: true,
  lastSeenAt: true,
  createdAt: true,
  decidedBy: true,
  decidedAt: true,
  decisionNote: true,
  suspendedAt: true,
  revokedAt: true,
  ephemeralSeconds: true,
};

/** Reads of sites, joined with presence, groups and credentials. */
@Injectable()
export class SiteReads {
  async find(em: EntityManager, orgId: string, siteId: number): Promise<{ site: SiteView; version: number } | null> {
    const [row] = await prepared<OneRow & { version: number }>(em, 'site_one', ONE, [orgId, siteId]);
    return row ? { site: toView(row), version: row.version } : null;
  }

  /** One page. By default names ascend, which the index serves whatever the number of sites. @returns also where the next one begins; null: nowhere */
  async page(
    em: EntityManager,
    orgId: string,
    q: ListSitesQuery,
    cut: Cut,
  ): Promise<{ sites: SiteItem[]; next: string | null }> {
    const { text, values } = sitePage(orgId, q, cut);
    const named = isPlain(q) && !cut.cursor;
    const name = ['sites_page', q.status, q.sort_by, q.order, cut.fromEnd ? 'from_end' : undefined].join('_');
    const rows = named
      ? await prepared<ItemRow & { sortKey: string }>(em, name, text, values)
      : await query<ItemRow & { sortKey: string }>(em, text, values);
    const last = rows.length === cut.limit ? rows.at(-1) : undefined;
    return { sites: rows.map(toItem), next: last ? cursorOf(q, last.sortKey, last.siteId) : null };
  }

  /** All matches, by id. */
  whole(em: EntityManager, orgId: string, filter: SiteFilter): ExportSource<SiteItem, number> {
    return {
      name: 'sites',
      columns: EXPORTED,
      page: (after, limit) => this.after(em, orgId, filter, after, limit),
      keyOf: (site) => site.siteId,
    };
  }

  private async after(
    em: EntityManager,
    orgId: string,
    filter: SiteFilter,
    siteId: number | undefined,
    limit: number,
  ): Promise<SiteItem[]> {
    const siteIds = await this.ids(em, orgId, { ...filter, after: siteId ?? 0 }, limit);
    const { text, values } = sitePage(orgId, { siteIds }, { limit, offset: 0 });
    const items = (await query<ItemRow>(em, text, values)).map(toItem);
    return items.sort((one, other) => one.siteId - other.siteId);
  }

  /** The exact number of matches, and how a page of them is found. */
  async extentOf(em: EntityManager, orgId: string, filter: SiteSelection): Promise<{ total: number; how: How }> {
    if (isPlain(filter)) return { total: await this.total(em, orgId, filter), how: undefined };
    const all = await this.total(em, orgId, {});
    // Who is not online is everybody else.
    const total =
      isOnly(filter, 'online') && !filter.online
        ? all - (await this.total(em, orgId, { online: true }))
        : await this.total(em, orgId, filter);
    return { total, how: total * WALKED >= all ? 'walk' : 'collect' };
  }

  /** The exact number of matches: without a filter, or by status alone, from the counters that the site table's triggers keep. */
  async total(em: EntityManager, orgId: string, filter: SiteSelection): Promise<number> {
    const { status } = filter;
    if (isPlain(filter)) {
      const [row] = await prepared<{ n: number }>(
        em,
        'sites_total',
        'SELECT coalesce(sum(n), 0)::bigint AS n FROM site_count WHERE org_id = $1 AND status = ANY($2::text[])',
        [orgId, status ? [status] : ['approved', 'pending']],
      );
      return row!.n;
    }
    const { text, values } = siteCount(orgId, filter);
    const [row] = await query<{ n: number }>(em, text, values);
    return row!.n;
  }

  /** What a filter names must be there: nothing of another organization, or of none, narrows a list. @throws not_found */
  async requireNamed(
    em: EntityManager,
    orgId: string,
    { group, notGroup, keyId, profileId, siteIds, templateId }: SiteSelection,
  ): Promise<void> {
    for (const named of [group, notGroup]) {
      if (named === undefined) continue;
      const [row] = await query<{ yes: boolean }>(
        em,
        `SELECT EXISTS (SELECT FROM site_group g WHERE g.org_id = $1 AND g.${groupColumn(named)} = $2) AS yes`,
        [orgId, named],
      );
      if (!row!.yes) throw notFound('Group');
    }
    if (keyId !== undefined) await this.requireKey(em, orgId, keyId);
    if (profileId !== undefined) await this.requireProfile(em, orgId, profileId);
    if (siteIds !== undefined && (await this.ids(em, orgId, { siteIds }, siteIds.length)).length < siteIds.length)
      throw notFound('Site');
    if (templateId !== undefined) await this.requireTemplate(em, orgId, templateId);
  }

  /** As `requireKey`: sites know the template that they were claimed with when it is gone. */
  private async requireTemplate(em: EntityManager, orgId: string, templateId: number): Promise<void> {
    const [row] = await query<{ yes: boolean }>(
      em,
      `SELECT EXISTS (SELECT FROM provisioning_template WHERE org_id = $1 AND template_id = $2)
         OR EXISTS (SELECT FROM site WHERE org_id = $1 AND template_id = $2) AS yes`,
      [orgId, templateId],
    );
    if (!row!.yes) throw notFound('Provisioning template');
  }

  /** @throws not_found */
  async requireProfile(em: EntityManager, orgId: string, profileId: number): Promise<void> {
    const [row] = await query<{ yes: boolean }>(
      em,
      'SELECT EXISTS (SELECT FROM profile_known WHERE org_id = $1 AND profile_id = $2) AS yes',
      [orgId, profileId],
    );
    if (!row!.yes) throw notFound('Provisioning profile');
  }

  /** A key that was deleted is still known by its sites and claims (docs/claims.md rule 12). @throws not_found */
  async requireKey(em: EntityManager, orgId: string, keyId: string): Promise<void> {
    const [row] = await prepared<{ yes: boolean }>(
      em,
      'provisioning_key_known',
      `SELECT EXISTS (SELECT FROM provisioning_key WHERE org_id = $1 AND key_id = $2) OR EXISTS (SELECT FROM site WHERE org_id = $1 AND key_id = $2)
         OR EXISTS (SELECT FROM claim WHERE org_uid = (SELECT org_uid FROM org WHERE org_id = $1) AND key_id = $2) AS yes`,
      [orgId, keyId],
    );
    if (!row!.yes) throw notFound('Provisioning key');
  }

  /** @returns ids of matches in the order of ids, at most `limit`. */
  async ids(em: EntityManager, orgId: string, filter: SiteSelection, limit: number): Promise<number[]> {
    const { from, where, values, id } = select(orgId, filter, 'site');
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT ${id} AS "siteId" FROM ${from} WHERE ${where} ORDER BY ${id} LIMIT $${values.length + 1}`,
      [...values, limit],
    );
    return rows.map((r) => r.siteId);
  }

  /** How many match, of the `limit` oldest, and the id of the newest of these; 0 when there is none. */
  async extent(
    em: EntityManager,
    orgId: string,
    filter: SiteSelection,
    limit: number | null = null,
  ): Promise<{ total: number; last: number }> {
    const { from, where, values, id } = select(orgId, filter, 'site');
    const [row] = await query<{ total: number; last: number }>(
      em,
      `SELECT count(*) AS total, coalesce(max(f.id), 0) AS last FROM (SELECT ${id} AS id FROM ${from} WHERE ${where} ORDER BY ${id} LIMIT $${values.length + 1}) f`,
      [...values, limit],
    );
    return row!;
  }

  async orgOfSite(em: EntityManager, siteId: number): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'site_org',
      'SELECT org_id AS "orgId" FROM site WHERE site_id = $1',
      [siteId],
    );
    return row?.orgId ?? null;
  }

  async idOfNiceId(em: EntityManager, orgId: string, niceId: string): Promise<number | null> {
    const [row] = await prepared<{ siteId: number }>(
      em,
      'site_by_nice_id',
      'SELECT site_id AS "siteId" FROM site WHERE org_id = $1 AND nice_id = $2',
      [orgId, niceId],
    );
    return row?.siteId ?? null;
  }
}

/** The statement of a page, for tests that look at its plan too. */
export function sitePage(
  orgId: string,
  q: ListSitesQuery & SiteSelection,
  cut: Cut,
): { text: string; values: unknown[] } {
  const [table, column, type] = ORDER[q.sort_by ?? 'name'];
  const { from, where, values, id } = select(orgId, q, table, cut.how);
  const down = q.order === 'desc';
  const direction = (descending: boolean) => (descending ? 'DESC' : 'ASC');
  const param = (value: unknown) => `$${values.push(value)}`;
  const behind = cut.cursor
    ? ` AND (${column}, ${id}) ${down ? '<' : '>'} (${param(cut.cursor.value)}::${type}, ${param(cut.cursor.siteId)}::bigint)`
    : '';
  const way = direction(down !== (cut.fromEnd ?? false));
  const window = `LIMIT ${param(cut.limit)} OFFSET ${param(cut.offset)}`;
  // The page is cut out of the index alone, before rows are fetched, joined and counted: what is skipped is never looked at. As an array,
  // because a plan for any limit takes that for few rows.
  const ids =
    cut.how === 'collect'
      ? `ARRAY(SELECT f.id FROM (SELECT ${id} AS id, ${column} AS key FROM ${from} WHERE ${where}${behind} OFFSET 0) f ORDER BY f.key ${way}, f.id ${way} ${window})`
      : `ARRAY(SELECT ${id} FROM ${from} WHERE ${where}${behind} ORDER BY ${column} ${way}, ${id} ${way} ${window})`;
  const text = `
    SELECT ${COLUMNS}, o.name AS "orgName", (SELECT c.n FROM site_resource_total c WHERE c.site_id = s.site_id) AS "resourceCount", ${column}::text AS "sortKey"
    FROM site s JOIN org o ON o.org_id = s.org_id JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN site_agent a ON a.site_id = s.site_id
    WHERE s.site_id = ANY(${ids}) ORDER BY ${column} ${direction(down)}, s.site_id ${direction(down)}`;
  return { text, values };
}

/** Likewise of the number of matches. */
export function siteCount(orgId: string, filter: SiteSelection): { text: string; values: unknown[] } {
  if (isOnly(filter, 'group') || (isOnly(filter, 'online') && filter.online)) {
    const { ids, values } = alone(orgId, filter);
    return { text: `SELECT count(*) AS n FROM (${ids}) f`, values };
  }
  const { from, where, values } = select(orgId, filter, isOfPresence(filter) ? 'presence' : 'site');
  return { text: `SELECT count(*) AS n FROM ${from} WHERE ${where}`, values };
}

/** Fields of a query that narrow nothing. */
const PAGING = ['limit', 'offset', 'page', 'pageSize', 'sort_by', 'order', 'cursor'];
const narrowing = (filter: SiteSelection) =>
  Object.entries(filter).flatMap(([key, value]) => (value === undefined || PAGING.includes(key) ? [] : [key]));
/** Nothing but the status narrows it: counters and prepared statements serve. */
const isPlain = (filter: SiteSelection) => narrowing(filter).every((key) => key === 'status');
/** Nothing but this narrows it. */
const isOnly = (filter: SiteSelection, name: keyof SiteSelection) => narrowing(filter).join() === name;
const OF_PRESENCE = ['state', 'agentVersion', 'notAgentVersion', 'lastSeenAfter', 'lastSeenBefore'];
const isOfPresence = (filter: SiteSelection) => narrowing(filter).every((key) => OF_PRESENCE.includes(key));
