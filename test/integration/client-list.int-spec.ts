import { describe, expect, it } from 'vitest';
import { clientPage } from '../../src/clients/client-reads.js';
import { app, type Client, create, device, type List, list, org, ROW, setUpClients } from '../support/clients.js';

setUpClients();

const names = (l: List) => l.clients.map((c) => c.name);

describe('lists', () => {
  it('machines by name, with filters, both ways to page, and totals', async () => {
    const orgId = await org();
    const made: Client[] = [];
    for (const name of ['delta', 'alpha', 'Charlie', 'bravo']) made.push(await create(orgId, { name }));
    await device(orgId);
    await app.root.expect('POST', `/client/${made[0]!.clientId}/block`);
    await app.root.expect('POST', `/client/${made[1]!.clientId}/archive`);
    const all = names(await list(orgId, '?status=active,blocked,archived'));
    expect([...all].sort()).toEqual(['Charlie', 'alpha', 'bravo', 'delta']);
    expect((await list(orgId)).pagination).toEqual({ total: 2, pageSize: 1000, page: 1 });
    expect(names(await list(orgId, '?status=blocked'))).toEqual(['delta']);
    expect(names(await list(orgId, '?status=archived'))).toEqual(['alpha']);
    expect(names(await list(orgId, '?status=active,blocked,archived&order=desc'))).toEqual([...all].reverse());
    expect(names(await list(orgId, '?query=CHARL'))).toEqual(['Charlie']);
    expect(names(await list(orgId, `?query=${made[3]!.niceId.slice(0, -2)}`))).toEqual(['bravo']);
    expect(names(await list(orgId, '?query=%25'))).toEqual([]);
    expect((await list(orgId, '?online=true')).pagination.total).toBe(0);
    expect((await list(orgId, '?online=false')).pagination.total).toBe(2);
    for (const sort of ['name', 'megabytesIn', 'megabytesOut'])
      expect((await list(orgId, `?sort_by=${sort}`)).clients).toHaveLength(2);
    const page = await list(orgId, '?status=active,blocked,archived&page=2&pageSize=3');
    expect(page.pagination).toEqual({ total: 4, pageSize: 3, page: 2 });
    expect(names(page)).toEqual(all.slice(3));
    expect(names(await list(orgId, '?status=active,blocked,archived&limit=2&offset=1'))).toEqual(all.slice(1, 3));
    expect(Object.keys(page.clients[0]!)).toEqual([...ROW, 'sites']);
  });

  it.each([
    'status=gone',
    'status=',
    'sort_by=olmId',
    'order=up',
    'online=yes',
    'color=red',
    'page=1&limit=1',
    'agent=cli',
  ])('refuses ?%s', async (query) => {
    expect((await app.root.get(`/org/acme/clients?${query}`)).status).toBe(400);
  });

  it('the devices of people', async () => {
    const orgId = await org();
    const devices = (query = '') =>
      app.root.expect<{ devices: Client[]; pagination: { total: number } }>(
        'GET',
        `/org/${orgId}/user-devices${query}`,
      );
    expect(await devices()).toEqual({ devices: [], pagination: { total: 0, pageSize: 1000, page: 1 } });
    await create(orgId);
    const [active, pending, denied] = [
      await device(orgId),
      await device(orgId, { approval: 'pending' }),
      await device(orgId, { approval: 'denied', blocked: true }),
    ];
    const archived = await device(orgId, { archived: true });
    const ids = async (query?: string) => (await devices(query)).devices.map((d) => d.clientId).sort((x, y) => x - y);
    expect(await ids()).toEqual([active, pending]);
    expect(await ids('?status=denied')).toEqual([denied]);
    expect(await ids('?status=blocked,archived')).toEqual([denied, archived]);
    expect(await ids('?agent=cli')).toEqual([]);
    expect(await ids('?agent=unknown')).toEqual([active, pending]);
    expect((await devices('?status=active')).devices[0]).toMatchObject({
      userId: expect.any(String),
      username: expect.any(String),
      userEmail: expect.stringContaining('@'),
      agent: null,
    });
    expect((await app.root.get(`/org/${orgId}/user-devices?status=online`)).status).toBe(400);
  });

  it('each filter is served by an index', async () => {
    const orgId = await org();
    await app.sql(
      `INSERT INTO client (org_id, nice_id, name, olm_id, secret_hash, address, archived, blocked)
       SELECT $1, 'nice-' || i, md5(i::text), $1 || i, 'x', '10.0.0.0'::inet + i, i % 100 = 0, i % 101 = 0 FROM generate_series(1, 10000) AS i`,
      [orgId],
    );
    await app.sql('VACUUM ANALYZE client');
    const window = { limit: 20, offset: 0 };
    for (const query of [
      {},
      { status: ['blocked' as const] },
      { status: ['archived' as const] },
      { query: 'abcdef' },
      { order: 'desc' as const },
      { sort_by: 'megabytesIn' as const },
    ]) {
      for (const kind of ['machine', 'device'] as const) {
        const { text, values } = clientPage(orgId, kind, query, window);
        const plan = (await app.sql<Record<string, string>>(`EXPLAIN ${text}`, values))
          .map((row) => row['QUERY PLAN'])
          .join('\n');
        expect(plan, `${kind} ${JSON.stringify(query)}`).not.toMatch(/Seq Scan on client\b/);
      }
    }
  });
});
