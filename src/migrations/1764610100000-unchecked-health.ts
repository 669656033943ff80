import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A target that nobody has looked at is unknown. It was called unhealthy before, and until now nobody looked at any. */
export class UncheckedHealth1764610100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `UPDATE target SET hc_health = 'unknown' WHERE hc_health <> 'unknown'; UPDATE resource SET health = 'unknown' WHERE health <> 'unknown'`,
    );
  }

  async down(): Promise<void> {}
}
