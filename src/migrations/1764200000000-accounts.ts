import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who owns a mailbox: proven addresses, two links per invitation, codes, and a bound on what is mailed to one address. */
export class Accounts1764200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(): Promise<void> {
    throw new Error('Which accounts were proven cannot be told without its column; restore a backup instead');
  }
}

const SCHEMA = `
-- 0.1.0 had one token per invitation, mailed and answered alike, so no row tells who accepted by mail: nobody but administrators counts as proven.
ALTER TABLE "user" ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
UPDATE "user" SET email_verified = true WHERE server_admin;
ALTER TABLE "user" ADD CONSTRAINT user_admin_verified CHECK (email_verified OR NOT server_admin);

-- Of the link that was sent by mail alone: who presents it reads the mailbox. The token of the answer proves nothing.
ALTER TABLE invitation ADD COLUMN mailed_token_hash bytea;

-- Codes that were mailed to prove a mailbox. Several of one user are good at once: a stranger who asks for another takes none away.
CREATE TABLE mailbox_code (
  code_hash bytea PRIMARY KEY,
  user_id text NOT NULL REFERENCES "user" ON DELETE CASCADE,
  expires_at timestamptz NOT NULL
);
CREATE INDEX mailbox_code_user ON mailbox_code (user_id);
CREATE INDEX mailbox_code_expiry ON mailbox_code (expires_at);

-- What was mailed to an address of late, by whom: an organization's id, or '' for the installation. Refers to nothing, so that nothing that is deleted resets it.
CREATE TABLE mailed_address (
  email text PRIMARY KEY,
  senders text[] NOT NULL,
  sent_at timestamptz[] NOT NULL,
  last_at timestamptz NOT NULL
);
CREATE INDEX mailed_address_last ON mailed_address (last_at);

-- An account whose mailbox nobody proved is its organization's: it goes with its last membership, by whatever way that goes.
-- The lock makes two that go at once see each other.
CREATE FUNCTION unproven_account_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM "user" WHERE user_id = OLD.user_id AND NOT email_verified FOR UPDATE;
  IF FOUND THEN
    DELETE FROM "user" WHERE user_id = OLD.user_id AND NOT EXISTS (SELECT FROM membership WHERE user_id = OLD.user_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER membership_unproven AFTER DELETE ON membership FOR EACH ROW EXECUTE FUNCTION unproven_account_ends();
`;
