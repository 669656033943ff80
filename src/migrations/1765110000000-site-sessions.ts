import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The sessions of sites as rows: when each began and how it ended (docs/adr/0071). */
export class SiteSessions1765110000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW site_connection;
      DROP TRIGGER site_session_site ON site;
      DROP FUNCTION site_sessions_gone;
      DROP TABLE site_session`);
  }
}

const SCHEMA = `
-- Written with the presence of the site, under the lock of its row there: once when the session begins, once when it ends. What it ran as is
-- known later than its beginning and is filled in at its end. No foreign key: its check would lock a row of the site for each agent that returns.
CREATE TABLE site_session (
  session_id uuid PRIMARY KEY,
  site_id bigint NOT NULL,
  server_id uuid,
  address inet,
  client_type text,
  client_version text,
  connected_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  end_reason text,
  CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX site_session_site ON site_session (site_id, connected_at DESC);
CREATE INDEX site_session_connected ON site_session USING brin (connected_at);
INSERT INTO site_session (session_id, site_id, server_id, address, connected_at)
  SELECT session_id, site_id, server_id, address, coalesce(connected_at, last_seen_at) FROM site_presence WHERE session_id IS NOT NULL
  ON CONFLICT DO NOTHING;

CREATE FUNCTION site_sessions_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM site_session o USING gone WHERE o.site_id = gone.site_id;
  RETURN NULL;
END $$;
CREATE TRIGGER site_session_site AFTER DELETE ON site REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION site_sessions_gone();

-- Read model of sites: whence a site is connected, and how its last session ended.
CREATE VIEW site_connection AS
  SELECT p.site_id, CASE WHEN p.session_id IS NOT NULL THEN host(p.address) END AS connected_from,
    CASE WHEN p.session_id IS NOT NULL THEN p.connected_at END AS connected_since, e.ended_at, e.end_reason
  FROM site_presence p LEFT JOIN LATERAL (
    SELECT o.ended_at, o.end_reason FROM site_session o WHERE o.site_id = p.site_id AND o.ended_at IS NOT NULL ORDER BY o.connected_at DESC LIMIT 1) e ON true;
`;
