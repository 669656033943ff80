import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whose a public key is, which certificates are revoked, and claims by EST (docs/credentials.md §6). */
export class DeviceCertificates1764909200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER site_credential_public_key ON site_credential;
      DROP TRIGGER site_credential_certificate_revoked ON site_credential;
      DROP TRIGGER site_credential_certificate_deleted ON site_credential;
      DROP FUNCTION take_public_key(), note_revoked_certificate();
      DROP VIEW certificate_revocation, site_with_bundle_key;
      DROP TABLE revocation_list, revoked_certificate, device_public_key;
      DELETE FROM claim WHERE door = 'est';
      ALTER TABLE claim DROP CONSTRAINT claim_door_check, ADD CONSTRAINT claim_door_check CHECK (door IN ('device', 'newt'))`);
  }
}

const SCHEMA = `
ALTER TABLE claim DROP CONSTRAINT claim_door_check, ADD CONSTRAINT claim_door_check CHECK (door IN ('device', 'newt', 'est')) NOT VALID;
ALTER TABLE claim VALIDATE CONSTRAINT claim_door_check;

-- A public key belongs to one site of the installation, for as long as that site is there. Of several that share one from before, the first has it;
-- the others keep their certificates and need another key for the next.
CREATE TABLE device_public_key (
  public_key_hash bytea PRIMARY KEY,
  site_id bigint NOT NULL REFERENCES site ON DELETE CASCADE
);
CREATE INDEX device_public_key_site ON device_public_key (site_id);
INSERT INTO device_public_key (public_key_hash, site_id)
  SELECT DISTINCT ON (public_key_hash) public_key_hash, site_id FROM site_credential WHERE public_key_hash IS NOT NULL
  ORDER BY public_key_hash, revoked_at IS NOT NULL, credential_id;
CREATE FUNCTION take_public_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO device_public_key AS k (public_key_hash, site_id) VALUES (NEW.public_key_hash, NEW.site_id)
  ON CONFLICT (public_key_hash) DO UPDATE SET site_id = k.site_id WHERE k.site_id = NEW.site_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'The public key belongs to another site' USING ERRCODE = 'unique_violation', CONSTRAINT = 'device_public_key_pkey';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER site_credential_public_key AFTER INSERT ON site_credential FOR EACH ROW WHEN (NEW.public_key_hash IS NOT NULL) EXECUTE FUNCTION take_public_key();

-- Certificates that were revoked, or whose site was deleted, until they have expired: whatever writes site_credential, these rows come with it.
CREATE TABLE revoked_certificate (
  revocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ca_id text NOT NULL REFERENCES device_ca ON DELETE CASCADE,
  serial text NOT NULL,
  -- CRLReason of RFC 5280
  reason int NOT NULL,
  revoked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  UNIQUE (ca_id, serial)
);
CREATE INDEX revoked_certificate_expires ON revoked_certificate (expires_at);
CREATE FUNCTION note_revoked_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The organization may be on its way out, and its authority with it.
  INSERT INTO revoked_certificate (ca_id, serial, reason, revoked_at, expires_at)
  SELECT a.ca_id, OLD.serial, CASE WHEN OLD.ends_at <= now() THEN 4 WHEN TG_OP = 'DELETE' THEN 5 ELSE 0 END,
    CASE WHEN OLD.ends_at <= now() THEN OLD.ends_at ELSE now() END, OLD.expires_at
  FROM device_ca a WHERE a.ca_id = OLD.ca_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER site_credential_certificate_revoked AFTER UPDATE OF revoked_at ON site_credential FOR EACH ROW
  WHEN (OLD.serial IS NOT NULL AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND OLD.expires_at > now()) EXECUTE FUNCTION note_revoked_certificate();
CREATE TRIGGER site_credential_certificate_deleted AFTER DELETE ON site_credential FOR EACH ROW
  WHEN (OLD.serial IS NOT NULL AND OLD.revoked_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION note_revoked_certificate();
INSERT INTO revoked_certificate (ca_id, serial, reason, revoked_at, expires_at)
  SELECT ca_id, serial, 0, revoked_at, expires_at FROM site_credential
  WHERE ca_id IS NOT NULL AND serial IS NOT NULL AND revoked_at IS NOT NULL AND expires_at > now()
  ON CONFLICT DO NOTHING;

-- What revocation lists say: those, and certificates that were superseded and whose overlap is over, which nobody writes down at that moment.
-- mark is one of each row, so that their sum and number tell whether there are others.
CREATE INDEX site_credential_superseded ON site_credential (ca_id, ends_at) WHERE kind = 'certificate' AND stage = 'previous' AND revoked_at IS NULL;
CREATE VIEW certificate_revocation AS
  SELECT ca_id, serial, reason, revoked_at, expires_at, revocation_id * 2 AS mark FROM revoked_certificate WHERE expires_at > now()
  UNION ALL
  SELECT ca_id, serial, 4, ends_at, expires_at, credential_id * 2 + 1 FROM site_credential
  WHERE kind = 'certificate' AND stage = 'previous' AND revoked_at IS NULL AND ends_at <= now() AND expires_at > now() AND serial IS NOT NULL;

-- Read model of instances for provisioning: whose credential is renewed only for who can open what is sealed for it.
CREATE VIEW site_with_bundle_key AS SELECT site_id FROM site_bundle WHERE bundle_key IS NOT NULL;

-- The last list of each authority, for all servers: its number only ever grows.
CREATE TABLE revocation_list (
  ca_id text PRIMARY KEY REFERENCES device_ca ON DELETE CASCADE,
  number bigint NOT NULL,
  -- of the rows that are in it
  entries bigint NOT NULL,
  marks numeric NOT NULL,
  der bytea NOT NULL,
  made_at timestamptz NOT NULL
)`;
