import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Config,
  Db,
  Drain,
  type ExportFormat,
  Exports,
  execute,
  exportOfRows,
  orgUidOf,
  PeriodicTask,
  type Principal,
  query,
  Retention,
  shapeA,
  windowOf,
} from '#platform';
import { EventsService } from '../../audit/index.js';
import type { KeyRefusalList, KeyRefusalQuery, KeyRefusalView } from './claim.dto.js';
import type { ClaimRow } from './claims.repository.js';

const TELL_MS = 60_000;
const PAGE = 1000;

const COLUMNS: Columns<KeyRefusalView> = {
  keyId: true,
  keyName: true,
  reason: true,
  count: true,
  firstAt: true,
  lastAt: true,
  lastAddress: true,
};

/** Of an organization by its identity, and, if one is given, of a key. */
const OF = 'FROM key_refusal r WHERE r.org_uid = $1 AND ($2::text IS NULL OR r.key_id = $2)';
const REFUSALS = `SELECT r.key_id AS "keyId", (SELECT k.name FROM provisioning_key k WHERE k.key_id = r.key_id AND k.org_id = $3) AS "keyName", r.reason, r.count,
  r.first_at AS "firstAt", r.last_at AS "lastAt", host(r.last_address) AS "lastAddress" ${OF}`;

interface Sum {
  orgUid: string;
  keyId: string;
  reason: string;
  count: number;
  address: string;
}

interface Told {
  orgId: string;
  orgUid: string;
  keyId: string;
  name: string | null;
  refused: number;
  reasons: Record<string, number>;
  address: string | null;
}

/**
 * Refused claims summed up by key and reason, whatever their number, and told by `key.refused`: at most one event a minute for a key, each with what
 * came since the one before (docs/claims.md rule 2).
 */
@Injectable()
export class KeyRefusals implements OnModuleInit {
  private readonly task = new PeriodicTask(KeyRefusals.name, {
    failure: 'Refusals of keys could not be told',
    retryMs: TELL_MS,
    run: () => this.db.tx((tx) => this.tell(tx)),
  });

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly events: EventsService,
    private readonly retention: Retention,
    drain: Drain,
    private readonly exports: Exports,
  ) {
    drain.register('flush', 'events of refusals', () => this.task.stop());
  }

  onModuleInit(): void {
    const { days } = this.config.retention;
    this.retention.register({ table: 'key_refusal', expired: `last_at < now() - make_interval(days => ${days})` });
    this.retention.register({ table: 'key_refusal_notice', expired: `told_at < now() - interval '1 day'` });
  }

  /** Adds refusals to their keys' sums, with the transaction that records them; those that named no existing key have none. */
  async add(tx: EntityManager, rows: ClaimRow[]): Promise<void> {
    const sums = new Map<string, Sum>();
    for (const { orgUid, keyId, reason, count = 1, address } of rows) {
      if (orgUid === null || keyId === null || reason === null) continue;
      const name = `${orgUid}\n${keyId}\n${reason}`;
      sums.set(name, { orgUid, keyId, reason, address, count: count + (sums.get(name)?.count ?? 0) });
    }
    if (sums.size === 0) return;
    // In one order everywhere, so that server processes cannot deadlock.
    await execute(
      tx,
      `INSERT INTO key_refusal AS r (org_uid, key_id, reason, count, last_address)
       SELECT "orgUid", "keyId", reason, count, address::inet
       FROM jsonb_to_recordset($1::jsonb) AS i("orgUid" uuid, "keyId" text, reason text, count bigint, address text) ORDER BY 1, 2, 3
       ON CONFLICT (org_uid, key_id, reason) DO UPDATE SET count = r.count + excluded.count, last_at = now(), last_address = excluded.last_address`,
      [JSON.stringify([...sums.values()])],
    );
    await this.tell(tx);
  }

  /** Newest first. */
  async list(
    principal: Principal,
    orgId: string,
    filter: KeyRefusalQuery,
    format?: ExportFormat,
  ): Promise<KeyRefusalList | StreamableFile> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    const of = [orgUid, filter.keyId ?? null];
    const values = [...of, orgId];
    if (format) {
      const list = { name: 'refusals', columns: COLUMNS, by: ['keyId', 'reason'], rows: REFUSALS, values } as const;
      return this.exports.start(orgId, format, exportOfRows<KeyRefusalView, 'keyId' | 'reason'>(this.db.manager, list));
    }
    const window = windowOf(filter, PAGE);
    const refusals = await query<KeyRefusalView>(
      this.db.manager,
      `${REFUSALS} ORDER BY r.last_at DESC, r.key_id, r.reason LIMIT $4 OFFSET $5`,
      [...values, window.limit, window.offset],
    );
    const [count] = await query<{ total: number }>(this.db.manager, `SELECT count(*) AS total ${OF}`, of);
    return { refusals, pagination: shapeA(count!.total, window) };
  }

  /** Tells of all keys with news that were not told of within the minute; comes again for the others. */
  private async tell(tx: EntityManager): Promise<void> {
    const told = await query<Told>(
      tx,
      `WITH news AS (SELECT DISTINCT org_uid, key_id FROM key_refusal WHERE count > told ORDER BY 1, 2 LIMIT 1000),
         due AS (INSERT INTO key_refusal_notice AS n (org_uid, key_id) SELECT org_uid, key_id FROM news
           ON CONFLICT (org_uid, key_id) DO UPDATE SET told_at = now() WHERE n.told_at <= now() - interval '1 minute' RETURNING org_uid, key_id),
         was AS (SELECT r.org_uid, r.key_id, r.reason, r.count, r.count - r.told AS fresh, r.last_at, r.last_address FROM key_refusal r JOIN due USING (org_uid, key_id)
           WHERE r.count > r.told ORDER BY r.org_uid, r.key_id, r.reason FOR UPDATE OF r),
         done AS (UPDATE key_refusal r SET told = w.count FROM was w WHERE r.org_uid = w.org_uid AND r.key_id = w.key_id AND r.reason = w.reason)
       SELECT o.org_id AS "orgId", w.org_uid AS "orgUid", w.key_id AS "keyId", k.name, sum(w.fresh)::int AS refused, jsonb_object_agg(w.reason, w.fresh) AS reasons,
         (array_agg(host(w.last_address) ORDER BY w.last_at DESC))[1] AS address
       FROM was w JOIN org o ON o.org_uid = w.org_uid LEFT JOIN provisioning_key k ON k.key_id = w.key_id GROUP BY o.org_id, w.org_uid, w.key_id, k.name`,
    );
    await this.events.emit(
      tx,
      ...told.map(({ orgId, orgUid, ...data }) => ({ type: 'key.refused' as const, orgId, orgUid, data })),
    );
    // What came within the minute is told at its end, though nobody comes after it.
    const [left] = await query<{ some: boolean }>(
      tx,
      'SELECT EXISTS (SELECT FROM key_refusal WHERE count > told) AS some',
    );
    if (left!.some) this.task.wake(TELL_MS);
  }
}
