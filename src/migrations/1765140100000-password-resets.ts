import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Links by which people choose a new password (docs/integration-api.md §3.10). */
export class PasswordResets1765140100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- One of a user: a newer link ends the older.
      CREATE TABLE password_reset (
        user_id text PRIMARY KEY REFERENCES "user" ON DELETE CASCADE,
        token_hash bytea NOT NULL UNIQUE,
        -- By mail alone, so that who presents it reads the mailbox.
        mailed boolean NOT NULL,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX password_reset_expiry ON password_reset (expires_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE password_reset');
  }
}
