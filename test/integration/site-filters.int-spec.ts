import 'reflect-metadata';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NewSite } from '../../src/sites/index.js';
import { sitePage } from '../../src/sites/site-reads.js';
import type { ListSitesQuery } from '../../src/sites/sites.dto.js';
import { app, insert, list, org, setUpSites } from '../support/sites.js';

setUpSites();

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
let orgId: string;
let other: string;
let ids: Record<string, number>;
let templateId: number;
beforeAll(async () => {
  [orgId, other] = [await org(), await org()];
  ({ templateId } = await app.root.expect<{ templateId: number }>('PUT', `/org/${orgId}/provisioning-template`, {
    name: 't',
  }));
  const rows: Partial<NewSite>[] = [
    { name: 'a', labels: { room: 'cold', unit: '1' }, hardwareId: 'SN-4711-X', description: 'Behind the Door' },
    { name: 'b', labels: { room: 'warm' }, keyId: 'spk-one', keyGeneration: 1, claimedFrom: '203.0.113.7' },
    { name: 'c', keyId: 'spk-one', keyGeneration: 2, templateId, claimedFrom: '198.51.100.9' },
    { name: 'd', oddities: ['new_network'], claimedFrom: '2001:db8::5' },
    { name: 'e', oddities: ['contested', 'new_network'] },
    { name: 'f', status: 'pending' },
    { name: 'g', type: 'local' },
  ];
  const made = await insert(orgId, rows);
  ids = Object.fromEntries(NAMES.map((name, i) => [name, made[i]!.siteId]));
  // Everything of another organization matches every filter too.
  await insert(other, rows);
  const { groupId } = await app.root.expect<{ groupId: number }>('PUT', `/org/${orgId}/group`, { name: 'north' });
  await app.sql('INSERT INTO site_group_member (group_id, site_id) VALUES ($1, $2), ($1, $3)', [groupId, ids.a, ids.b]);
  const at = `UPDATE site SET created_at = '2027-01-01T00:00:00Z'::timestamptz + (CASE name WHEN 'g' THEN 0 ELSE 1 END) * interval '1 day' * ascii(name) WHERE org_id = $1`;
  await app.sql(at, [orgId]);
  await app.sql(
    `UPDATE site_presence SET connected_at = now(), session_id = CASE WHEN site_id = $1 THEN gen_random_uuid() END, address = '192.0.2.44',
       last_seen_at = CASE WHEN site_id = $2 THEN '2027-01-05T00:00:00Z' WHEN site_id = $3 THEN '2027-01-04T00:00:00Z' ELSE now() END::timestamptz
     WHERE site_id = ANY (ARRAY[$1, $2, $3]::bigint[])`,
    [ids.a, ids.b, ids.c],
  );
  await app.sql(
    `INSERT INTO agent_report (site_id, org_id, agent_version, agent_facts) VALUES ($1, $4, '1.2.0', '{"hostname":"press-hall-9"}'), ($2, $4, '1.3.0', NULL), ($3, $4, NULL, '{}')`,
    [ids.a, ids.b, ids.c, orgId],
  );
  await app.sql(`UPDATE agent_report SET agent_version = '1.10.0' WHERE site_id = $1`, [ids.c]);
  await app.sql(
    `INSERT INTO site_credential (site_id, org_id, kind, newt_id, secret_hash, expires_at, renew_until, revoked_at) VALUES
       ($1, $3, 'newt', 'newtabc00000042', '\\x01', '2027-02-01Z', '2027-02-01Z', NULL), ($2, $3, 'newt', 'newtabc00000043', '\\x02', '2027-02-01Z', '2027-02-01Z', now())`,
    [ids.a, ids.b, orgId],
  );
  await app.sql(
    `INSERT INTO site_bundle (site_id, org_id, version, inputs, state) VALUES ($1, $3, 1, '{}', 'failed'), ($2, $3, 1, '{}', 'applied')`,
    [ids.a, ids.b, orgId],
  );
});

const found = async (query: string) => (await list(orgId, `?${query}`)).sites.map((site) => site.name);

it.each([
  ['label=room', ['a', 'b']],
  ['label=room&label=unit=1', ['a']],
  ['notLabel=room', ['c', 'd', 'e', 'f', 'g']],
  ['notLabel=room=cold&labelled=true', ['b']],
  ['labelled=false&keyId=spk-one', ['c']],
  ['notGroup=north&keyId=spk-one', ['c']],
  ['group=north&notLabel=unit', ['b']],
  ['keyId=spk-one&generation=2', ['c']],
  ['templateId=TEMPLATE', ['c']],
  ['odd=true', ['d', 'e']],
  ['odd=false&status=pending', ['f']],
  ['oddity=contested', ['e']],
  ['oddity=new_network', ['d', 'e']],
  ['oddity=duplicate_session', []],
  ['network=203.0.113.0/24', ['b']],
  ['network=203.0.113.77/24', ['b']],
  ['generation=2147483648', []],
  ['network=192.0.2.44', ['a', 'b', 'c']],
  ['network=2001:db8::/32', ['d']],
  ['network=192.0.2.0/24&state=online', ['a']],
  ['agentVersion=1.10.0', ['c']],
  ['notAgentVersion=1.10.0', ['a', 'b']],
  ['lastSeenBefore=2027-01-05', ['c']],
  ['lastSeenAfter=2027-01-05', ['a', 'b']],
  ['lastSeenAfter=2027-01-04&lastSeenBefore=2027-01-05', ['c']],
  ['createdBefore=2027-01-02', ['g']],
  ['createdAfter=2027-04-11', ['d', 'e', 'f']],
  ['bundleState=failed', ['a']],
  ['bundleState=offered', []],
  ['credentialExpiresBefore=2027-02-02', ['a']],
  ['credentialExpiresBefore=2027-01-31', []],
  ['query=4711', ['a']],
  ['query=sn-4', ['a']],
  ['query=the+door', ['a']],
  ['query=PRESS-hall', ['a']],
  ['query=00000042', ['a']],
  ['query=00000043', []],
  ['query=203.0.113.7', ['b']],
  ['query=203.0', ['b']],
  ['query=192.0.2.', ['a', 'b', 'c']],
  ['query=2001:db8::5', ['d']],
  ['query=203.0.113.7&state=offline', ['b']],
  ['state=online', ['a', 'g']],
])('?%s', async (query, expected) => {
  const q = query.replace('TEMPLATE', String(templateId));
  expect((await found(q)).sort()).toEqual(expected);
  expect((await list(orgId, `?${q}&pageSize=1`)).pagination.total).toBe(expected.length);
});

it.each([
  'network=nowhere',
  'network=203.0.113.0/33',
  'generation=0',
  'templateId=x',
  'oddity=odd',
  'odd=maybe',
  'bundleState=eaten',
  'createdAfter=yesterday',
  'lastSeenBefore=5',
  'label==x',
  'sort_by=age',
  'cursor=abc',
  'state=gone',
])('refuses ?%s', async (query) => {
  expect(await app.root.get(`/org/${orgId}/sites?${query}`)).toMatchObject({
    status: 400,
    body: { code: 'validation' },
  });
});

it('narrows decisions as it narrows lists, and 404s what is named and not there', async () => {
  const { results } = await app.root.expect<{ results: { siteId: number }[] }>('POST', `/org/${orgId}/approvals`, {
    filter: { odd: false, createdAfter: '2027-01-01', notGroup: 'north', labelled: false },
    decision: 'approve',
    dryRun: true,
  });
  expect(results.map(({ siteId }) => siteId)).toEqual([ids.f]);
  for (const query of ['notGroup=nobody', 'templateId=999999'])
    expect((await app.root.get(`/org/${orgId}/sites?${query}`)).status).toBe(404);
  expect((await app.root.get(`/org/${other}/sites?templateId=${templateId}`)).status).toBe(200);
});

describe.each(['name', 'state', 'createdAt', 'lastSeenAt', 'agentVersion', 'megabytesIn'])('sorted by %s', (key) => {
  it('has one order, whichever way its pages are read', async () => {
    const orders = await Promise.all(['asc', 'desc'].map((order) => found(`sort_by=${key}&order=${order}`)));
    expect(orders[1]).toEqual([...orders[0]!].reverse());
    for (const [i, order] of ['asc', 'desc'].entries()) {
      const q = `sort_by=${key}&order=${order}`;
      const paged: string[] = [];
      for (let page = 1; page <= 4; page++) paged.push(...(await found(`${q}&page=${page}&pageSize=2`)));
      expect(paged, `pages ${order}`).toEqual(orders[i]);
      expect(await found(`${q}&page=9&pageSize=2`)).toEqual([]);
      expect(await found(`${q}&limit=3&offset=5`)).toEqual(orders[i]!.slice(5));
      const followed: string[] = [];
      let cursor: string | null | undefined;
      do {
        const path = `?${q}&pageSize=2${cursor ? `&cursor=${cursor}` : ''}`;
        const page = (await list(orgId, path)) as Awaited<ReturnType<typeof list>> & { next: string | null };
        followed.push(...page.sites.map((site) => site.name));
        expect(page.pagination.total).toBe(7);
        cursor = page.next;
      } while (cursor);
      expect(followed, `cursor ${order}`).toEqual(orders[i]);
    }
  });
});

it('finds the same sites whichever way it looks for them', async () => {
  const filters: ListSitesQuery[] = [
    { state: 'online' },
    { state: 'never_connected', status: 'approved' },
    { online: true },
    { online: false },
    { group: 'north' },
    { notGroup: 'north', state: 'never_connected' },
    { label: ['room'], notLabel: ['room=warm'] },
    { network: '198.51.100.0/24' },
    { query: 'SN-47' },
    { query: '203.0.113' },
    { bundleState: 'failed' },
    { credentialExpiresBefore: '2028-01-01' },
    { agentVersion: '1.3.0' },
    { notAgentVersion: '1.3.0', keyId: 'spk-one' },
    { lastSeenBefore: '2027-01-06', odd: false },
  ];
  const sorts = ['name', 'state', 'createdAt', 'lastSeenAt', 'agentVersion', 'megabytesIn'] as const;
  let most = 0;
  for (const filter of filters)
    for (const sort_by of sorts)
      for (const cut of [
        { limit: 3, offset: 0 },
        { limit: 2, offset: 1, fromEnd: true },
      ]) {
        const ways = (['walk', 'collect', undefined] as const).map(async (how) => {
          const { text, values } = sitePage(orgId, { ...filter, sort_by }, { ...cut, how });
          return (await app.sql<{ siteId: number }>(text, values)).map(({ siteId }) => siteId);
        });
        const [walked, collected, planned] = await Promise.all(ways);
        expect(walked, JSON.stringify({ filter, sort_by, cut })).toEqual(planned);
        expect(collected).toEqual(planned);
        most = Math.max(most, planned!.length);
      }
  expect(most).toBe(3);
});

it('sorts by what the fields say; what is online was seen last', async () => {
  expect((await found('sort_by=lastSeenAt&order=desc')).slice(0, 3)).toEqual(['a', 'b', 'c']);
  expect((await found('sort_by=agentVersion&order=desc')).slice(0, 3)).toEqual(['c', 'b', 'a']);
  expect(await found('sort_by=createdAt')).toEqual(['g', 'a', 'b', 'c', 'd', 'e', 'f']);
  const { sites } = await list(orgId, '?sort_by=state');
  const states = sites.map((site) => site['state'] as string);
  expect(states).toEqual([...states].sort());
});

it('sorts versions by their numbers, pre-releases before their release, and what is none first', async () => {
  const versions = [
    'dev',
    '0.9',
    '1',
    '1.2',
    '1.2.0-rc.1',
    '1.2.0-rc.2',
    '1.2.0-rc.10',
    '1.2.0',
    'v1.2.0',
    '1.2.3',
    '1.10.0',
    '2.0.0-beta',
    '2.0.0+b7',
    '10.0',
    '99999999999999999999.0',
  ];
  const rows = await app.sql<{ v: string }>(
    'SELECT v FROM unnest($1::text[]) WITH ORDINALITY u(v, n) ORDER BY version_order(v) COLLATE "C", n DESC',
    [[...versions].reverse()],
  );
  expect(rows.map(({ v }) => v)).toEqual(versions);
  // No two of them are one: the filter by a version asks for its place.
  const [{ n }] = (await app.sql<{ n: number }>(
    'SELECT count(DISTINCT version_order(v))::int AS n FROM unnest($1::text[]) v',
    [[...versions, '01.2', '1.2', '1.2.', 'v1.2', '1-2', '1.2+x']],
  )) as [{ n: number }];
  expect(n).toBe(versions.length + 5);
});

it('a cursor belongs to its order', async () => {
  const { next } = (await list(orgId, '?pageSize=2')) as unknown as { next: string };
  for (const q of ['sort_by=state', 'order=desc', 'page=2'])
    expect((await app.root.get(`/org/${orgId}/sites?${q}&pageSize=2&cursor=${next}`)).status).toBe(400);
});

it('counts facets of the organization alone', async () => {
  const facets = await app.root.expect<Record<string, unknown>>('GET', `/org/${orgId}/sites/facets`);
  expect(facets).toEqual({
    states: { pending: 1, never_connected: 2, online: 2, offline: 2, suspended: 0, revoked: 0 },
    groups: [{ groupId: expect.any(Number), name: 'north', count: 2 }],
    labels: [
      {
        key: 'room',
        count: 2,
        values: [
          { value: 'cold', count: 1 },
          { value: 'warm', count: 1 },
        ],
      },
      { key: 'unit', count: 1, values: [{ value: '1', count: 1 }] },
    ],
    agentVersions: [
      { agentVersion: '1.10.0', count: 1 },
      { agentVersion: '1.2.0', count: 1 },
      { agentVersion: '1.3.0', count: 1 },
    ],
    templates: [{ templateId, count: 1 }],
    profiles: [],
  });
  const both = await Promise.all([1, 2].map(() => app.root.expect('GET', `/org/${orgId}/sites/facets`)));
  expect(both[0]).toEqual(both[1]);
});
