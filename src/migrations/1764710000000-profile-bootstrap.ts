import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Read model of bootstraps for modules to the right of instances: which revision a profile has (docs/instances.md §1). */
export class ProfileBootstrap1764710000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'CREATE VIEW profile_bootstrap AS SELECT profile_id, org_id, current_revision AS revision FROM bootstrap',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW profile_bootstrap');
  }
}
