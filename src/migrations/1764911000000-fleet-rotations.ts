import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What jobs that rotate credentials go by: who used the next one, and which programs can take one (docs/credentials.md §3). */
export class FleetRotations1764911000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Next credentials that sites used and a job asked for: until the job has counted them, or for good when it has ended before.
      CREATE TABLE credential_proof (
        proof_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job_id bigint NOT NULL,
        site_id bigint NOT NULL REFERENCES site ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (job_id, site_id)
      );
      CREATE INDEX credential_proof_site ON credential_proof (site_id);
      CREATE INDEX credential_rotation_offered ON credential_rotation (job_id, offered_at) WHERE offered_at IS NOT NULL;
      ALTER TABLE site_presence ADD COLUMN takes_credentials boolean NOT NULL DEFAULT false;
      CREATE OR REPLACE VIEW site_client AS
        SELECT site_id, org_id, client_type, session_id IS NOT NULL AS online, connected_at, takes_credentials FROM site_presence`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW site_client;
      CREATE VIEW site_client AS SELECT site_id, org_id, client_type, session_id IS NOT NULL AS online FROM site_presence;
      ALTER TABLE site_presence DROP COLUMN takes_credentials;
      DROP INDEX credential_rotation_offered;
      DROP TABLE credential_proof`);
  }
}
