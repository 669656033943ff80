import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { likeEscape, query, type Window } from '#platform';
import type {
  AccessLogAttributes,
  AccessLogQuery,
  AccessLogView,
  RequestLogAttributes,
  RequestLogQuery,
  RequestLogView,
} from './logs.dto.js';

/** Rows behind which none are counted. */
const COUNTED = 50_000;
/** Rows of which is told what they may be filtered by, and how many of a kind. */
const LOOKED_AT = 10_000;
const VALUES = 100;

/** Whose rows, of which time. */
export interface Period {
  orgId: string;
  orgUid: string;
  from: Date;
  to: Date;
}

/** A place in a log: what follows it is older. */
export interface LogPlace {
  at: Date;
  id: number;
}

type Filter = RequestLogQuery & AccessLogQuery;

const FILTERS: [keyof Filter, string][] = [
  ['action', 'allowed = ?'],
  ['resourceId', 'resource_id = ?'],
  ['actor', 'user_name = ?'],
  ['actorId', 'user_id = ?'],
  ['location', 'country = ?'],
  ['ip', 'address <<= ?::inet'],
  ['requestId', 'request_id = ?'],
  ['method', 'method = ?'],
  ['reason', 'reason = ?'],
  ['host', 'host = ?'],
  ['path', 'path = ?'],
  ['code', 'code = ?'],
  ['siteId', 'site_id = ?'],
  ['type', 'type = ?'],
];

const COMMON = `floor(extract(epoch FROM l.at))::bigint AS timestamp, l.at, $1::text AS "orgId", l.request_id AS "requestId", l.allowed AS action,
  CASE WHEN l.user_id IS NOT NULL THEN 'user' END AS "actorType", l.user_name AS actor, l.user_id AS "actorId", l.resource_id AS "resourceId",
  r.name AS "resourceName", r.nice_id AS "resourceNiceId", NULL::int AS "siteResourceId", host(l.address) AS ip, l.country AS location,
  l.user_agent AS "userAgent", NULL AS metadata`;

const COLUMNS = {
  request_log: `l.request_log_id AS id, ${COMMON}, l.reason, l.method, l.scheme, l.host, l.path, l.query,
  l.scheme || '://' || l.host || l.path || coalesce('?' || l.query, '') AS "originalRequestURL", l.tls, NULL AS headers, l.status, l.code,
  l.rule_id AS "ruleId", l.authentication, l.site_id AS "siteId", l.target_id AS "targetId", l.bytes_in AS "bytesIn", l.bytes_out AS "bytesOut",
  l.duration_ms AS "durationMs"`,
  access_log: `l.access_log_id AS id, ${COMMON}, l.type`,
};
export type LogTable = keyof typeof COLUMNS;

const SEARCHED: Record<LogTable, string> = { request_log: 'path', access_log: 'user_name' };

interface Of {
  request_log: { row: RequestLogView; attributes: RequestLogAttributes };
  access_log: { row: AccessLogView; attributes: AccessLogAttributes };
}

/** Reads of both logs, newest first, by an index that begins with organization and time; names are those that resources have now. */
@Injectable()
export class LogReadsRepository {
  /** @param behind a place in the log, from where the window counts */
  async list<Table extends LogTable>(
    em: EntityManager,
    table: Table,
    period: Period,
    filter: Filter,
    window: Window,
    behind?: LogPlace,
  ): Promise<Of[Table]['row'][]> {
    const { where, values } = conditions(table, period, filter);
    const id = `${table}_id`;
    const place = behind ? ` AND (at, ${id}) < ($${values.push(behind.at)}, $${values.push(behind.id)})` : '';
    return query<Of[Table]['row']>(
      em,
      `SELECT ${COLUMNS[table]} FROM (SELECT * FROM ${table} WHERE ${where}${place} ORDER BY at DESC, ${id} DESC LIMIT ${window.limit} OFFSET ${window.offset}) l
         LEFT JOIN resource r ON r.resource_id = l.resource_id AND r.org_id = $1 ORDER BY l.at DESC, l.${id} DESC`,
      values,
    );
  }

  /** Up to 50,000. */
  async count(em: EntityManager, table: LogTable, period: Period, filter: Filter): Promise<number> {
    const { where, values } = conditions(table, period, filter);
    const [row] = await query<{ total: number }>(
      em,
      `SELECT count(*) AS total FROM (SELECT $1::text FROM ${table} WHERE ${where} LIMIT ${COUNTED}) l`,
      values,
    );
    return row!.total;
  }

  /** What the newest rows of a period may be filtered by. */
  async attributes<Table extends LogTable>(
    em: EntityManager,
    table: Table,
    period: Period,
  ): Promise<Of[Table]['attributes']> {
    const { where, values } = conditions(table, period, {});
    const columns = {
      actors: 'user_name',
      locations: 'country',
      ...(table === 'request_log' ? { hosts: 'host', paths: 'path' } : {}),
    };
    const lists = Object.entries(columns).map(
      ([name, column]) =>
        `(SELECT coalesce(json_agg(v ORDER BY v), '[]') FROM (SELECT DISTINCT ${column} AS v FROM newest WHERE ${column} IS NOT NULL LIMIT ${VALUES}) d) AS ${name}`,
    );
    const [row] = await query<Of[Table]['attributes']>(
      em,
      `WITH newest AS MATERIALIZED (SELECT resource_id, ${Object.values(columns).join(', ')} FROM ${table} WHERE ${where} ORDER BY at DESC, ${table}_id DESC LIMIT ${LOOKED_AT})
       SELECT ${lists.join(', ')}, (SELECT coalesce(json_agg(json_build_object('id', d.resource_id, 'name', r.name) ORDER BY r.name, d.resource_id), '[]')
         FROM (SELECT DISTINCT resource_id FROM newest LIMIT ${VALUES}) d LEFT JOIN resource r ON r.resource_id = d.resource_id AND r.org_id = $1) AS resources`,
      values,
    );
    return row!;
  }
}

/** $1 is the id of the organization, by which names are looked up. */
function conditions(table: LogTable, period: Period, filter: Filter): { where: string; values: unknown[] } {
  const values: unknown[] = [period.orgId, period.orgUid, period.from, period.to];
  const parts = ['org_uid = $2', 'at >= $3', 'at < $4'];
  for (const [name, condition] of FILTERS)
    if (filter[name] !== undefined) parts.push(condition.replaceAll('?', `$${values.push(filter[name])}`));
  const { status } = filter;
  if (status?.endsWith('xx')) {
    const first = Number(status[0]) * 100;
    parts.push(`status BETWEEN $${values.push(first)} AND $${values.push(first + 99)}`);
  } else if (status !== undefined) parts.push(`status = $${values.push(Number(status))}`);
  if (filter.query)
    parts.push(`lower(${SEARCHED[table]}) LIKE lower($${values.push(`%${likeEscape(filter.query)}%`)})`);
  return { where: parts.join(' AND '), values };
}
