import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sites that are removed by themselves once they have been offline for long enough (docs/claims.md rule 32). */
export class EphemeralSites1764600000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE provisioning_template ADD COLUMN ephemeral_seconds int CHECK (ephemeral_seconds BETWEEN 60 AND 2592000);
      ALTER TABLE site ADD COLUMN ephemeral_seconds int;
      ALTER TABLE server ADD COLUMN lease_since timestamptz NOT NULL DEFAULT now();
      CREATE INDEX site_ephemeral ON site (site_id) WHERE ephemeral_seconds IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE server DROP COLUMN lease_since;
      ALTER TABLE site DROP COLUMN ephemeral_seconds;
      ALTER TABLE provisioning_template DROP COLUMN ephemeral_seconds`);
  }
}
