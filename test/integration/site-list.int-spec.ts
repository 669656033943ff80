import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { app, create, insert, type List, list, org, setUpSites, sites } from '../support/sites.js';

setUpSites();

const names = (l: List) => l.sites.map((s) => s.name);

describe('list sites', () => {
  let orgId: string;
  let group: { groupId: number; name: string };
  beforeAll(async () => {
    orgId = await org();
    const made = await insert(orgId, [
      { name: 'alpha', labels: { room: 'cold', site: 'a=b' }, keyId: 'spk-one', hardwareId: 'HW 1' },
      { name: 'Bravo', labels: { room: 'cold', floor: '2' }, keyId: 'spk-one', hardwareId: 'hw 1', status: 'pending' },
      { name: 'charlie', labels: { room: 'warm' }, keyId: 'spk-two', status: 'pending' },
      { name: '100%_delta', type: 'local' },
    ]);
    group = await app.root.expect('PUT', `/org/${orgId}/group`, { name: 'north wing' });
    await app.db.tx((tx) =>
      sites.addToGroups(
        tx,
        [0, 2].map((i) => ({ siteId: made[i]!.siteId, groupId: group.groupId })),
      ),
    );
    await app.sql(
      `WITH used AS (UPDATE site SET megabytes_in = site_id WHERE org_id = $1 AND name = ANY('{alpha,charlie}') RETURNING site_id)
       INSERT INTO agent_report (site_id, org_id, agent_version) SELECT site_id, $1, '1.2.0' FROM used`,
      [orgId],
    );
    await app.sql('UPDATE site_presence SET session_id = $2, connected_at = now() WHERE site_id = $1', [
      made[1]!.siteId,
      randomUUID(),
    ]);
  });

  it('items carry the fields in the order that clients know; online is left out for type local', async () => {
    const page = await list(orgId, '?query=alpha');
    expect(Object.keys(page.sites[0]!).slice(0, 19)).toEqual([
      'siteId',
      'niceId',
      'name',
      'pubKey',
      'subnet',
      'megabytesIn',
      'megabytesOut',
      'orgName',
      'type',
      'online',
      'address',
      'newtVersion',
      'exitNodeId',
      'exitNodeName',
      'exitNodeEndpoint',
      'remoteExitNodeId',
      'resourceCount',
      'status',
      'newtUpdateAvailable',
    ]);
    expect(page.sites[0]).toMatchObject({
      orgName: orgId,
      keyId: 'spk-one',
      groupIds: [group.groupId],
      newtVersion: '1.2.0',
    });
    expect((await list(orgId, '?query=delta')).sites[0]).not.toHaveProperty('online');
  });

  it.each([
    ['', ['100%_delta', 'Bravo', 'alpha', 'charlie']],
    ['?status=pending', ['Bravo', 'charlie']],
    ['?status=approved', ['100%_delta', 'alpha']],
    ['?query=ALPH', ['alpha']],
    ['?query=100%25_', ['100%_delta']],
    ['?query=%25', ['100%_delta']],
    ['?keyId=spk-one', ['Bravo', 'alpha']],
    ['?keyId=spk-one&status=pending', ['Bravo']],
    ['?hardwareId=HW%201', ['alpha']],
    ['?agentVersion=1.2.0', ['alpha', 'charlie']],
    ['?label=room%3Dcold', ['Bravo', 'alpha']],
    ['?label=room%3Dcold&label=floor%3D2', ['Bravo']],
    ['?label=room%3Dcold&label=room%3Dwarm', []],
    ['?label=site%3Da%3Db', ['alpha']],
    ['?group=north%20wing', ['alpha', 'charlie']],
    ['?group=GROUP', ['alpha', 'charlie']],
    ['?group=GROUP&status=approved', ['alpha']],
    ['?online=true', ['100%_delta', 'Bravo']],
    ['?online=false', ['alpha', 'charlie']],
    ['?online=true&label=room%3Dcold&keyId=spk-one&status=pending&query=rav', ['Bravo']],
    ['?sort_by=name&order=desc', ['charlie', 'alpha', 'Bravo', '100%_delta']],
    ['?sort_by=megabytesIn&order=desc&agentVersion=1.2.0', ['charlie', 'alpha']],
    ['?page=2&pageSize=3', ['charlie']],
    ['?limit=2&offset=1', ['Bravo', 'alpha']],
    ['?page=9', []],
  ])('%s', async (query, expected) => {
    const page = await list(orgId, query.replace('GROUP', String(group.groupId)));
    const collated = (n: string[]) => (query.includes('sort_by') ? n : [...n].sort());
    if (/page|limit/.test(query)) expect(page.pagination.total).toBe(4);
    else {
      expect(collated(names(page))).toEqual(collated(expected));
      expect(page.pagination).toEqual({ total: expected.length, pageSize: 1000, page: 1 });
    }
    expect(names(page)).toHaveLength(expected.length);
  });

  it.each(['group=nobody', 'group=999999', 'keyId=zzz'])(
    '?%s, of another organization or of nothing, is 404, in decisions too',
    async (query) => {
      expect(await app.root.get(`/org/${orgId}/sites?${query}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
      const filter = Object.fromEntries(new URLSearchParams(query));
      expect(await app.root.post(`/org/${orgId}/approvals`, { filter, decision: 'approve' })).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    },
  );

  it('knows a key that was deleted by its sites, and one that has none yet', async () => {
    const key = await app.root.expect<{ siteProvisioningKeyId: string }>('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'k',
      maxBatchSize: null,
    });
    for (const path of ['sites', 'claims']) {
      const of = (id: string) => app.root.get(`/org/${orgId}/${path}?keyId=${id}`);
      expect([
        (await of('spk-one')).status,
        (await of(key.siteProvisioningKeyId)).status,
        (await of('zzz')).status,
      ]).toEqual([200, 200, 404]);
    }
  });

  it('counts the resources of each site, public and private ones', async () => {
    const own = await org();
    const [a, b] = [await create(own, { name: 'a' }), await create(own, { name: 'b' })];
    const { resourceId } = await app.root.expect<{ resourceId: number }>('PUT', `/org/${own}/resource`, {
      name: 'Raw',
      http: false,
      protocol: 'tcp',
      proxyPort: 20_000,
    });
    for (const port of [1, 2])
      await app.root.expect('PUT', `/resource/${resourceId}/target`, { siteId: a.siteId, ip: '10.0.0.1', port });
    for (const siteIds of [[a.siteId, b.siteId], [a.siteId]])
      await app.root.expect('PUT', `/org/${own}/site-resource`, {
        name: 'Db',
        mode: 'host',
        destination: '10.1.2.3',
        siteIds,
      });
    expect((await list(own)).sites.map((s) => s['resourceCount'])).toEqual([3, 1]);
  });

  it('both paginations walk the same list', async () => {
    const all = names(await list(orgId));
    expect([
      ...names(await list(orgId, '?page=1&pageSize=3')),
      ...names(await list(orgId, '?page=2&pageSize=3')),
    ]).toEqual(all);
    expect([...names(await list(orgId, '?limit=1')), ...names(await list(orgId, '?limit=3&offset=1'))]).toEqual(all);
    expect((await list(orgId, '?page=2&pageSize=3')).pagination).toEqual({ total: 4, pageSize: 3, page: 2 });
  });

  it.each([
    '?page=-1',
    '?pageSize=0',
    '?limit=x',
    '?page=1&limit=5',
    '?status=gone',
    '?online=yes',
    '?sort_by=age',
    '?order=up',
    '?label==x',
    '?color=red',
  ])('refuses %s instead of guessing', async (query) => {
    expect(await app.root.get(`/org/${orgId}/sites${query}`)).toMatchObject({
      status: 400,
      body: { code: 'validation' },
    });
  });

  it('totals come from counters that equal count(*) after a race of everything', async () => {
    const busy = await org();
    await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const made = await insert(
          busy,
          Array.from({ length: 5 }, (_x, j) => ({
            hardwareId: `hw-${(i * 3 + j) % 40}`,
            status: j % 2 ? 'pending' : 'approved',
          })),
        );
        for (const site of made) {
          if (!site) continue;
          const path = `/site/${site.siteId}`;
          if (site.siteId % 3 === 0) await app.root.delete(path);
          else await app.root.expect('POST', path, { status: site.siteId % 3 === 1 ? 'approved' : 'pending' });
        }
      }),
    );
    const counted = await app.sql<{ status: string; n: number }>(
      'SELECT status, count(*) AS n FROM site WHERE org_id = $1 GROUP BY status',
      [busy],
    );
    const of = (status: string) => counted.find((c) => c.status === status)?.n ?? 0;
    expect(of('pending')).toBeGreaterThan(0);
    expect((await list(busy, '?status=pending')).pagination.total).toBe(of('pending'));
    expect((await list(busy, '?status=approved')).pagination.total).toBe(of('approved'));
    expect((await list(busy)).pagination.total).toBe(of('pending') + of('approved'));
  });
});
