import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What lists and exports are read by: agent versions in the order of their numbers (docs/integration-api.md §3.3): 1.9 before 1.10, a pre-release before its release. */
export class VersionOrder1765180000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
-- Another text for each version, which sorts as versions do. A number is its length and its digits; '0' before what follows a hyphen, '1' before
-- other text and at the end, '2' before a number. What has no number sorts first. The version itself tells apart what is alike: 1.2.0 and v1.2.0.
CREATE FUNCTION version_order(version text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
  SELECT coalesce(string_agg(CASE WHEN part = '-' THEN '0' WHEN part ~ '^[0-9]' THEN '2' || lpad(length(ltrim(part, '0'))::text, 3, '0') || ltrim(part, '0')
    ELSE '1' || part END, '' ORDER BY place), '') || '1 ' || version
  FROM regexp_matches(regexp_replace(regexp_replace(version, '^v(?=[0-9])', ''), '[+].*$', ''), '[0-9]+|-|[^0-9.-]+', 'g') WITH ORDINALITY AS m(parts, place),
    unnest(m.parts) AS part
$$;
ALTER TABLE site_presence ADD COLUMN version_order text COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (CASE WHEN agent_version = '' THEN '' ELSE version_order(agent_version) END) STORED;
DROP INDEX site_presence_version;
CREATE INDEX site_presence_version ON site_presence (org_id, version_order, site_id) INCLUDE (agent_version);

-- Exports read rejections by site.
CREATE INDEX event_rejected_site ON event (org_uid, site_id) WHERE type = 'site.rejected'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX event_rejected_site;
      ALTER TABLE site_presence DROP COLUMN version_order;
      DROP FUNCTION version_order;
      CREATE INDEX site_presence_version ON site_presence (org_id, agent_version, site_id)`);
  }
}
