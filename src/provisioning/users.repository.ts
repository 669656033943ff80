import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, USERS_NAMED } from '#platform';
import type { UsingKey, UsingKeys, UsingSite, UsingSites, UsingTemplate, UsingTemplates } from './users.dto.js';

/** Who uses profiles, templates and keys: the first of them by id, and how many there are. */
@Injectable()
export class UsersRepository {
  async templatesOf(em: EntityManager, orgId: string, profileId: number): Promise<UsingTemplates> {
    const { total, rows } = await named<UsingTemplate>(
      em,
      `SELECT template_id AS "templateId", name FROM provisioning_template WHERE org_id = $1 AND profile_id = $2 ORDER BY template_id`,
      [orgId, profileId],
    );
    return { total, templates: rows };
  }

  /** Sites whose bundle is made from the profile's bootstrap. */
  async sitesStartedBy(em: EntityManager, orgId: string, profileId: number): Promise<UsingSites> {
    const { total, rows } = await named<UsingSite>(
      em,
      `SELECT site_id AS "siteId", nice_id AS "niceId", name FROM site
       WHERE org_id = $1 AND profile_id = $2 AND EXISTS (SELECT FROM profile_with_bootstrap b WHERE b.profile_id = $2) ORDER BY site_id`,
      [orgId, profileId],
    );
    return { total, sites: rows };
  }

  async keysOf(em: EntityManager, orgId: string, templateId: number): Promise<UsingKeys> {
    const { total, rows } = await named<UsingKey>(
      em,
      `SELECT key_id AS "siteProvisioningKeyId", name FROM provisioning_key WHERE org_id = $1 AND template_id = $2 ORDER BY created_at, key_id`,
      [orgId, templateId],
    );
    return { total, keys: rows };
  }

  async sitesMadeBy(em: EntityManager, orgId: string, keyId: string): Promise<UsingSites> {
    const { total, rows } = await named<UsingSite>(
      em,
      `SELECT site_id AS "siteId", nice_id AS "niceId", name FROM site WHERE org_id = $1 AND key_id = $2 ORDER BY site_id`,
      [orgId, keyId],
    );
    return { total, sites: rows };
  }
}

async function named<Row extends object>(
  em: EntityManager,
  select: string,
  values: unknown[],
): Promise<{ total: number; rows: Row[] }> {
  const [users] = await query<{ total: number; rows: Row[] }>(
    em,
    `WITH users AS MATERIALIZED (${select})
     SELECT (SELECT count(*) FROM users) AS total, coalesce((SELECT jsonb_agg(to_jsonb(u)) FROM (SELECT * FROM users LIMIT ${USERS_NAMED}) u), '[]') AS rows`,
    values,
  );
  return users!;
}
