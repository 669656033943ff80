import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared } from '#platform';
import { type LoginEntry, type RequestEntry, reasonOf } from './entries.js';

/** A request as it is written. */
export interface LoggedRequest extends RequestEntry {
  orgId: string;
  resourceId: number;
  /** Masked. */
  query: string | null;
  allowed: boolean;
}

/** What a resource had in an hour, of visitors from one country. */
export interface TrafficHour {
  orgId: string;
  resourceId: number;
  /** Its beginning, in milliseconds since 1970. */
  hour: number;
  country: string;
  requests: number;
  blocked: number;
  clientErrors: number;
  serverErrors: number;
  bytesIn: number;
  bytesOut: number;
}

type Kind = 'text' | 'bigint' | 'int' | 'boolean' | 'timestamptz' | 'inet';

/** A column of a statement: its name, its type, and its value in a row. */
type Column<Row> = [name: string, kind: Kind, of: (row: Row) => string | number | boolean | null];

const at = (ms: number) => new Date(ms).toISOString();

const REQUEST: Column<LoggedRequest>[] = [
  ['org_id', 'text', (r) => r.orgId],
  ['at', 'timestamptz', (r) => at(r.time)],
  ['request_id', 'text', (r) => r.requestId],
  ['resource_id', 'bigint', (r) => r.resourceId],
  ['site_id', 'bigint', (r) => r.siteId],
  ['target_id', 'bigint', (r) => r.targetId],
  ['host', 'text', (r) => r.host],
  ['scheme', 'text', (r) => r.scheme],
  ['method', 'text', (r) => r.method],
  ['path', 'text', (r) => r.path],
  ['query', 'text', (r) => r.query],
  ['status', 'int', (r) => r.status],
  ['code', 'text', (r) => r.code],
  ['allowed', 'boolean', (r) => r.allowed],
  ['reason', 'int', reasonOf],
  ['rule_id', 'bigint', ({ decidedBy: by }) => (by && 'ruleId' in by ? by.ruleId : null)],
  ['authentication', 'text', ({ decidedBy: by }) => (by && 'authentication' in by ? by.authentication : null)],
  ['bytes_in', 'bigint', (r) => r.bytesIn],
  ['bytes_out', 'bigint', (r) => r.bytesOut],
  ['duration_ms', 'int', (r) => Math.round(r.durationMs)],
  ['address', 'inet', (r) => r.address],
  ['user_id', 'text', (r) => r.user?.id ?? null],
  ['user_name', 'text', (r) => r.user?.name ?? null],
  ['user_agent', 'text', (r) => r.userAgent],
  ['tls', 'boolean', (r) => r.tls],
  ['country', 'text', (r) => r.country],
];

const LOGIN: Column<LoginEntry>[] = [
  ['org_id', 'text', (r) => r.orgId],
  ['at', 'timestamptz', (r) => at(r.time)],
  ['request_id', 'text', (r) => r.requestId],
  ['resource_id', 'bigint', (r) => r.resourceId],
  ['type', 'text', (r) => r.type],
  ['allowed', 'boolean', (r) => r.allowed],
  ['user_id', 'text', (r) => r.user?.id ?? null],
  ['user_name', 'text', (r) => r.user?.name ?? null],
  ['address', 'inet', (r) => r.address],
  ['user_agent', 'text', (r) => r.userAgent],
  ['country', 'text', (r) => r.country],
];

const TRAFFIC: Column<TrafficHour>[] = [
  ['org_id', 'text', (r) => r.orgId],
  ['resource_id', 'bigint', (r) => r.resourceId],
  ['hour', 'timestamptz', (r) => at(r.hour)],
  ['country', 'text', (r) => r.country],
  ['requests', 'bigint', (r) => r.requests],
  ['blocked', 'bigint', (r) => r.blocked],
  ['client_errors', 'bigint', (r) => r.clientErrors],
  ['server_errors', 'bigint', (r) => r.serverErrors],
  ['bytes_in', 'bigint', (r) => r.bytesIn],
  ['bytes_out', 'bigint', (r) => r.bytesOut],
];

/** The columns of a table that are given, which are all but the organization. */
const given = <Row>(columns: Column<Row>[]): string =>
  columns
    .slice(1)
    .map(([name]) => name)
    .join(', ');

const rowsOf = <Row>(columns: Column<Row>[]): string =>
  `unnest(${columns.map(([, kind], i) => `$${i + 1}::${kind}[]`).join(', ')}) WITH ORDINALITY AS e (${columns.map(([name]) => name).join(', ')}, place)`;

/** The organization of a row: what has its id and was there by then, if it wants the log. */
const orgIf = (condition: string, then: string) =>
  `JOIN org o ON o.org_id = e.org_id AND o.created_at <= ${then} AND ${condition}`;

// In the order in which they came, which is that of their ids.
const ADD_REQUESTS = `INSERT INTO request_log (org_uid, ${given(REQUEST)}) SELECT o.org_uid, ${given(REQUEST).replace(/\w+/g, 'e.$&')}
  FROM ${rowsOf(REQUEST)} ${orgIf('o.log_retention_days_request <> 0', 'e.at')} ORDER BY e.place`;
const ADD_LOGINS = `INSERT INTO access_log (org_uid, ${given(LOGIN)}) SELECT o.org_uid, ${given(LOGIN).replace(/\w+/g, 'e.$&')}
  FROM ${rowsOf(LOGIN)} ${orgIf('o.log_retention_days_access <> 0', 'e.at')} ORDER BY e.place`;
// In one order everywhere, so that server processes cannot deadlock.
const ADD_TRAFFIC = `INSERT INTO traffic_hour AS t (org_uid, ${given(TRAFFIC)}) SELECT o.org_uid, ${given(TRAFFIC).replace(/\w+/g, 'e.$&')}
  FROM ${rowsOf(TRAFFIC)} ${orgIf('true', `e.hour + interval '1 hour'`)} ORDER BY o.org_uid, e.resource_id, e.hour, e.country
  ON CONFLICT (org_uid, resource_id, hour, country) DO UPDATE SET ${TRAFFIC.slice(4)
    .map(([name]) => `${name} = t.${name} + excluded.${name}`)
    .join(', ')}`;

/** Arrays as PostgreSQL reads them: the driver makes the same at ten times the price or more, and there are some for each request. */
function arraysOf<Row>(columns: Column<Row>[], rows: readonly Row[]): string[] {
  return columns.map(([, , of]) => {
    let text = '';
    // Most columns say the same again and again.
    let last: ReturnType<typeof of> | undefined;
    let element = '';
    for (const row of rows) {
      const value = of(row);
      if (value !== last) {
        last = value;
        element = elementOf(value);
      }
      text += text === '' ? element : `,${element}`;
    }
    return `{${text}}`;
  });
}

function elementOf(value: string | number | boolean | null): string {
  if (typeof value === 'string') return `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`;
  return value === null ? 'NULL' : String(value);
}

/** All SQL that writes what goes through the edge. */
@Injectable()
export class LogWritesRepository {
  /** Of organizations that want it; one that is gone has no log. */
  async addRequests(em: EntityManager, rows: readonly LoggedRequest[]): Promise<void> {
    await prepared(em, 'request_log_add', ADD_REQUESTS, arraysOf(REQUEST, rows));
  }

  async addLogins(em: EntityManager, rows: readonly LoginEntry[]): Promise<void> {
    await prepared(em, 'access_log_add', ADD_LOGINS, arraysOf(LOGIN, rows));
  }

  async addTraffic(em: EntityManager, rows: readonly TrafficHour[]): Promise<void> {
    await prepared(em, 'traffic_hour_add', ADD_TRAFFIC, arraysOf(TRAFFIC, rows));
  }

  /** Deletes requests that are older than their organization, or RETENTION_DAYS, lets them be. @returns how many */
  expireRequests(em: EntityManager, days: number, limit: number): Promise<number> {
    return expire(em, 'request_log', 'at', 'o.log_retention_days_request', days, limit);
  }

  expireLogins(em: EntityManager, days: number, limit: number): Promise<number> {
    return expire(em, 'access_log', 'at', 'o.log_retention_days_access', days, limit);
  }

  expireTraffic(em: EntityManager, days: number, limit: number): Promise<number> {
    return expire(em, 'traffic_hour', 'hour', '-1', days, limit);
  }
}

/**
 * Organization by organization from the oldest row on, by an index that begins with both: nothing that stays is read. Rows of one that is gone
 * go at once.
 * @param own SQL: the days of the organization `o`; less than 0 is as long as the installation keeps anything
 */
function expire(
  em: EntityManager,
  table: 'request_log' | 'access_log' | 'traffic_hour',
  time: string,
  own: string,
  days: number,
  limit: number,
): Promise<number> {
  return execute(
    em,
    `WITH RECURSIVE present AS (
       (SELECT org_uid FROM ${table} ORDER BY org_uid LIMIT 1)
       UNION ALL
       SELECT (SELECT l.org_uid FROM ${table} l WHERE l.org_uid > p.org_uid ORDER BY l.org_uid LIMIT 1) FROM present p WHERE p.org_uid IS NOT NULL
     )
     DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
       SELECT old.ctid FROM present p LEFT JOIN org o ON o.org_uid = p.org_uid
         CROSS JOIN LATERAL (SELECT CASE WHEN o.org_uid IS NULL THEN 0 WHEN ${own} < 0 THEN $1::int ELSE least(${own}, $1::int) END AS days) kept
         CROSS JOIN LATERAL (SELECT l.ctid FROM ${table} l WHERE l.org_uid = p.org_uid AND l.${time} < now() - make_interval(days => kept.days)
           ORDER BY l.${time} LIMIT $2 FOR UPDATE SKIP LOCKED) old
       WHERE p.org_uid IS NOT NULL LIMIT $2))`,
    [days, limit],
  );
}
