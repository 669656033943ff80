import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { INSTANCE_LIMITS, type RevocationReason } from '#contracts';
import { prepared, query } from '#platform';

export interface RevocationRow {
  credentialId: number;
  orgUid: string;
  deviceId: string;
  reason: RevocationReason;
  /** Whole seconds since 1970. */
  revokedAt: number;
}

/**
 * What proves a credential: `newtProof` of a newt's id and secret, SHA-256 of a device API key, of a certificate's DER, of a PSK's identity, which
 * is what a handshake names.
 */
const PROOF = `CASE c.kind
  WHEN 'newt' THEN sha256(convert_to(c.newt_id, 'UTF8') || c.secret_hash)
  WHEN 'api_key' THEN c.secret_hash
  WHEN 'psk' THEN sha256(convert_to('psk:' || c.psk_identity, 'UTF8'))
  ELSE sha256(CASE WHEN c.certificate ~ '^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*$'
    THEN decode(regexp_replace(c.certificate, '-----[^-]+-----', '', 'g'), 'base64') ELSE convert_to(c.certificate, 'UTF8') END) END`;

/** Longer than the longest grace in which a process may run without the server (INSTANCE_LIMITS.offlineGraceSeconds). */
const KEPT = `interval '31 days'`;

/**
 * Credentials that were superseded before are not among them. $1: the organization, $2: the reason. A machine takes a revocation that is older than
 * its lease for one of a former life, and leases are dated by the clocks of servers: the last one is never newer.
 */
const insert = (which: string) => `
  INSERT INTO site_revocation (credential_hash, org_uid, device_id, newt_id, credential_id, reason, revoked_at, keep_until)
  SELECT DISTINCT ON (1) ${PROOF}, o.org_uid, s.device_id, c.newt_id, c.credential_id, $2,
    greatest(now(), l.expires_at - interval '${INSTANCE_LIMITS.leaseSeconds} seconds'), greatest(now(), l.expires_at) + ${KEPT}
  FROM org o JOIN site s ON s.org_id = o.org_id JOIN site_credential c ON c.site_id = s.site_id AND c.revoked_at IS NULL
    LEFT JOIN site_lease l ON l.site_id = s.site_id
  WHERE o.org_id = $1 ${which} ORDER BY 1
  ON CONFLICT (credential_hash) DO UPDATE SET org_uid = excluded.org_uid, device_id = excluded.device_id, credential_id = excluded.credential_id,
    reason = excluded.reason, revoked_at = excluded.revoked_at, keep_until = excluded.keep_until`;

const FIND = `SELECT credential_id AS "credentialId", org_uid AS "orgUid", device_id AS "deviceId", reason, floor(extract(epoch FROM revoked_at))::bigint AS "revokedAt"
  FROM site_revocation WHERE`;

/** All SQL about revocations. */
@Injectable()
export class RevocationsRepository {
  /** Of the credentials of a site that are good still. */
  async ofSite(tx: EntityManager, orgId: string, siteId: number, reason: RevocationReason): Promise<void> {
    await prepared(tx, 'revocation_of_site', insert('AND s.site_id = $3'), [orgId, reason, siteId]);
  }

  /** Likewise of all sites of an organization. */
  async ofOrg(tx: EntityManager, orgId: string): Promise<void> {
    await query(tx, insert(''), [orgId, 'deleted' satisfies RevocationReason]);
  }

  async byHash(em: EntityManager, hash: Buffer): Promise<RevocationRow | null> {
    const [row] = await prepared<RevocationRow>(em, 'revocation_by_hash', `${FIND} credential_hash = $1`, [hash]);
    return row ?? null;
  }

  byCredentials(em: EntityManager, credentialIds: number[]): Promise<RevocationRow[]> {
    return prepared<RevocationRow>(em, 'revocation_by_credential', `${FIND} credential_id = ANY ($1::bigint[])`, [
      credentialIds,
    ]);
  }
}
