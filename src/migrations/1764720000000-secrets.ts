import type { MigrationInterface, QueryRunner } from 'typeorm';

/** ETags of secrets, and what is left of one that was deleted while bootstraps name it (docs/instances.md §2). */
export class Secrets1764720000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- version: of the row, as ETag. deleted_at: its versions are destroyed, but documents name it: who makes it again makes their sites start with it
      ALTER TABLE secret ADD COLUMN version bigint NOT NULL DEFAULT 1, ADD COLUMN deleted_at timestamptz;
      CREATE TRIGGER secret_row_version BEFORE UPDATE ON secret FOR EACH ROW
        WHEN ((to_jsonb(OLD) - 'settled_version') IS DISTINCT FROM (to_jsonb(NEW) - 'settled_version')) EXECUTE FUNCTION next_version()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM secret WHERE deleted_at IS NOT NULL;
      DROP TRIGGER secret_row_version ON secret;
      ALTER TABLE secret DROP COLUMN version, DROP COLUMN deleted_at`);
  }
}
