import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a log of millions of requests is narrowed by most: what went wrong, and who it was. Partial, since most requests are neither: a row that
 * is in none of them costs no more to write.
 */
export class RequestLogFilters1765190000080 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
CREATE INDEX request_log_failed ON request_log (org_uid, at, request_log_id) WHERE status >= 400;
CREATE INDEX request_log_code ON request_log (org_uid, code, at, request_log_id) WHERE code IS NOT NULL;
CREATE INDEX request_log_user ON request_log (org_uid, user_name, at, request_log_id) WHERE user_name IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX request_log_failed, request_log_code, request_log_user');
  }
}
