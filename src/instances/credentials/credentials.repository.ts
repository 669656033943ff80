import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { RotationView } from './credentials.dto.js';

/** SQL about how sites take other credentials. */
@Injectable()
export class CredentialsRepository {
  /**
   * How the site is given its next credential: over the session of an agent that takes them. A session is a newt's until its hello is written, and only
   * one by a newt credential can be an unmodified newt's: another device renews, whatever it speaks in its session.
   */
  async delivery(em: EntityManager, orgId: string, siteId: number): Promise<RotationView['delivery']> {
    const [row] = await query<{ delivery: RotationView['delivery'] }>(
      em,
      `SELECT CASE
         WHEN c.online AND c.takes_credentials THEN 'session'
         WHEN c.client_type = 'newt'
           AND EXISTS (SELECT FROM site_credential k WHERE k.site_id = c.site_id AND k.kind = 'newt' AND k.stage = 'current' AND k.revoked_at IS NULL)
           THEN 'never'
         ELSE 'later' END AS delivery
       FROM site_client c WHERE c.org_id = $1 AND c.site_id = $2`,
      [orgId, siteId],
    );
    return row?.delivery ?? 'later';
  }
}
