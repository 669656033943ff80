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

/**
 * Of one site: more than a current one, the next ones beside it and some that they took the place of. With short overlaps a site has thousands of
 * superseded ones, and those that are not among the newest are looked up when somebody names them.
 */
const NEWEST = 50;

/** Superseded ones among them, whose use is to be seen. The end is told as the time to it, so that no other clock has to agree with the database's. */
const PSKS = `SELECT c.site_id AS "siteId", c.psk_identity AS identity, c.psk_encrypted AS sealed,
    extract(epoch FROM c.renew_until - now())::float8 * 1000 AS "endsIn"
  FROM site_credential c JOIN site s USING (site_id)
  WHERE c.kind = 'psk' AND c.revoked_at IS NULL AND s.revoked_at IS NULL AND coalesce(c.renew_until > now(), true)`;

/** SQL about what TLS connections prove: reads only. */
@Injectable()
export class TlsCredentialsRepository {
  /** Sites that may have some, in the order of their numbers. */
  async sitesAfter(em: EntityManager, after: number, limit: number): Promise<number[]> {
    const rows = await prepared<{ siteId: number }>(
      em,
      'psk_sites',
      `SELECT DISTINCT site_id AS "siteId" FROM site_credential WHERE kind = 'psk' AND revoked_at IS NULL AND site_id > $1 ORDER BY site_id LIMIT $2`,
      [after, limit],
    );
    return rows.map(({ siteId }) => siteId);
  }

  /** The newest of sites, and those of identities. */
  psksOf(em: EntityManager, siteIds: number[], identities: string[]): Promise<StoredPsk[]> {
    return prepared(
      em,
      'psk_changed',
      `SELECT p.* FROM unnest($1::bigint[]) AS i(id) CROSS JOIN LATERAL (${PSKS} AND c.site_id = i.id ORDER BY c.credential_id DESC LIMIT ${NEWEST}) p
       UNION ${PSKS} AND c.psk_identity = ANY ($2::text[])`,
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
