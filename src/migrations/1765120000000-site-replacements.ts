import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Devices that take the place of a site's device (docs/replacements.md). */
export class SiteReplacements1765120000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- the last replacement of a site: it waits for a device, or was done by another site, which is gone
      CREATE TABLE site_replacement (
        site_id bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
        org_id text NOT NULL,
        -- a MAC address in its normal form, whatever templates say of it
        hardware_id text,
        expires_at timestamptz,
        by_site_id bigint,
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (org_id, hardware_id),
        CHECK ((hardware_id IS NULL) <> (by_site_id IS NULL) AND (hardware_id IS NULL) = (expires_at IS NULL))
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE site_replacement');
  }
}
