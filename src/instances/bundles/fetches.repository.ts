import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { BundleKey } from '#contracts';
import { prepared } from '#platform';
import type { BundleInputs } from './bundle-inputs.js';
import { STALE } from './bundles.repository.js';

/** What a fetch needs to know. */
export interface FetchRow {
  orgUid: string;
  deviceId: string;
  niceId: string;
  status: 'pending' | 'approved';
  /** Of the profile; of a site without one, whose bundle is empty, `when_possible`. */
  sealed: 'required' | 'when_possible';
  bundleKey: BundleKey | null;
  jkt: string | null;
  /** Null: nothing is offered yet, or what is offered is not what the site is to have any more. */
  version: number | null;
  inputs: BundleInputs | null;
  /** Null as well once a version of a secret in it was destroyed: who has such a bundle must not be told that it is the one to have. */
  digest: string | null;
}

const WHOLE = `NOT EXISTS (SELECT FROM unnest(b.secrets) AS held(id) LEFT JOIN secret_version v ON v.secret_version_id = held.id WHERE v.wrapped_key IS NULL)`;

/** All SQL of fetches. */
@Injectable()
export class FetchesRepository {
  async read(em: EntityManager, orgId: string, siteId: number): Promise<FetchRow | undefined> {
    const [row] = await prepared<FetchRow>(
      em,
      'bundle_fetch',
      `SELECT o.org_uid AS "orgUid", s.device_id AS "deviceId", s.nice_id AS "niceId", s.status, coalesce(p.sealed, 'when_possible') AS sealed, b.bundle_key AS "bundleKey", b.bundle_jkt AS jkt,
         CASE WHEN NOT ${STALE} THEN b.version END AS version, b.inputs, CASE WHEN ${WHOLE} THEN b.digest END AS digest
       FROM site s JOIN org o ON o.org_id = s.org_id LEFT JOIN provisioning_profile p ON p.profile_id = s.profile_id LEFT JOIN site_bundle b ON b.site_id = s.site_id
       WHERE s.site_id = $1 AND s.org_id = $2`,
      [siteId, orgId],
    );
    return row;
  }

  /** Of a version that is still the offered one, and of the key that it was sealed for. One that was applied is signed anew after a rotation. */
  async keepDigest(
    em: EntityManager,
    siteId: number,
    version: number,
    jkt: string | null,
    digest: string,
  ): Promise<void> {
    await prepared(
      em,
      'bundle_digest',
      `UPDATE site_bundle SET digest = $4, applied_digest = CASE WHEN applied_version = version THEN $4 ELSE applied_digest END
       WHERE site_id = $1 AND version = $2 AND bundle_jkt IS NOT DISTINCT FROM $3 AND digest IS DISTINCT FROM $4`,
      [siteId, version, jkt, digest],
    );
  }
}
