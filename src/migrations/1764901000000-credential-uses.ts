import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When credentials were used, also superseded ones; which are good now, for modules that do not write them (docs/credentials.md §2). */
export class CredentialUses1764901000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW usable_credential, credential_policy;
      DROP TABLE credential_reuse;
      CREATE OR REPLACE VIEW known_site AS ${knownSite('')};
      ALTER TABLE site_credential DROP COLUMN last_used_at, DROP COLUMN last_used_address`);
  }
}

const knownSite = (current: string) => `
  SELECT s.site_id, s.org_id, s.device_id, s.hardware_id, w.nonce_hash, s.key_id, s.claim_id, s.revoked_at IS NOT NULL AS revoked,
    coalesce(w.closed_at IS NULL AND w.opened_at > now() - interval '24 hours' AND w.reissues < 20, false) AS window_open,
    w.authenticated_at IS NOT NULL AS authenticated, coalesce(s.reclaim_allowed_until > now(), false) AS armed, c.newt_id, c.kind AS credential_kind
  FROM site s LEFT JOIN LATERAL (SELECT * FROM claim_window w WHERE w.site_id = s.site_id OFFSET 0) w ON true LEFT JOIN LATERAL (
    SELECT newt_id, kind FROM site_credential c WHERE c.site_id = s.site_id AND c.revoked_at IS NULL ${current} ORDER BY credential_id DESC LIMIT 1) c ON true`;

const SCHEMA = `
ALTER TABLE site_credential ADD COLUMN last_used_at timestamptz, ADD COLUMN last_used_address inet;

-- Uses of superseded credentials that were told of: once an hour for each site and address.
CREATE TABLE credential_reuse (
  site_id bigint NOT NULL REFERENCES site ON DELETE CASCADE,
  address inet NOT NULL,
  told_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (site_id, address)
);

-- Read model of agents: credentials that are good, and until when; null: they have no end. Whether the site is revoked is the site's.
CREATE VIEW usable_credential AS
  SELECT credential_id, site_id, least(ends_at, expires_at) AS until FROM site_credential
  WHERE revoked_at IS NULL AND coalesce(least(ends_at, expires_at) > now(), true);

-- What the template says of the credentials of each site; of one whose template is gone, what a new template would say.
CREATE VIEW credential_policy AS
  SELECT s.site_id, s.org_id, t.credential_ttl_seconds, coalesce(t.renew_grace_seconds, 2592000) AS renew_grace_seconds,
    coalesce(t.on_reuse, 'alert') AS on_reuse
  FROM site s LEFT JOIN provisioning_template t ON t.template_id = s.template_id;

-- A re-claim names the credential that the device has, and not a next one that it may never have received.
CREATE OR REPLACE VIEW known_site AS ${knownSite("AND c.stage = 'current'")};
`;
