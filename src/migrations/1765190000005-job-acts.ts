import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a job does to each of many: lists say it without their inputs, which may be long (docs/integration-api.md §3.17). */
export class JobActs1765190000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE job ADD COLUMN act text GENERATED ALWAYS AS (coalesce(input ->> 'action', input ->> 'decision')) STORED`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE job DROP COLUMN act`);
  }
}
