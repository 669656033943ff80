import { clientOptions, DatabaseClient, KeyRing } from '#platform';
import { type KnownMasterKey, refusalOf } from '../cluster/index.js';
import { StartError } from './preflight.js';

/**
 * Asks a database that answers, migrated or not, and writes nothing: with the wrong key, a migration is a change too many.
 * @throws StartError when it was set up with another master key, or needs one more.
 */
export async function checkMasterKeys(url: string, masterKeys: readonly Buffer[]): Promise<void> {
  const client = new DatabaseClient(clientOptions(url, 'gatehouse-boot'));
  try {
    await client.connect();
    const refusal = refusalOf(await knownTo(client), new KeyRing(...masterKeys).fingerprints);
    if (refusal !== null) throw new StartError(refusal);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function knownTo(client: DatabaseClient): Promise<KnownMasterKey[]> {
  const { rows: tables } = await client.query<{ keys: boolean; settings: boolean }>(
    `SELECT to_regclass('master_key') IS NOT NULL AS keys, to_regclass('setting') IS NOT NULL AS settings`,
  );
  if (!tables[0]!.settings) return [];
  const { rows } = await client.query<KnownMasterKey>(
    tables[0]!.keys
      ? 'SELECT fingerprint, state FROM master_key'
      : `SELECT value AS fingerprint, 'writing' AS state FROM setting WHERE name = 'master_key_fingerprint'`,
  );
  return rows;
}
