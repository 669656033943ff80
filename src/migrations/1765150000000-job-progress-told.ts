import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The event `job.progress` comes at most once a second (docs/integration-api.md §3.17). */
export class JobProgressTold1765150000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      // when the progress was last told, null: not yet
      'ALTER TABLE job ADD COLUMN told_at timestamptz',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE job DROP COLUMN told_at');
  }
}
