import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, type Principal, prepared, query } from '#platform';
import { changeEvents } from './change-events.js';
import { EventsService } from './events.service.js';

export interface AuditEntry {
  /** null: an act on the installation, visible to root only. */
  orgId: string | null;
  /** Its identity, for writers that hold no row of the organization any more; else it is the one that the caller knows, or the present one. */
  orgUid?: string | null;
  /** `<noun>.<verb>`, such as `site.approve`. */
  action: string;
  /** `name`: what it is called, where the writer knows; else it is looked up. `drawnFrom`: the number that this transaction drew last from that sequence, for a row whose insert travels in the same packet. */
  target?: { type: string; id: string | number; name?: string } | { type: string; drawnFrom: string };
  result?: 'success' | 'failure' | 'refused';
  /** Never a secret. */
  details?: Record<string, unknown>;
}

/**
 * Append-only record of who did what, from where, with which result; written in the transaction of the act, and the events of what it changed with it. An act by a credential of an
 * organization that is gone by now, its id perhaps used again, fails here (404), and its transaction with it (ADR 0021).
 */
@Injectable()
export class AuditService {
  constructor(private readonly events: EventsService) {}

  async record(tx: EntityManager, principal: Principal, entry: AuditEntry): Promise<void> {
    await this.recordMany(tx, [{ ...entry, principal }]);
  }

  /** One statement for many entries, and one for the events of what they changed. */
  async recordMany(tx: EntityManager, entries: (AuditEntry & { principal: Principal })[]): Promise<void> {
    if (entries.length === 0) return;
    await Promise.all([this.insert(tx, entries), this.events.emit(tx, ...changeEvents(entries))]);
  }

  private async insert(tx: EntityManager, entries: (AuditEntry & { principal: Principal })[]): Promise<void> {
    await prepared(
      tx,
      'audit_record',
      `INSERT INTO audit (org_id, org_uid, actor_type, actor_id, actor_name, address, request_id, action, target_type, target_id, target_name, result, details)
       SELECT e.org_id, CASE WHEN e.known_uid IS NULL THEN e.org_uid ELSE org_uid_as_known(e.org_id, e.known_uid) END, e.actor_type, e.actor_id, e.actor_name, e.address::inet, e.request_id, e.action, e.target_type,
         t.id, coalesce(e.target_name, audit_target_name(e.target_type, t.id)), e.result, e.details
       FROM jsonb_to_recordset($1::jsonb) AS e(org_id text, org_uid uuid, known_uid uuid, actor_type text, actor_id text, actor_name text, address text,
         request_id uuid, action text, target_type text, target_id text, target_name text, drawn_from text, result text, details jsonb),
         LATERAL (SELECT CASE WHEN e.drawn_from IS NULL THEN e.target_id ELSE currval(e.drawn_from::regclass)::text END AS id) AS t`,
      [
        JSON.stringify(
          entries.map((e) => ({
            org_id: e.orgId,
            org_uid: e.orgUid ?? null,
            known_uid: e.orgId !== null && e.orgUid === undefined ? (e.principal.orgUids?.get(e.orgId) ?? null) : null,
            actor_type: e.principal.kind,
            actor_id: e.principal.id ?? e.principal.name,
            actor_name: e.principal.name,
            address: e.principal.address,
            request_id: e.principal.requestId ?? null,
            action: e.action,
            target_type: e.target?.type ?? null,
            target_id: e.target && 'id' in e.target ? String(e.target.id) : null,
            target_name: (e.target && 'id' in e.target && e.target.name) || null,
            drawn_from: e.target && 'drawnFrom' in e.target ? e.target.drawnFrom : null,
            result: e.result ?? 'success',
            details: e.details ?? null,
          })),
        ),
      ],
    );
  }

  /** One row for many alike acts on the installation, with their number in `details.count`. @returns its id */
  async recordCount(
    em: EntityManager,
    principal: Principal,
    { action, result }: Pick<AuditEntry, 'action' | 'result'>,
    count: number,
  ): Promise<number> {
    const [row] = await query<{ auditId: number }>(
      em,
      `INSERT INTO audit (actor_type, actor_id, actor_name, address, action, result, details)
       VALUES ($1, $2, $3, $4::inet, $5, $6, jsonb_build_object('count', $7::int)) RETURNING audit_id AS "auditId"`,
      [
        principal.kind,
        principal.id ?? principal.name,
        principal.name,
        principal.address,
        action,
        result ?? 'success',
        count,
      ],
    );
    return row!.auditId;
  }

  async addToCount(em: EntityManager, auditId: number, count: number): Promise<void> {
    await execute(
      em,
      `UPDATE audit SET details = jsonb_build_object('count', (details->>'count')::int + $2) WHERE audit_id = $1`,
      [auditId, count],
    );
  }
}
