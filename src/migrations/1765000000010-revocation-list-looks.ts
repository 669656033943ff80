import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Revocation lists are looked at by one server of all, once a minute (docs/credentials.md §6). */
export class RevocationListLooks1765000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      // when somebody last compared it with what is revoked
      `ALTER TABLE revocation_list ADD COLUMN looked_at timestamptz NOT NULL DEFAULT '-infinity'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE revocation_list DROP COLUMN looked_at');
  }
}
