import { describe, expect, it } from 'vitest';
import { privatePage } from '../../src/resources/private/private-reads.js';
import {
  app,
  create,
  list,
  names,
  org,
  type Resource,
  ROW,
  setUpPrivateResources,
  site,
  siteOf,
} from '../support/private-resources.js';

setUpPrivateResources();

describe('lists', () => {
  it('of the organization: by name, with the sites, filters, both ways to page, and totals', async () => {
    const orgId = await org();
    const [east, west] = [await site(orgId, 'newt', 'East wing'), await site(orgId, 'local', 'West wing')];
    await create(orgId, { name: 'bravo', siteIds: [west], siteId: east, alias: 'gadget.internal' });
    await create(orgId, { name: 'alpha', siteId: west, mode: 'cidr', destination: '10.77.0.0/16' });
    const charlie = await create(orgId, { name: 'charlie', siteId: east });
    const all = await list(orgId);
    expect(all.pagination).toEqual({ total: 3, pageSize: 1000, page: 1 });
    expect(names(all)).toEqual(['alpha', 'bravo', 'charlie']);
    expect(Object.keys(all.siteResources[0]!)).toEqual([
      ...ROW,
      'siteId',
      'siteIds',
      'siteNames',
      'siteNiceIds',
      'siteAddresses',
      'siteOnlines',
    ]);
    expect(all.siteResources[1]).toMatchObject({
      siteIds: [east, west],
      siteNames: ['East wing', 'West wing'],
      siteAddresses: [expect.stringMatching(/\/17$/), expect.stringMatching(/\/17$/)],
      siteOnlines: [false, true],
    });
    expect(names(await list(orgId, '?order=desc&sort_by=name'))).toEqual(['charlie', 'bravo', 'alpha']);
    expect(names(await list(orgId, '?mode=cidr'))).toEqual(['alpha']);
    expect((await list(orgId, '?mode=http')).pagination.total).toBe(0);
    expect(names(await list(orgId, `?siteId=${west}`))).toEqual(['alpha', 'bravo']);
    for (const [query, found] of [
      ['BRAVO', ['bravo']],
      ['gadget', ['bravo']],
      ['10.77', ['alpha']],
      [charlie.aliasAddress!, ['charlie']],
      ['west w', ['alpha', 'bravo']],
      [charlie.niceId, ['charlie']],
      ['%', []],
    ] as const) {
      const reply = await list(orgId, `?query=${encodeURIComponent(query)}`);
      expect(names(reply), query).toEqual(found);
      expect(reply.pagination.total, query).toBe(found.length);
    }
    expect(await list(orgId, '?page=2&pageSize=2')).toMatchObject({
      siteResources: [{ name: 'charlie' }],
      pagination: { total: 3, pageSize: 2, page: 2 },
    });
    expect(names(await list(orgId, '?limit=1&offset=1'))).toEqual(['bravo']);
  });

  it.each(['mode=ssh', 'sort_by=alias', 'order=up', 'siteId=x', 'siteId=0', 'color=red', 'page=1&limit=1', 'page=-1'])(
    'refuses ?%s',
    async (query) => {
      expect((await app.root.get(`/org/acme/site-resources?${query}`)).status).toBe(400);
    },
  );

  it('of a site: flat and nested, without pagination', async () => {
    const orgId = await org();
    const siteId = await siteOf(orgId);
    const made = await create(orgId, { name: 'b' });
    await create(orgId, { name: 'a', siteId: await site(orgId) });
    await create(orgId, { name: 'c' });
    const reply = await app.root.get<{ siteResources: { siteResources: Resource }[] }>(
      `/v1/org/${orgId}/site/${siteId}/resources`,
    );
    const { siteId: _, siteIds: __, ...row } = made;
    expect(Object.keys(reply.body.data)).toEqual(['siteResources']);
    expect(reply.body.data.siteResources[0]).toEqual({
      ...row,
      siteId,
      siteNetworks: { siteId, networkId: made.siteResourceId },
      networks: { networkId: made.siteResourceId, niceId: null, name: null, scope: 'resource', orgId },
      siteResources: row,
    });
    expect(reply.body.data.siteResources.map((r) => r.siteResources.name)).toEqual(['b', 'c']);
    const page = await app.root.expect<{ siteResources: unknown[] }>(
      'GET',
      `/org/${orgId}/site/${siteId}/resources?limit=1&offset=1`,
    );
    expect(page.siteResources).toHaveLength(1);
    expect((await app.root.get(`/org/${orgId}/site/${siteId}/resources?color=red`)).status).toBe(400);
  });

  it('what waits for the approval of its site is not in the list of the organization, only in that of the site', async () => {
    const orgId = await org();
    const made = await create(orgId);
    await app.sql('UPDATE site_resource SET staged_by = $2 WHERE site_resource_id = $1', [
      made.siteResourceId,
      made.siteId,
    ]);
    expect(await list(orgId)).toMatchObject({ siteResources: [], pagination: { total: 0 } });
    expect(
      (await app.root.expect<{ siteResources: unknown[] }>('GET', `/org/${orgId}/site/${made.siteId}/resources`))
        .siteResources,
    ).toHaveLength(1);
    expect(await app.root.expect('GET', `/org/${orgId}/site-resources?siteId=${made.siteId}`)).toMatchObject({
      siteResources: [{ siteResourceId: made.siteResourceId }],
      pagination: { total: 1 },
    });
    // Whatever site it is for, it belongs to the one that it waits with.
    const other = await site(orgId);
    await app.sql('UPDATE site_resource SET staged_by = $2 WHERE site_resource_id = $1', [made.siteResourceId, other]);
    for (const [siteId, n] of [
      [made.siteId!, 0],
      [other, 1],
    ] as const) {
      expect(
        (await app.root.expect<{ siteResources: unknown[] }>('GET', `/org/${orgId}/site/${siteId}/resources`))
          .siteResources,
      ).toHaveLength(n);
      expect(await app.root.expect('GET', `/org/${orgId}/site-resources?siteId=${siteId}`)).toMatchObject({
        pagination: { total: n },
      });
    }
  });

  it('each filter and the order is served by an index', async () => {
    const orgId = await org();
    const siteId = await siteOf(orgId);
    await app.sql(
      `INSERT INTO site_resource (org_id, nice_id, name, mode, destination, alias, alias_address)
       SELECT $1, 'nice-' || i, md5(i::text), CASE WHEN i % 50 = 0 THEN 'cidr' ELSE 'host' END, '10.0.0.1', 'a' || md5(i::text) || '.internal', '100.96.0.0'::inet + i
       FROM generate_series(1, 10000) AS i`,
      [orgId],
    );
    await app.sql(
      'INSERT INTO site_resource_site SELECT site_resource_id, $2 FROM site_resource WHERE org_id = $1 AND site_resource_id % 500 = 0',
      [orgId, siteId],
    );
    await app.sql('VACUUM ANALYZE site_resource');
    await app.sql('VACUUM ANALYZE site_resource_site');
    for (const query of [
      {},
      { order: 'desc' as const },
      { mode: 'cidr' as const },
      { mode: 'host' as const },
      { siteId },
      { query: 'abcdef' },
    ]) {
      const { text, values } = privatePage(orgId, query, { limit: 20, offset: 0 });
      const plan = (await app.sql<Record<string, string>>(`EXPLAIN ${text}`, values))
        .map((row) => row['QUERY PLAN'])
        .join('\n');
      expect(plan, JSON.stringify(query)).not.toMatch(/Seq Scan on site_resource\b/);
    }
  });
});
