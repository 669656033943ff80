import { expect, it } from 'vitest';
import { queryDatabase } from '../support/database.js';
import { migrateFixture } from '../support/fixture.js';

it('sites of 0.1.0, brought up to date, each have a state, also those that had no presence', async () => {
  const old = await migrateFixture('0.1.0');
  try {
    const rows = await queryDatabase<{ name: string; state: string; seen: boolean }>(
      old.url,
      `SELECT s.name, p.state, p.last_seen_at IS NOT NULL AS seen FROM site s LEFT JOIN site_presence p USING (site_id, org_id)`,
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

it('and say where they were claimed from; a key knows the networks of its sites', async () => {
  const old = await migrateFixture('0.1.0');
  try {
    const ask = (text: string) => queryDatabase(old.url, text);
    const claimed = await ask('SELECT site_id FROM site WHERE claim_id IS NOT NULL ORDER BY 1');
    expect(claimed.length).toBeGreaterThan(5);
    expect(
      await ask(`SELECT site_id FROM site WHERE claimed_from = '127.0.0.1' AND oddities = '{}' ORDER BY 1`),
    ).toEqual(claimed);
    const keys = await ask(
      'SELECT DISTINCT key_id FROM claim JOIN provisioning_key USING (key_id) WHERE outcome = $$created$$ ORDER BY 1',
    );
    expect(await ask(`SELECT key_id FROM provisioning_key_network WHERE network = '127.0.0.0/24' ORDER BY 1`)).toEqual(
      keys,
    );
  } finally {
    await old.drop();
  }
});
