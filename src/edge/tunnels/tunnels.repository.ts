import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';

/** Who has a tunnel, or asks for one. */
export interface TunnelBearer {
  siteId: number;
  credentialId: number;
}

/** What the database says of one whose credential is good. */
export interface TunnelSite extends TunnelBearer {
  orgId: string;
  status: 'pending' | 'approved';
  /** Its organization is closed. */
  closed: boolean;
  /** Milliseconds until its credential ends; null: it does not. */
  endsIn: number | null;
}

/** What tunnels ask of their sites. */
@Injectable()
export class TunnelsRepository {
  /** Many at a time. One whose credential is over, or whose site is gone or revoked, has no row. */
  usable(em: EntityManager, bearers: TunnelBearer[]): Promise<TunnelSite[]> {
    return prepared<TunnelSite>(
      em,
      'tunnels_usable',
      `SELECT s.site_id AS "siteId", i.credential_id AS "credentialId", s.org_id AS "orgId", s.status,
              EXISTS (SELECT FROM closed_org o WHERE o.org_id = s.org_id) AS closed, extract(epoch FROM c.until - now())::float8 * 1000 AS "endsIn"
       FROM unnest($1::bigint[], $2::bigint[]) AS i(site_id, credential_id)
       JOIN usable_credential c ON c.credential_id = i.credential_id AND c.site_id = i.site_id
       JOIN site s ON s.site_id = i.site_id AND s.revoked_at IS NULL`,
      [bearers.map(({ siteId }) => siteId), bearers.map(({ credentialId }) => credentialId)],
    );
  }
}
