import { describe, expect, it } from 'vitest';
import { SiteDocumentsService, type SiteKind } from '../../src/blueprints/index.js';
import { app, behind, nextNumber, org, type Site, setUpTargetRights, site, target } from '../support/target-rights.js';

setUpTargetRights();

interface Resource {
  resourceId: number;
  niceId: string;
  sitesMayAddTargets: object | null;
}
type Document = Record<string, Record<string, object>>;
const template = (s: Site, templateId: number) =>
  app.sql('UPDATE site SET template_id = $2 WHERE site_id = $1', [s.siteId, templateId]);
const send = (orgId: string, s: Site, document: Document, kind: SiteKind = 'file') =>
  app.get(SiteDocumentsService).applyFromSite(orgId, s.siteId, kind, JSON.stringify(document, null, 1));
const apply = (orgId: string, document: Document) =>
  app.root.put<null>(`/org/${orgId}/blueprint`, {
    blueprint: Buffer.from(JSON.stringify(document)).toString('base64'),
  });
const host = (orgId: string, key = 'web') => `${key}-${orgId}.localhost`;
const web = (orgId: string, more: object = {}, key = 'web'): Document => ({
  'public-resources': { [key]: { name: 'Web', mode: 'http', 'full-domain': host(orgId, key), ...more } },
});
const adds = (key = 'web', ...targets: object[]): Document => ({
  'public-resources': { [key]: { targets: targets.length > 0 ? targets : [target()] } },
});
const find = async (orgId: string, key = 'web') => {
  const [row] = await app.sql<{ id: number }>(
    'SELECT resource_id AS id FROM resource WHERE org_id = $1 AND nice_id = $2',
    [orgId, key],
  );
  return app.root.expect<Resource>('GET', `/resource/${row!.id}`);
};
const permit = async (orgId: string, sitesMayAddTargets: object | null, key = 'web') =>
  app.root.expect('POST', `/resource/${(await find(orgId, key)).resourceId}`, { sitesMayAddTargets });
const NOT_ITS_OWN = "the resource is not the site's own, and its sitesMayAddTargets does not name the site";
const refused = (...problems: object[]) => ({ ok: false, problems });

describe('sitesMayAddTargets in the API', () => {
  const create = (orgId: string, more: object) =>
    app.root.put<Resource>(`/org/${orgId}/resource`, {
      name: 'R',
      http: false,
      protocol: 'tcp',
      proxyPort: 1000 + nextNumber(),
      ...more,
    });

  it('is null at first, is answered by create, change and read, and counts as a version', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect((await create(orgId, {})).body.data.sitesMayAddTargets).toBeNull();
    const { body } = await create(orgId, { sitesMayAddTargets: { siteIds: [s.siteId] } });
    const { resourceId } = body.data;
    expect(body.data.sitesMayAddTargets).toEqual({ siteIds: [s.siteId] });
    let etag = (await app.root.get(`/resource/${resourceId}`)).headers.get('etag');
    for (const sitesMayAddTargets of [
      { labels: { room: 'cold', floor: '2' } },
      { siteIds: [] },
      null,
      { siteIds: [s.siteId] },
    ]) {
      const changed = await app.root
        .as(app.root.authorization, { 'if-match': etag! })
        .post<Resource>(`/resource/${resourceId}`, { sitesMayAddTargets });
      expect(changed).toMatchObject({ status: 200, body: { data: { sitesMayAddTargets } } });
      const read = await app.root.get<Resource>(`/resource/${resourceId}`);
      expect(read.body.data.sitesMayAddTargets).toEqual(sitesMayAddTargets);
      expect(read.headers.get('etag')).not.toBe(etag);
      etag = read.headers.get('etag');
    }
    await app.root.expect('POST', `/resource/${resourceId}`, { name: 'Renamed' });
    expect((await app.root.expect<Resource>('GET', `/resource/${resourceId}`)).sitesMayAddTargets).toEqual({
      siteIds: [s.siteId],
    });
  });

  it.each([
    [{}, 'sitesMayAddTargets'],
    [{ siteIds: [1], labels: { a: 'b' } }, 'sitesMayAddTargets'],
    [{ labels: {} }, 'sitesMayAddTargets.labels'],
    [[], 'sitesMayAddTargets'],
    ['all', 'sitesMayAddTargets'],
    [{ siteIds: null }, 'sitesMayAddTargets.siteIds'],
    [{ siteIds: [0] }, 'sitesMayAddTargets.siteIds.0'],
    [{ siteIds: ['1'] }, 'sitesMayAddTargets.siteIds.0'],
    [{ siteIds: [5, 5] }, 'sitesMayAddTargets.siteIds.1'],
    [{ siteIds: Array.from({ length: 1001 }, (_, i) => i + 1) }, 'sitesMayAddTargets.siteIds'],
    [{ labels: { a: 1 } }, 'sitesMayAddTargets.labels'],
    [{ labels: { 'a=b': 'c' } }, 'sitesMayAddTargets.labels'],
    [{ labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }, 'sitesMayAddTargets.labels'],
    [{ groups: [1] }, 'sitesMayAddTargets.groups'],
  ])('refuses %j', async (sitesMayAddTargets, path) => {
    const orgId = await org();
    const { resourceId } = (await create(orgId, {})).body.data;
    for (const reply of [
      await create(orgId, { sitesMayAddTargets }),
      await app.root.post(`/resource/${resourceId}`, { sitesMayAddTargets }),
    ]) {
      expect(reply).toMatchObject({ status: 400, body: { fields: [{ path }] } });
    }
  });

  it('knows no site of another organization, and forgets one that is deleted', async () => {
    const [orgId, other] = [await org(), await org()];
    const [s, gone, foreign] = [await site(orgId), await site(orgId), await site(other)];
    for (const siteId of [foreign.siteId, 999999999]) {
      expect((await create(orgId, { sitesMayAddTargets: { siteIds: [s.siteId, siteId] } })).status).toBe(404);
    }
    const { resourceId } = (await create(orgId, { sitesMayAddTargets: { siteIds: [s.siteId, gone.siteId] } })).body
      .data;
    expect(
      (await app.root.post(`/resource/${resourceId}`, { sitesMayAddTargets: { siteIds: [foreign.siteId] } })).status,
    ).toBe(404);
    await app.root.expect('DELETE', `/site/${gone.siteId}`);
    const { sitesMayAddTargets } = await app.root.expect<Resource>('GET', `/resource/${resourceId}`);
    expect(sitesMayAddTargets).toEqual({ siteIds: [s.siteId] });
    await app.root.expect('POST', `/resource/${resourceId}`, { sitesMayAddTargets });
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect((await app.root.expect<Resource>('GET', `/resource/${resourceId}`)).sitesMayAddTargets).toEqual({
      siteIds: [],
    });
  });
});

describe('the operator’s resource', () => {
  it.each(['file', 'newt', 'labels', 'bootstrap'] as const)(
    'takes no target of a site’s %s, however it is described: a problem with its place, and nothing of it is applied',
    async (kind) => {
      const orgId = await org();
      const s = await site(orgId);
      await apply(orgId, web(orgId));
      const own = web(orgId, { targets: [target()] }, 'own')['public-resources']!;
      for (const document of [adds('web', target(), target(81)), web(orgId, { targets: [target(), target(81)] })]) {
        const text = JSON.stringify({ 'public-resources': { ...own, ...document['public-resources'] } }, null, 1);
        const place = (port: number) => {
          const before = text.slice(0, text.lastIndexOf('{', text.lastIndexOf(`"port": ${port}`)));
          return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
        };
        expect(
          await send(orgId, s, { 'public-resources': { ...own, ...document['public-resources'] } } as Document, kind),
        ).toEqual({
          ok: false,
          message: expect.stringContaining(NOT_ITS_OWN),
          problems: [
            { path: 'public-resources.web.targets[0]', message: NOT_ITS_OWN, ...place(80) },
            { path: 'public-resources.web.targets[1]', message: NOT_ITS_OWN, ...place(81) },
          ],
        });
      }
      expect(await behind(orgId)).toEqual([]);
      // Of labels that do not say their containers, each resource stands for one (docs/adr/0035).
      const made = await app.sql('SELECT nice_id FROM resource WHERE org_id = $1 ORDER BY nice_id', [orgId]);
      expect(made).toEqual(kind === 'labels' ? [{ nice_id: 'own' }, { nice_id: 'web' }] : [{ nice_id: 'web' }]);
    },
  );

  it('takes those of the sites that it names, or that have its labels', async () => {
    const orgId = await org();
    const [one, two, cold] = [
      await site(orgId, 'one'),
      await site(orgId, 'two', { room: 'cold' }),
      await site(orgId, 'cold', { room: 'cold', floor: '2' }),
    ];
    await apply(orgId, web(orgId));
    await permit(orgId, { siteIds: [one.siteId] });
    expect(await send(orgId, one, adds())).toMatchObject({ ok: true });
    expect(await send(orgId, two, adds())).toMatchObject(
      refused({ path: 'public-resources.web.targets[0]', message: NOT_ITS_OWN }),
    );
    await permit(orgId, { labels: { room: 'cold', floor: '2' } });
    expect(await send(orgId, two, adds())).toMatchObject({ ok: false });
    expect(await send(orgId, cold, web(orgId, { targets: [target()] }))).toMatchObject({ ok: true });
    expect(await behind(orgId)).toEqual([one.siteId, cold.siteId]);
    // What came in stays, unchanged; it may leave, and not grow.
    expect(await send(orgId, one, adds())).toMatchObject({ ok: true });
    expect(await send(orgId, one, adds('web', { ...target(), priority: 1000 }))).toMatchObject({ ok: false });
    expect(await send(orgId, one, adds('web', target(), target(81)))).toMatchObject(
      refused({ path: 'public-resources.web.targets[1]' }),
    );
    expect(await send(orgId, one, {})).toMatchObject({ ok: true });
    expect(await behind(orgId)).toEqual([cold.siteId]);
  });

  it('takes no rules of a site either', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const rule = (value: string) => ({ action: 'allow', match: 'cidr', value });
    await apply(orgId, web(orgId, { rules: [rule('10.0.0.0/8')] }));
    await permit(orgId, { siteIds: [s.siteId] });
    expect(await send(orgId, s, web(orgId, { rules: [rule('0.0.0.0/0')] }))).toMatchObject(
      refused({ path: 'public-resources.web.rules' }),
    );
    expect(await send(orgId, s, web(orgId, { rules: [rule('10.0.0.0/8')], targets: [target()] }))).toMatchObject({
      ok: true,
    });
  });

  it('is judged again when a waiting site is approved', async () => {
    const orgId = await org();
    const [s, other] = [await site(orgId), await site(orgId)];
    await apply(orgId, web(orgId));
    await permit(orgId, { siteIds: [s.siteId, other.siteId] });
    for (const one of [s, other]) {
      await app.root.expect('POST', `/site/${one.siteId}`, { status: 'pending' });
      expect(await send(orgId, one, adds())).toMatchObject({ ok: false });
    }
    await permit(orgId, { siteIds: [s.siteId] });
    for (const one of [s, other]) await app.root.expect('POST', `/site/${one.siteId}`, { status: 'approved' });
    expect(await send(orgId, s, adds())).toMatchObject({ ok: true });
    expect(await send(orgId, other, adds())).toMatchObject(refused({ message: NOT_ITS_OWN }));
    expect(await behind(orgId)).toEqual([s.siteId]);
  });
});

describe('a resource that a site’s document declares', () => {
  const shared = (orgId: string) => web(orgId, { targets: [target()] });

  it('is shared by machines that were made alike, and by no others', async () => {
    const orgId = await org();
    const [first, second, byHand] = [
      await site(orgId, 'first'),
      await site(orgId, 'second'),
      await site(orgId, 'third'),
    ];
    for (const s of [first, second]) await template(s, 7);
    expect(await send(orgId, first, shared(orgId))).toMatchObject({ ok: true });
    expect(await send(orgId, second, shared(orgId))).toMatchObject({ ok: true });
    const message =
      'it belongs to the blueprint file of the site first, and its sitesMayAddTargets does not name this site';
    // Neither at once nor in two steps.
    for (const document of [shared(orgId), web(orgId)])
      expect(await send(orgId, byHand, document)).toMatchObject(refused({ path: 'public-resources.web', message }));
    for (const s of [byHand, second])
      expect(await send(orgId, s, adds('web', target(81)), 'labels')).toMatchObject({ ok: s === second });
    expect(await behind(orgId)).toEqual([first.siteId, second.siteId, second.siteId]);
    await permit(orgId, { siteIds: [byHand.siteId] });
    expect(await send(orgId, byHand, shared(orgId))).toMatchObject({ ok: true });
    expect(await behind(orgId)).toEqual([first.siteId, second.siteId, second.siteId, byHand.siteId]);
  });

  it('is closed to all others where it names none, and stays its owners’ own', async () => {
    const orgId = await org();
    const [first, second] = [await site(orgId, 'first'), await site(orgId, 'second')];
    await send(orgId, first, shared(orgId));
    await permit(orgId, { siteIds: [] });
    expect(await send(orgId, second, shared(orgId))).toMatchObject({ ok: false });
    expect(await send(orgId, first, web(orgId, { targets: [target(), target(81)] }))).toMatchObject({ ok: true });
    expect(await app.root.expect('GET', `/resource/${(await find(orgId)).resourceId}`)).toMatchObject({
      drift: [],
      sitesMayAddTargets: { siteIds: [] },
    });
  });
});

describe('sites-may-add-targets in a blueprint', () => {
  it('is the operator’s to say, by niceIds, names or labels; what is not said stays', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    expect(
      await apply(orgId, web(orgId, { 'sites-may-add-targets': { sites: [two.niceId, 'one', one.niceId] } })),
    ).toMatchObject({ status: 201 });
    expect((await find(orgId)).sitesMayAddTargets).toEqual({ siteIds: [one.siteId, two.siteId].sort((a, b) => a - b) });
    await apply(orgId, web(orgId, { name: 'Renamed' }));
    expect((await find(orgId)).sitesMayAddTargets).toEqual({ siteIds: [one.siteId, two.siteId].sort((a, b) => a - b) });
    await apply(orgId, web(orgId, { 'sites-may-add-targets': { labels: { room: 'cold' } } }));
    expect((await find(orgId)).sitesMayAddTargets).toEqual({ labels: { room: 'cold' } });
    const [{ blueprintId }] = (
      await app.root.expect<{ blueprints: [{ blueprintId: number }] }>('GET', `/org/${orgId}/blueprints`)
    ).blueprints;
    expect(await app.root.expect('GET', `/org/${orgId}/blueprint/${blueprintId}`)).toMatchObject({
      contents: expect.stringContaining('sites-may-add-targets:\n      labels:\n        room: cold'),
    });
    expect(await apply(orgId, web(orgId, { 'sites-may-add-targets': { sites: ['nowhere'] } }))).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'public-resources.web.sites-may-add-targets.sites[0]' }] },
    });
    for (const wrong of [
      {},
      { sites: [], labels: { a: 'b' } },
      { labels: {} },
      { labels: { 'a=b': 'c' } },
      { site: 'x' },
    ])
      expect((await apply(orgId, web(orgId, { 'sites-may-add-targets': wrong }))).status).toBe(400);
  });

  it('may be said of a resource that a site declares, which stays the site’s', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    await send(orgId, one, web(orgId, { targets: [target()] }));
    expect(await apply(orgId, web(orgId, { 'sites-may-add-targets': { sites: ['two'] }, targets: [] }))).toMatchObject({
      status: 201,
    });
    expect(await send(orgId, two, adds())).toMatchObject({ ok: true });
    expect(await send(orgId, one, web(orgId, { targets: [target()] }))).toMatchObject({ ok: true });
    const { contents } = await app.root.expect<{ contents: string }>('GET', `/site/${one.siteId}/blueprint?kind=file`);
    expect(contents).not.toContain('sites-may-add-targets');
    expect(await behind(orgId)).toEqual([one.siteId, two.siteId]);
  });

  it.each(['file', 'newt', 'labels', 'bootstrap'] as const)('is no word of a site’s %s', async (kind) => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await send(orgId, s, web(orgId, { 'sites-may-add-targets': { sites: [s.niceId] } }), kind)).toMatchObject(
      refused({ path: 'public-resources.web.sites-may-add-targets', line: 7, column: 29 }),
    );
  });
});

describe('a profile’s blueprint', () => {
  const profile = (orgId: string, s: Site, document: Document) =>
    app.get(SiteDocumentsService).applyProfile(orgId, s.siteId, JSON.stringify(document));

  it('is the operator’s word, but for what a device can choose by calling itself so', async () => {
    const orgId = await org();
    await apply(orgId, web(orgId, { name: 'web' }));
    await profile(orgId, await site(orgId, 'web'), adds('{{site.name}}'));
    await profile(orgId, await site(orgId, 'web'), web(orgId, { name: '{{site.name}}', targets: [target()] }));
    await profile(orgId, await site(orgId, host(orgId)), {
      'public-resources': { web: { name: 'web', mode: 'http', 'full-domain': '{{site.name}}', targets: [target()] } },
    });
    expect(await behind(orgId)).toEqual([]);
    const [one, two] = [await site(orgId, 'a'), await site(orgId, 'b', { at: 'web' })];
    await profile(orgId, one, adds('web'));
    await profile(orgId, two, adds('{{label.at}}'));
    expect(await behind(orgId)).toEqual([one.siteId, two.siteId]);
  });
});
