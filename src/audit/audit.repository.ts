import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { likeEscape, query, type Window } from '#platform';
import type { AuditQuery, AuditView } from './audit.dto.js';

const FILTERS: [keyof AuditQuery, string][] = [
  ['actorId', 'actor_id = ?'],
  ['actorType', 'actor_type = ?'],
  ['action', 'action = ?'],
  ['targetType', 'target_type = ?'],
  ['targetId', 'target_id = ?'],
  ['result', 'result = ?'],
  ['address', 'address <<= ?::inet'],
  ['requestId', 'request_id = ?'],
  ['from', 'created_at >= ?'],
  ['to', 'created_at < ?'],
];

/** One comparison a row, a third of what one for each column takes: nothing bounds how many rows an audit has. */
const SEARCHED = ['action', 'actor_name', 'target_name', 'actor_id', 'target_id']
  .map((column) => `coalesce(${column}, '')`)
  .join(` || E'\\n' || `);

const COLUMNS = `audit_id AS "auditId", org_id AS "orgId", actor_type AS "actorType", actor_id AS "actorId", actor_name AS "actorName", action,
  target_type AS "targetType", target_id AS "targetId", target_name AS "targetName", host(address) AS address, request_id AS "requestId", result, details, created_at AS "createdAt"`;

/** Reads of the audit, newest first, of the organization with an identity; null: what belongs to none. */
@Injectable()
export class AuditRepository {
  async list(em: EntityManager, orgUid: string | null, filter: AuditQuery, window: Window): Promise<AuditView[]> {
    const { where, values } = conditions(orgUid, filter);
    return query<AuditView>(
      em,
      `SELECT ${COLUMNS} FROM audit WHERE ${where} ORDER BY org_uid DESC, audit_id DESC LIMIT ${window.limit} OFFSET ${window.offset}`,
      values,
    );
  }

  async count(em: EntityManager, orgUid: string | null, filter: AuditQuery): Promise<number> {
    const { where, values } = conditions(orgUid, filter);
    const [row] = await query<{ total: number }>(em, `SELECT count(*) AS total FROM audit WHERE ${where}`, values);
    return row!.total;
  }

  /** The rows older than one, which is excluded; undefined: from the newest. */
  async before(
    em: EntityManager,
    orgUid: string | null,
    filter: AuditQuery,
    auditId: number | undefined,
    limit: number,
  ): Promise<AuditView[]> {
    const { where, values } = conditions(orgUid, filter);
    return query<AuditView>(
      em,
      `SELECT ${COLUMNS} FROM audit WHERE ${where} AND audit_id < $${values.length + 1} ORDER BY org_uid DESC, audit_id DESC LIMIT $${values.length + 2}`,
      [...values, auditId ?? Number.MAX_SAFE_INTEGER, limit],
    );
  }
}

function conditions(orgUid: string | null, filter: AuditQuery): { where: string; values: unknown[] } {
  const values: unknown[] = orgUid === null ? [] : [orgUid];
  const parts = [orgUid === null ? 'org_uid IS NULL' : 'org_uid = $1'];
  for (const [name, condition] of FILTERS)
    if (filter[name] !== undefined) parts.push(condition.replaceAll('?', `$${values.push(filter[name])}`));
  if (filter.query) {
    parts.push(`lower(${SEARCHED}) LIKE lower($${values.push(`%${likeEscape(filter.query)}%`)})`);
  }
  return { where: parts.join(' AND '), values };
}
