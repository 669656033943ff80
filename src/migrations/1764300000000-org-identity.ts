import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An organization is its internal identity, not its id (ADR 0021): what outlives one is kept under the identity. */
export class OrgIdentity1764300000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(): Promise<void> {
    throw new Error('Rows of deleted organizations cannot be told from those of their successors again');
  }
}

const SCHEMA = `
ALTER TABLE org ADD COLUMN org_uid uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT org_uid UNIQUE;

-- null: of no organization, or of one that was gone before organizations had an identity. Without indexes while every row is written anew.
ALTER TABLE claim ADD COLUMN org_uid uuid;
ALTER TABLE audit ADD COLUMN org_uid uuid;
ALTER TABLE event ADD COLUMN org_uid uuid;
DROP INDEX claim_org, claim_key, claim_hardware, audit_org, event_feed;
UPDATE claim r SET org_uid = o.org_uid FROM org o WHERE o.org_id = r.org_id AND r.created_at >= o.created_at;
UPDATE audit r SET org_uid = o.org_uid FROM org o WHERE o.org_id = r.org_id AND r.created_at >= o.created_at;
UPDATE event r SET org_uid = o.org_uid FROM org o WHERE o.org_id = r.org_id AND r.created_at >= o.created_at;
CREATE INDEX claim_org ON claim (org_uid, claim_id);
CREATE INDEX claim_key ON claim (org_uid, key_id, claim_id);
CREATE INDEX claim_hardware ON claim (org_uid, hardware_id, claim_id) WHERE hardware_id IS NOT NULL;
CREATE INDEX audit_org ON audit (org_uid, audit_id);
CREATE INDEX event_feed ON event (org_uid, txid, event_id);

-- Fills the identity in for writers that hold a row of the organization, so that it cannot be another one by now; servers of 0.1.0 that
-- still run are among them. Claims say it themselves: the condition costs them nothing.
CREATE FUNCTION fill_org_uid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT o.org_uid INTO NEW.org_uid FROM org o WHERE o.org_id = NEW.org_id;
  RETURN NEW;
END $$;
CREATE TRIGGER claim_org_uid BEFORE INSERT ON claim FOR EACH ROW WHEN (NEW.org_uid IS NULL AND NEW.org_id IS NOT NULL) EXECUTE FUNCTION fill_org_uid();
CREATE TRIGGER audit_org_uid BEFORE INSERT ON audit FOR EACH ROW WHEN (NEW.org_uid IS NULL AND NEW.org_id IS NOT NULL) EXECUTE FUNCTION fill_org_uid();
CREATE TRIGGER event_org_uid BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.org_uid IS NULL AND NEW.org_id IS NOT NULL) EXECUTE FUNCTION fill_org_uid();

-- The identity that a credential of the organization was looked up with, if it still is the one: else whatever the transaction did was meant
-- for an organization that is gone, and it fails like any row that hangs on what is not there.
CREATE FUNCTION org_uid_as_known(id text, known uuid) RETURNS uuid STABLE LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM org o WHERE o.org_id = id AND o.org_uid = known) THEN
    RAISE EXCEPTION 'Not the organization that was meant' USING ERRCODE = 'foreign_key_violation', DETAIL = format('Key (org_uid)=(%s) is not present in table "org".', known);
  END IF;
  RETURN known;
END $$;

-- Stored answers go with their organization: a root key's repetition must not be answered out of a predecessor. Those of 0.1.0 name it in
-- their path, or an id that is never used again.
ALTER TABLE idempotency_key ADD COLUMN org_uid uuid REFERENCES org (org_uid) ON DELETE CASCADE;
UPDATE idempotency_key k SET org_uid = o.org_uid FROM org o WHERE o.org_id = substring(k.path FROM '/org/([^/?]+)') AND k.created_at >= o.created_at;
DELETE FROM idempotency_key WHERE org_uid IS NULL AND path ~ '/org/[^/?]+';
CREATE INDEX idempotency_key_org ON idempotency_key (org_uid) WHERE org_uid IS NOT NULL;
`;
