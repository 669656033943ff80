import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Read model of rollouts (docs/instances.md §5): sites that have a session. */
export class Rollouts1764750100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE VIEW site_connected AS SELECT site_id FROM site_presence WHERE session_id IS NOT NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW site_connected');
  }
}
