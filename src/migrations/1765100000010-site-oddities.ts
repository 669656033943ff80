import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where sites were claimed from, what is odd about them, and what people say of them (docs/claims.md rule 39). */
export class SiteOddities1765100000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`${SCHEMA} ${VERSION(['profile_id', 'description'])}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${VERSION(['profile_id'])}
      DROP FUNCTION taken_site_names;
      DROP TABLE lifted_tombstone, provisioning_key_network;
      ALTER TABLE site DROP COLUMN description, DROP COLUMN claimed_from, DROP COLUMN oddities;
      DROP VIEW site_agent;
      CREATE VIEW site_agent AS SELECT site_id, org_id, agent_version, applied_version, applied_error FROM agent_report`);
  }
}

const SCHEMA = `
ALTER TABLE site
  ADD COLUMN description text,
  ADD COLUMN claimed_from inet,
  -- The constant ODDITIES of libs/contracts.
  ADD COLUMN oddities text[] NOT NULL DEFAULT '{}';
UPDATE site s SET claimed_from = c.address, oddities = CASE WHEN x.site_id IS NULL THEN '{}'::text[] ELSE '{contested}' END
  FROM claim c LEFT JOIN (SELECT DISTINCT site_id FROM claim WHERE outcome = 'contested') x USING (site_id)
  WHERE c.claim_id = s.claim_id AND c.site_id = s.site_id;
CREATE INDEX site_odd ON site (org_id, site_id) WHERE oddities <> '{}';

-- The networks that a key has made sites from: /24 of IPv4, /48 of IPv6.
CREATE TABLE provisioning_key_network (
  key_id text NOT NULL REFERENCES provisioning_key ON DELETE CASCADE,
  network cidr NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (key_id, network)
);
INSERT INTO provisioning_key_network (key_id, network, created_at)
  SELECT key_id, network(set_masklen(address, CASE family(address) WHEN 4 THEN 24 ELSE 48 END)), min(c.created_at)
  FROM claim c JOIN provisioning_key k USING (key_id) WHERE c.outcome = 'created' AND c.address IS NOT NULL GROUP BY 1, 2;

-- What was refused once and may claim again.
CREATE TABLE lifted_tombstone (
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  hardware_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, hardware_id)
);
INSERT INTO lifted_tombstone (org_id, hardware_id, created_at)
  SELECT o.org_id, a.target_id, max(a.created_at) FROM audit a JOIN org o USING (org_uid)
  WHERE a.action = 'tombstone.delete' AND a.target_id IS NOT NULL GROUP BY 1, 2;

-- Which of these names sites have. A plan that is kept may stem from when the table was small, so there is one plan only, as of known_sites.
CREATE FUNCTION taken_site_names(org text, names text[]) RETURNS SETOF text LANGUAGE plpgsql STABLE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY SELECT n FROM unnest(names) n WHERE (SELECT s.site_id FROM site s WHERE s.org_id = org AND s.name = n LIMIT 1) IS NOT NULL;
END $$;

CREATE OR REPLACE VIEW site_agent AS SELECT site_id, org_id, agent_version, applied_version, applied_error, agent_facts FROM agent_report;
`;

const COLUMNS = [
  'name',
  'nice_id',
  'docker_socket_enabled',
  'auto_update_enabled',
  'auto_update_override_org',
  'remote_subnets',
  'status',
  'labels',
];
/** What clients set counts in the version (ADR 0014). */
const VERSION = (more: string[]) => {
  const of = (row: string) => `(${[...COLUMNS, ...more].map((column) => `${row}.${column}`).join(', ')})`;
  return `
    DROP TRIGGER site_version ON site;
    CREATE TRIGGER site_version BEFORE UPDATE ON site FOR EACH ROW
      WHEN (${of('OLD')} IS DISTINCT FROM ${of('NEW')}) EXECUTE FUNCTION next_version();`;
};
