import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a server says of itself, and when its lease ends. Rows of 0.1.0 have none of it: there a lease ends 30 s after it was renewed, and
 * 0.1.0 goes on to judge everybody by that.
 */
export class Servers1764520000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE server
        ADD COLUMN version text,
        ADD COLUMN address text,
        ADD COLUMN roles text[] NOT NULL DEFAULT '{agents}',
        ADD COLUMN lease_expires_at timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE server DROP COLUMN version, DROP COLUMN address, DROP COLUMN roles, DROP COLUMN lease_expires_at',
    );
  }
}
