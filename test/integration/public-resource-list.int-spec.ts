import { describe, expect, it } from 'vitest';
import {
  app,
  create,
  fresh,
  type List,
  raw,
  read,
  setUpPublicResources,
  site,
  target,
} from '../support/public-resources.js';

setUpPublicResources();

async function org(): Promise<string> {
  const orgId = fresh('org');
  await app.makeOrg(orgId);
  return orgId;
}

describe('list', () => {
  const names = (l: List) => l.resources.map((r) => r.name);

  it('pages by name in shape B, with targets and sites', async () => {
    const orgId = await org();
    const [newt, local] = [await site(orgId, 'newt', 'North'), await site(orgId, 'newt', 'Here')];
    const made = await create(orgId, { name: 'Beta' });
    await create(orgId, { name: 'Alpha' });
    await create(orgId, { name: 'Gamma' });
    const first = await target(made.resourceId, newt);
    await target(made.resourceId, newt);
    const third = await target(made.resourceId, local, { hcEnabled: true, enabled: false });
    // As if LOCAL_TARGETS had listed it.
    await app.sql(`UPDATE site SET type = 'local' WHERE site_id = $1`, [local]);
    const all = await app.root.expect<List>('GET', `/v1/org/${orgId}/resources`);
    expect(names(all)).toEqual(['Alpha', 'Beta', 'Gamma']);
    expect(all.pagination).toEqual({ total: 3, pageSize: 1000, page: 1 });
    const beta = all.resources[1]!;
    expect(Object.keys(beta)).toEqual([
      'resourceId',
      'niceId',
      'name',
      'ssl',
      'subdomain',
      'fullDomain',
      'passwordId',
      'sso',
      'pincodeId',
      'whitelist',
      'http',
      'protocol',
      'mode',
      'proxyPort',
      'wildcard',
      'enabled',
      'domainId',
      'headerAuthId',
      'health',
      'url',
      'targets',
      'sites',
    ]);
    expect(beta.targets).toHaveLength(3);
    expect(beta.targets[0]).toEqual({
      targetId: first.targetId,
      resourceId: made.resourceId,
      siteId: newt,
      ip: '10.0.0.9',
      port: 80,
      enabled: true,
      healthStatus: 'unknown',
      hcEnabled: false,
      siteName: 'North',
      siteNiceId: expect.any(String),
      siteOnline: false,
      siteType: 'newt',
    });
    expect(beta.targets[2]).toMatchObject({
      targetId: third.targetId,
      siteType: 'local',
      siteOnline: true,
      healthStatus: 'unknown',
      hcEnabled: true,
      enabled: false,
    });
    expect(beta.sites).toEqual([
      { siteId: newt, siteName: 'North', siteNiceId: expect.any(String), online: false },
      { siteId: local, siteName: 'Here', siteNiceId: expect.any(String) },
    ]);
    expect(all.resources[0]).toMatchObject({ targets: [], sites: [] });
    const page = await app.root.expect<List>(
      'GET',
      `/org/${orgId}/resources?page=2&pageSize=2&sort_by=name&order=desc`,
    );
    expect([names(page), page.pagination]).toEqual([['Alpha'], { total: 3, pageSize: 2, page: 2 }]);
    expect(names(await app.root.expect<List>('GET', `/org/${orgId}/resources?limit=1&offset=1`))).toEqual(['Beta']);
  });

  it('narrows by each filter, with the right total', async () => {
    const orgId = await org();
    const siteId = await site(orgId);
    const [a, b, c] = [
      await create(orgId, { name: 'Open door' }),
      await create(orgId, { name: 'Shut' }),
      await create(orgId, { name: 'Pass' }),
    ];
    await app.root.expect('PUT', `/org/${orgId}/resource`, raw({ name: 'Wire' }));
    await app.root.expect('POST', `/resource/${a.resourceId}`, { sso: false });
    await app.root.expect('POST', `/resource/${b.resourceId}`, { enabled: false });
    await app.root.expect('POST', `/resource/${c.resourceId}`, { sso: false });
    await app.root.expect('POST', `/resource/${c.resourceId}/password`, { password: 'secret' });
    await target(a.resourceId, siteId, { hcEnabled: true });
    const ask = async (query: string) => {
      const list = await app.root.expect<List>('GET', `/org/${orgId}/resources?${query}`);
      expect(list.pagination.total, query).toBe(list.resources.length);
      return names(list);
    };
    expect(await ask('')).toEqual(['Open door', 'Pass', 'Shut', 'Wire']);
    expect(await ask('enabled=false')).toEqual(['Shut']);
    expect(await ask('enabled=true')).toEqual(['Open door', 'Pass', 'Wire']);
    expect(await ask('authState=protected')).toEqual(['Pass', 'Shut']);
    expect(await ask('authState=not_protected')).toEqual(['Open door']);
    expect(await ask('authState=none')).toEqual(['Wire']);
    await app.sql(`UPDATE resource SET health = 'unhealthy' WHERE resource_id = $1`, [a.resourceId]);
    expect(await ask('healthStatus=unhealthy')).toEqual(['Open door']);
    expect(await ask('healthStatus=unknown')).toEqual(['Pass', 'Shut', 'Wire']);
    expect(await ask(`siteId=${siteId}`)).toEqual(['Open door']);
    for (const absent of [await site('other'), 999_999]) {
      expect(await app.root.get(`/org/${orgId}/resources?siteId=${absent}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found', message: 'Site not found' },
      });
    }
    expect(await ask('query=OPEN%20D')).toEqual(['Open door']);
    expect(await ask('query=%25')).toEqual([]);
    expect(await ask(`query=${a.niceId.slice(2, 12)}`)).toEqual(['Open door']);
    expect(await ask(`query=${encodeURIComponent(b.fullDomain!.toUpperCase())}`)).toEqual(['Shut']);
    expect(await ask('query=s&enabled=true&authState=protected')).toEqual(['Pass']);
    const c2 = (await app.root.expect<List>('GET', `/org/${orgId}/resources?query=pass`)).resources[0]!;
    expect(c2).toMatchObject({ passwordId: c.resourceId, pincodeId: null, headerAuthId: null, whitelist: false });
  });

  it.each([
    'page=-1',
    'pageSize=x',
    'order=up',
    'sort_by=size',
    'enabled=1',
    'authState=x',
    'healthStatus=x',
    'siteId=x',
    'color=1',
    'page=1&limit=5',
  ])('refuses ?%s', async (query) => {
    expect((await app.root.get(`/org/acme/resources?${query}`)).status).toBe(400);
  });

  it('hides what waits with its site, except from the list of that site', async () => {
    const orgId = await org();
    const siteId = await site(orgId);
    const { resourceId } = await create(orgId);
    await target(resourceId, siteId);
    await app.sql('UPDATE resource SET staged_by = $1, enabled = false WHERE resource_id = $2', [siteId, resourceId]);
    expect(await app.root.expect('GET', `/org/${orgId}/resources`)).toMatchObject({
      resources: [],
      pagination: { total: 0 },
    });
    expect(await app.root.expect('GET', `/org/${orgId}/resource-names`)).toEqual([]);
    expect(await app.root.expect('GET', `/site/${siteId}/resources`)).toMatchObject({
      resources: [{ resourceId }],
      pagination: { total: 1 },
    });
    expect((await read(resourceId)).enabled).toBe(false);
  });

  it('shows what waits with a site there, targets or not, among the others and by every filter', async () => {
    const orgId = await org();
    const [siteId, elsewhere] = [await site(orgId), await site(orgId)];
    const [plain, bare, both] = [
      await create(orgId, { name: 'b' }),
      await create(orgId, { name: 'a' }),
      await create(orgId, { name: 'c' }),
    ];
    await target(plain.resourceId, siteId);
    for (const id of [siteId, elsewhere]) await target(both.resourceId, id);
    await app.sql('UPDATE resource SET staged_by = $1, enabled = false WHERE resource_id = ANY($2)', [
      siteId,
      [bare.resourceId, both.resourceId],
    ]);
    for (const list of [`/site/${siteId}/resources?`, `/org/${orgId}/resources?siteId=${siteId}&`]) {
      const ask = async (more: string) => app.root.expect<List>('GET', `${list}${more}`);
      expect(await ask('')).toMatchObject({
        resources: [{ name: 'a', targets: [], sites: [] }, { name: 'b' }, { name: 'c' }],
        pagination: { total: 3 },
      });
      expect(names(await ask('order=desc&limit=2&offset=1'))).toEqual(['b', 'a']);
      expect(await ask('enabled=false&pageSize=1')).toMatchObject({
        resources: [{ name: 'a' }],
        pagination: { total: 2 },
      });
      expect(names(await ask(`query=${both.niceId}`))).toEqual(['c']);
    }
    expect(names(await app.root.expect<List>('GET', `/site/${elsewhere}/resources`))).toEqual([]);
    await app.root.expect('POST', `/resource/${bare.resourceId}`, { name: 'edited', enabled: true });
    expect(names(await app.root.expect<List>('GET', `/site/${siteId}/resources?enabled=true`))).toEqual([
      'b',
      'edited',
    ]);
  });

  it('names all of them', async () => {
    const orgId = await org();
    const [b, a] = [await create(orgId, { name: 'b' }), await create(orgId, { name: 'a' })];
    const both = [
      { resourceId: a.resourceId, name: 'a' },
      { resourceId: b.resourceId, name: 'b' },
    ];
    expect(await app.root.expect('GET', `/v1/org/${orgId}/resource-names`)).toEqual(both);
    expect(await app.root.expect('GET', `/org/${orgId}/resource-names?limit=1&offset=1`)).toEqual(both.slice(1));
  });
});
