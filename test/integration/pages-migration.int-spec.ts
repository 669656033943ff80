import { expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { queryDatabase } from '../support/database.js';
import { restoreFixture } from '../support/fixture.js';

it('a database of 0.1.0, brought up to date, has what pages are made of: versions in order, origins, lifted tombstones, numbers over time, counts, nobody closed or reset', async () => {
  const old = await restoreFixture('0.1.0');
  try {
    const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
    const versionsThen = { 'Press 14': '1.10.0', Branch: 'v1.10.0-rc.2', Gate: '1.9.2', Meter: 'dev' };
    for (const [name, agentVersion] of Object.entries(versionsThen))
      await sql(`UPDATE site SET agent_version = '${agentVersion}' WHERE name = '${name}'`);
    await sql(
      `INSERT INTO audit (org_id, actor_type, action, target_type, target_id, result) VALUES ('acme', 'system', 'tombstone.delete', 'tombstone', 'hw-lifted', 'success')`,
    );
    await migrate(old.url, MIGRATIONS);
    const told = await sql<{ v: string }>(
      `SELECT agent_version AS v FROM site_presence WHERE agent_version <> '' ORDER BY version_order, site_id`,
    );
    expect(told.map(({ v }) => v)).toEqual(['dev', '1.9.2', 'v1.10.0-rc.2', '1.10.0']);
    expect(
      await sql(
        `SELECT (SELECT count(*) FROM site)::int = (SELECT count(*) FROM site_presence)::int AS all_there, count(*)::int > 0 AS claimed,
           count(*) FILTER (WHERE s.claimed_from IS DISTINCT FROM c.address)::int AS elsewhere, count(*) FILTER (WHERE s.oddities <> '{}')::int AS odd
         FROM site s JOIN claim c ON c.claim_id = s.claim_id AND c.site_id = s.site_id`,
      ),
    ).toEqual([{ all_there: true, claimed: true, elsewhere: 0, odd: 0 }]);
    expect(await sql('SELECT org_id, hardware_id FROM lifted_tombstone')).toEqual([
      { org_id: 'acme', hardware_id: 'hw-lifted' },
    ]);
    expect(
      await sql(
        `SELECT (SELECT coalesce(sum(n), 0) FROM event_minute)::int - count(*)::int AS missing, count(*)::int > 0 AS some FROM event
         WHERE type IN ('site.online', 'site.offline', 'site.approved') AND org_uid IS NOT NULL`,
      ),
    ).toEqual([{ missing: 0, some: true }]);
    expect(
      await sql(
        `SELECT (SELECT sum(sites) FROM org_site_state s WHERE s.org_id = o.org_id)::int - (SELECT count(*) FROM site s WHERE s.org_id = o.org_id)::int AS sites,
           c.public_resources::int - (SELECT count(*) FROM resource r WHERE r.org_id = o.org_id)::int AS resources, c.members > 0 AS members
         FROM org o JOIN org_content c USING (org_id) WHERE o.org_id = 'acme'`,
      ),
    ).toEqual([{ sites: 0, resources: 0, members: true }]);
    // The names of then are not known, and nothing of it has happened yet.
    for (const none of [
      'audit WHERE actor_name IS NOT NULL OR target_name IS NOT NULL OR request_id IS NOT NULL',
      'closed_org',
      'password_reset',
      'online_sample',
      'job WHERE told_at IS NOT NULL',
    ])
      expect(await sql(`SELECT FROM ${none}`), none).toEqual([]);
  } finally {
    await old.drop();
  }
});
