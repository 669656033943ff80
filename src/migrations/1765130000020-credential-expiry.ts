import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which credentials of an organization end before long, however many it has. */
export class CredentialExpiry1765130000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX site_credential_expiry ON site_credential (org_id, expires_at) WHERE revoked_at IS NULL AND stage = 'current' AND expires_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX site_credential_expiry');
  }
}
