import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, notFound, query, type Window } from '#platform';
import type { SecretInput } from './bundle-inputs.js';
import type { BundleItem, BundleLease, BundleSecret, BundleView, ListBundlesQuery } from './bundles.dto.js';

type ViewRow = Omit<BundleView, 'secrets' | 'appliedSecrets' | 'lease'> &
  BundleLease & { secrets: Secrets | null; appliedSecrets: Secrets | null };
type Secrets = Record<string, SecretInput>;

const ITEM = `
  SELECT s.site_id AS "siteId", s.nice_id AS "niceId", s.name, s.profile_id AS "profileId", b.version, (b.inputs->>'revision')::int AS revision,
    b.state, b.reason, b.returned, b.changed_at AS "changedAt", b.applied_version AS "appliedVersion", (b.applied_inputs->>'revision')::int AS "appliedRevision",
    b.rollout_id AS "rolloutId", b.bundle_key IS NOT NULL AS sealed,
    EXISTS (SELECT FROM site_connected c WHERE c.site_id = b.site_id AND c.takes_bundles) AS "takesBundles"
  FROM site_bundle b JOIN site s ON s.site_id = b.site_id`;

const COLUMNS: Columns<BundleItem> = {
  siteId: true,
  niceId: true,
  name: true,
  profileId: true,
  version: true,
  revision: true,
  state: true,
  reason: true,
  returned: true,
  changedAt: true,
  appliedVersion: true,
  appliedRevision: true,
  rolloutId: true,
  sealed: true,
  takesBundles: true,
};

/** Reads of bundles as operators see them: names and versions, never a value. */
@Injectable()
export class BundleReads {
  /** In the order of sites. */
  page(em: EntityManager, orgId: string, filter: ListBundlesQuery, { limit, offset }: Window): Promise<BundleItem[]> {
    const { where, values } = conditions(orgId, filter);
    return query<BundleItem>(
      em,
      `${ITEM} WHERE ${where} ORDER BY b.site_id LIMIT $${values.length + 1} OFFSET $${values.length + 2}`,
      [...values, limit, offset],
    );
  }

  /** All matches, by site. */
  whole(em: EntityManager, orgId: string, filter: ListBundlesQuery): ExportSource<BundleItem, number> {
    const { where, values } = conditions(orgId, filter);
    const text = `${ITEM} WHERE ${where} AND b.site_id > $${values.length + 1} ORDER BY b.site_id LIMIT $${values.length + 2}`;
    return {
      name: 'bundles',
      columns: COLUMNS,
      page: (after, limit) => query<BundleItem>(em, text, [...values, after ?? 0, limit]),
      keyOf: ({ siteId }) => siteId,
    };
  }

  async total(em: EntityManager, orgId: string, filter: ListBundlesQuery): Promise<number> {
    const { where, values } = conditions(orgId, filter);
    const [row] = await query<{ n: number }>(
      em,
      `SELECT count(*) AS n FROM site_bundle b JOIN site s ON s.site_id = b.site_id WHERE ${where}`,
      values,
    );
    return row!.n;
  }

  /** @throws not_found */
  async view(em: EntityManager, orgId: string, siteId: number): Promise<BundleView> {
    const [row] = await query<ViewRow>(
      em,
      `SELECT s.site_id AS "siteId", s.profile_id AS "profileId", b.version, (b.inputs->>'revision')::int AS revision, b.state, b.reason,
         coalesce(b.returned, false) AS returned, CASE WHEN b.version IS NOT NULL THEN b.changed_at END AS "changedAt", b.rollout_id AS "rolloutId",
         b.inputs->'secrets' AS secrets, b.applied_version AS "appliedVersion", (b.applied_inputs->>'revision')::int AS "appliedRevision",
         b.applied_inputs->'secrets' AS "appliedSecrets", b.bundle_jkt AS "bundleKeyThumbprint", l.expires_at AS "expiresAt", l.held, l.cloned_at AS "clonedAt"
       FROM site s LEFT JOIN site_bundle b ON b.site_id = s.site_id LEFT JOIN site_lease l ON l.site_id = s.site_id
       WHERE s.org_id = $1 AND s.site_id = $2`,
      [orgId, siteId],
    );
    if (!row) throw notFound('Site');
    const { secrets, appliedSecrets, expiresAt, held, clonedAt, ...view } = row;
    return {
      ...view,
      secrets: versionsOf(secrets),
      appliedSecrets: versionsOf(appliedSecrets),
      lease: expiresAt === null ? null : { expiresAt, held, clonedAt },
    };
  }
}

function conditions(orgId: string, { profileId, version, state }: ListBundlesQuery) {
  const values: unknown[] = [orgId];
  const parts = ['b.org_id = $1', 'b.version IS NOT NULL'];
  const add = (value: unknown, column: string) =>
    value !== undefined && parts.push(`${column} = $${values.push(value)}`);
  add(profileId, 's.profile_id');
  add(version, 'b.version');
  add(state, 'b.state');
  return { where: parts.join(' AND '), values };
}

const versionsOf = (secrets: Secrets | null): BundleSecret[] =>
  Object.entries(secrets ?? {})
    .map(([name, { version }]) => ({ name, version }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
