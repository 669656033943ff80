import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refused claims summed up by key; claims and events found by site, hardware id, address and key. */
export class RefusalsOfKeys1765110000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE key_refusal, key_refusal_notice;
      DROP INDEX claim_site, claim_address, event_site, event_hardware, event_key, event_address, event_rejection`);
  }
}

const SCHEMA = `
-- How often each key was refused for which reason, for as long as it goes on; told: how many of them events have told of.
CREATE TABLE key_refusal (
  org_uid uuid NOT NULL,
  key_id text NOT NULL,
  reason text NOT NULL,
  count bigint NOT NULL,
  told bigint NOT NULL DEFAULT 0,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now(),
  last_address inet,
  PRIMARY KEY (org_uid, key_id, reason)
) WITH (fillfactor = 50);
-- When the last event of a key was emitted: at most one a minute.
CREATE TABLE key_refusal_notice (
  org_uid uuid NOT NULL,
  key_id text NOT NULL,
  told_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_uid, key_id)
) WITH (fillfactor = 50);
INSERT INTO key_refusal (org_uid, key_id, reason, count, told, first_at, last_at, last_address)
  SELECT org_uid, key_id, reason, sum(count), sum(count), min(created_at), max(last_seen_at), (array_agg(address ORDER BY claim_id DESC))[1]
  FROM claim WHERE outcome = 'refused' AND org_uid IS NOT NULL AND key_id IS NOT NULL AND reason IS NOT NULL GROUP BY org_uid, key_id, reason;

CREATE INDEX claim_site ON claim (org_uid, site_id, claim_id) WHERE site_id IS NOT NULL;
CREATE INDEX claim_address ON claim (org_uid, address, claim_id);
CREATE INDEX event_site ON event (org_uid, site_id, txid, event_id) WHERE site_id IS NOT NULL;
CREATE INDEX event_hardware ON event (org_uid, (data ->> 'hardwareId'), txid, event_id) WHERE data ->> 'hardwareId' IS NOT NULL;
CREATE INDEX event_key ON event (org_uid, (data ->> 'keyId'), txid, event_id) WHERE data ->> 'keyId' IS NOT NULL;
CREATE INDEX event_address ON event (org_uid, (data ->> 'address'), txid, event_id) WHERE data ->> 'address' IS NOT NULL;
CREATE INDEX event_rejection ON event (org_uid, event_id) WHERE type = 'site.rejected';
`;
