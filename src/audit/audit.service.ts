import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared, type Principal } from '../../libs/platform/index.js';

export interface AuditEntry {
  /** null: an act on the installation, visible to root only. */
  orgId: string | null;
  /** `<noun>.<verb>`, such as `site.approve`. */
  action: string;
  /** `drawnFrom`: the number that this transaction drew last from that sequence, for a row whose insert travels in the same packet. */
  target?: { type: string; id: string | number } | { type: string; drawnFrom: string };
  result?: 'success' | 'failure' | 'refused';
  /** Never a secret. */
  details?: Record<string, unknown>;
}

/** Append-only record of who did what, from where, with which result; written in the transaction of the act. */
@Injectable()
export class AuditService {
  async record(tx: EntityManager, principal: Principal, entry: AuditEntry): Promise<void> {
    await this.recordMany(tx, [{ ...entry, principal }]);
  }

  /** One statement for many entries. */
  async recordMany(tx: EntityManager, entries: (AuditEntry & { principal: Principal })[]): Promise<void> {
    if (entries.length === 0) return;
    await prepared(
      tx,
      'audit_record',
      `INSERT INTO audit (org_id, actor_type, actor_id, address, action, target_type, target_id, result, details)
       SELECT e.org_id, e.actor_type, e.actor_id, e.address::inet, e.action, e.target_type,
         CASE WHEN e.drawn_from IS NULL THEN e.target_id ELSE currval(e.drawn_from::regclass)::text END, e.result, e.details
       FROM jsonb_to_recordset($1::jsonb) AS e(org_id text, actor_type text, actor_id text, address text, action text, target_type text, target_id text,
         drawn_from text, result text, details jsonb)`,
      [
        JSON.stringify(
          entries.map((e) => ({
            org_id: e.orgId,
            actor_type: e.principal.kind,
            actor_id: e.principal.id ?? e.principal.name,
            address: e.principal.address,
            action: e.action,
            target_type: e.target?.type ?? null,
            target_id: e.target && 'id' in e.target ? String(e.target.id) : null,
            drawn_from: e.target && 'drawnFrom' in e.target ? e.target.drawnFrom : null,
            result: e.result ?? 'success',
            details: e.details ?? null,
          })),
        ),
      ],
    );
  }
}
