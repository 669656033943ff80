import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { createEmptyDatabase, queryDatabase, type TestDatabase } from './database.js';

const folder = fileURLToPath(new URL('../fixtures', import.meta.url));

/** What the claim of a fixture's site answered, and what it sent. */
export interface FixtureSite {
  device_id: string;
  api_key: string;
  hardware_id: string;
  claim_nonce: string;
  siteId: number;
}

/** The secrets of a fixture, which its database knows as hashes only. Its master key is that of the tests. */
export interface FixtureSecrets {
  madeAt: string;
  rootKey: string;
  adminPassword: string;
  memberPassword: string;
  openInvitation: string;
  apiKey: string;
  provisioningKey: string;
  siteProvisioningKeyId: string;
  pendingKey: string;
  device: FixtureSite;
  pending: FixtureSite;
  suspended: FixtureSite;
  psk: FixtureSite & { psk_identity: string; psk: string };
  newt: { newtId: string; secret: string };
  idempotent: { method: string; path: string; key: string; body: object };
}

export const fixtureSecrets = (version: string): FixtureSecrets =>
  JSON.parse(readFileSync(`${folder}/${version}.json`, 'utf8')) as FixtureSecrets;

/** Moves every time in the database, so that nothing in it is older than it was when the fixture was made. */
const AGE_NOTHING = (madeAt: string) => `
SET session_replication_role = 'replica';
DO $$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('UPDATE %I SET %s', c.relname, string_agg(format('%1$I = %1$I + (now() - %2$L::timestamptz)', a.attname, '${madeAt}'), ', '))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.atttypid = 'timestamptz'::regtype GROUP BY c.relname
  LOOP EXECUTE statement; END LOOP;
END $$;
SET session_replication_role = 'origin'`;

/** A database as that version left it a moment ago (`npm run fixture`). */
export async function restoreFixture(version: string): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  await queryDatabase(database.url, readFileSync(`${folder}/${version}.sql`, 'utf8'));
  await queryDatabase(database.url, AGE_NOTHING(fixtureSecrets(version).madeAt));
  return database;
}

/** The same, brought up to date by today's migrations. */
export async function migrateFixture(version: string): Promise<TestDatabase> {
  const database = await restoreFixture(version);
  await migrate(database.url, MIGRATIONS);
  return database;
}
