import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SITE_STATES } from '#contracts';
import { type Columns, type ExportSource, likeEscape, notFound, prepared, query, type Window } from '#platform';
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

/**
 * A filter as other modules narrow it further. `awaiting`: pending and never approved, so not suspended; `after`, `upTo`: by id, the
 * one excluded, the other included; `credential`: not revoked, with a current credential that is of this kind or authority, or expires before that.
 */
export type SiteSelection = SiteFilter & {
  awaiting?: true;
  after?: number;
  upTo?: number;
  siteIds?: number[];
  templateId?: number;
  credential?: { kind?: string | undefined; caId?: string | undefined; expiresBefore?: string | undefined };
};

const ORDER = { name: 's.name', megabytesIn: 's.megabytes_in', megabytesOut: 's.megabytes_out' } as const;

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
  hardwareId: true,
  labels: true,
  groupIds: true,
  keyId: true,
  keyGeneration: true,
  templateId: true,
  profileId: true,
  claimId: true,
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

  /** One page. By default names ascend, which the index serves whatever the number of sites. */
  async page(em: EntityManager, orgId: string, q: ListSitesQuery, window: Window): Promise<SiteItem[]> {
    const { text, values } = sitePage(orgId, q, window);
    return (await read<ItemRow>(em, q, 'sites_page', text, values)).map(toItem);
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
    { group, keyId, profileId, siteIds, templateId }: SiteSelection,
  ): Promise<void> {
    if (group !== undefined) {
      const [row] = await query<{ yes: boolean }>(
        em,
        `SELECT EXISTS (SELECT FROM site_group g WHERE g.org_id = $1 AND g.${groupColumn(group)} = $2) AS yes`,
        [orgId, group],
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
    const { where, values } = conditions(orgId, filter);
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT s.site_id AS "siteId" FROM site s WHERE ${where} ORDER BY s.site_id LIMIT $${values.length + 1}`,
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
    const { where, values } = conditions(orgId, filter);
    const [row] = await query<{ total: number; last: number }>(
      em,
      limit === null
        ? `SELECT count(*) AS total, coalesce(max(s.site_id), 0) AS last FROM site s WHERE ${where}`
        : `SELECT count(*) AS total, coalesce(max(site_id), 0) AS last FROM (SELECT s.site_id FROM site s WHERE ${where} ORDER BY s.site_id LIMIT $${values.length + 1}) f`,
      limit === null ? values : [...values, limit],
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
  window: Window,
): { text: string; values: unknown[] } {
  const { where, values } = conditions(orgId, q);
  const direction = q.order === 'desc' ? 'DESC' : 'ASC';
  const order = `ORDER BY ${ORDER[q.sort_by ?? 'name']} ${direction}, s.site_id ${direction}`;
  // The page is cut out of the index alone, before rows are fetched, joined and counted: what is skipped is never looked at. As an array,
  // because a plan for any limit takes that for few rows.
  const ids = `ARRAY(SELECT s.site_id FROM site s WHERE ${where} ${order} LIMIT $${values.length + 1} OFFSET $${values.length + 2})`;
  const text = `
    SELECT ${COLUMNS}, o.name AS "orgName", (SELECT c.n FROM site_resource_total c WHERE c.site_id = s.site_id) AS "resourceCount"
    FROM site s JOIN org o ON o.org_id = s.org_id JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN site_agent a ON a.site_id = s.site_id
    WHERE s.site_id = ANY(${ids}) ${order}`;
  return { text, values: [...values, window.limit, window.offset] };
}

/** Likewise of the number of matches. */
export function siteCount(orgId: string, filter: SiteSelection): { text: string; values: unknown[] } {
  const { where, values } = conditions(orgId, filter);
  return { text: `SELECT count(*) AS n FROM site s WHERE ${where}`, values };
}

const NARROWING: (keyof SiteSelection)[] = [
  'awaiting',
  'after',
  'upTo',
  'siteIds',
  'templateId',
  'credential',
  'group',
  'label',
  'keyId',
  'profileId',
  'hardwareId',
  'agentVersion',
  'state',
  'online',
  'query',
];
const isPlain = (filter: SiteSelection) => NARROWING.every((key) => filter[key] === undefined);

/** Lists without a filter are prepared; filters are planned by their values. */
function read<Row extends object>(
  em: EntityManager,
  q: ListSitesQuery,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return isPlain(q)
    ? prepared<Row>(em, [name, q.status, q.sort_by, q.order].join('_'), text, values)
    : query<Row>(em, text, values);
}

/** Every value is a parameter; the text depends only on which filters are there. */
function conditions(orgId: string, f: SiteSelection): { where: string; values: unknown[] } {
  const values: unknown[] = [orgId];
  const parts = ['s.org_id = $1'];
  const add = (value: unknown, part: (parameter: string) => string) => parts.push(part(`$${values.push(value)}`));
  // As a literal, so that the planner sees that the index of pending sites serves.
  if (f.status) parts.push(`s.status = '${f.status === 'pending' ? 'pending' : 'approved'}'`);
  if (f.awaiting) parts.push(`s.status = 'pending' AND s.suspended_at IS NULL`);
  if (f.after !== undefined) add(f.after, (p) => `s.site_id > ${p}`);
  if (f.upTo !== undefined) add(f.upTo, (p) => `s.site_id <= ${p}`);
  if (f.keyId !== undefined) add(f.keyId, (p) => `s.key_id = ${p}`);
  if (f.profileId !== undefined) add(f.profileId, (p) => `s.profile_id = ${p}`);
  if (f.siteIds !== undefined) add(f.siteIds, (p) => `s.site_id = ANY (${p}::bigint[])`);
  if (f.templateId !== undefined) add(f.templateId, (p) => `s.template_id = ${p}`);
  if (f.credential) {
    const { kind, caId, expiresBefore } = f.credential;
    let which = `c.site_id = s.site_id AND c.stage = 'current' AND c.revoked_at IS NULL`;
    if (kind !== undefined) which += ` AND c.kind = $${values.push(kind)}`;
    if (caId !== undefined) which += ` AND c.ca_id = $${values.push(caId)}`;
    if (expiresBefore !== undefined) which += ` AND c.expires_at < $${values.push(expiresBefore)}::timestamptz`;
    parts.push(`s.revoked_at IS NULL AND EXISTS (SELECT FROM site_credential c WHERE ${which})`);
  }
  if (f.hardwareId !== undefined) add(f.hardwareId, (p) => `s.hardware_id = ${p}`);
  if (f.agentVersion !== undefined)
    add(
      f.agentVersion,
      (p) => `s.site_id IN (SELECT a.site_id FROM site_agent a WHERE a.org_id = $1 AND a.agent_version = ${p})`,
    );
  for (const label of f.label ?? [])
    add(JSON.stringify(pair(label)), (p) => `s.labels <> '{}' AND s.labels @> ${p}::jsonb`);
  if (f.group !== undefined) {
    const column = groupColumn(f.group);
    add(
      f.group,
      (p) =>
        `s.site_id IN (SELECT m.site_id FROM site_group g JOIN site_group_member m ON m.group_id = g.group_id WHERE g.org_id = $1 AND g.${column} = ${p})`,
    );
  }
  if (f.query) add(`%${likeEscape(f.query)}%`, (p) => `(s.name ILIKE ${p} OR s.nice_id ILIKE ${p})`);
  // As a literal, whose frequency the planner knows.
  if (f.state)
    parts.push(
      `s.site_id IN (SELECT p.site_id FROM site_presence p WHERE p.org_id = $1 AND p.state = '${SITE_STATES.find((one) => one === f.state)}')`,
    );
  if (f.online) {
    // Two arms rather than one OR: those that are online are found by the indexes of those that are.
    parts.push(`s.site_id IN (
      SELECT p.site_id FROM site_presence p WHERE p.org_id = $1 AND p.seen_order = 'infinity' UNION ALL SELECT l.site_id FROM site l WHERE l.org_id = $1 AND l.type = 'local')`);
  }
  if (f.online === false)
    parts.push(
      `s.type <> 'local' AND NOT EXISTS (SELECT FROM site_presence p WHERE p.site_id = s.site_id AND p.session_id IS NOT NULL)`,
    );
  return { where: parts.join(' AND '), values };
}

/** A group's name is never of digits alone. */
const groupColumn = (group: string) => (/^\d{1,15}$/.test(group) ? 'group_id' : 'name');

function pair(label: string): Record<string, string> {
  const at = label.indexOf('=');
  return { [label.slice(0, at)]: label.slice(at + 1) };
}
