import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { Answers, RolloutChange } from './rollout.js';

/** How long the answer of a site is waited for: as long as it takes to fetch dependencies and be ready, or to come back from a restart. */
const CONNECTED_PATIENCE = `interval '15 minutes'`;
const OFFLINE_PATIENCE = `interval '1 minute'`;
/** An agent that runs no program answers as little as one that is away. */
const UNANSWERED = `FROM site_bundle b LEFT JOIN site_connected c ON c.site_id = b.site_id AND c.takes_bundles
  WHERE b.rollout_id = $1 AND b.state IN ('offered', 'fetched')`;
const IN_TIME = `b.changed_at > now() - CASE WHEN c.site_id IS NULL THEN ${OFFLINE_PATIENCE} ELSE ${CONNECTED_PATIENCE} END`;

/** What of a rollout a list shows. */
interface RolloutCounts extends Answers {
  waiting: number;
}

/** All SQL of rollouts. */
@Injectable()
export class RolloutsRepository {
  /** How many sites are offered something else than the change now. */
  async countSites(em: EntityManager, orgId: string, change: RolloutChange): Promise<number> {
    const { from, values } = concerned(orgId, change);
    const [row] = await query<{ n: number }>(em, `SELECT count(*) AS n ${from}`, values);
    return row!.n;
  }

  /** Whether the change concerns any site, or will once it fetches its first bundle. */
  async concernsAny(em: EntityManager, orgId: string, change: RolloutChange): Promise<boolean> {
    if (change.kind === 'secret') return (await this.countSites(em, orgId, change)) > 0;
    const [row] = await query<{ yes: boolean }>(
      em,
      'SELECT EXISTS (SELECT FROM site WHERE org_id = $1 AND profile_id = $2 AND revoked_at IS NULL) AS yes',
      [orgId, change.profileId],
    );
    return row!.yes;
  }

  /** Of a version that is there. */
  async secretVersionId(em: EntityManager, secretId: number, version: number): Promise<number> {
    const [row] = await query<{ id: number }>(
      em,
      'SELECT secret_version_id AS id FROM secret_version WHERE secret_id = $1 AND version = $2',
      [secretId, version],
    );
    return row!.id;
  }

  /** Sites of the organization that the rollout has not reached, in the order of ids. */
  async next(
    em: EntityManager,
    orgId: string,
    jobId: number,
    change: RolloutChange,
    after: number,
    limit: number,
  ): Promise<number[]> {
    const { from, values } = unreached(orgId, jobId, change);
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT b.site_id AS "siteId" ${from} AND b.site_id > $${values.length + 1} ORDER BY b.site_id LIMIT $${values.length + 2}`,
      [...values, after, limit],
    );
    return rows.map(({ siteId }) => siteId);
  }

  /** Likewise, those first that are connected and take bundles. */
  async canaries(
    em: EntityManager,
    orgId: string,
    jobId: number,
    change: RolloutChange,
    limit: number,
  ): Promise<number[]> {
    const { from, values } = unreached(orgId, jobId, change);
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT b.site_id AS "siteId" ${from}
       ORDER BY EXISTS (SELECT FROM site_connected c WHERE c.site_id = b.site_id AND c.takes_bundles) DESC, b.site_id LIMIT $${values.length + 1}`,
      [...values, limit],
    );
    return rows.map(({ siteId }) => siteId);
  }

  async answers(em: EntityManager, jobId: number): Promise<Answers> {
    const [row] = await query<Answers>(
      em,
      `SELECT count(*) FILTER (WHERE state = 'applied') AS applied, count(*) FILTER (WHERE state = 'failed') AS failed
       FROM site_bundle WHERE rollout_id = $1`,
      [jobId],
    );
    return row!;
  }

  /** Whether some site that did not answer yet may still do so in time. */
  async isAwaiting(em: EntityManager, jobId: number): Promise<boolean> {
    const [row] = await query<{ awaiting: boolean }>(
      em,
      `SELECT EXISTS (SELECT ${UNANSWERED} AND b.changed_at > now() - ${CONNECTED_PATIENCE} AND ${IN_TIME}) AS awaiting`,
      [jobId],
    );
    return row!.awaiting;
  }

  /** How many sites did not answer in time although they are connected and take bundles. */
  async silent(em: EntityManager, jobId: number): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      `SELECT count(*) AS n ${UNANSWERED} AND c.site_id IS NOT NULL AND NOT ${IN_TIME}`,
      [jobId],
    );
    return row!.n;
  }

  async counts(em: EntityManager, jobIds: number[]): Promise<Map<number, RolloutCounts>> {
    const rows = await query<RolloutCounts & { jobId: number }>(
      em,
      `SELECT rollout_id AS "jobId", count(*) FILTER (WHERE state = 'applied') AS applied, count(*) FILTER (WHERE state = 'failed') AS failed,
         count(*) FILTER (WHERE state IN ('offered', 'fetched')) AS waiting
       FROM site_bundle WHERE rollout_id = ANY ($1::bigint[]) GROUP BY rollout_id`,
      [jobIds],
    );
    return new Map(rows.map(({ jobId, ...counts }) => [jobId, counts]));
  }

  /** Whether the change is still the newest of what it is of, and that is still there. */
  async stands(em: EntityManager, orgId: string, change: RolloutChange): Promise<boolean> {
    const [row] = await query<{ stands: boolean }>(
      em,
      change.kind === 'secret'
        ? 'SELECT EXISTS (SELECT FROM secret WHERE org_id = $1 AND secret_id = $2 AND current_version = $3 AND deleted_at IS NULL) AS stands'
        : `SELECT EXISTS (SELECT FROM provisioning_profile p LEFT JOIN bootstrap b USING (profile_id)
             WHERE p.org_id = $1 AND p.profile_id = $2 AND b.current_revision IS NOT DISTINCT FROM $3) AS stands`,
      [orgId, ...(change.kind === 'secret' ? [change.secretId, change.version] : [change.profileId, change.revision])],
    );
    return row!.stands;
  }

  /**
   * From now on sites that were not reached get the change too. Who changes the same thing at this moment holds it, and may wait for this very
   * transaction: then nothing is done.
   * @returns the transaction that did it, or undefined
   */
  async settle(tx: EntityManager, change: RolloutChange): Promise<string | undefined> {
    const done =
      change.kind === 'secret'
        ? await execute(
            tx,
            `UPDATE secret SET settled_version = $2 WHERE secret_id =
               (SELECT secret_id FROM secret WHERE secret_id = $1 AND current_version = $2 FOR NO KEY UPDATE SKIP LOCKED)`,
            [change.secretId, change.version],
          )
        : change.revision === null
          ? 1
          : await execute(
              tx,
              `UPDATE bootstrap SET settled_revision = $2 WHERE profile_id =
                 (SELECT profile_id FROM bootstrap WHERE profile_id = $1 AND current_revision = $2 FOR NO KEY UPDATE SKIP LOCKED)`,
              [change.profileId, change.revision],
            );
    if (done === 0) return undefined;
    const [row] = await query<{ xid: string }>(tx, 'SELECT pg_current_xact_id()::text AS xid');
    return row!.xid;
  }

  /** Whether every transaction has ended that began before this one did. */
  async isPast(em: EntityManager, xid: string): Promise<boolean> {
    const [row] = await query<{ past: boolean }>(
      em,
      'SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 AS past',
      [xid],
    );
    return row!.past;
  }
}

/** Bundles that are made from something else than the change. */
function concerned(orgId: string, change: RolloutChange): { from: string; values: unknown[] } {
  if (change.kind === 'bootstrap')
    return {
      from: `FROM site s JOIN site_bundle b ON b.site_id = s.site_id
        WHERE s.org_id = $1 AND s.profile_id = $2 AND s.revoked_at IS NULL AND b.version IS NOT NULL AND (b.inputs->>'revision')::int IS DISTINCT FROM $3::int`,
      values: [orgId, change.profileId, change.revision],
    };
  return {
    from: `FROM site_bundle b WHERE b.org_id = $1 AND b.secrets <> '{}'
      AND b.secrets && ARRAY(SELECT v.secret_version_id FROM secret_version v WHERE v.secret_id = $2 AND v.version <> $3::int)`,
    values: [orgId, change.secretId, change.version],
  };
}

/** Those of them that the rollout did not offer it yet: what failed is not offered again. */
function unreached(orgId: string, jobId: number, change: RolloutChange): { from: string; values: unknown[] } {
  const { from, values } = concerned(orgId, change);
  const job = `$${values.length + 1}`;
  return {
    from: `${from} AND b.rollout_id IS DISTINCT FROM ${job}
      AND NOT EXISTS (SELECT FROM job_item i WHERE i.job_id = ${job} AND i.item = b.site_id::text)`,
    values: [...values, jobId],
  };
}
