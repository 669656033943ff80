import { expect, it } from 'vitest';
import { queryDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

it('sites of 0.1.0, brought up to date, each have a state, also those that had no presence', async () => {
  const old = await migrateFixture('0.1.0');
  try {
    const rows = await queryDatabase<{ name: string; state: string; seen: boolean }>(
      old.url,
      'SELECT s.name, p.state, p.last_seen_at IS NOT NULL AS seen FROM site s LEFT JOIN site_presence p USING (site_id, org_id)',
    );
    const never = ['Branch', 'Gate', 'Meter', 'Only one', 'Press 14', 'Second life'];
    expect(rows.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
      [
        ...never.map((name) => ({ name, state: 'never_connected', seen: false })),
        { name: 'Pending', state: 'pending', seen: true },
        { name: 'Revoked', state: 'revoked', seen: false },
        { name: 'Stranger', state: 'offline', seen: true },
        { name: 'Suspended', state: 'suspended', seen: false },
      ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  } finally {
    await old.drop();
  }
});
