import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { TargetHealth as Health } from '#contracts';
import { execute, notify, prepared, query } from '#platform';
import { EventsService } from '../../audit/index.js';

/** What somebody found out about a target. */
export interface HealthResult {
  siteId: number;
  targetId: number;
  health: Health;
  /** Why it is not healthy. */
  error?: string | undefined;
  /** The version of the target that it was found out by; absent where it cannot be said. */
  revision?: number;
}

/** A notice has room for 8,000 bytes. */
const TOLD_AT_ONCE = 400;

/** Those of $1 to $5 that count: for a target that is checked, on its own site, by its check as it is now. */
const COUNTING = `SELECT t.target_id, t.resource_id, t.hc_health AS was, i.health, i.error
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[]) AS i(site_id, target_id, health, error, revision)
  JOIN target t ON t.target_id = i.target_id AND t.site_id = i.site_id AND t.enabled AND t.hc_enabled AND t.version = coalesce(i.revision, t.version)
  JOIN site s ON s.site_id = t.site_id AND s.status = 'approved'
  JOIN resource r ON r.resource_id = t.resource_id AND r.enabled AND r.staged_by IS NULL`;

interface Changed {
  orgId: string;
  resourceId: number;
  siteId: number;
  targetId: number;
  health: Health;
  error: string | null;
}

/** The health of targets, and that of their resources, which sums it up (docs/health.md). ResourceWriter has the order of locks. */
@Injectable()
export class TargetHealth {
  constructor(private readonly events: EventsService) {}

  /**
   * Takes in what was found out about targets, each named at most once, and tells what has changed: to route tables, and as events. Of the rest, results for
   * targets of other sites, not checked any more, or changed since, nothing is kept.
   */
  async record(tx: EntityManager, results: HealthResult[]): Promise<void> {
    const values = [
      results.map((r) => r.siteId),
      results.map((r) => r.targetId),
      results.map((r) => r.health),
      results.map((r) => r.error ?? null),
      results.map((r) => r.revision ?? null),
    ];
    const rows = await prepared<{ id: number }>(
      tx,
      'target_health_resources',
      `SELECT DISTINCT resource_id AS id FROM (${COUNTING}) c WHERE was <> health`,
      values,
    );
    const ids = rows.map((row) => row.id);
    if (ids.length > 0) await this.change(tx, ids, values);
    await prepared(
      tx,
      'target_health_told',
      `INSERT INTO target_health AS h (target_id, error, told_at)
       SELECT target_id, error, now() FROM (${COUNTING}) c ORDER BY target_id
       ON CONFLICT (target_id) DO UPDATE SET error = excluded.error, told_at = excluded.told_at`,
      values,
    );
  }

  /**
   * Sums up what the enabled health checks of their enabled targets say. A target that nobody knows of yet takes no part. The rows are locked first, in the order of ids: of two who changed
   * targets at once the second then sees the work of the first.
   */
  async sum(tx: EntityManager, resourceIds: number[]): Promise<void> {
    if (resourceIds.length === 0) return;
    await Promise.all([
      this.lock(tx, resourceIds),
      prepared(
        tx,
        'resource_health',
        `UPDATE resource r SET health = s.health FROM (
           SELECT i.id, CASE WHEN count(t) = 0 THEN 'unknown' WHEN bool_and(t.hc_health = 'healthy') THEN 'healthy'
             WHEN bool_or(t.hc_health = 'healthy') THEN 'degraded' ELSE 'unhealthy' END AS health
           FROM unnest($1::bigint[]) AS i(id) LEFT JOIN target t ON t.resource_id = i.id AND t.enabled AND t.hc_enabled AND t.hc_health <> 'unknown' GROUP BY i.id
         ) s WHERE r.resource_id = s.id AND r.health <> s.health`,
        [resourceIds],
      ),
    ]);
  }

  /** Forgets what was told of targets whose health is not known any more. */
  async forgetUnknown(tx: EntityManager, targetIds: number[]): Promise<void> {
    if (targetIds.length === 0) return;
    await execute(
      tx,
      `DELETE FROM target_health h USING target t WHERE t.target_id = h.target_id AND t.target_id = ANY ($1::bigint[]) AND t.hc_health = 'unknown'`,
      [targetIds],
    );
  }

  /** Nobody checks the targets of this site any more. */
  async forgetSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const rows = await query<{ targetId: number; resourceId: number }>(
      tx,
      `SELECT target_id AS "targetId", resource_id AS "resourceId" FROM target WHERE org_id = $1 AND site_id = $2 AND hc_health <> 'unknown'`,
      [orgId, siteId],
    );
    if (rows.length === 0) return;
    const resourceIds = [...new Set(rows.map((row) => row.resourceId))];
    const targetIds = rows.map((row) => row.targetId);
    await this.lock(tx, resourceIds);
    await execute(
      tx,
      `UPDATE target SET hc_health = 'unknown' WHERE target_id IN (
         SELECT target_id FROM target WHERE org_id = $1 AND site_id = $2 AND target_id = ANY ($3::bigint[]) ORDER BY target_id FOR NO KEY UPDATE)`,
      [orgId, siteId, targetIds],
    );
    await this.forgetUnknown(tx, targetIds);
    await this.sum(tx, resourceIds);
    await this.notice(tx, resourceIds);
  }

  private async change(tx: EntityManager, resourceIds: number[], values: unknown[]): Promise<void> {
    await this.lock(tx, resourceIds);
    const changed = await prepared<Changed>(
      tx,
      'target_health',
      `WITH changed AS (SELECT c.* FROM (${COUNTING}) c JOIN target l USING (target_id) WHERE c.was <> c.health ORDER BY c.target_id FOR NO KEY UPDATE OF l)
       UPDATE target t SET hc_health = c.health FROM changed c WHERE t.target_id = c.target_id
       RETURNING t.org_id AS "orgId", t.resource_id AS "resourceId", t.site_id AS "siteId", t.target_id AS "targetId", c.health, c.error`,
      values,
    );
    await this.sum(tx, resourceIds);
    await this.notice(tx, resourceIds);
    await this.events.emit(
      tx,
      ...changed.flatMap(({ orgId, siteId, targetId, resourceId, health, error }) =>
        health === 'unknown'
          ? []
          : [
              {
                orgId,
                siteId,
                type: `target.${health}` as const,
                data: { targetId, resourceId, ...(error === null ? {} : { error }) },
              },
            ],
      ),
    );
  }

  private async notice(tx: EntityManager, resourceIds: number[]): Promise<void> {
    for (let from = 0; from < resourceIds.length; from += TOLD_AT_ONCE)
      await notify(tx, 'health_changed', JSON.stringify(resourceIds.slice(from, from + TOLD_AT_ONCE)));
  }

  private async lock(tx: EntityManager, resourceIds: number[]): Promise<void> {
    await prepared(
      tx,
      'resource_health_lock',
      'SELECT FROM resource WHERE resource_id = ANY($1::bigint[]) ORDER BY resource_id FOR NO KEY UPDATE',
      [resourceIds],
    );
  }
}
