import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, execute, exportOfRows, prepared, query, type Window } from '#platform';
import type { BootstrapRevisionView } from './bootstrap.dto.js';

/** What stands of a profile's bootstrap: the newest revision, and the one that sites get which no rollout has reached. */
interface CurrentBootstrap {
  revision: number;
  /** 0: none yet. */
  settledRevision: number;
  document: string;
  createdBy: string;
  createdAt: Date;
}

/** Revisions of a profile beyond these go, the oldest first, unless a site is offered one or runs with it. */
const KEPT_REVISIONS = 1000;

const REVISION_COLUMNS: Columns<BootstrapRevisionView> = {
  revision: true,
  current: true,
  secrets: true,
  createdBy: true,
  createdAt: true,
};

const REVISIONS = `SELECT r.revision, r.created_by AS "createdBy", r.created_at AS "createdAt",
    EXISTS (SELECT FROM bootstrap b WHERE b.profile_id = r.profile_id AND b.current_revision = r.revision) AS current,
    ARRAY(SELECT s.name FROM bootstrap_secret n JOIN secret s USING (secret_id) WHERE n.profile_id = r.profile_id AND n.revision = r.revision ORDER BY s.name) AS secrets
  FROM bootstrap_revision r WHERE r.org_id = $1 AND r.profile_id = $2`;

/** All SQL about bootstrap documents. */
@Injectable()
export class BootstrapsRepository {
  /** Held against other changes of its bootstrap. @returns the last revision that it ever had, 0 for none; undefined when there is no such profile. */
  async lockProfile(tx: EntityManager, orgId: string, profileId: number): Promise<{ last: number } | undefined> {
    const [profile] = await query(
      tx,
      'SELECT FROM provisioning_profile WHERE org_id = $1 AND profile_id = $2 FOR NO KEY UPDATE',
      [orgId, profileId],
    );
    if (!profile) return undefined;
    const [row] = await query<{ last: number }>(
      tx,
      'SELECT coalesce(max(revision), 0) AS last FROM bootstrap_revision WHERE profile_id = $1',
      [profileId],
    );
    return row;
  }

  async current(em: EntityManager, orgId: string, profileId: number): Promise<CurrentBootstrap | undefined> {
    const [row] = await query<CurrentBootstrap>(
      em,
      `SELECT r.revision, b.settled_revision AS "settledRevision", r.document, r.created_by AS "createdBy", r.created_at AS "createdAt"
       FROM bootstrap b JOIN bootstrap_revision r ON r.profile_id = b.profile_id AND r.revision = b.current_revision
       WHERE b.org_id = $1 AND b.profile_id = $2`,
      [orgId, profileId],
    );
    return row;
  }

  async find(
    em: EntityManager,
    orgId: string,
    profileId: number,
    revision: number,
  ): Promise<Omit<CurrentBootstrap, 'settledRevision'> | undefined> {
    const [row] = await query<Omit<CurrentBootstrap, 'settledRevision'>>(
      em,
      `SELECT revision, document, created_by AS "createdBy", created_at AS "createdAt" FROM bootstrap_revision
       WHERE org_id = $1 AND profile_id = $2 AND revision = $3`,
      [orgId, profileId, revision],
    );
    return row;
  }

  /** `isOwn`: the very transaction that asks has written it, and may not be committed. */
  async document(
    em: EntityManager,
    profileId: number,
    revision: number,
  ): Promise<{ orgId: string; document: string; isOwn: boolean } | undefined> {
    const [row] = await prepared<{ orgId: string; document: string; isOwn: boolean }>(
      em,
      'bootstrap_document',
      `SELECT org_id AS "orgId", document, created_at = now() AS "isOwn" FROM bootstrap_revision WHERE profile_id = $1 AND revision = $2`,
      [profileId, revision],
    );
    return row;
  }

  /** Newest first. */
  async revisions(
    em: EntityManager,
    orgId: string,
    profileId: number,
    window: Window,
  ): Promise<BootstrapRevisionView[]> {
    return query(em, `${REVISIONS} ORDER BY r.revision DESC LIMIT $3 OFFSET $4`, [
      orgId,
      profileId,
      window.limit,
      window.offset,
    ]);
  }

  allRevisions(em: EntityManager, orgId: string, profileId: number): ExportSource<BootstrapRevisionView, unknown[]> {
    const list = { name: `bootstrap-${profileId}-revisions`, columns: REVISION_COLUMNS, rows: REVISIONS };
    return exportOfRows(em, { ...list, values: [orgId, profileId], by: ['revision'] });
  }

  async countRevisions(em: EntityManager, orgId: string, profileId: number): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM bootstrap_revision WHERE org_id = $1 AND profile_id = $2',
      [orgId, profileId],
    );
    return row!.n;
  }

  /** A new revision, which becomes the current one. The profile is locked. */
  async insert(
    tx: EntityManager,
    row: {
      orgId: string;
      profileId: number;
      revision: number;
      document: string;
      createdBy: string;
      secretIds: number[];
    },
  ): Promise<void> {
    const { orgId, profileId, revision, document, createdBy, secretIds } = row;
    await execute(
      tx,
      'INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) VALUES ($1, $2, $3, $4, $5)',
      [profileId, revision, orgId, document, createdBy],
    );
    await execute(
      tx,
      'INSERT INTO bootstrap_secret (profile_id, revision, secret_id) SELECT $1, $2, unnest($3::bigint[])',
      [profileId, revision, secretIds],
    );
    await execute(
      tx,
      `INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) VALUES ($1, $2, $3, 0)
       ON CONFLICT (profile_id) DO UPDATE SET current_revision = excluded.current_revision`,
      [profileId, orgId, revision],
    );
  }

  /** After a revision was added. */
  async dropOldest(tx: EntityManager, orgId: string, profileId: number, newest: number): Promise<void> {
    await execute(
      tx,
      `DELETE FROM bootstrap_revision r USING bootstrap b
       WHERE r.profile_id = $2 AND r.revision <= $3 AND b.profile_id = r.profile_id AND r.revision NOT IN (b.current_revision, b.settled_revision)
         AND NOT EXISTS (SELECT FROM site_bundle s WHERE s.org_id = $1 AND jsonb_build_object('profileId', r.profile_id, 'revision', r.revision) <@ ANY (ARRAY[s.inputs, s.applied_inputs, s.overtaken->'inputs']))`,
      [orgId, profileId, newest - KEPT_REVISIONS],
    );
  }

  /** Its revisions stay: others go on counting from them. */
  async delete(tx: EntityManager, orgId: string, profileId: number): Promise<void> {
    await execute(tx, 'DELETE FROM bootstrap WHERE org_id = $1 AND profile_id = $2', [orgId, profileId]);
  }

  /** How many sites are under the profile, and the first of them by id. */
  async sites(
    em: EntityManager,
    orgId: string,
    profileId: number,
    limit: number,
  ): Promise<{ total: number; sites: { siteId: number; niceId: string; name: string }[] }> {
    const [count] = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM site WHERE org_id = $1 AND profile_id = $2',
      [orgId, profileId],
    );
    const sites = await query<{ siteId: number; niceId: string; name: string }>(
      em,
      `SELECT site_id AS "siteId", nice_id AS "niceId", name FROM site WHERE org_id = $1 AND profile_id = $2 ORDER BY site_id LIMIT $3`,
      [orgId, profileId, limit],
    );
    return { total: count!.n, sites };
  }

  /** How many sites of the profile lack each of these labels, or have nothing in it. */
  async lackingLabels(
    em: EntityManager,
    orgId: string,
    profileId: number,
    labels: string[],
  ): Promise<{ name: string; sites: number }[]> {
    if (labels.length === 0) return [];
    return query(
      em,
      `SELECT k.name, count(*) AS sites FROM site s, unnest($3::text[]) AS k(name)
       WHERE s.org_id = $1 AND s.profile_id = $2 AND coalesce(s.labels->>k.name, '') = '' GROUP BY k.name`,
      [orgId, profileId, labels],
    );
  }

  async lackingHardwareId(em: EntityManager, orgId: string, profileId: number): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM site WHERE org_id = $1 AND profile_id = $2 AND hardware_id IS NULL',
      [orgId, profileId],
    );
    return row!.n;
  }
}
