import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What deletions ask: which profiles deliver secrets, also by a revision that is being replaced, and which have a bootstrap at all. */
export class Orphans1764721000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- new sites get the settled revision until a rollout has brought the current one everywhere
      CREATE OR REPLACE VIEW profile_with_secrets AS
        SELECT DISTINCT b.profile_id FROM bootstrap b JOIN bootstrap_secret s ON s.profile_id = b.profile_id AND s.revision IN (b.current_revision, b.settled_revision);
      CREATE VIEW profile_with_bootstrap AS SELECT profile_id FROM bootstrap`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW profile_with_bootstrap;
      CREATE OR REPLACE VIEW profile_with_secrets AS
        SELECT DISTINCT b.profile_id FROM bootstrap b JOIN bootstrap_secret s ON s.profile_id = b.profile_id AND s.revision = b.current_revision`);
  }
}
