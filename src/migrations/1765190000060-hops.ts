import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where server processes reach each other for requests to tunnels, and how many tunnels each holds (docs/adr/0101). */
export class Hops1765190000060 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // '': nowhere; also of a server of an earlier version, which does not say.
    await runner.query(
      `ALTER TABLE server ADD COLUMN hop_address text NOT NULL DEFAULT '', ADD COLUMN load integer NOT NULL DEFAULT 0`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE server DROP COLUMN hop_address, DROP COLUMN load');
  }
}
