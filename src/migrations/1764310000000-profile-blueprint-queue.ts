import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The blueprint of a profile is owed from the claim's commit on, whatever dies after it. */
export class ProfileBlueprintQueue1764310000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE profile_blueprint_due');
  }
}

const SCHEMA = `
-- Sites whose profile's blueprint is still to be applied. Written with the site, by the claim's own transaction; gone once it was applied, or
-- tried often enough. Who takes a row moves due_at on: if it dies, the row comes due again.
CREATE TABLE profile_blueprint_due (
  site_id bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
  attempts int NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL
);
CREATE INDEX profile_blueprint_due_at ON profile_blueprint_due (due_at);
-- Those that 0.1.0 lost.
INSERT INTO profile_blueprint_due (site_id, due_at)
  SELECT s.site_id, now() FROM site s JOIN provisioning_template t USING (template_id) JOIN provisioning_profile p USING (profile_id)
  WHERE p.blueprint IS NOT NULL AND NOT EXISTS (SELECT FROM blueprint_source b WHERE b.site_id = s.site_id AND b.kind = 'profile');
`;
