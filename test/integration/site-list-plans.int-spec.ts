import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { siteCount, sitePage } from '../../src/sites/site-reads.js';
import type { ListSitesQuery } from '../../src/sites/sites.dto.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const SITES = 20_000;
const PART = 2000;

let app: TestApp;
let group: number;
let profileId: number;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
  const rows = await app.sql<{ id: number }>(
    `INSERT INTO provisioning_profile (org_id, name) SELECT 'acme', 'p' || i FROM generate_series(1, 400) i RETURNING profile_id AS id`,
  );
  const profiles = rows.map(({ id }) => id);
  profileId = profiles[7]!;
  // In parts, each well within the time limit of a statement.
  for (let from = 1; from <= SITES; from += PART)
    await app.sql(
      `INSERT INTO site (org_id, device_id, nice_id, name, type, status, hardware_id, labels, config, attributes, key_id, profile_id, megabytes_in, megabytes_out)
     SELECT 'acme', gen_random_uuid(), 'nice-' || md5(i::text), md5((i * 7)::text), CASE WHEN i % 500 = 0 THEN 'local' ELSE 'newt' END,
       CASE WHEN i % 100 = 0 THEN 'pending' ELSE 'approved' END, 'hw-' || i, jsonb_build_object('room', (i % 400)::text), '{}', '{}', 'spk-' || i % 400, ($2::bigint[])[i % 400], i % 1000, i % 999
     FROM generate_series($1::int, $3::int) AS i`,
      [from, profiles, from + PART - 1],
    );
  ({ groupId: group } = await app.root.expect<{ groupId: number }>('PUT', '/org/acme/group', { name: 'north' }));
  await app.sql(
    'INSERT INTO site_group_member (group_id, site_id) SELECT $1, site_id FROM site WHERE site_id % 200 = 0',
    [group],
  );
  await app.sql(
    'UPDATE site_presence SET connected_at = now(), session_id = CASE WHEN site_id % 100 = 0 THEN gen_random_uuid() END WHERE site_id % 50 = 0',
  );
  await app.sql(
    `INSERT INTO agent_report (site_id, org_id, agent_version) SELECT site_id, org_id, '1.' || site_id % 300 FROM site`,
  );
  for (const table of ['site', 'site_group_member', 'site_presence', 'agent_report'])
    await app.sql(`VACUUM ANALYZE ${table}`);
});
afterAll(() => app?.close());

const planOf = async ({ text, values }: { text: string; values: unknown[] }) =>
  (await app.sql<Record<string, string>>(`EXPLAIN ${text}`, values)).map((row) => row['QUERY PLAN']).join('\n');

const SORTS: ListSitesQuery[] = (['name', 'megabytesIn', 'megabytesOut'] as const).flatMap((sort_by) =>
  (['asc', 'desc'] as const).map((order) => ({ sort_by, order })),
);
/** Each matches few of the sites: what scans the table to find them is slow when there are many. */
const FILTERS = (): ListSitesQuery[] => [
  { status: 'pending' },
  { online: true },
  { query: 'abcdef' },
  { query: 'nice-abcd' },
  { group: 'north' },
  { group: String(group) },
  { label: ['room=7'] },
  { keyId: 'spk-7' },
  { profileId },
  { hardwareId: 'hw-77' },
  { agentVersion: '1.7' },
];
/** These match nearly all. */
const WIDE: ListSitesQuery[] = [
  { status: 'approved' },
  { online: false },
  { state: 'never_connected' },
  { notGroup: 'north' },
  { notLabel: ['room=7'] },
];

describe(`with ${SITES} sites no page scans them all`, () => {
  it('in any order', async () => {
    for (const q of [{}, ...SORTS]) {
      const plan = await planOf(sitePage('acme', q, { limit: 20, offset: 0 }));
      expect(plan, JSON.stringify(q)).toMatch(/Limit .*\n *-> +Index Only Scan (Backward )?using site_/);
      expect(plan, JSON.stringify(q)).not.toMatch(/Seq Scan on site\b/);
    }
  });

  it('by any single filter, collected', async () => {
    for (const q of FILTERS())
      expect(
        await planOf(sitePage('acme', q, { limit: 20, offset: 0, how: 'collect' })),
        JSON.stringify(q),
      ).not.toMatch(/Seq Scan on (site|site_presence|agent_report)\b/);
  });

  it('nor sorts what it need not, when it walks', async () => {
    for (const q of [...WIDE, { online: true }, { group: 'north' }])
      for (const sort_by of ['name', 'lastSeenAt', 'agentVersion'] as const) {
        const plan = await planOf(sitePage('acme', { ...q, sort_by }, { limit: 20, offset: 0, how: 'walk' }));
        expect(plan, `${sort_by} ${JSON.stringify(q)}`).toMatch(
          /Limit .*\n *-> +Index (Only )?Scan using site_(name|pending|presence_(seen|version)) /,
        );
      }
  });

  it('nor does the total of one', async () => {
    for (const q of FILTERS())
      expect(await planOf(siteCount('acme', q)), JSON.stringify(q)).not.toMatch(
        /Seq Scan on (site|site_presence|agent_report)\b/,
      );
  });
});

it('the filters still say the same as the fields', async () => {
  for (const q of [
    'online=true',
    'online=false',
    'status=pending',
    'group=north',
    'label=room%3D7',
    'keyId=spk-7',
    'agentVersion=1.7',
  ]) {
    const [name, value] = q.split('=') as [string, string];
    const { pagination, sites } = await app.root.expect<{
      pagination: { total: number };
      sites: Record<string, unknown>[];
    }>('GET', `/org/acme/sites?${q}&pageSize=1000`);
    expect(pagination.total, q).toBeGreaterThan(0);
    if (pagination.total <= 1000) expect(sites, q).toHaveLength(pagination.total);
    if (name === 'online')
      expect(
        sites.every((s) => (s['online'] ?? true) === (value === 'true')),
        q,
      ).toBe(true);
  }
});
