import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CredentialKind } from '#contracts';
import { execute, prepared, query } from '#platform';

export interface NewSiteCredential {
  siteId: number;
  orgId: string;
  kind: CredentialKind;
  newtId?: string | null;
  secretHash?: Buffer | null;
  pskIdentity?: string | null;
  pskEncrypted?: Buffer | null;
  certificate?: string | null;
}

export interface CredentialRow {
  credentialId: number;
  siteId: number;
  orgId: string;
  deviceId: string;
  niceId: string;
  kind: CredentialKind;
  /** SHA-256 as base64: shorter than hex, and unlike a Buffer it keeps nothing of the driver's alive. */
  secretHash: string;
  /** The next use is the first one, or closes the nonce window. */
  unsettled: boolean;
}

const FIND = `SELECT c.credential_id AS "credentialId", c.site_id AS "siteId", c.org_id AS "orgId", s.device_id AS "deviceId", s.nice_id AS "niceId",
    c.kind, encode(c.secret_hash, 'base64') AS "secretHash",
    s.authenticated_at IS NULL OR (s.nonce_hash IS NOT NULL AND s.nonce_closed_at IS NULL) AS unsettled
  FROM site_credential c JOIN site s USING (site_id)
  WHERE c.revoked_at IS NULL AND s.revoked_at IS NULL AND`;

/** All SQL about site credentials. */
@Injectable()
export class SiteCredentialsRepository {
  async findNewt(em: EntityManager, newtId: string): Promise<CredentialRow | null> {
    const rows = await prepared<CredentialRow>(
      em,
      'site_credential_newt',
      `${FIND} c.kind = 'newt' AND c.newt_id = $1`,
      [newtId],
    );
    return rows[0] ?? null;
  }

  async findDeviceKey(em: EntityManager, keyHash: Buffer): Promise<CredentialRow | null> {
    const rows = await prepared<CredentialRow>(
      em,
      'site_credential_key',
      `${FIND} c.kind = 'api_key' AND c.secret_hash = $1`,
      [keyHash],
    );
    return rows[0] ?? null;
  }

  /**
   * docs/claims.md rule 5: the conditional UPDATE that decides who came first. It waits for whoever holds the site's row and then looks again.
   * @returns null when there was nothing left to settle; else whether a nonce window was closed by it.
   */
  async settle(tx: EntityManager, siteId: number, credentialId: number): Promise<{ closedWindow: boolean } | null> {
    const rows = await prepared<{ closedWindow: boolean }>(
      tx,
      'site_settle',
      `UPDATE site SET authenticated_at = coalesce(authenticated_at, now()),
         nonce_closed_at = CASE WHEN nonce_hash IS NOT NULL THEN coalesce(nonce_closed_at, now()) END
       WHERE site_id = $1 AND revoked_at IS NULL AND (authenticated_at IS NULL OR (nonce_hash IS NOT NULL AND nonce_closed_at IS NULL))
         AND EXISTS (SELECT 1 FROM site_credential WHERE credential_id = $2 AND revoked_at IS NULL)
       RETURNING nonce_hash IS NOT NULL AS "closedWindow"`,
      [siteId, credentialId],
    );
    return rows[0] ?? null;
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
      'SELECT 1 AS one FROM site_credential c JOIN site s USING (site_id) WHERE c.credential_id = $1 AND c.revoked_at IS NULL AND s.revoked_at IS NULL',
      [credentialId],
    );
    return rows.length > 0;
  }

  /** One statement, however many. @returns the new ids in the order of the rows. */
  async insertMany(tx: EntityManager, rows: NewSiteCredential[]): Promise<number[]> {
    const column = <K extends keyof NewSiteCredential>(name: K) => rows.map((row) => row[name] ?? null);
    const inserted = await prepared<{ id: number }>(
      tx,
      'site_credential_insert',
      `INSERT INTO site_credential (site_id, org_id, kind, newt_id, secret_hash, psk_identity, psk_encrypted, certificate)
       SELECT r.site_id, r.org_id, r.kind, r.newt_id, r.secret_hash, r.psk_identity, r.psk_encrypted, r.certificate
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bytea[], $8::text[])
         WITH ORDINALITY AS r(site_id, org_id, kind, newt_id, secret_hash, psk_identity, psk_encrypted, certificate, place)
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
      ],
    );
    return inserted.map((row) => row.id);
  }

  async revokeOfSite(tx: EntityManager, orgId: string, siteId: number, except: number | undefined): Promise<void> {
    await execute(
      tx,
      `UPDATE site_credential SET revoked_at = now()
       WHERE org_id = $1 AND site_id = $2 AND revoked_at IS NULL AND ($3::bigint IS NULL OR credential_id <> $3)`,
      [orgId, siteId, except ?? null],
    );
  }
}
