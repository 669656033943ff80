import { clientOptions, DatabaseClient, KeyRing } from '#platform';
import { StartError } from './preflight.js';

/** @param known what the database says of its master key, null before it was set up. @throws StartError for another key. */
export function assertSameMasterKey(known: string | null, own: string): void {
  if (known !== null && known !== own) {
    throw new StartError(
      'The master key is not the one that this database was set up with; start with the right MASTER_KEY (or master.key in DATA_DIR).',
    );
  }
}

/**
 * Asks a database that answers, migrated or not, and writes nothing: with the wrong key, a migration is a change too many.
 * @throws StartError when it was set up with another master key.
 */
export async function checkMasterKey(url: string, masterKey: Buffer): Promise<void> {
  const client = new DatabaseClient(clientOptions(url, 'gatehouse-boot'));
  try {
    await client.connect();
    const { rows: tables } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('setting') IS NOT NULL AS there`,
    );
    if (!tables[0]!.there) return;
    const { rows } = await client.query<{ value: string }>(
      `SELECT value FROM setting WHERE name = 'master_key_fingerprint'`,
    );
    assertSameMasterKey(rows[0]?.value ?? null, new KeyRing(masterKey).fingerprint);
  } finally {
    await client.end().catch(() => undefined);
  }
}
