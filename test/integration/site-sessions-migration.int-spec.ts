import { expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { queryDatabase } from '../support/database.js';
import { restoreFixture } from '../support/fixture.js';

it('a database of 0.1.0 has a row for each session that is open, and none that nobody ended', async () => {
  const old = await restoreFixture('0.1.0');
  try {
    const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
    const session = '5f0e2b57-0000-4000-8000-000000000001';
    await sql(`DELETE FROM site_presence`);
    await sql(
      `INSERT INTO site_presence (site_id, org_id, session_id, address, connected_at)
       SELECT site_id, org_id, CASE name WHEN 'Branch' THEN '${session}'::uuid END, '192.0.2.7', now() FROM site WHERE name IN ('Branch', 'Meter')`,
    );
    await migrate(old.url, MIGRATIONS);
    expect(
      await sql(
        `SELECT o.session_id, host(o.address) AS address, o.connected_at = p.connected_at AS at, o.ended_at FROM site_session o JOIN site_presence p USING (site_id)`,
      ),
    ).toEqual([{ session_id: session, address: '192.0.2.7', at: true, ended_at: null }]);
  } finally {
    await old.drop();
  }
});
