import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CredentialKind } from '#contracts';
import { execute, prepared, query } from '#platform';
import { type CredentialStage, type Ends, type EndsOfRow, endsOf } from './credential-standing.js';

/** What says that a public key belongs to another site (docs/claims.md rule 37). */
export const PUBLIC_KEY_TAKEN = 'device_public_key_pkey';

export interface NewSiteCredential {
  siteId: number;
  orgId: string;
  kind: CredentialKind;
  newtId?: string | null;
  secretHash?: Buffer | null;
  pskIdentity?: string | null;
  pskEncrypted?: Buffer | null;
  certificate?: string | null;
  /** Of a certificate: SHA-256 of its DER and of its SubjectPublicKeyInfo, its serial number in lower case, and the CA that signed it. */
  certificateHash?: Buffer | null;
  publicKeyHash?: Buffer | null;
  serial?: string | null;
  caId?: string | null;
  /** Both or neither: when it expires, and until when it may renew itself afterwards. */
  expiresAt?: Date | null;
  renewUntil?: Date | null;
  /** [current] */
  stage?: CredentialStage;
  /** Of a next one: how long the current one stays good once it was used. */
  overlapSeconds?: number | null;
  /** With the first credential of a site: SHA-256 of the nonce of its claim. */
  nonceHash?: Buffer | null;
  /** Likewise: the device has no hardware id and is known by its nonce. */
  byNonce?: boolean;
}

/** A credential that is not revoked, of a site that is not. */
export interface CredentialRow extends Ends {
  credentialId: number;
  siteId: number;
  orgId: string;
  deviceId: string;
  niceId: string;
  kind: CredentialKind;
  caId: string | null;
  /** SHA-256 as base64: shorter than hex, and unlike a Buffer it keeps nothing of the driver's alive. */
  secretHash: string;
  stage: CredentialStage;
  /** The next use is the first one, or closes the nonce window. */
  unsettled: boolean;
}

const FIND = `SELECT c.credential_id AS "credentialId", c.site_id AS "siteId", c.org_id AS "orgId", s.device_id AS "deviceId", s.nice_id AS "niceId",
    c.kind, c.ca_id AS "caId", encode(c.secret_hash, 'base64') AS "secretHash", c.stage, extract(epoch FROM c.ends_at - now())::float8 * 1000 AS "endsIn",
    extract(epoch FROM c.expires_at - now())::float8 * 1000 AS "expiresIn", extract(epoch FROM c.renew_until - now())::float8 * 1000 AS "renewableFor",
    w.authenticated_at IS NULL OR (w.nonce_hash IS NOT NULL AND w.closed_at IS NULL) AS unsettled
  FROM credential_life c JOIN site s USING (site_id) JOIN claim_window w USING (site_id)
  WHERE c.revoked_at IS NULL AND s.revoked_at IS NULL AND`;

/**
 * SQL about site credentials as they are presented, and the windows in which their claims may be repeated. Locks, here and in what supersedes them: the
 * site, then its window, then credentials, then what else is kept of the site.
 */
@Injectable()
export class SiteCredentialsRepository {
  findNewt(em: EntityManager, newtId: string): Promise<CredentialRow | null> {
    return this.find(em, 'newt', `c.kind = 'newt' AND c.newt_id = $1`, [newtId]);
  }

  findDeviceKey(em: EntityManager, keyHash: Buffer): Promise<CredentialRow | null> {
    return this.find(em, 'key', `c.kind = 'api_key' AND c.secret_hash = $1`, [keyHash]);
  }

  findPsk(em: EntityManager, identity: string): Promise<CredentialRow | null> {
    return this.find(em, 'psk', `c.kind = 'psk' AND c.psk_identity = $1`, [identity]);
  }

  findCertificate(em: EntityManager, hash: Buffer): Promise<CredentialRow | null> {
    return this.find(em, 'certificate', `c.kind = 'certificate' AND c.certificate_hash = $1`, [hash]);
  }

  /** By number: of somebody who has proved it before. */
  findById(em: EntityManager, siteId: number, credentialId: number): Promise<CredentialRow | null> {
    return this.find(em, 'id', 'c.credential_id = $1 AND c.site_id = $2', [credentialId, siteId]);
  }

  private async find(em: EntityManager, by: string, where: string, values: unknown[]): Promise<CredentialRow | null> {
    const asked = performance.now();
    const [row] = await prepared<Omit<CredentialRow, keyof Ends> & EndsOfRow>(
      em,
      `site_credential_${by}`,
      `${FIND} ${where}`,
      values,
    );
    if (!row) return null;
    const { endsIn, expiresIn, renewableFor, ...facts } = row;
    return { ...facts, ...endsOf({ endsIn, expiresIn, renewableFor }, asked) };
  }

  /**
   * docs/claims.md rule 5: who came first. Waits for whoever holds the window, and only then looks at it, at the credential and at the site:
   * a statement that waits within itself would see the other two as they were before.
   * @returns null when there was nothing left to settle; else whether a nonce window was closed by it.
   */
  async settle(tx: EntityManager, siteId: number, credentialId: number): Promise<{ closedWindow: boolean } | null> {
    const [, rows] = await Promise.all([
      this.lockWindow(tx, siteId),
      prepared<{ closedWindow: boolean }>(
        tx,
        'claim_window_settle',
        `UPDATE claim_window w SET authenticated_at = coalesce(w.authenticated_at, now()),
           closed_at = CASE WHEN w.nonce_hash IS NOT NULL THEN coalesce(w.closed_at, now()) END
         FROM site s WHERE w.site_id = $1 AND s.site_id = w.site_id AND s.revoked_at IS NULL
           AND (w.authenticated_at IS NULL OR (w.nonce_hash IS NOT NULL AND w.closed_at IS NULL))
           AND EXISTS (SELECT 1 FROM site_credential WHERE credential_id = $2 AND revoked_at IS NULL)
         RETURNING w.nonce_hash IS NOT NULL AS "closedWindow"`,
        [siteId, credentialId],
      ),
    ]);
    return rows[0] ?? null;
  }

  async lockWindow(tx: EntityManager, siteId: number): Promise<void> {
    await prepared(tx, 'claim_window_lock', 'SELECT FROM claim_window WHERE site_id = $1 FOR UPDATE', [siteId]);
  }

  async countReissue(tx: EntityManager, siteId: number): Promise<void> {
    await execute(tx, 'UPDATE claim_window SET reissues = reissues + 1 WHERE site_id = $1', [siteId]);
  }

  async reopenWindow(tx: EntityManager, siteId: number, nonceHash: Buffer | null): Promise<void> {
    await execute(
      tx,
      `UPDATE claim_window SET nonce_hash = $2, opened_at = CASE WHEN $2::bytea IS NULL THEN NULL ELSE now() END, closed_at = NULL, reissues = 0,
         authenticated_at = NULL, connected_at = NULL WHERE site_id = $1`,
      [siteId, nonceHash],
    );
  }

  async connected(tx: EntityManager, siteIds: number[]): Promise<void> {
    await execute(
      tx,
      `WITH due AS (SELECT site_id FROM claim_window WHERE site_id = ANY ($1::bigint[]) AND connected_at IS NULL ORDER BY site_id FOR UPDATE)
       UPDATE claim_window w SET connected_at = now() FROM due WHERE w.site_id = due.site_id`,
      [siteIds],
    );
  }

  async revokeOthers(tx: EntityManager, siteId: number, credentialId: number): Promise<number> {
    return execute(
      tx,
      'UPDATE site_credential SET revoked_at = now() WHERE site_id = $1 AND credential_id <> $2 AND revoked_at IS NULL',
      [siteId, credentialId],
    );
  }

  async isUsable(em: EntityManager, credentialId: number): Promise<boolean> {
    const rows = await query(
      em,
      'SELECT FROM usable_credential c JOIN site s USING (site_id) WHERE c.credential_id = $1 AND s.revoked_at IS NULL',
      [credentialId],
    );
    return rows.length > 0;
  }

  /** One statement, however many. A site's first credential opens its window; nonces in order, so that two processes cannot deadlock. @returns the new ids in the order of the rows. */
  async insertMany(tx: EntityManager, rows: NewSiteCredential[]): Promise<number[]> {
    const column = <K extends keyof NewSiteCredential>(name: K) => rows.map((row) => row[name] ?? null);
    const inserted = await prepared<{ id: number }>(
      tx,
      'site_credential_insert',
      `WITH opened AS (
         INSERT INTO claim_window (site_id, org_id, nonce_hash, by_nonce, opened_at)
         SELECT w.site_id, w.org_id, w.nonce_hash, w.by_nonce, CASE WHEN w.nonce_hash IS NOT NULL THEN now() END
         FROM unnest($1::bigint[], $2::text[], $9::bytea[], $10::boolean[]) AS w(site_id, org_id, nonce_hash, by_nonce) ORDER BY w.nonce_hash
         ON CONFLICT (site_id) DO NOTHING)
       INSERT INTO site_credential (site_id, org_id, kind, newt_id, secret_hash, psk_identity, psk_encrypted, certificate, certificate_hash,
         public_key_hash, serial, ca_id, expires_at, renew_until, stage, overlap_seconds)
       SELECT r.site_id, r.org_id, r.kind, r.newt_id, r.secret_hash, r.psk_identity, r.psk_encrypted, r.certificate, r.certificate_hash,
         r.public_key_hash, r.serial, r.ca_id, r.expires_at, r.renew_until, r.stage, r.overlap_seconds
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bytea[], $8::text[], $11::bytea[], $12::bytea[],
           $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[], $17::text[], $18::int[])
         WITH ORDINALITY AS r(site_id, org_id, kind, newt_id, secret_hash, psk_identity, psk_encrypted, certificate, certificate_hash,
           public_key_hash, serial, ca_id, expires_at, renew_until, stage, overlap_seconds, place)
       ORDER BY r.place
       RETURNING credential_id AS id`,
      [
        column('siteId'),
        column('orgId'),
        column('kind'),
        column('newtId'),
        column('secretHash'),
        column('pskIdentity'),
        column('pskEncrypted'),
        column('certificate'),
        column('nonceHash'),
        rows.map((row) => row.byNonce ?? false),
        column('certificateHash'),
        column('publicKeyHash'),
        column('serial'),
        column('caId'),
        column('expiresAt'),
        column('renewUntil'),
        rows.map((row) => row.stage ?? 'current'),
        column('overlapSeconds'),
      ],
    );
    return inserted.map((row) => row.id);
  }

  async announcePsks(tx: EntityManager, identities: string[]): Promise<void> {
    await prepared(
      tx,
      'psk_announce',
      `SELECT pg_notify('access_changed', 'psk:' || identity) FROM unnest($1::text[]) AS identity`,
      [identities],
    );
  }

  async revokeOfSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await execute(
      tx,
      'UPDATE claim_window SET closed_at = coalesce(closed_at, now()) WHERE org_id = $1 AND site_id = $2',
      [orgId, siteId],
    );
    await execute(
      tx,
      'UPDATE site_credential SET revoked_at = now() WHERE org_id = $1 AND site_id = $2 AND revoked_at IS NULL',
      [orgId, siteId],
    );
    await execute(tx, 'DELETE FROM credential_rotation WHERE org_id = $1 AND site_id = $2', [orgId, siteId]);
  }

  async forgetWindow(tx: EntityManager, siteId: number): Promise<void> {
    await execute(tx, 'DELETE FROM claim_window WHERE site_id = $1', [siteId]);
  }

  async move(tx: EntityManager, from: number, to: number): Promise<void> {
    await this.forgetWindow(tx, to);
    await execute(tx, 'DELETE FROM credential_rotation WHERE site_id = $1', [to]);
    await execute(tx, 'UPDATE claim_window SET site_id = $2 WHERE site_id = $1', [from, to]);
    await execute(tx, 'UPDATE site_credential SET site_id = $2 WHERE site_id = $1', [from, to]);
    await execute(tx, 'UPDATE credential_rotation SET site_id = $2 WHERE site_id = $1', [from, to]);
  }
}
