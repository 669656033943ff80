import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { copyRow, copyRows, execute, prepared } from '#platform';
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

/** A row that waits to be written: one text, so that little is kept of a request that is over. */
export interface LogRow {
  orgId: string;
  time: number;
  /** As COPY takes it, without the organization. */
  text: string;
}

// Many come in the same millisecond.
let lastMs = Number.NaN;
let lastText = '';
function at(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

/** In the order of `REQUEST_COLUMNS`. */
export const requestRow = (r: LoggedRequest): LogRow => ({
  orgId: r.orgId,
  time: r.time,
  text: copyRow([
    at(r.time),
    r.requestId,
    r.resourceId,
    r.siteId,
    r.targetId,
    r.host,
    r.scheme,
    r.method,
    r.path,
    r.query,
    r.status,
    r.code,
    r.allowed,
    reasonOf(r),
    r.decidedBy && 'ruleId' in r.decidedBy ? r.decidedBy.ruleId : null,
    r.decidedBy && 'authentication' in r.decidedBy ? r.decidedBy.authentication : null,
    r.bytesIn,
    r.bytesOut,
    Math.round(r.durationMs),
    r.address,
    r.user?.id ?? null,
    r.user?.name ?? null,
    r.userAgent,
    r.tls,
    r.country,
  ]),
});
const REQUEST_COLUMNS = `at, request_id, resource_id, site_id, target_id, host, scheme, method, path, query, status, code, allowed, reason, rule_id,
  authentication, bytes_in, bytes_out, duration_ms, address, user_id, user_name, user_agent, tls, country`;

/** In the order of `LOGIN_COLUMNS`. */
const loginRow = ({ orgId, time, user, ...login }: LoginEntry): LogRow => ({
  orgId,
  time,
  text: copyRow([
    at(time),
    login.requestId,
    login.resourceId,
    login.type,
    login.allowed,
    user?.id ?? null,
    user?.name ?? null,
    login.address,
    login.userAgent,
    login.country,
  ]),
});
const LOGIN_COLUMNS = 'at, request_id, resource_id, type, allowed, user_id, user_name, address, user_agent, country';

/** How rows of a log are added: who of some organizations wants them, and since when it is there, and then all at once. */
const added = (table: string, columns: string, days: string) => ({
  name: `${table}_orgs`,
  // Times of rows are whole milliseconds.
  orgs: `SELECT org_id AS "orgId", org_uid AS "orgUid", ceil(extract(epoch FROM created_at) * 1000)::bigint AS since FROM org
  WHERE org_id = ANY ($1::text[]) AND ${days} <> 0`,
  copy: `COPY ${table} (${columns}, org_uid) FROM STDIN`,
});
type Added = ReturnType<typeof added>;

const REQUESTS = added('request_log', REQUEST_COLUMNS, 'log_retention_days_request');
const LOGINS = added('access_log', LOGIN_COLUMNS, 'log_retention_days_access');

const SUMS = ['requests', 'blocked', 'client_errors', 'server_errors', 'bytes_in', 'bytes_out'];

// In one order everywhere, so that server processes cannot deadlock.
const ADD_TRAFFIC = `INSERT INTO traffic_hour AS t (org_uid, resource_id, hour, country, ${SUMS.join(', ')})
  SELECT o.org_uid, e."resourceId", h.hour, e.country, e.requests, e.blocked, e."clientErrors", e."serverErrors", e."bytesIn", e."bytesOut"
  FROM json_to_recordset($1::json) AS e ("orgId" text, "resourceId" bigint, hour bigint, country text, requests bigint, blocked bigint,
    "clientErrors" bigint, "serverErrors" bigint, "bytesIn" bigint, "bytesOut" bigint)
  CROSS JOIN LATERAL (SELECT to_timestamp(e.hour / 1000) AS hour) h
  JOIN org o ON o.org_id = e."orgId" AND o.created_at <= h.hour + interval '1 hour' ORDER BY o.org_uid, e."resourceId", h.hour, e.country
  ON CONFLICT (org_uid, resource_id, hour, country) DO UPDATE SET ${SUMS.map((name) => `${name} = t.${name} + excluded.${name}`).join(', ')}`;

/** All SQL that writes what goes through the edge. */
@Injectable()
export class LogWritesRepository {
  /** Of organizations that want it; one that is gone has no log. */
  addRequests(em: EntityManager, rows: readonly LogRow[]): Promise<void> {
    return add(em, REQUESTS, rows);
  }

  addLogins(em: EntityManager, logins: readonly LoginEntry[]): Promise<void> {
    return add(em, LOGINS, logins.map(loginRow));
  }

  async addTraffic(em: EntityManager, rows: readonly TrafficHour[]): Promise<void> {
    await prepared(em, 'traffic_hour_add', ADD_TRAFFIC, [JSON.stringify(rows)]);
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

/** In the order in which they came, which is that of their ids. */
async function add(em: EntityManager, { name, orgs, copy }: Added, rows: readonly LogRow[]): Promise<void> {
  const found = await prepared<{ orgId: string; orgUid: string; since: number }>(em, name, orgs, [
    [...new Set(rows.map(({ orgId }) => orgId))],
  ]);
  const byId = new Map(found.map((org) => [org.orgId, org]));
  let text = '';
  for (const row of rows) {
    const org = byId.get(row.orgId);
    // Before that it was another organization's id.
    if (org && org.since <= row.time) text += `${row.text}\t${org.orgUid}\n`;
  }
  if (text !== '') await copyRows(em.dataSource, copy, text);
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
