import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How requests are brought to a resource: for how long it may take and is served unseen, and whose certificate is not judged (docs/edge.md). */
export class TargetSettings1765190000070 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE resource
        ADD COLUMN response_timeout_seconds integer NOT NULL DEFAULT 60 CHECK (response_timeout_seconds BETWEEN 1 AND 3600),
        ADD COLUMN stale_seconds integer CHECK (stale_seconds BETWEEN 0 AND 86400);
      ALTER TABLE target ADD COLUMN insecure_tls boolean NOT NULL DEFAULT false;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE resource DROP COLUMN response_timeout_seconds, DROP COLUMN stale_seconds;
      ALTER TABLE target DROP COLUMN insecure_tls;
    `);
  }
}
