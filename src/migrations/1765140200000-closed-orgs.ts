import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Organizations can be closed, and opened again (docs/adr/0077); who paused claims is known. */
export class ClosedOrgs1765140200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE org ADD COLUMN claims_paused_by text, ADD COLUMN closed_at timestamptz, ADD COLUMN closed_by text, ADD COLUMN reopened_at timestamptz;
      -- For modules that organizations stand on.
      CREATE VIEW closed_org AS SELECT org_id FROM org WHERE closed_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW closed_org;
      ALTER TABLE org DROP COLUMN claims_paused_by, DROP COLUMN closed_at, DROP COLUMN closed_by, DROP COLUMN reopened_at`);
  }
}
