import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came of a provisioning key: whom it waits for, how far its sites are, what became of its claims (docs/adr/0075). */
export class KeyRollouts1765130000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
    await runner.query(ROWS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER claim_minute_insert ON claim;
      DROP TRIGGER claim_minute_update ON claim;
      DROP TRIGGER site_progress_connected_insert ON site_presence;
      DROP TRIGGER site_progress_connected_update ON site_presence;
      DROP TRIGGER site_progress_configured_insert ON agent_report;
      DROP TRIGGER site_progress_configured_update ON agent_report;
      DROP TRIGGER site_progress_delete ON site;
      DROP FUNCTION claim_minute_added, claim_minute_counted, site_progress_connected, site_progress_configured, site_progress_removed;
      DROP TABLE claim_minute, site_progress, provisioning_key_expected;
      DROP INDEX claim_refused_hardware, site_key_pending;
      ALTER TABLE provisioning_key DROP COLUMN expected_count`);
  }
}

const SCHEMA = `
-- How many machines are to come by the key; null: as many as it has uses. With a list of their hardware ids it is the length of that.
ALTER TABLE provisioning_key ADD COLUMN expected_count int CHECK (expected_count BETWEEN 1 AND 1000000);
CREATE TABLE provisioning_key_expected (
  key_id text NOT NULL REFERENCES provisioning_key ON DELETE CASCADE,
  hardware_id text NOT NULL,
  PRIMARY KEY (key_id, hardware_id)
);

-- Claims by a key in each minute: 'created', 'capacity', or why they were refused. Kept as long as claims.
CREATE TABLE claim_minute (
  key_id text NOT NULL,
  org_uid uuid NOT NULL,
  minute timestamptz NOT NULL,
  what text NOT NULL,
  n int NOT NULL,
  PRIMARY KEY (key_id, minute, what)
) WITH (fillfactor = 70);
CREATE INDEX claim_minute_org ON claim_minute (org_uid, minute);
CREATE FUNCTION claim_minute_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO claim_minute AS m (key_id, org_uid, minute, what, n)
    SELECT key_id, org_uid, date_trunc('minute', created_at), CASE outcome WHEN 'refused' THEN reason ELSE outcome END AS what, sum(count)
    FROM added WHERE outcome IN ('created', 'refused', 'capacity') AND key_id IS NOT NULL AND org_uid IS NOT NULL AND (outcome <> 'refused' OR reason IS NOT NULL)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
    ON CONFLICT (key_id, minute, what) DO UPDATE SET n = m.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER claim_minute_insert AFTER INSERT ON claim REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION claim_minute_added();
-- A created claim's count is of those that were recognised afterwards.
CREATE FUNCTION claim_minute_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO claim_minute AS m (key_id, org_uid, minute, what, n)
    VALUES (NEW.key_id, NEW.org_uid, date_trunc('minute', now()), coalesce(NEW.reason, NEW.outcome), NEW.count - OLD.count)
    ON CONFLICT (key_id, minute, what) DO UPDATE SET n = m.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER claim_minute_update AFTER UPDATE ON claim FOR EACH ROW
  WHEN (NEW.outcome IN ('refused', 'capacity') AND NEW.count > OLD.count AND NEW.key_id IS NOT NULL AND NEW.org_uid IS NOT NULL)
  EXECUTE FUNCTION claim_minute_counted();

-- When each site that a key has made first connected, and first said that it had applied its state without an error. No foreign key: what
-- connects sites would wait for who deletes them, and the other way round. The trigger below takes the row along instead.
CREATE TABLE site_progress (
  site_id bigint PRIMARY KEY,
  org_id text NOT NULL,
  key_id text NOT NULL,
  connected_at timestamptz,
  configured_at timestamptz
) WITH (fillfactor = 85);
CREATE INDEX site_progress_connected ON site_progress (org_id, key_id) WHERE connected_at IS NOT NULL;
CREATE INDEX site_progress_configured ON site_progress (org_id, key_id) WHERE configured_at IS NOT NULL;
CREATE FUNCTION site_progress_connected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO site_progress AS p (site_id, org_id, key_id, connected_at)
    SELECT s.site_id, s.org_id, s.key_id, NEW.connected_at FROM site s WHERE s.site_id = NEW.site_id AND s.key_id IS NOT NULL
    ON CONFLICT (site_id) DO UPDATE SET connected_at = coalesce(p.connected_at, excluded.connected_at);
  RETURN NULL;
END $$;
CREATE TRIGGER site_progress_connected_insert AFTER INSERT ON site_presence FOR EACH ROW
  WHEN (NEW.connected_at IS NOT NULL) EXECUTE FUNCTION site_progress_connected();
CREATE TRIGGER site_progress_connected_update AFTER UPDATE ON site_presence FOR EACH ROW
  WHEN (OLD.connected_at IS NULL AND NEW.connected_at IS NOT NULL) EXECUTE FUNCTION site_progress_connected();
CREATE FUNCTION site_progress_configured() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO site_progress AS p (site_id, org_id, key_id, configured_at)
    SELECT s.site_id, s.org_id, s.key_id, now() FROM site s WHERE s.site_id = NEW.site_id AND s.key_id IS NOT NULL
    ON CONFLICT (site_id) DO UPDATE SET configured_at = coalesce(p.configured_at, excluded.configured_at);
  RETURN NULL;
END $$;
CREATE TRIGGER site_progress_configured_insert AFTER INSERT ON agent_report FOR EACH ROW
  WHEN (NEW.applied_version IS NOT NULL AND NEW.applied_error IS NULL) EXECUTE FUNCTION site_progress_configured();
CREATE TRIGGER site_progress_configured_update AFTER UPDATE ON agent_report FOR EACH ROW
  WHEN ((OLD.applied_version IS NULL OR OLD.applied_error IS NOT NULL) AND NEW.applied_version IS NOT NULL AND NEW.applied_error IS NULL)
  EXECUTE FUNCTION site_progress_configured();
CREATE FUNCTION site_progress_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM site_progress p USING removed r WHERE p.site_id = r.site_id;
  RETURN NULL;
END $$;
CREATE TRIGGER site_progress_delete AFTER DELETE ON site REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION site_progress_removed();

CREATE INDEX site_key_pending ON site (org_id, key_id) WHERE status = 'pending' AND key_id IS NOT NULL;
-- The last refusal of a device, however often it was let in.
CREATE INDEX claim_refused_hardware ON claim (org_uid, hardware_id, claim_id) WHERE outcome = 'refused' AND hardware_id IS NOT NULL`;

/** What is there already. */
const ROWS = `
INSERT INTO claim_minute (key_id, org_uid, minute, what, n)
  SELECT key_id, org_uid, date_trunc('minute', created_at), CASE outcome WHEN 'refused' THEN reason ELSE outcome END,
    sum(CASE WHEN outcome = 'created' THEN 1 ELSE count END)
  FROM claim WHERE outcome IN ('created', 'refused', 'capacity') AND key_id IS NOT NULL AND org_uid IS NOT NULL AND (outcome <> 'refused' OR reason IS NOT NULL)
  GROUP BY 1, 2, 3, 4;
INSERT INTO site_progress (site_id, org_id, key_id, connected_at, configured_at)
  SELECT s.site_id, s.org_id, s.key_id, coalesce(p.connected_at, p.last_seen_at), CASE WHEN a.applied_version IS NOT NULL AND a.applied_error IS NULL THEN now() END
  FROM site s LEFT JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN agent_report a ON a.site_id = s.site_id
  WHERE s.key_id IS NOT NULL AND (p.connected_at IS NOT NULL OR p.last_seen_at IS NOT NULL OR (a.applied_version IS NOT NULL AND a.applied_error IS NULL));`;
