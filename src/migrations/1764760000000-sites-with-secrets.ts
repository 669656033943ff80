import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which sites receive secrets: those of a profile that delivers some, and those that are offered some by an earlier document or profile still. */
export class SitesWithSecrets1764760000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE VIEW site_with_secrets AS
        SELECT s.site_id FROM site s WHERE EXISTS (SELECT FROM profile_with_secrets p WHERE p.profile_id = s.profile_id)
          OR EXISTS (SELECT FROM site_bundle b WHERE b.site_id = s.site_id AND b.secrets <> '{}')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW site_with_secrets');
  }
}
