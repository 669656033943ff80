import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';

/** A certificate authority with its sealed key. */
export interface AuthorityRow {
  caId: string;
  orgId: string;
  certificate: string;
  sealedKey: Buffer;
}

/** One as others may see it. */
export interface TrustedRow {
  caId: string;
  orgId: string;
  orgUid: string;
  certificate: string;
  /** In milliseconds; null: it is the one that issues. */
  trustedFor: number | null;
}

export interface ListedAuthority {
  caId: string;
  state: 'current' | 'previous' | 'retired';
  certificate: string;
  createdAt: Date;
  trustedUntil: Date | null;
  /** That hold a good certificate of it and none of a later one. */
  sites: number;
}

const TRUSTED = `SELECT a.ca_id AS "caId", o.org_id AS "orgId", o.org_uid AS "orgUid", a.certificate, extract(epoch FROM a.trusted_until - now())::float8 * 1000 AS "trustedFor"
  FROM device_ca a JOIN org o USING (org_uid) WHERE coalesce(a.trusted_until > now(), true)`;

/** All SQL of certificate authorities. */
@Injectable()
export class AuthoritiesRepository {
  /** The one that issues for an organization. */
  async current(em: EntityManager, orgUid: string): Promise<AuthorityRow | null> {
    const [row] = await prepared<AuthorityRow>(
      em,
      'device_ca_current',
      `SELECT a.ca_id AS "caId", o.org_id AS "orgId", a.certificate, a.key_encrypted AS "sealedKey"
       FROM device_ca a JOIN org o USING (org_uid) WHERE a.org_uid = $1 AND a.trusted_until IS NULL`,
      [orgUid],
    );
    return row ?? null;
  }

  async orgIdOf(em: EntityManager, orgUid: string): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM org WHERE org_uid = $1', [orgUid]);
    return row?.orgId ?? null;
  }

  /** The identity of the organization whose authority that is, or was. */
  async organizationOf(em: EntityManager, caId: string): Promise<string | null> {
    const [row] = await prepared<{ orgUid: string }>(
      em,
      'device_ca_organization',
      'SELECT org_uid AS "orgUid" FROM device_ca WHERE ca_id = $1',
      [caId],
    );
    return row?.orgUid ?? null;
  }

  /** Whatever its state is. */
  async find(em: EntityManager, caId: string): Promise<AuthorityRow | null> {
    const [row] = await prepared<AuthorityRow>(
      em,
      'device_ca_find',
      `SELECT a.ca_id AS "caId", o.org_id AS "orgId", a.certificate, a.key_encrypted AS "sealedKey"
       FROM device_ca a JOIN org o USING (org_uid) WHERE a.ca_id = $1`,
      [caId],
    );
    return row ?? null;
  }

  async trusted(em: EntityManager, caId: string): Promise<TrustedRow | null> {
    const [row] = await prepared<TrustedRow>(em, 'device_ca_trusted', `${TRUSTED} AND a.ca_id = $1`, [caId]);
    return row ?? null;
  }

  /** All of them that are trusted, newest first: of the organization that one of its authorities names. */
  async trustedBeside(em: EntityManager, caId: string): Promise<TrustedRow[]> {
    return prepared<TrustedRow>(
      em,
      'device_ca_trusted_beside',
      `${TRUSTED} AND a.org_uid = (SELECT org_uid FROM device_ca WHERE ca_id = $1) ORDER BY a.created_at DESC, a.ca_id`,
      [caId],
    );
  }

  /** @returns false when another one issues already: of two at once the first stays */
  async insert(
    em: EntityManager,
    orgUid: string,
    { caId, certificate, sealedKey }: Omit<AuthorityRow, 'orgId'>,
  ): Promise<boolean> {
    const inserted = await execute(
      em,
      `INSERT INTO device_ca (ca_id, org_uid, certificate, key_encrypted) VALUES ($1, $2, $3, $4)
       ON CONFLICT (org_uid) WHERE trusted_until IS NULL DO NOTHING`,
      [caId, orgUid, certificate, sealedKey],
    );
    return inserted === 1;
  }

  /**
   * The one that issues becomes a former one, and no former one is trusted for longer than this. Every server hears which sites have certificates of
   * them, and closes what is open by those at their new end.
   */
  async supersede(tx: EntityManager, orgUid: string, overlapSeconds: number): Promise<void> {
    await query(
      tx,
      `WITH superseded AS (
         UPDATE device_ca SET trusted_until = now() + make_interval(secs => $2)
         WHERE org_uid = $1 AND coalesce(trusted_until > now() + make_interval(secs => $2), true) RETURNING ca_id),
       concerned AS (SELECT DISTINCT c.site_id FROM superseded JOIN site_credential c USING (ca_id) WHERE c.revoked_at IS NULL)
       SELECT count(pg_notify('site_changed', site_id::text)) FROM concerned`,
      [orgUid, overlapSeconds],
    );
  }

  /** How many are trusted beside the one that issues. */
  async countFormer(tx: EntityManager, orgUid: string): Promise<number> {
    const [row] = await query<{ count: number }>(
      tx,
      'SELECT count(*)::int AS count FROM device_ca WHERE org_uid = $1 AND trusted_until > now()',
      [orgUid],
    );
    return row!.count;
  }

  /** Newest first. Those of sites that have no good certificate of a later authority are counted: they are the ones that have yet to renew. */
  list(em: EntityManager, orgUid: string, limit: number): Promise<ListedAuthority[]> {
    return query<ListedAuthority>(
      em,
      `SELECT a.ca_id AS "caId", CASE WHEN a.trusted_until IS NULL THEN 'current' WHEN a.trusted_until > now() THEN 'previous' ELSE 'retired' END AS state,
         a.certificate, a.created_at AS "createdAt", a.trusted_until AS "trustedUntil", count(m.site_id)::int AS sites
       FROM device_ca a LEFT JOIN (
         SELECT DISTINCT ON (c.site_id) c.site_id, c.ca_id FROM device_ca ca JOIN site_credential c USING (ca_id)
         WHERE ca.org_uid = $1 AND c.revoked_at IS NULL AND c.stage <> 'next' AND coalesce(least(c.ends_at, c.expires_at) > now(), true)
         ORDER BY c.site_id, ca.created_at DESC
       ) m USING (ca_id)
       WHERE a.org_uid = $1 GROUP BY a.ca_id ORDER BY a.created_at DESC, a.ca_id LIMIT $2`,
      [orgUid, limit],
    );
  }

  /** Some of the sites whose certificates are of former authorities only and that have not been asked for another one yet, from a number on. */
  async sitesToMove(em: EntityManager, orgUid: string, after: number, limit: number): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      em,
      `SELECT s.site_id AS "siteId" FROM site s JOIN org o USING (org_id)
       WHERE o.org_uid = $1 AND s.site_id > $2 AND s.revoked_at IS NULL
         AND EXISTS (SELECT FROM site_credential c JOIN device_ca a USING (ca_id)
           WHERE c.site_id = s.site_id AND c.revoked_at IS NULL AND c.stage = 'current' AND a.trusted_until IS NOT NULL)
       ORDER BY s.site_id LIMIT $3`,
      [orgUid, after, limit],
    );
    return rows.map((row) => row.siteId);
  }
}
