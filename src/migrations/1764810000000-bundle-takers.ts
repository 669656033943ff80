import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether the agent of the present session takes bundles: a rollout waits for no other (docs/instances.md §5). */
export class BundleTakers1764810000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE site_presence ADD COLUMN takes_bundles boolean NOT NULL DEFAULT false;
      CREATE OR REPLACE VIEW site_connected AS SELECT site_id, takes_bundles FROM site_presence WHERE session_id IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW site_connected;
      CREATE VIEW site_connected AS SELECT site_id FROM site_presence WHERE session_id IS NOT NULL;
      ALTER TABLE site_presence DROP COLUMN takes_bundles`);
  }
}
