import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CredentialKind } from '#contracts';
import { execute, prepared, query } from '#platform';
import type { CredentialStage } from './credential-standing.js';

/** A site that is to take another credential. */
export interface RotationRow {
  overlapSeconds: number;
  requestedAt: Date;
  /** When the next one was last handed out over a session; null: not yet. */
  offeredAt: Date | null;
}

/** A credential as operators see it. */
export interface ListedCredential {
  credentialId: number;
  kind: CredentialKind;
  stage: CredentialStage;
  status: 'usable' | 'expired' | 'superseded' | 'revoked';
  /** What is no secret: newt id, PSK identity, serial number of a certificate; null of a device API key. */
  publicId: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  renewUntil: Date | null;
  endsAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  lastUsedAddress: string | null;
}

/** Whose the credential is that is to be followed, and what the site's template says of the next one. */
export interface Subject {
  kind: CredentialKind;
  deviceId: string;
  orgUid: string;
  ttlSeconds: number | null;
  graceSeconds: number;
}

/** What a next credential waits for. */
export interface Waiting {
  /** Next ones that stand beside the current one, and the seconds until the oldest of them is a day old. */
  count: number;
  oldestFor: number | null;
  /** All that were made within a day to follow another one, whatever became of them, and the same of the oldest of these. */
  made: number;
  oldestMadeFor: number | null;
  /** Of the rotation that was asked for, if one was. */
  overlapSeconds: number | null;
}

/** The use of a superseded credential. */
export interface Reuse {
  /** It was not told of within the hour, and not from too many addresses. */
  isNews: boolean;
  /** Milliseconds for which requests that were under way, and those after a lost answer, may still come with it. */
  settlingFor: number;
  /** What the site's template wants. */
  onReuse: 'alert' | 'suspend';
  /** Whence the credential in force was last used, also one that has expired: the device is still where it was. */
  currentAddress: string | null;
}

/** How long after its end a device may still use a credential that it has replaced. */
const SETTLING = `interval '5 minutes'`;

const dayOldIn = (time: string) => `ceil(extract(epoch FROM ${time} + interval '1 day' - now()))::int`;

/** SQL about how one credential of a site follows another. Locks as in `SiteCredentialsRepository`. */
@Injectable()
export class CredentialSuccessionRepository {
  /** Waits for whoever decides about the site or its credentials. @returns whether it is there and not revoked */
  async lockSite(tx: EntityManager, siteId: number): Promise<boolean> {
    const [rows] = await Promise.all([
      prepared<{ live: boolean }>(
        tx,
        'succession_lock_site',
        'SELECT revoked_at IS NULL AS live FROM site WHERE site_id = $1 FOR NO KEY UPDATE',
        [siteId],
      ),
      prepared(tx, 'succession_lock_window', 'SELECT FROM claim_window WHERE site_id = $1 FOR UPDATE', [siteId]),
    ]);
    return rows[0]?.live ?? false;
  }

  /**
   * Makes a next credential the current one. The site is locked. A rotation that was asked for after the next one was made is not done by it.
   * @returns null when it is no next one (any more), or has expired; else until when the one before stays good
   */
  async promote(tx: EntityManager, siteId: number, credentialId: number): Promise<{ previousEndsAt: Date } | null> {
    const [row] = await prepared<{ previousEndsAt: Date }>(
      tx,
      'succession_promote',
      `WITH won AS (
         UPDATE site_credential SET stage = 'current' WHERE credential_id = $2 AND site_id = $1 AND stage = 'next' AND revoked_at IS NULL
           AND coalesce(expires_at > now(), true)
         RETURNING created_at, overlap_seconds),
       asked AS (SELECT r.overlap_seconds, r.requested_at FROM credential_rotation r WHERE r.site_id = $1),
       until AS (SELECT now() + make_interval(secs => least(won.overlap_seconds, (SELECT overlap_seconds FROM asked))) AS ends_at FROM won),
       before AS (
         UPDATE site_credential c SET stage = 'previous', ends_at = until.ends_at FROM until
         WHERE c.site_id = $1 AND c.revoked_at IS NULL AND (c.stage = 'current' OR (c.stage = 'previous' AND c.ends_at > until.ends_at))),
       others AS (
         UPDATE site_credential c SET revoked_at = now() FROM won
         WHERE c.site_id = $1 AND c.credential_id <> $2 AND c.stage = 'next' AND c.revoked_at IS NULL),
       done AS (DELETE FROM credential_rotation r USING won WHERE r.site_id = $1 AND r.requested_at <= won.created_at RETURNING r.job_id),
       proof AS (INSERT INTO credential_proof (job_id, site_id) SELECT job_id, $1 FROM done WHERE job_id IS NOT NULL)
       SELECT ends_at AS "previousEndsAt" FROM until`,
      [siteId, credentialId],
    );
    return row ?? null;
  }

  /** The site is locked. @returns whether who presents this credential may have the next one: it is good, or has expired and may still renew */
  async mayRenew(tx: EntityManager, siteId: number, credentialId: number): Promise<boolean> {
    const rows = await prepared(
      tx,
      'succession_may_renew',
      `SELECT FROM credential_life WHERE credential_id = $2 AND site_id = $1 AND revoked_at IS NULL
         AND coalesce(ends_at > now(), true) AND coalesce(renew_until > now(), true)`,
      [siteId, credentialId],
    );
    return rows.length > 0;
  }

  /**
   * The site is locked. Next ones that nobody used within a day go, and every server hears of it; not the one that asks, which may have expired unused
   * and be all that the site has, should this answer be lost.
   */
  async waiting(tx: EntityManager, siteId: number, credentialId: number): Promise<Waiting> {
    const [, [row]] = await Promise.all([
      prepared(
        tx,
        'succession_stale',
        `UPDATE site_credential SET revoked_at = now()
         WHERE site_id = $1 AND stage = 'next' AND revoked_at IS NULL AND created_at < now() - interval '1 day' AND credential_id <> $2
         RETURNING pg_notify('site_changed', site_id::text)`,
        [siteId, credentialId],
      ),
      prepared<Waiting>(
        tx,
        'succession_waiting',
        `SELECT count(*) FILTER (WHERE is_next)::int AS count, ${dayOldIn('min(created_at) FILTER (WHERE is_next)')} AS "oldestFor",
           count(*)::int AS made, ${dayOldIn('min(created_at)')} AS "oldestMadeFor",
           (SELECT overlap_seconds FROM credential_rotation WHERE site_id = $1) AS "overlapSeconds"
         FROM site_credential CROSS JOIN LATERAL (SELECT stage = 'next' AND revoked_at IS NULL AS is_next) n
         WHERE site_id = $1 AND overlap_seconds IS NOT NULL AND created_at > now() - interval '1 day'`,
        [siteId],
      ),
    ]);
    return row!;
  }

  async subject(em: EntityManager, siteId: number, credentialId: number): Promise<Subject | null> {
    const [row] = await prepared<Subject>(
      em,
      'succession_subject',
      `SELECT c.kind, s.device_id AS "deviceId", o.org_uid AS "orgUid", p.credential_ttl_seconds AS "ttlSeconds", p.renew_grace_seconds AS "graceSeconds"
       FROM site_credential c JOIN site s USING (site_id) JOIN org o ON o.org_id = s.org_id JOIN credential_policy p ON p.site_id = s.site_id
       WHERE c.credential_id = $2 AND c.site_id = $1`,
      [siteId, credentialId],
    );
    return row ?? null;
  }

  /** Asks for another credential of these sites, or asks anew. @returns those of them that are there and not revoked */
  async requestRotations(
    tx: EntityManager,
    orgId: string,
    siteIds: number[],
    overlapSeconds: number,
    jobId: number | null,
  ): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      tx,
      `WITH held AS (SELECT site_id FROM site WHERE org_id = $1 AND site_id = ANY ($2::bigint[]) AND revoked_at IS NULL
                     ORDER BY site_id FOR NO KEY UPDATE)
       INSERT INTO credential_rotation (site_id, org_id, job_id, overlap_seconds) SELECT site_id, $1, $4, $3 FROM held ORDER BY site_id
       ON CONFLICT (site_id) DO UPDATE SET job_id = excluded.job_id, overlap_seconds = excluded.overlap_seconds, requested_at = now(), offered_at = NULL
       RETURNING site_id AS "siteId", pg_notify('site_changed', site_id::text)`,
      [orgId, siteIds, overlapSeconds, jobId],
    );
    return rows.map(({ siteId }) => siteId);
  }

  /** Takes what sites have proved that a job asked; of those with a higher id. @returns the sites, in the order in which they did */
  async takeProofs(tx: EntityManager, jobId: number, after: number, limit: number): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      tx,
      `WITH taken AS (DELETE FROM credential_proof WHERE proof_id IN (
         SELECT proof_id FROM credential_proof WHERE job_id = $1 AND site_id > $2 ORDER BY proof_id LIMIT $3) RETURNING proof_id, site_id)
       SELECT site_id AS "siteId" FROM taken ORDER BY proof_id`,
      [jobId, after, limit],
    );
    return rows.map(({ siteId }) => siteId);
  }

  async rotation(em: EntityManager, orgId: string, siteId: number): Promise<RotationRow | null> {
    const [row] = await query<RotationRow>(
      em,
      `SELECT overlap_seconds AS "overlapSeconds", requested_at AS "requestedAt", offered_at AS "offeredAt"
       FROM credential_rotation WHERE org_id = $1 AND site_id = $2`,
      [orgId, siteId],
    );
    return row ?? null;
  }

  /** The site is locked. @returns false when no rotation is asked for (any more) */
  async markOffered(tx: EntityManager, siteId: number): Promise<boolean> {
    return (await execute(tx, 'UPDATE credential_rotation SET offered_at = now() WHERE site_id = $1', [siteId])) > 0;
  }

  /** The newest ones of a site, those that are good first. */
  list(em: EntityManager, orgId: string, siteId: number, limit: number): Promise<ListedCredential[]> {
    return query<ListedCredential>(
      em,
      `SELECT credential_id AS "credentialId", kind, stage,
         CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN ends_at <= now() THEN 'superseded' WHEN expires_at <= now() THEN 'expired' ELSE 'usable' END AS status,
         coalesce(newt_id, psk_identity, serial) AS "publicId", created_at AS "createdAt", expires_at AS "expiresAt", renew_until AS "renewUntil",
         ends_at AS "endsAt", revoked_at AS "revokedAt", last_used_at AS "lastUsedAt", host(last_used_address) AS "lastUsedAddress"
       FROM credential_life WHERE org_id = $1 AND site_id = $2
       ORDER BY revoked_at IS NOT NULL, coalesce(ends_at <= now(), false), credential_id DESC LIMIT $3`,
      [orgId, siteId, limit],
    );
  }

  /**
   * Once an hour for each, and when it comes from elsewhere. Of credentials that others decide about at the moment nothing is written: they are used again.
   */
  async used(em: EntityManager, uses: { credentialId: number; address: string | null }[]): Promise<void> {
    await prepared(
      em,
      'succession_used',
      `WITH due AS (
         SELECT c.credential_id, u.address FROM unnest($1::bigint[], $2::inet[]) AS u(id, address) JOIN site_credential c ON c.credential_id = u.id
         WHERE c.last_used_at IS NULL OR c.last_used_at < now() - interval '1 hour' OR c.last_used_address IS DISTINCT FROM u.address
         FOR NO KEY UPDATE OF c SKIP LOCKED)
       UPDATE site_credential c SET last_used_at = now(), last_used_address = due.address FROM due WHERE c.credential_id = due.credential_id`,
      [uses.map((use) => use.credentialId), uses.map((use) => use.address)],
    );
  }

  /**
   * A superseded credential was used. The site is locked. What was told of while the device itself could still be using it is told of again afterwards.
   * @returns null when it is gone
   */
  async tellReuse(
    tx: EntityManager,
    { siteId, credentialId, address }: { siteId: number; credentialId: number; address: string },
    maxAddresses: number,
  ): Promise<Reuse | null> {
    const [row] = await query<Reuse>(
      tx,
      `WITH used AS (
         SELECT ends_at + ${SETTLING} AS settled_at FROM site_credential WHERE credential_id = $2 AND site_id = $1 AND ends_at IS NOT NULL),
       told AS (
         INSERT INTO credential_reuse AS r (site_id, address) SELECT $1, $3::inet FROM used
         WHERE (SELECT count(*) FROM credential_reuse WHERE site_id = $1 AND told_at > now() - interval '1 hour') < $4
         ON CONFLICT (site_id, address) DO UPDATE SET told_at = now()
         WHERE r.told_at <= now() - interval '1 hour' OR (SELECT settled_at > r.told_at AND settled_at <= now() FROM used) RETURNING 1)
       SELECT EXISTS (SELECT FROM told) AS "isNews", greatest(extract(epoch FROM used.settled_at - now())::float8 * 1000, 0) AS "settlingFor", p.on_reuse AS "onReuse", (
         SELECT host(last_used_address) FROM credential_life WHERE site_id = $1 AND revoked_at IS NULL AND coalesce(ends_at > now(), true)
         ORDER BY stage = 'current' DESC, last_used_at DESC NULLS LAST LIMIT 1) AS "currentAddress"
       FROM used, credential_policy p WHERE p.site_id = $1`,
      [siteId, credentialId, address, maxAddresses],
    );
    return row ?? null;
  }
}
