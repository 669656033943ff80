import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Links by which a new installation is set up in a browser, by the hash of their token (docs/adr/0080). */
export class SetupLinks1765170000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE setup_link (token_hash bytea PRIMARY KEY, expires_at timestamptz NOT NULL);
      -- An installation of before is in use: no start of it prints a link.
      INSERT INTO setting (name, value) SELECT 'set_up_at', value FROM setting WHERE name = 'first_run_at'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE setup_link; DELETE FROM setting WHERE name = 'set_up_at'`);
  }
}
