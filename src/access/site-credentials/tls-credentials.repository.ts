import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';
import type { StoredPsk } from './psk-table.js';

/** A credential by which a connection is open. */
export interface ConnectedCredential {
  credentialId: number;
  /** Milliseconds; null: it has no end. */
  endsIn: number | null;
}

/** Superseded ones among them, whose use is to be seen. */
const PSKS = `SELECT c.credential_id AS "credentialId", c.site_id AS "siteId", c.psk_identity AS identity, c.psk_encrypted AS sealed
  FROM site_credential c JOIN site s USING (site_id)
  WHERE c.kind = 'psk' AND c.revoked_at IS NULL AND s.revoked_at IS NULL AND coalesce(c.renew_until > now(), true)`;

/** SQL about what TLS connections prove: reads only. */
@Injectable()
export class TlsCredentialsRepository {
  /** A page of all, in the order of their numbers. */
  psksAfter(em: EntityManager, after: number, limit: number): Promise<(StoredPsk & { credentialId: number })[]> {
    return prepared(em, 'psk_page', `${PSKS} AND c.credential_id > $1 ORDER BY c.credential_id LIMIT $2`, [
      after,
      limit,
    ]);
  }

  /** Those of sites, and those of identities. */
  psksOf(em: EntityManager, siteIds: number[], identities: string[]): Promise<StoredPsk[]> {
    return prepared(
      em,
      'psk_changed',
      `${PSKS} AND c.site_id = ANY ($1::bigint[]) UNION ${PSKS} AND c.psk_identity = ANY ($2::text[])`,
      [siteIds, identities],
    );
  }

  /** Those that still do something; an expired one renews. */
  async connected(em: EntityManager, credentialIds: number[]): Promise<ConnectedCredential[]> {
    return prepared(
      em,
      'credential_connected',
      `SELECT c.credential_id AS "credentialId",
         extract(epoch FROM least(c.ends_at, CASE WHEN c.expires_at > now() THEN c.expires_at ELSE c.renew_until END) - now())::float8 * 1000 AS "endsIn"
       FROM credential_life c JOIN site s USING (site_id)
       WHERE c.credential_id = ANY ($1::bigint[]) AND c.revoked_at IS NULL AND s.revoked_at IS NULL
         AND coalesce(c.ends_at > now(), true) AND coalesce(c.renew_until > now(), true)`,
      [credentialIds],
    );
  }
}
