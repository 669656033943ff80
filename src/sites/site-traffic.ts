import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';

/** Of `megabytesIn` and `megabytesOut` (docs/integration-api.md §3.3). */
const MEGABYTE = 1_048_576;

/** How much went to sites and came from them. */
@Injectable()
export class SiteTraffic {
  /** Adds to the counters of sites; those that are gone are left out. @param traffic in: to the site */
  async add(
    tx: EntityManager,
    traffic: readonly { siteId: number; bytesIn: number; bytesOut: number }[],
  ): Promise<void> {
    await prepared(
      tx,
      'site_traffic_add',
      `WITH used AS MATERIALIZED (
         SELECT s.site_id, t.mb_in, t.mb_out FROM unnest($1::bigint[], $2::float8[], $3::float8[]) AS t(site_id, mb_in, mb_out) JOIN site s USING (site_id)
         ORDER BY s.site_id FOR NO KEY UPDATE OF s
       )
       UPDATE site s SET megabytes_in = s.megabytes_in + u.mb_in, megabytes_out = s.megabytes_out + u.mb_out FROM used u WHERE s.site_id = u.site_id`,
      [
        traffic.map(({ siteId }) => siteId),
        traffic.map(({ bytesIn }) => bytesIn / MEGABYTE),
        traffic.map(({ bytesOut }) => bytesOut / MEGABYTE),
      ],
    );
  }
}
