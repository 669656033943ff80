import { isIPv4, isIPv6 } from 'node:net';
import { SITE_STATES } from '#contracts';
import { likeEscape } from '#platform';
import type { SiteFilter } from './sites.dto.js';

/**
 * A filter as other modules narrow it further. `awaiting`: pending and never approved, so not suspended; `after`, `upTo`: by id, the
 * one excluded, the other included; `credential`: not revoked, with a current credential that is of this kind or authority, or expires before that.
 */
export type SiteSelection = SiteFilter & {
  awaiting?: true;
  after?: number;
  upTo?: number;
  siteIds?: number[];
  credential?: { kind?: string | undefined; caId?: string | undefined; expiresBefore?: string | undefined };
};

/** Which tables a condition is about; `either`: the id alone, which both have. */
type About = 'site' | 'presence' | 'either';

/**
 * How matches are found. `walk`: in the order of an index, each row tested by itself, for filters that let much of a list through; `collect`: all
 * that match, whichever way is shortest, and then sorted. undefined: as the planner likes, where the order is that of ids or there is none.
 * A planner that has the choice takes a few thousand matches for too many to collect and a fifth of all for too few to walk, or the reverse.
 */
export type How = 'walk' | 'collect' | undefined;

/** `FROM … WHERE …` of a selection, as SQL: from the site, its presence, or both, whichever the conditions and the order need. */
export interface Selected {
  from: string;
  where: string;
  values: unknown[];
  /** The column of the site's id. */
  id: string;
}

/**
 * Every value is a parameter; the text depends only on which filters are there.
 * @param order the table that the result is sorted by
 */
export function select(orgId: string, f: SiteSelection, order: 'site' | 'presence', how?: How): Selected {
  const values: unknown[] = [orgId];
  const param = (value: unknown) => `$${values.push(value)}`;
  const parts: Part[] = [...ofSite(f, param, how), ...ofPresence(f, param), ...ofEither(f, param, how)];
  if (how === 'walk') return walked(parts, values, order);
  const needs = (table: 'site' | 'presence') => order === table || parts.some(([about]) => about === table);
  const [site, presence] = [needs('site'), needs('presence')];
  const id = site ? 's.site_id' : 'p.site_id';
  return {
    from:
      site && presence ? 'site s JOIN site_presence p ON p.site_id = s.site_id' : site ? 'site s' : 'site_presence p',
    where: [
      ...(site ? ['s.org_id = $1'] : []),
      ...(presence ? ['p.org_id = $1'] : []),
      ...parts.map(([, text]) => text(id)),
    ].join(' AND '),
    values,
    id,
  };
}

/** From the table of the order alone: what is about the other one is asked of each row, as a subquery that no planner makes a join of (OFFSET). */
function walked(parts: Part[], values: unknown[], order: 'site' | 'presence'): Selected {
  const [own, other] = order === 'site' ? ['s', 'p'] : ['p', 's'];
  const id = `${own}.site_id`;
  const texts = (...abouts: About[]) => parts.filter(([about]) => abouts.includes(about)).map(([, text]) => text(id));
  const there = texts(order === 'site' ? 'presence' : 'site');
  const table = order === 'site' ? 'site_presence p' : 'site s';
  const elsewhere =
    there.length > 0
      ? [`EXISTS (SELECT FROM ${table} WHERE ${[`${other}.site_id = ${id}`, ...there].join(' AND ')} OFFSET 0)`]
      : [];
  return {
    from: order === 'site' ? 'site s' : 'site_presence p',
    where: [`${own}.org_id = $1`, ...texts(order, 'either'), ...elsewhere].join(' AND '),
    values,
    id,
  };
}

type Part = [About, (id: string) => string];
type Param = (value: unknown) => string;
/** Keeps a subquery what it is. */
const fence = (how: How) => (how === 'walk' ? ' OFFSET 0' : '');

function ofSite(f: SiteSelection, param: Param, how: How): Part[] {
  const parts: Part[] = [];
  const add = (text: string) => parts.push(['site', () => text]);
  // As a literal, so that the planner sees that the index of pending sites serves.
  if (f.status) add(`s.status = '${f.status === 'pending' ? 'pending' : 'approved'}'`);
  if (f.awaiting) add(`s.status = 'pending' AND s.suspended_at IS NULL`);
  if (f.keyId !== undefined) add(`s.key_id = ${param(f.keyId)}`);
  if (f.generation !== undefined) add(`s.key_generation = ${param(f.generation)}::bigint`);
  if (f.profileId !== undefined) add(`s.profile_id = ${param(f.profileId)}`);
  if (f.templateId !== undefined) add(`s.template_id = ${param(f.templateId)}`);
  if (f.hardwareId !== undefined) add(`s.hardware_id = ${param(f.hardwareId)}`);
  if (f.createdAfter !== undefined) add(`s.created_at >= ${param(f.createdAfter)}::timestamptz`);
  if (f.createdBefore !== undefined) add(`s.created_at < ${param(f.createdBefore)}::timestamptz`);
  for (const label of f.label ?? []) {
    const { key, value } = pair(label);
    if (value === undefined) add(`jsonb_exists(s.labels, ${param(key)})`);
    else add(`s.labels <> '{}' AND s.labels @> ${param(JSON.stringify({ [key]: value }))}::jsonb`);
  }
  for (const label of f.notLabel ?? []) {
    const { key, value } = pair(label);
    if (value === undefined) add(`NOT jsonb_exists(s.labels, ${param(key)})`);
    else add(`NOT s.labels @> ${param(JSON.stringify({ [key]: value }))}::jsonb`);
  }
  if (f.labelled !== undefined) add(`s.labels ${f.labelled ? '<>' : '='} '{}'`);
  if (f.odd !== undefined) add(`s.oddities ${f.odd ? '<>' : '='} '{}'`);
  if (f.oddity !== undefined) add(`s.oddities <> '{}' AND ${param(f.oddity)} = ANY (s.oddities)`);
  if (f.online === false)
    add(
      `s.type <> 'local' AND NOT EXISTS (SELECT FROM site_presence o WHERE o.site_id = s.site_id AND o.session_id IS NOT NULL${fence(how)})`,
    );
  if (f.credential) add('s.revoked_at IS NULL');
  return parts;
}

function ofPresence(f: SiteSelection, param: Param): Part[] {
  const parts: Part[] = [];
  const add = (text: string) => parts.push(['presence', () => text]);
  // As a literal, whose frequency the planner knows.
  if (f.state) add(`p.state = '${SITE_STATES.find((one) => one === f.state)}'`);
  // There is one text of it for each version.
  if (f.agentVersion !== undefined) add(`p.version_order = version_order(${param(f.agentVersion)})`);
  if (f.notAgentVersion !== undefined) add(`p.agent_version NOT IN ('', ${param(f.notAgentVersion)})`);
  // One that is online is seen now.
  if (f.lastSeenAfter !== undefined) add(`p.seen_order >= ${param(f.lastSeenAfter)}::timestamptz`);
  if (f.lastSeenBefore !== undefined)
    add(`p.seen_order > '-infinity' AND p.seen_order < ${param(f.lastSeenBefore)}::timestamptz`);
  return parts;
}

function ofEither(f: SiteSelection, param: Param, how: How): Part[] {
  const parts: Part[] = [];
  const add = (text: (id: string) => string) => parts.push(['either', text]);
  const among = (ids: string, not = '') =>
    add((id) =>
      how === 'walk'
        ? `${not} EXISTS (SELECT FROM (${ids}) f WHERE f.site_id = ${id} OFFSET 0)`
        : `${id} ${not} IN (${ids})`,
    );
  if (f.after !== undefined) {
    const after = param(f.after);
    add((id) => `${id} > ${after}`);
  }
  if (f.upTo !== undefined) {
    const upTo = param(f.upTo);
    add((id) => `${id} <= ${upTo}`);
  }
  if (f.siteIds !== undefined) {
    const ids = param(f.siteIds);
    add((id) => `${id} = ANY (${ids}::bigint[])`);
  }
  if (f.group !== undefined) among(members(f.group, param));
  if (f.notGroup !== undefined) among(members(f.notGroup, param), 'NOT');
  if (f.online) among(ONLINE);
  if (f.network !== undefined) among(from(param(f.network)));
  if (f.bundleState !== undefined)
    among(`SELECT b.site_id FROM site_bundle_state b WHERE b.org_id = $1 AND b.state = ${param(f.bundleState)}`);
  if (f.credentialExpiresBefore !== undefined)
    among(
      `SELECT c.site_id FROM site_credential c WHERE c.org_id = $1 AND ${CURRENT} AND c.expires_at < ${param(f.credentialExpiresBefore)}::timestamptz`,
    );
  if (f.credential) {
    const { kind, caId, expiresBefore } = f.credential;
    let which = CURRENT;
    if (kind !== undefined) which += ` AND c.kind = ${param(kind)}`;
    if (caId !== undefined) which += ` AND c.ca_id = ${param(caId)}`;
    if (expiresBefore !== undefined) which += ` AND c.expires_at < ${param(expiresBefore)}::timestamptz`;
    add((id) => `EXISTS (SELECT FROM site_credential c WHERE c.site_id = ${id} AND ${which})`);
  }
  if (f.query) among(matching(f.query, param));
  return parts;
}

const members = (group: string, param: Param) =>
  `SELECT m.site_id FROM site_group g JOIN site_group_member m ON m.group_id = g.group_id WHERE g.org_id = $1 AND g.${groupColumn(group)} = ${param(group)}`;

/** Each once. Two arms rather than one OR: those that are online are found by the indexes of those that are. */
const ONLINE = `SELECT o.site_id FROM site_presence o WHERE o.org_id = $1 AND o.seen_order = 'infinity'
  UNION ALL SELECT l.site_id FROM site l WHERE l.org_id = $1 AND l.type = 'local'`;

/** What a filter by a group or by `online` alone lets through, each site once, for counts: sites themselves need not be looked at. */
export function alone(orgId: string, { group, online }: SiteSelection): { ids: string; values: unknown[] } {
  const values: unknown[] = [orgId];
  const param = (value: unknown) => `$${values.push(value)}`;
  return { ids: group !== undefined && !online ? members(group, param) : ONLINE, values };
}

const CURRENT = `c.stage = 'current' AND c.revoked_at IS NULL`;

/** Sites whose agent connected last, or which were claimed, from a network. */
const from = (network: string) => `
  SELECT o.site_id FROM site_presence o WHERE o.org_id = $1 AND o.address <<= network(${network}::inet)
  UNION ALL SELECT l.site_id FROM site l WHERE l.org_id = $1 AND l.claimed_from <<= network(${network}::inet)`;

/** Each arm has an index of its own; what reads like an address is looked for as one too. */
function matching(text: string, param: Param): string {
  const like = param(`%${likeEscape(text)}%`);
  const network = networkTyped(text);
  return [
    `SELECT q.site_id FROM site q WHERE q.org_id = $1 AND (q.name ILIKE ${like} OR q.nice_id ILIKE ${like} OR q.hardware_id ILIKE ${like} OR q.description ILIKE ${like})`,
    `SELECT c.site_id FROM site_credential c WHERE c.org_id = $1 AND c.revoked_at IS NULL AND c.newt_id ILIKE ${like}`,
    `SELECT a.site_id FROM site_agent a WHERE a.org_id = $1 AND a.agent_facts->>'hostname' ILIKE ${like}`,
    ...(network ? [from(param(network))] : []),
  ].join(' UNION ALL ');
}

/** `203.0.113.7`, or at least two leading octets of it: 203.0 is 203.0.0.0/16; an IPv6 address as a whole. */
export function networkTyped(text: string): string | undefined {
  if (isIPv6(text)) return `${text}/128`;
  const octets = /^\d{1,3}(?:\.\d{1,3}){1,3}\.?$/.test(text) ? text.split('.').filter(Boolean) : [];
  const address = [...octets, '0', '0'].slice(0, 4).join('.');
  return octets.length > 0 && isIPv4(address) ? `${address}/${octets.length * 8}` : undefined;
}

/** A group's name is never of digits alone. */
export const groupColumn = (group: string) => (/^\d{1,15}$/.test(group) ? 'group_id' : 'name');

/** `key=value`, or a key alone. */
function pair(label: string): { key: string; value?: string } {
  const at = label.indexOf('=');
  return at < 0 ? { key: label } : { key: label.slice(0, at), value: label.slice(at + 1) };
}
