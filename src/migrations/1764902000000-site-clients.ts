import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which program speaks for a site, for modules that do not write presence: an unmodified newt cannot take another credential. */
export class SiteClients1764902000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE VIEW site_client AS
        SELECT site_id, org_id, client_type, session_id IS NOT NULL AS online FROM site_presence`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW site_client');
  }
}
