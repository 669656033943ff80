import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What lists of sites are sorted and narrowed by (docs/integration-api.md §3.3, docs/adr/0070). */
export class SiteLists1765100000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX site_created, site_claimed_from, site_template, site_bundle_by_state;
      DROP INDEX IF EXISTS site_credential_search, agent_report_search;
      DROP VIEW site_bundle_state;
      DROP TRIGGER agent_version_insert ON agent_report;
      DROP TRIGGER agent_version_update ON agent_report;
      DROP FUNCTION agent_version_told;
      ALTER TABLE site_presence DROP COLUMN agent_version;
      DROP INDEX site_presence_address;
      CREATE INDEX agent_report_version ON agent_report (org_id, agent_version, site_id) WHERE agent_version IS NOT NULL;
      DROP INDEX IF EXISTS site_search;
      DO $$
      BEGIN
        CREATE INDEX site_search ON site USING gin (name gin_trgm_ops, nice_id gin_trgm_ops);
      EXCEPTION WHEN undefined_object THEN
        NULL;
      END $$`);
  }
}

const SCHEMA = `
-- '' until an agent has said its version: lists that are sorted by it hold every site. Copied by triggers, for servers of before write reports only.
ALTER TABLE site_presence ADD COLUMN agent_version text NOT NULL DEFAULT '';
UPDATE site_presence p SET agent_version = r.agent_version FROM agent_report r WHERE r.site_id = p.site_id AND r.agent_version IS NOT NULL;
CREATE INDEX site_presence_version ON site_presence (org_id, agent_version, site_id);
CREATE INDEX site_presence_address ON site_presence (org_id, address) WHERE address IS NOT NULL;
DROP INDEX agent_report_version;
CREATE FUNCTION agent_version_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE site_presence SET agent_version = coalesce(NEW.agent_version, '') WHERE site_id = NEW.site_id;
  RETURN NULL;
END $$;
CREATE TRIGGER agent_version_insert AFTER INSERT ON agent_report FOR EACH ROW
  WHEN (NEW.agent_version IS NOT NULL) EXECUTE FUNCTION agent_version_told();
CREATE TRIGGER agent_version_update AFTER UPDATE ON agent_report FOR EACH ROW
  WHEN (OLD.agent_version IS DISTINCT FROM NEW.agent_version) EXECUTE FUNCTION agent_version_told();

CREATE INDEX site_created ON site (org_id, created_at, site_id);
CREATE INDEX site_claimed_from ON site (org_id, claimed_from) WHERE claimed_from IS NOT NULL;
CREATE INDEX site_template ON site (template_id, site_id) WHERE template_id IS NOT NULL;
CREATE INDEX site_bundle_by_state ON site_bundle (org_id, state, site_id) WHERE state IS NOT NULL;
CREATE VIEW site_bundle_state AS SELECT site_id, org_id, state FROM site_bundle WHERE state IS NOT NULL;

-- Substring search. Where the extension may not be made, searches scan.
DROP INDEX IF EXISTS site_search;
DO $$
BEGIN
  CREATE INDEX site_search ON site USING gin (name gin_trgm_ops, nice_id gin_trgm_ops, hardware_id gin_trgm_ops, description gin_trgm_ops);
  CREATE INDEX site_credential_search ON site_credential USING gin (newt_id gin_trgm_ops) WHERE newt_id IS NOT NULL;
  CREATE INDEX agent_report_search ON agent_report USING gin ((agent_facts->>'hostname') gin_trgm_ops) WHERE agent_facts IS NOT NULL;
EXCEPTION WHEN undefined_object THEN
  RAISE NOTICE 'pg_trgm is not available; substring searches scan';
END $$;
`;
