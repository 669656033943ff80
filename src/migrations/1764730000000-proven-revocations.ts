import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Revocations are found by the number of the credential too, and by organization (docs/instances.md §3). */
export class ProvenRevocations1764730000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- what sessions and their tokens know of their credential; numbers are never given again
      ALTER TABLE site_revocation ADD COLUMN credential_id bigint;
      CREATE INDEX site_revocation_credential ON site_revocation (credential_id);
      -- signing keys stay as long as there are revocations of their organization
      CREATE INDEX site_revocation_org ON site_revocation (org_uid)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX site_revocation_org;
      ALTER TABLE site_revocation DROP COLUMN credential_id`);
  }
}
