import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The profile of a site can be set, so it counts in the site's version (ADR 0014); and a read model of which profiles there are. */
export class SiteProfiles1764750000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`${VERSION(['profile_id'])}
      CREATE VIEW profile_known AS SELECT org_id, profile_id FROM provisioning_profile`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP VIEW profile_known; ${VERSION([])}`);
  }
}

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
const VERSION = (more: string[]) => {
  const of = (row: string) => `(${[...COLUMNS, ...more].map((column) => `${row}.${column}`).join(', ')})`;
  return `
    DROP TRIGGER site_version ON site;
    CREATE TRIGGER site_version BEFORE UPDATE ON site FOR EACH ROW
      WHEN (${of('OLD')} IS DISTINCT FROM ${of('NEW')}) EXECUTE FUNCTION next_version();`;
};
