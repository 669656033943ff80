import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { queryDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

const versions = readdirSync(fileURLToPath(new URL('../fixtures', import.meta.url))).flatMap(
  (name) => /^(.*)\.sql$/.exec(name)?.[1] ?? [],
);

it.each(versions)('claims, sites and events of %s are counted', async (version) => {
  const database = await migrateFixture(version);
  const sql = <Row extends object>(text: string) => queryDatabase<Row>(database.url, text);
  const counted = await sql(
    'SELECT key_id, what, sum(n)::int AS n FROM claim_minute GROUP BY 1, 2 ORDER BY key_id, what',
  );
  const claims = await sql(
    `SELECT key_id, coalesce(reason, outcome) AS what, sum(CASE WHEN outcome = 'created' THEN 1 ELSE count END)::int AS n FROM claim
     WHERE outcome IN ('created', 'refused') AND key_id IS NOT NULL AND org_uid IS NOT NULL GROUP BY 1, 2 ORDER BY key_id, what`,
  );
  const progress = await sql<{ connected: number; configured: number }>(
    `SELECT count(p.connected_at)::int AS connected, count(p.configured_at)::int AS configured FROM site s JOIN site_progress p ON p.site_id = s.site_id AND p.key_id = s.key_id AND p.org_id = s.org_id`,
  );
  const sites = await sql<{ connected: number; configured: number }>(
    `SELECT count(p.last_seen_at)::int AS connected, count(*) FILTER (WHERE a.applied_version IS NOT NULL AND a.applied_error IS NULL)::int AS configured
     FROM site s LEFT JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN agent_report a ON a.site_id = s.site_id WHERE s.key_id IS NOT NULL`,
  );
  const told = await sql<{ type: string; n: number }>(
    `SELECT type, count(*)::int AS n FROM event WHERE org_uid IS NOT NULL AND type IN ('site.online', 'site.offline', 'site.approved') GROUP BY 1 ORDER BY 1`,
  );
  const summed = await sql('SELECT type, sum(n)::int AS n FROM event_minute GROUP BY 1 ORDER BY 1');
  await database.drop();
  expect(claims.length).toBeGreaterThan(3);
  expect(counted).toEqual(claims);
  expect(progress).toEqual(sites);
  expect(told.length).toBeGreaterThan(0);
  expect(summed).toEqual(told);
  expect(progress[0]!.connected).toBeGreaterThan(0);
});
