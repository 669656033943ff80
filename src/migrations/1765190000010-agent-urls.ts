import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where agents reach each server process with their tunnels (docs/tunnel.md rule 3). */
export class AgentUrls1765190000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // '': where their session is; also of a server of an earlier version, which does not say.
    await runner.query(`ALTER TABLE server ADD COLUMN agent_url text NOT NULL DEFAULT ''`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE server DROP COLUMN agent_url');
  }
}
