import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What access and agents write about a site leaves the table of sites: a table has one writer (docs/adr/0024). */
export class ClaimWindows1764500000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(): Promise<void> {
    throw new Error('The columns of sites have no way back; restore a backup instead');
  }
}

const SCHEMA = `
-- Of each site that has credentials, from its first one on: the window in which a lost answer can be asked for again (docs/claims.md rule 5).
CREATE TABLE claim_window (
  site_id bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
  org_id text NOT NULL,
  nonce_hash bytea,
  -- The device has no hardware id: it is known by its nonce, which nobody else in the organization has.
  by_nonce boolean NOT NULL DEFAULT false CHECK (NOT by_nonce OR nonce_hash IS NOT NULL),
  opened_at timestamptz,
  closed_at timestamptz,
  reissues int NOT NULL DEFAULT 0,
  authenticated_at timestamptz
) WITH (fillfactor = 85);
INSERT INTO claim_window (site_id, org_id, nonce_hash, by_nonce, opened_at, closed_at, reissues, authenticated_at)
  SELECT site_id, org_id, nonce_hash, hardware_id IS NULL AND nonce_hash IS NOT NULL, nonce_opened_at, nonce_closed_at, reissues, authenticated_at
  FROM site s WHERE EXISTS (SELECT FROM site_credential c WHERE c.site_id = s.site_id);
CREATE UNIQUE INDEX claim_window_nonce ON claim_window (nonce_hash, org_id) WHERE by_nonce;

-- What agents say of themselves and of the state that they were sent.
CREATE TABLE agent_report (
  site_id bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
  org_id text NOT NULL,
  agent_version text,
  agent_facts jsonb,
  applied_version bigint,
  applied_error text
) WITH (fillfactor = 85);
INSERT INTO agent_report (site_id, org_id, agent_version, agent_facts, applied_version, applied_error)
  SELECT site_id, org_id, agent_version, agent_facts, applied_version, applied_error FROM site
  WHERE num_nonnulls(agent_version, agent_facts, applied_version, applied_error) > 0;
CREATE INDEX agent_report_version ON agent_report (org_id, agent_version, site_id) WHERE agent_version IS NOT NULL;
-- Read model: what lists of sites show and filter by.
CREATE VIEW site_agent AS SELECT site_id, org_id, agent_version, applied_version, applied_error FROM agent_report;

ALTER TABLE site
  DROP COLUMN nonce_hash, DROP COLUMN nonce_opened_at, DROP COLUMN nonce_closed_at, DROP COLUMN reissues, DROP COLUMN authenticated_at,
  DROP COLUMN agent_version, DROP COLUMN agent_facts, DROP COLUMN applied_version, DROP COLUMN applied_error;
`;
