import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';

/** Facts about the installation, one row each. */
export type SettingName = 'first_run_at' | 'root_api_key_id' | 'set_up_at';

export async function readSetting(em: EntityManager, name: SettingName): Promise<string | null> {
  const [row] = await query<{ value: string }>(em, 'SELECT value FROM setting WHERE name = $1', [name]);
  return row?.value ?? null;
}

export async function writeSetting(em: EntityManager, name: SettingName, value: string): Promise<void> {
  await execute(
    em,
    'INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    [name, value],
  );
}

/** @returns false when it was there already: of several at once one gets true. */
export async function writeSettingOnce(em: EntityManager, name: SettingName, value: string): Promise<boolean> {
  const written = await execute(em, 'INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING', [
    name,
    value,
  ]);
  return written === 1;
}
