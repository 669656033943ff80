import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';

/** Of which version of its bundle a site speaks. */
export interface Spoken {
  orgId: string;
  siteId: number;
  version: number;
  digest: string;
}

/** All SQL that writes what sites say of their bundles. Each statement is conditional: what was said before, or of another version, changes nothing. */
@Injectable()
export class AcknowledgementsRepository {
  async fetched(em: EntityManager, { orgId, siteId, version, digest }: Spoken): Promise<boolean> {
    const rows = await prepared(
      em,
      'bundle_fetched',
      `UPDATE site_bundle SET state = 'fetched', changed_at = now()
       WHERE site_id = $1 AND org_id = $2 AND version = $3 AND digest = $4 AND state = 'offered' RETURNING site_id`,
      [siteId, orgId, version, digest],
    );
    return rows.length > 0;
  }

  /** The row of a way back goes on telling of what failed. @returns the rollout whose version it is; undefined when nothing has changed */
  async applied(tx: EntityManager, said: Spoken): Promise<{ rolloutId: number | null } | undefined> {
    const { orgId, siteId, version, digest } = said;
    const [row] = await prepared<{ rolloutId: number | null }>(
      tx,
      'bundle_applied',
      `UPDATE site_bundle SET state = CASE WHEN returned THEN state ELSE 'applied' END, reason = CASE WHEN returned THEN reason END,
         applied_version = version, applied_digest = digest, applied_inputs = inputs, applied_secrets = secrets, overtaken = NULL, changed_at = now()
       WHERE site_id = $1 AND org_id = $2 AND version = $3 AND digest = $4 AND applied_version IS DISTINCT FROM version
       RETURNING rollout_id AS "rolloutId"`,
      [siteId, orgId, version, digest],
    );
    return row;
  }

  /** Of a version that was fetched before another one was offered: nothing older than what was applied is remembered. */
  async appliedOvertaken(tx: EntityManager, { orgId, siteId, version, digest }: Spoken): Promise<boolean> {
    const changed = await execute(
      tx,
      `UPDATE site_bundle SET applied_version = $3, applied_digest = $4, applied_inputs = overtaken->'inputs',
         applied_secrets = ARRAY(SELECT v::bigint FROM jsonb_array_elements_text(overtaken->'secrets') AS v), overtaken = NULL
       WHERE site_id = $1 AND org_id = $2 AND (overtaken->>'version')::bigint = $3 AND overtaken->>'digest' = $4`,
      [siteId, orgId, version, digest],
    );
    return changed > 0;
  }

  /** What was applied once has not failed: who says so was overtaken by themselves. The site is locked first, since a way back may follow. */
  async failed(
    tx: EntityManager,
    { orgId, siteId, version, digest }: Spoken,
    reason: string | null,
  ): Promise<{ rolloutId: number | null } | undefined> {
    await execute(tx, 'SELECT FROM site WHERE org_id = $1 AND site_id = $2 FOR NO KEY UPDATE', [orgId, siteId]);
    const [row] = await query<{ rolloutId: number | null }>(
      tx,
      `UPDATE site_bundle SET state = 'failed', reason = $5, changed_at = now()
       WHERE site_id = $1 AND org_id = $2 AND version = $3 AND digest = $4 AND state IN ('offered', 'fetched') RETURNING rollout_id AS "rolloutId"`,
      [siteId, orgId, version, digest, reason],
    );
    return row;
  }
}
