import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { RotationView } from './credentials.dto.js';

/** SQL about how sites take other credentials. */
@Injectable()
export class CredentialsRepository {
  /** How the site is given its next credential. A device whose program never had a session renews. */
  async delivery(em: EntityManager, orgId: string, siteId: number): Promise<RotationView['delivery']> {
    const [row] = await query<{ delivery: RotationView['delivery'] }>(
      em,
      `SELECT CASE WHEN c.client_type = 'newt' THEN 'never' WHEN c.online AND c.client_type = 'agent' THEN 'session' ELSE 'later' END AS delivery
       FROM site_client c WHERE c.org_id = $1 AND c.site_id = $2
         AND EXISTS (SELECT FROM site_credential k WHERE k.site_id = c.site_id AND k.kind = 'newt' AND k.stage = 'current' AND k.revoked_at IS NULL)`,
      [orgId, siteId],
    );
    return row?.delivery ?? 'later';
  }
}
