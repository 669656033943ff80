import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageStatement } from '../../src/resources/public/resource-reads.js';
import type { ListResourcesQuery } from '../../src/resources/public/resources.dto.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const MANY = 20_000;
/** Of one statement. */
const BATCH = 5_000;
const SITES = 1000;

let app: TestApp;
let siteId: number;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('small');
  await app.makeOrg('large');
  await app.sql(
    `INSERT INTO site (org_id, nice_id, name, status) SELECT 'large', 'site-' || i, 'Site ' || i, 'approved' FROM generate_series(1, ${SITES}) i`,
  );
  // Every tenth is off, every hundredth open to all or raw, every fiftieth unhealthy.
  for (let from = 1; from <= MANY; from += BATCH) {
    await app.sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, full_domain, proxy_port, sso, enabled, health)
       SELECT 'large', 'nice-' || i, 'Resource ' || md5(i::text), i % 100 <> 2, 'tcp', CASE WHEN i % 100 <> 2 THEN 'r' || i || '.example.com' END,
         CASE WHEN i % 100 = 2 THEN i END, i % 100 <> 1, i % 10 <> 0, CASE WHEN i % 50 = 0 THEN 'unhealthy' ELSE 'healthy' END
       FROM generate_series(${from}, ${from + BATCH - 1}) i`,
    );
  }
  await app.sql(
    `INSERT INTO target (org_id, resource_id, site_id, ip, port) SELECT 'large', r.resource_id, s.site_id, '10.0.0.1', 80
     FROM resource r JOIN (SELECT site_id, row_number() OVER () AS n FROM site WHERE org_id = 'large') s ON s.n = 1 + r.resource_id % ${SITES}`,
  );
  await app.sql('VACUUM ANALYZE');
  [{ siteId }] = (await app.sql(`SELECT site_id AS "siteId" FROM site WHERE org_id = 'large' LIMIT 1`)) as [
    { siteId: number },
  ];
});
afterAll(() => app?.close());

interface Plan {
  'Heap Fetches'?: number;
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const scanOf = (nodes: Plan[]) => nodes.find((node) => node['Index Name'] === 'resource_name');

async function plan(text: string, values: unknown[]): Promise<Plan[]> {
  const [row] = await app.sql<{ 'QUERY PLAN': { Plan: Plan }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
  const flat = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(flat)];
  return flat(row!['QUERY PLAN'][0]!.Plan);
}

/** The page of a list, as it is planned at this size; no planner setting is touched. */
const page = (query: ListResourcesQuery, site?: number) => {
  const { text, values } = pageStatement({ orgId: 'large', ...(site === undefined ? {} : { siteId: site }) }, query, {
    limit: 20,
    offset: 0,
  });
  return plan(text, values);
};
const scansOf = (nodes: Plan[], table: string) =>
  nodes.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === table);

describe(`a list of ${MANY} resources`, () => {
  it.each<[string, ListResourcesQuery, RegExp]>([
    ['without a filter', {}, /^resource_name$/],
    ['by name, downwards', { sort_by: 'name', order: 'desc' }, /^resource_name$/],
    ['of those that are off', { enabled: false }, /^resource_(enabled|name)$/],
    ['of those that are on', { enabled: true }, /^resource_(enabled|name)$/],
    ['of those open to all', { authState: 'not_protected' }, /^resource_auth_state$/],
    ['of those protected', { authState: 'protected' }, /^resource_(auth_state|name)$/],
    ['of raw ones', { authState: 'none' }, /^resource_auth_state$/],
    ['of unhealthy ones', { healthStatus: 'unhealthy' }, /^resource_health$/],
    ['of degraded ones, of which there are none', { healthStatus: 'degraded' }, /^resource_health$/],
    ['by part of a name', { query: 'c4ca4238a0' }, /^resource_search$/],
    ['by part of a full domain', { query: 'r4711.exam' }, /^resource_search$/],
  ])('%s reads an index, and little of it', async (_, query, index) => {
    const nodes = await page(query);
    expect(scansOf(nodes, 'resource')).toEqual([]);
    const used = new Set(
      nodes
        .map((node) => node['Index Name'])
        .filter((name) => name?.startsWith('resource_') && name !== 'resource_pkey'),
    );
    expect([...used]).toEqual([expect.stringMatching(index)]);
    const read = nodes
      .filter((node) => node['Relation Name'] === 'resource')
      .map((node) => node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0));
    expect(Math.max(...read)).toBeLessThan(1000);
  });

  it('of one site begins with the targets of that site', async () => {
    for (const nodes of [await page({ siteId }), await page({}, siteId)]) {
      expect(scansOf(nodes, 'resource')).toEqual([]);
      expect(scansOf(nodes, 'target')).toEqual([]);
      expect(nodes.some((node) => node['Index Name'] === 'target_site')).toBe(true);
      expect(nodes.some((node) => node['Index Name'] === 'resource_staged')).toBe(true);
    }
  });

  it('joins targets and sites for the page alone', async () => {
    const nodes = await page({});
    expect(scansOf(nodes, 'target')).toEqual([]);
    expect(nodes.some((node) => node['Index Name'] === 'target_resource')).toBe(true);
  });

  it('skips without fetching', async () => {
    const { text, values } = pageStatement({ orgId: 'large' }, {}, { limit: 20, offset: MANY - 100 });
    // A page counts as visible to all once no older statement runs that a VACUUM has to mind.
    const nodes = await until(async () => {
      await app.sql('VACUUM resource');
      const nodes = await plan(text, values);
      return scanOf(nodes)?.['Heap Fetches'] === 0 && nodes;
    });
    expect(scanOf(nodes)).toMatchObject({ 'Node Type': 'Index Only Scan' });
    expect(nodes.find((node) => node['Index Name'] === 'resource_pkey')?.['Actual Rows']).toBe(20);
  });

  it('counts nothing when it is not narrowed: the total is kept', async () => {
    const kept = async () =>
      (await app.root.expect<{ pagination: { total: number } }>('GET', '/org/large/resources?pageSize=1')).pagination
        .total;
    expect(await kept()).toBe(MANY);
    await app.sql(`DELETE FROM resource WHERE nice_id IN ('nice-1', 'nice-2')`);
    await app.sql(`UPDATE resource SET staged_by = $1 WHERE nice_id = 'nice-3'`, [siteId]);
    expect(await kept()).toBe(MANY - 3);
  });
});

describe('what hangs on a resource', () => {
  it.each([
    [
      'targets',
      'SELECT * FROM target WHERE org_id = $1 AND resource_id = $2 ORDER BY target_id LIMIT 20',
      'target_resource',
    ],
    [
      'rules',
      'SELECT * FROM resource_rule WHERE org_id = $1 AND resource_id = $2 ORDER BY priority, rule_id LIMIT 20',
      'resource_rule_order',
    ],
  ])('%s are read by their index', async (_, text, index) => {
    await app.sql(
      `INSERT INTO resource_rule (org_id, resource_id, action, match, value, priority) SELECT org_id, resource_id, 'DROP', 'IP', '10.0.0.1', 1 FROM resource WHERE NOT EXISTS (SELECT FROM resource_rule)`,
    );
    await app.sql('ANALYZE resource_rule');
    const [{ id }] = (await app.sql('SELECT max(resource_id) AS id FROM resource')) as [{ id: number }];
    expect((await plan(text, ['large', id])).some((node) => node['Index Name'] === index)).toBe(true);
  });
});
