import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import type { BundleInputs } from './bundle-inputs.js';

export type BundleState = 'offered' | 'fetched' | 'applied' | 'failed';

/** A site and what its bundle is made from. */
export interface SiteFacts {
  siteId: number;
  name: string;
  niceId: string;
  deviceId: string;
  hardwareId: string | null;
  labels: Record<string, string>;
  profileId: number | null;
  /** Of the profile; null where it has no bootstrap. */
  settledRevision: number | null;
}

/** Likewise, with the row of its bundle; all null where there is none yet. */
export interface LockedBundle extends SiteFacts {
  version: number | null;
  /** The version is of an epoch that is over. */
  past: boolean;
  inputs: BundleInputs | null;
  state: BundleState | null;
  reason: string | null;
  returned: boolean | null;
  rolloutId: number | null;
  appliedInputs: BundleInputs | null;
}

/** What is written of a new version; its number is the database's. */
export interface NewOffer {
  siteId: number;
  inputs: BundleInputs;
  secrets: number[];
  rolloutId: number | null;
  state: BundleState;
  reason: string | null;
  returned: boolean;
}

/** The first version of the present epoch (libs/contracts/instances.ts). */
const FIRST_VERSION = '(((SELECT epoch FROM bundle_epoch)::bigint << 32) + 1)';

/** Whether what the row `b` was made from is no longer so of the site `s`. A revision and secret versions are moved by rollouts alone. */
export const STALE = `(b.version < ${FIRST_VERSION}
  OR b.inputs->'profileId' IS DISTINCT FROM coalesce(to_jsonb(s.profile_id), 'null')
  OR NOT jsonb_build_object('name', s.name, 'niceId', s.nice_id, 'deviceId', s.device_id, 'hardwareId', s.hardware_id) @> (b.inputs->'site')
  OR EXISTS (SELECT FROM jsonb_each(b.inputs->'labels') l WHERE l.value IS DISTINCT FROM coalesce(s.labels->l.key, 'null')))`;

const FACTS = `s.site_id AS "siteId", s.name, s.nice_id AS "niceId", s.device_id AS "deviceId", s.hardware_id AS "hardwareId", s.labels, s.profile_id AS "profileId",
  t.settled_revision AS "settledRevision"`;

/** All SQL that writes which version of its bundle a site is to have. Locks: the site, then its bundle. */
@Injectable()
export class BundlesRepository {
  /**
   * Locks sites in the order of their ids, and then reads: a statement that waits within itself would see bundles as they were before.
   * Version and inputs of a bundle change under this lock alone.
   */
  async lock(tx: EntityManager, orgId: string, siteIds: number[]): Promise<LockedBundle[]> {
    const [, rows] = await Promise.all([
      prepared(
        tx,
        'bundles_lock',
        'SELECT FROM site WHERE org_id = $1 AND site_id = ANY ($2::bigint[]) ORDER BY site_id FOR NO KEY UPDATE',
        [orgId, siteIds],
      ),
      prepared<LockedBundle>(
        tx,
        'bundles_locked',
        `SELECT ${FACTS}, b.version, b.version < ${FIRST_VERSION} AS past, b.inputs, b.state, b.reason, b.returned, b.rollout_id AS "rolloutId", b.applied_inputs AS "appliedInputs"
         FROM site s LEFT JOIN bootstrap t ON t.profile_id = s.profile_id LEFT JOIN site_bundle b ON b.site_id = s.site_id
         WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[]) ORDER BY s.site_id`,
        [orgId, siteIds],
      ),
    ]);
    return rows;
  }

  /** @returns what of these sites a bundle may be made from. */
  facts(em: EntityManager, orgId: string, siteIds: number[]): Promise<SiteFacts[]> {
    return query<SiteFacts>(
      em,
      `SELECT ${FACTS} FROM site s LEFT JOIN bootstrap t ON t.profile_id = s.profile_id WHERE s.org_id = $1 AND s.site_id = ANY ($2::bigint[]) ORDER BY s.site_id`,
      [orgId, siteIds],
    );
  }

  /** @returns those whose bundle names something that is not so any more. */
  async stale(em: EntityManager, orgId: string, siteIds: number[]): Promise<number[]> {
    const rows = await prepared<{ siteId: number }>(
      em,
      'bundles_stale',
      `SELECT b.site_id AS "siteId" FROM site_bundle b JOIN site s ON s.site_id = b.site_id
       WHERE b.org_id = $1 AND b.site_id = ANY ($2::bigint[]) AND b.version IS NOT NULL AND s.revoked_at IS NULL AND ${STALE}`,
      [orgId, siteIds],
    );
    return rows.map((row) => row.siteId);
  }

  /** @returns the secret versions of the offered bundle that were destroyed, or went with their secret. */
  async destroyedSecrets(em: EntityManager, orgId: string, siteId: number): Promise<Set<number>> {
    const rows = await query<{ id: number }>(
      em,
      `SELECT held.id FROM site_bundle b, unnest(b.secrets) AS held(id) LEFT JOIN secret_version v ON v.secret_version_id = held.id
       WHERE b.org_id = $1 AND b.site_id = $2 AND v.wrapped_key IS NULL`,
      [orgId, siteId],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * A new version of each. What was fetched and not applied yet is remembered as overtaken: the site may be about to apply it.
   * The sites are locked.
   */
  async write(tx: EntityManager, orgId: string, rows: NewOffer[]): Promise<void> {
    await prepared(
      tx,
      'bundles_write',
      `INSERT INTO site_bundle AS b (site_id, org_id, version, inputs, secrets, state, reason, returned, rollout_id)
       SELECT r."siteId", $1, ${FIRST_VERSION}, r.inputs, r.secrets, r.state, r.reason, r.returned, r."rolloutId"
       FROM jsonb_to_recordset($2::jsonb) AS r("siteId" bigint, inputs jsonb, secrets bigint[], state text, reason text, returned boolean, "rolloutId" bigint)
       ORDER BY r."siteId"
       ON CONFLICT (site_id) DO UPDATE SET version = greatest(b.version + 1, excluded.version), inputs = excluded.inputs, secrets = excluded.secrets,
         state = excluded.state, reason = excluded.reason, returned = excluded.returned, rollout_id = excluded.rollout_id, changed_at = now(), digest = NULL,
         overtaken = CASE WHEN b.digest IS NOT NULL AND b.version IS DISTINCT FROM b.applied_version
           THEN jsonb_build_object('version', b.version, 'digest', b.digest, 'inputs', b.inputs, 'secrets', to_jsonb(b.secrets)) ELSE b.overtaken END`,
      [orgId, JSON.stringify(rows)],
    );
  }

  /**
   * A site that is over is offered nothing and holds nothing any more: no secret is in use by it, and no rollout waits for it. The version goes
   * on counting, in case that an operator lets it claim again. The site is locked.
   */
  async withdraw(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const nothing: BundleInputs = { profileId: null, revision: null, secrets: {}, site: {}, labels: {} };
    await execute(
      tx,
      `UPDATE site_bundle SET version = version + 1, inputs = $3, secrets = '{}', state = 'offered', reason = NULL, returned = false, rollout_id = NULL,
         digest = NULL, overtaken = NULL, applied_inputs = NULL, applied_secrets = '{}', changed_at = now()
       WHERE org_id = $1 AND site_id = $2 AND version IS NOT NULL`,
      [orgId, siteId, JSON.stringify(nothing)],
    );
  }
}
