import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';

/** What renewals by EST ask of a site. */
@Injectable()
export class EstRepository {
  async hasBundleKey(em: EntityManager, siteId: number): Promise<boolean> {
    const rows = await prepared(em, 'est_bundle_key', 'SELECT FROM site_with_bundle_key WHERE site_id = $1', [siteId]);
    return rows.length > 0;
  }
}
