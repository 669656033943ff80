import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How many events of a kind there were in each minute, and how many sites were online every five minutes (docs/adr/0075). */
export class Stats1765130000030 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE online_sample;
      DROP TRIGGER event_minute_insert ON event;
      DROP FUNCTION event_minute_added;
      DROP TABLE event_minute`);
  }
}

const SCHEMA = `
-- Kept as long as events. Lanes as those of site_count: transactions of one organization do not wait for each other.
CREATE TABLE event_minute (
  org_uid uuid NOT NULL,
  type text NOT NULL,
  minute timestamptz NOT NULL,
  lane smallint NOT NULL,
  n int NOT NULL,
  PRIMARY KEY (org_uid, type, minute, lane)
) WITH (fillfactor = 70);
CREATE FUNCTION event_minute_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_minute AS m (org_uid, type, minute, lane, n)
    SELECT org_uid, type, date_trunc('minute', created_at), pg_backend_pid() % 4, count(*)
    FROM added WHERE type IN ('site.online', 'site.offline', 'site.approved') AND org_uid IS NOT NULL
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (org_uid, type, minute, lane) DO UPDATE SET n = m.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER event_minute_insert AFTER INSERT ON event REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION event_minute_added();
INSERT INTO event_minute (org_uid, type, minute, lane, n)
  SELECT org_uid, type, date_trunc('minute', created_at), 0, count(*)
  FROM event WHERE type IN ('site.online', 'site.offline', 'site.approved') AND org_uid IS NOT NULL GROUP BY 1, 2, 3;

-- Sites that were online, every five minutes, of organizations that have any site.
CREATE TABLE online_sample (
  org_uid uuid NOT NULL REFERENCES org (org_uid) ON DELETE CASCADE,
  at timestamptz NOT NULL,
  n int NOT NULL,
  PRIMARY KEY (org_uid, at)
);
CREATE INDEX online_sample_at ON online_sample (at)`;
