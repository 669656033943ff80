import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Columns of values that are sealed under the master key, each with the column that names the key. */
const SEALED = [
  ['site_credential', 'psk_encrypted', 'psk_key_id'],
  ['org', 'ca_key_encrypted', 'ca_key_id'],
  ['secret_version', 'wrapped_key', 'master_key_id'],
  ['signing_key', 'sealed_key', 'master_key_id'],
] as const;

/**
 * Which master keys values may be under (docs/credentials.md §8). A sealed value begins with the id of its key, and refers to the row of that key: one
 * that is needed cannot be taken away, and nothing can be written under one that was.
 */
export class MasterKeys1764909000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- writing: new values are under it. accepted: the next one, which not every server has yet. previous: older values are under it.
      CREATE TABLE master_key (
        key_id bytea PRIMARY KEY CHECK (length(key_id) = 4),
        fingerprint text NOT NULL UNIQUE CHECK (left(fingerprint, 8) = encode(key_id, 'hex')),
        state text NOT NULL UNIQUE CHECK (state IN ('writing', 'accepted', 'previous')),
        since timestamptz NOT NULL DEFAULT now()
      );
      INSERT INTO master_key (key_id, fingerprint, state)
        SELECT decode(left(value, 8), 'hex'), value, 'writing' FROM setting WHERE name = 'master_key_fingerprint';
      DELETE FROM setting WHERE name = 'master_key_fingerprint';
      UPDATE idempotency_key SET answer = (SELECT key_id FROM master_key) || answer WHERE answer IS NOT NULL;
      ALTER TABLE server ADD COLUMN master_keys text[] NOT NULL DEFAULT '{}', ADD COLUMN writes_with text`);
    for (const [table, column, keyId] of SEALED) {
      await runner.query(`
        UPDATE ${table} SET ${column} = (SELECT key_id FROM master_key) || ${column} WHERE ${column} IS NOT NULL;
        ALTER TABLE ${table} ADD COLUMN ${keyId} bytea GENERATED ALWAYS AS (substring(${column} from 1 for 4)) STORED REFERENCES master_key`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [table, column, keyId] of SEALED) {
      await runner.query(`
        ALTER TABLE ${table} DROP COLUMN ${keyId};
        UPDATE ${table} SET ${column} = substring(${column} from 5) WHERE ${column} IS NOT NULL`);
    }
    await runner.query(`
      ALTER TABLE server DROP COLUMN master_keys, DROP COLUMN writes_with;
      UPDATE idempotency_key SET answer = substring(answer from 5) WHERE answer IS NOT NULL;
      INSERT INTO setting (name, value) SELECT 'master_key_fingerprint', fingerprint FROM master_key WHERE state = 'writing';
      DROP TABLE master_key`);
  }
}
