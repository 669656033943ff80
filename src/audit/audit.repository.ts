import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, type Window } from '#platform';
import type { AuditQuery, AuditView } from './audit.dto.js';

const FILTERS: [keyof AuditQuery, string][] = [
  ['actorId', 'actor_id = ?'],
  ['actorType', 'actor_type = ?'],
  ['action', 'action = ?'],
  ['targetType', 'target_type = ?'],
  ['targetId', 'target_id = ?'],
  ['result', 'result = ?'],
  ['from', 'created_at >= ?'],
  ['to', 'created_at < ?'],
];

/** Reads of the audit. */
@Injectable()
export class AuditRepository {
  /** Newest first, of the organization with this identity; null: what belongs to none. */
  async list(
    em: EntityManager,
    orgUid: string | null,
    filter: AuditQuery,
    window: Window,
  ): Promise<{ audit: AuditView[]; total: number }> {
    const values: unknown[] = orgUid === null ? [] : [orgUid];
    const where = [orgUid === null ? 'org_uid IS NULL' : 'org_uid = $1'];
    for (const [name, condition] of FILTERS) {
      if (filter[name] === undefined) continue;
      values.push(filter[name]);
      where.push(condition.replace('?', `$${values.length}`));
    }
    const condition = where.join(' AND ');
    const audit = await query<AuditView>(
      em,
      `SELECT audit_id AS "auditId", org_id AS "orgId", actor_type AS "actorType", actor_id AS "actorId", action, target_type AS "targetType",
         target_id AS "targetId", host(address) AS address, result, details, created_at AS "createdAt"
       FROM audit WHERE ${condition} ORDER BY org_uid DESC, audit_id DESC LIMIT ${window.limit} OFFSET ${window.offset}`,
      values,
    );
    const [count] = await query<{ total: number }>(
      em,
      `SELECT count(*) AS total FROM audit WHERE ${condition}`,
      values,
    );
    return { audit, total: count!.total };
  }
}
