import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';

/** Of a site that asks for its next certificate. */
export interface RenewingSite {
  orgUid: string;
  deviceId: string;
  /** Of the credential that it presents. */
  kind: string;
  hasBundleKey: boolean;
}

@Injectable()
export class EstRepository {
  async renewing(em: EntityManager, siteId: number, credentialId: number): Promise<RenewingSite | null> {
    const [row] = await prepared<RenewingSite>(
      em,
      'est_renewing',
      `SELECT o.org_uid AS "orgUid", s.device_id AS "deviceId", c.kind,
         EXISTS (SELECT FROM site_with_bundle_key b WHERE b.site_id = s.site_id) AS "hasBundleKey"
       FROM site s JOIN org o USING (org_id) JOIN site_credential c USING (site_id) WHERE s.site_id = $1 AND c.credential_id = $2`,
      [siteId, credentialId],
    );
    return row ?? null;
  }
}
