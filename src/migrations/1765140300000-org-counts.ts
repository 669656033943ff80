import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a list of organizations counts of each, of rows that modules to the left of it write. */
export class OrgCounts1765140300000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE VIEW org_site_state AS SELECT org_id, state, count(*) AS sites FROM site_presence GROUP BY org_id, state;
      CREATE VIEW org_key_ending AS SELECT org_id, expires_at FROM provisioning_key WHERE disabled_at IS NULL AND revoked_at IS NULL AND expires_at > now();
      CREATE VIEW org_claim AS SELECT org_uid, claim_id, created_at FROM claim;
      CREATE VIEW org_content AS SELECT org_id, (SELECT count(*) FROM resource r WHERE r.org_id = o.org_id) AS public_resources,
        (SELECT count(*) FROM site_resource r WHERE r.org_id = o.org_id) AS private_resources, (SELECT count(*) FROM membership m WHERE m.org_id = o.org_id) AS members,
        (SELECT count(*) FROM api_key k WHERE k.org_id = o.org_id) AS api_keys,
        (SELECT count(*) FROM provisioning_key k WHERE k.org_id = o.org_id AND k.revoked_at IS NULL) AS provisioning_keys FROM org o`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW org_site_state, org_key_ending, org_claim, org_content');
  }
}
