import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';

/** What replacements ask about sites. */
@Injectable()
export class ReplacementsRepository {
  /** Of a site whose device is to take over another one. */
  async fitness(em: EntityManager, siteId: number): Promise<{ enrolled: boolean; resources: number }> {
    const [row] = await query<{ enrolled: boolean; resources: number }>(
      em,
      `SELECT EXISTS (SELECT FROM site_credential c WHERE c.site_id = r.site_id AND c.revoked_at IS NULL) AS enrolled, r.n AS resources
       FROM site_resource_total r WHERE r.site_id = $1`,
      [siteId],
    );
    return row!;
  }
}
