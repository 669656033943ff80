import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, USERS_NAMED } from '#platform';
import type { SecretProfiles, SecretSite, SecretSites } from './secret.dto.js';
import type { ProfileChange } from './secret-users.js';

/** The partial indexes are by arrays that are not empty, which the condition must say. */
const HOLDS = `(b.secrets <> '{}' AND b.secrets && $2::bigint[] OR b.applied_secrets <> '{}' AND b.applied_secrets && $2::bigint[])`;

/** Whether a change of the profiles that a secret is for leaves one out; by the parameters `before` and `after`. */
const leavesOut = (profileId: string, before: string, after: string) =>
  `((${before}::bigint[] IS NULL OR ${profileId} = ANY(${before}::bigint[])) AND NOT ${profileId} = ANY(${after}::bigint[])) IS TRUE`;

/** Who uses a secret: bootstraps that name it, and sites whose bundle holds a version of it. */
@Injectable()
export class SecretUsersRepository {
  /** Every version of a secret, also a destroyed one: a bundle may hold it still. */
  async versionIds(em: EntityManager, secretId: number): Promise<number[]> {
    const rows = await query<{ id: number }>(
      em,
      'SELECT secret_version_id AS id FROM secret_version WHERE secret_id = $1',
      [secretId],
    );
    return rows.map(({ id }) => id);
  }

  /** Profiles whose bootstrap names it: in a revision that sites get, or, unless `current`, in any; of a change those alone that it leaves out. */
  async profiles(
    em: EntityManager,
    orgId: string,
    secretId: number,
    current: boolean,
    change?: ProfileChange,
  ): Promise<SecretProfiles> {
    const rows = await query<SecretProfiles['profiles'][number] & { total: number }>(
      em,
      `WITH named AS (
         SELECT n.profile_id, max(n.revision) AS revision, bool_or(coalesce(n.revision IN (b.current_revision, b.settled_revision), false)) AS current
         FROM bootstrap_secret n LEFT JOIN bootstrap b USING (profile_id) WHERE n.secret_id = $2 GROUP BY n.profile_id)
       SELECT p.profile_id AS "profileId", p.name, n.revision, n.current, count(*) OVER () AS total
       FROM named n JOIN provisioning_profile p USING (profile_id) WHERE p.org_id = $1 AND (n.current OR NOT $3) AND (NOT $4 OR ${leavesOut('p.profile_id', '$5', '$6')})
       ORDER BY p.profile_id LIMIT ${USERS_NAMED}`,
      [orgId, secretId, current, change !== undefined, change?.before ?? null, change?.after ?? null],
    );
    return { total: rows[0]?.total ?? 0, profiles: rows.map(({ total: _, ...profile }) => profile) };
  }

  /** How many sites hold any of these versions, and how many hold each. */
  async counts(
    em: EntityManager,
    orgId: string,
    secretVersionIds: number[],
  ): Promise<{ total: number; byVersion: Map<number, number> }> {
    const rows = await query<{ id: number | null; n: number }>(
      em,
      `WITH holding AS (SELECT b.site_id, b.secrets, b.applied_secrets FROM site_bundle b WHERE b.org_id = $1 AND ${HOLDS})
       SELECT u.id, count(DISTINCT h.site_id) AS n FROM holding h, unnest(h.secrets || h.applied_secrets) AS u(id) WHERE u.id = ANY($2::bigint[]) GROUP BY u.id
       UNION ALL SELECT NULL, count(*) FROM holding`,
      [orgId, secretVersionIds],
    );
    return {
      total: rows.find(({ id }) => id === null)!.n,
      byVersion: new Map(rows.flatMap(({ id, n }) => (id === null ? [] : [[id, n] as const]))),
    };
  }

  /** Sites whose bundle holds one of these versions; with `lacking`, those of them that are offered the secret and did not say that they run with that version. */
  async sites(em: EntityManager, orgId: string, secretVersionIds: number[], lacking?: number): Promise<SecretSites> {
    const condition = `($3::bigint IS NULL OR b.secrets && $2::bigint[] AND NOT b.applied_secrets @> ARRAY[$3::bigint])`;
    return this.sitesWhere(em, condition, [orgId, secretVersionIds, lacking ?? null]);
  }

  /** Sites of profiles that a change leaves out, whose bundle holds one of these versions. */
  async sitesLeftOut(
    em: EntityManager,
    orgId: string,
    secretVersionIds: number[],
    { before, after }: ProfileChange,
  ): Promise<SecretSites> {
    return this.sitesWhere(em, leavesOut('s.profile_id', '$3', '$4'), [orgId, secretVersionIds, before, after]);
  }

  /** Sites that are offered one of these versions. */
  async offered(em: EntityManager, orgId: string, secretVersionIds: number[]): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT site_id AS "siteId" FROM site_bundle b WHERE b.org_id = $1 AND b.secrets <> '{}' AND b.secrets && $2::bigint[]`,
      [orgId, secretVersionIds],
    );
    return rows.map((row) => row.siteId);
  }

  private async sitesWhere(em: EntityManager, condition: string, values: unknown[]): Promise<SecretSites> {
    const rows = await query<SecretSite & { total: number }>(
      em,
      `SELECT s.site_id AS "siteId", s.nice_id AS "niceId", s.name, b.state,
         (SELECT max(v.version) FROM secret_version v WHERE v.secret_version_id = ANY(b.secrets) AND v.secret_version_id = ANY($2::bigint[])) AS "offeredVersion",
         (SELECT max(v.version) FROM secret_version v WHERE v.secret_version_id = ANY(b.applied_secrets) AND v.secret_version_id = ANY($2::bigint[])) AS "appliedVersion",
         count(*) OVER () AS total
       FROM site_bundle b JOIN site s USING (site_id)
       WHERE b.org_id = $1 AND ${HOLDS} AND ${condition}
       ORDER BY s.site_id LIMIT ${USERS_NAMED}`,
      values,
    );
    return { total: rows[0]?.total ?? 0, sites: rows.map(({ total: _, ...site }) => site) };
  }

  /** Whether any site is offered the secret, so that a new version has somewhere to go. */
  async isOffered(em: EntityManager, orgId: string, secretVersionIds: number[]): Promise<boolean> {
    const [row] = await query<{ offered: boolean }>(
      em,
      `SELECT EXISTS (SELECT FROM site_bundle b WHERE b.org_id = $1 AND b.secrets <> '{}' AND b.secrets && $2::bigint[]) AS offered`,
      [orgId, secretVersionIds],
    );
    return row!.offered;
  }
}
