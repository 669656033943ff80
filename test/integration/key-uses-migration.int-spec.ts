import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { queryDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

const versions = readdirSync(fileURLToPath(new URL('../fixtures', import.meta.url))).flatMap(
  (name) => /^(.*)\.sql$/.exec(name)?.[1] ?? [],
);

it.each(versions)('keys of %s know who made them, as far as the audit tells', async (version) => {
  const database = await migrateFixture(version);
  const keys = await queryDatabase<{ name: string; createdBy: object | null; audited: boolean }>(
    database.url,
    `SELECT k.name, k.created_by AS "createdBy", EXISTS (SELECT FROM audit a WHERE a.target_id = k.id AND a.action LIKE '%.create') AS audited
     FROM (SELECT api_key_id AS id, name, created_by FROM api_key UNION ALL SELECT key_id, name, created_by FROM provisioning_key) k`,
  );
  await database.drop();
  const made = (name: string) => keys.find((key) => key.name === name)?.createdBy;
  expect(made('integration')).toEqual({ kind: 'root_key', id: 'testrootkey0001', name: 'installation' });
  expect(made('newts')).toEqual({ kind: 'root_key', id: 'testrootkey0001', name: 'installation' });
  expect(made('installation')).toEqual({ kind: 'system', id: 'first run', name: 'first run' });
  expect(keys.filter((key) => (key.createdBy !== null) !== key.audited)).toEqual([]);
});
