import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A certificate is good no longer than its authority is trusted, also for what was begun with it (docs/credentials.md §7). */
export class CredentialTrust1765000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Credentials with the ends that count: those of a certificate are not after the end of the trust in its authority.
      CREATE VIEW credential_life AS
        SELECT c.credential_id, c.site_id, c.org_id, c.kind, c.stage, c.newt_id, c.secret_hash, c.psk_identity, c.certificate_hash, c.serial, c.ca_id,
          c.created_at, c.ends_at, least(c.expires_at, a.trusted_until) AS expires_at, least(c.renew_until, a.trusted_until) AS renew_until, c.revoked_at,
          c.last_used_at, c.last_used_address
        FROM site_credential c LEFT JOIN device_ca a USING (ca_id);
      CREATE OR REPLACE VIEW usable_credential AS ${usable('credential_life')}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE VIEW usable_credential AS ${usable('site_credential')};
      DROP VIEW credential_life`);
  }
}

const usable = (credentials: string) => `
  SELECT credential_id, site_id, least(ends_at, expires_at) AS until FROM ${credentials}
  WHERE revoked_at IS NULL AND coalesce(least(ends_at, expires_at) > now(), true)`;
