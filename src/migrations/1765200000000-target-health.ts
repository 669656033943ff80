import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was told of the health of targets, and which server process has a duty that only one may do (docs/adr/0098). */
export class TargetHealth1765200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER resource_unchecked ON resource;
      DROP FUNCTION resource_unchecked();
      DROP TABLE target_health;
      DROP TABLE server_duty;
    `);
  }
}

const UP = `
-- Beside the target: what is told is no change of it.
CREATE TABLE target_health (
  target_id bigint PRIMARY KEY REFERENCES target ON DELETE CASCADE,
  -- Why it is not healthy, or not known.
  error text,
  told_at timestamptz NOT NULL
);

-- The targets of a resource that is not in service are not checked. Whoever takes it out of service has its row: its targets come after it.
CREATE FUNCTION resource_unchecked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.health := 'unknown';
  DELETE FROM target_health h USING target t WHERE t.resource_id = NEW.resource_id AND h.target_id = t.target_id;
  UPDATE target SET hc_health = 'unknown' WHERE resource_id = NEW.resource_id AND hc_health <> 'unknown';
  RETURN NEW;
END $$;
CREATE TRIGGER resource_unchecked BEFORE UPDATE OF enabled ON resource FOR EACH ROW
  WHEN (OLD.enabled AND NOT NEW.enabled) EXECUTE FUNCTION resource_unchecked();

-- A duty ends with the lease of the process that has it.
CREATE TABLE server_duty (
  duty text PRIMARY KEY,
  server_id uuid NOT NULL REFERENCES server ON DELETE CASCADE
);
CREATE INDEX server_duty_server ON server_duty (server_id);

UPDATE target t SET hc_health = 'unknown' FROM resource r
WHERE r.resource_id = t.resource_id AND t.hc_health <> 'unknown' AND NOT (r.enabled AND t.enabled AND t.hc_enabled);
UPDATE resource SET health = 'unknown' WHERE health <> 'unknown' AND NOT enabled;
`;
