import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a site that is gone was rejected: asked when its session is closed (docs/agent-protocol.md rule 17). */
export class RejectedSites1764610200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX event_rejected ON event (site_id) WHERE type = 'site.rejected'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX event_rejected');
  }
}
