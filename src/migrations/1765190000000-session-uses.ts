import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people are told of their sessions (docs/integration-api.md §3.10). */
export class SessionUses1765190000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- The id is told to its user; the hash of its token is told to nobody. Of a session that began before this, no use is known until the next.
      ALTER TABLE user_session
        ADD COLUMN session_id uuid NOT NULL DEFAULT gen_random_uuid(),
        ADD COLUMN user_agent text,
        ADD COLUMN last_used_at timestamptz,
        ADD COLUMN last_used_address inet;
      CREATE UNIQUE INDEX user_session_id ON user_session (session_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE user_session DROP COLUMN session_id, DROP COLUMN user_agent, DROP COLUMN last_used_at, DROP COLUMN last_used_address`);
  }
}
