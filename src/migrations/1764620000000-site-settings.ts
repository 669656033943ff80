import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What clients set of a site and read back (docs/integration-api.md §3.3). */
export class SiteSettings1764620000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER site_version ON site;
      ALTER TABLE site DROP COLUMN auto_update_enabled, DROP COLUMN auto_update_override_org, DROP COLUMN remote_subnets;
      CREATE TRIGGER site_version BEFORE UPDATE ON site FOR EACH ROW
        WHEN ((OLD.name, OLD.nice_id, OLD.docker_socket_enabled, OLD.status, OLD.labels) IS DISTINCT FROM (NEW.name, NEW.nice_id, NEW.docker_socket_enabled, NEW.status, NEW.labels))
        EXECUTE FUNCTION next_version()`);
  }
}

const SCHEMA = `
ALTER TABLE site
  ADD COLUMN auto_update_enabled boolean NOT NULL DEFAULT false,
  ADD COLUMN auto_update_override_org boolean NOT NULL DEFAULT false,
  -- Ranges, comma-separated, as they were sent: clients compare the text.
  ADD COLUMN remote_subnets text;

-- Clients set these too, so they count in the version (ADR 0014).
DROP TRIGGER site_version ON site;
CREATE TRIGGER site_version BEFORE UPDATE ON site FOR EACH ROW
  WHEN ((OLD.name, OLD.nice_id, OLD.docker_socket_enabled, OLD.auto_update_enabled, OLD.auto_update_override_org, OLD.remote_subnets, OLD.status, OLD.labels)
    IS DISTINCT FROM (NEW.name, NEW.nice_id, NEW.docker_socket_enabled, NEW.auto_update_enabled, NEW.auto_update_override_org, NEW.remote_subnets, NEW.status, NEW.labels))
  EXECUTE FUNCTION next_version();
`;
