import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The state of a site in one word, in its presence, which every site has from now on (docs/adr/0070). */
export class SiteStates1765100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER site_presence_insert ON site;
      DROP TRIGGER site_presence_update ON site;
      DROP FUNCTION site_presence_added, site_presence_changed, site_standing;
      DELETE FROM site_presence WHERE last_seen_at IS NULL;
      CREATE INDEX site_presence_online ON site_presence (org_id) WHERE session_id IS NOT NULL;
      ALTER TABLE site_presence DROP COLUMN state, DROP COLUMN seen_order, DROP COLUMN standing,
        ALTER COLUMN last_seen_at SET DEFAULT now(), ALTER COLUMN last_seen_at SET NOT NULL`);
  }
}

const SCHEMA = `
-- What the row of the site says of its state; 'local' and 'served': it is in service, and the session decides, if its kind has one.
CREATE FUNCTION site_standing(type text, status text, suspended_at timestamptz, revoked_at timestamptz) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN suspended_at IS NOT NULL THEN 'suspended' WHEN status = 'pending' THEN 'pending'
    WHEN type = 'local' THEN 'local' ELSE 'served' END
$$;

-- A site has no connected_at before its first session. Rows of before were made by one.
UPDATE site_presence SET connected_at = last_seen_at WHERE connected_at IS NULL;
DROP INDEX site_presence_online;
ALTER TABLE site_presence
  ALTER COLUMN last_seen_at DROP DEFAULT,
  ALTER COLUMN last_seen_at DROP NOT NULL,
  ADD COLUMN standing text NOT NULL DEFAULT 'served',
  -- The constant SITE_STATES of libs/contracts.
  ADD COLUMN state text NOT NULL GENERATED ALWAYS AS (CASE WHEN standing NOT IN ('local', 'served') THEN standing
    WHEN standing = 'local' OR session_id IS NOT NULL THEN 'online' WHEN connected_at IS NULL THEN 'never_connected' ELSE 'offline' END) STORED,
  -- By this, not by last_seen_at, sites are sorted: it stands still while a session lasts, so that what is seen every few seconds is no entry
  -- of an index and its updates stay within their page.
  ADD COLUMN seen_order timestamptz NOT NULL GENERATED ALWAYS AS (CASE WHEN session_id IS NOT NULL THEN 'infinity' ELSE coalesce(last_seen_at, '-infinity') END) STORED;
UPDATE site_presence p SET standing = site_standing(s.type, s.status, s.suspended_at, s.revoked_at)
  FROM site s WHERE s.site_id = p.site_id AND site_standing(s.type, s.status, s.suspended_at, s.revoked_at) <> 'served';
INSERT INTO site_presence (site_id, org_id, standing)
  SELECT site_id, org_id, site_standing(type, status, suspended_at, revoked_at) FROM site s
  WHERE NOT EXISTS (SELECT FROM site_presence p WHERE p.site_id = s.site_id);
CREATE INDEX site_presence_state ON site_presence (org_id, state, site_id);
CREATE INDEX site_presence_seen ON site_presence (org_id, seen_order, site_id);

-- After the triggers that count: one statement for however many sites.
CREATE FUNCTION site_presence_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO site_presence (site_id, org_id, standing)
    SELECT site_id, org_id, site_standing(type, status, suspended_at, revoked_at) FROM added;
  RETURN NULL;
END $$;
CREATE TRIGGER site_presence_insert AFTER INSERT ON site REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION site_presence_added();
CREATE FUNCTION site_presence_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE site_presence SET standing = site_standing(NEW.type, NEW.status, NEW.suspended_at, NEW.revoked_at) WHERE site_id = NEW.site_id;
  RETURN NULL;
END $$;
CREATE TRIGGER site_presence_update AFTER UPDATE ON site FOR EACH ROW
  WHEN ((OLD.type, OLD.status, OLD.suspended_at, OLD.revoked_at) IS DISTINCT FROM (NEW.type, NEW.status, NEW.suspended_at, NEW.revoked_at))
  EXECUTE FUNCTION site_presence_changed();
`;
