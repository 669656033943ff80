import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteKind } from '../../src/blueprints/index.js';
import { blueprintCalls, domainOf, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, suspend, approve, send, apply, rows, privates, history } = blueprintCalls(() => app);

describe('a bootstrap', () => {
  it('is applied once per site, whatever the agent remembers, and everything is the operator’s afterwards', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await send(orgId, s, 'bootstrap', web({ 'full-domain': domainOf(orgId, 'web') }))).toMatchObject({
      ok: true,
    });
    expect(
      await send(orgId, s, 'bootstrap', web({ name: 'Again', 'full-domain': domainOf(orgId, 'other') }, 'other')),
    ).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['web']);
    expect(
      (
        await apply(
          orgId,
          JSON.stringify(web({ name: 'Operator', 'full-domain': domainOf(orgId, 'web'), targets: [] })),
        )
      ).status,
    ).toBe(201);
    expect(await rows(orgId)).toMatchObject([{ name: 'Operator', targets: null }]);
  });

  it('may be sent again after it was refused', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await send(orgId, s, 'bootstrap', web({ 'full-domain': 'nobody.example.org' }))).toMatchObject({
      ok: false,
    });
    expect(await send(orgId, s, 'bootstrap', web({ 'full-domain': domainOf(orgId, 'web') }))).toMatchObject({
      ok: true,
    });
    expect(await rows(orgId)).toHaveLength(1);
  });
});

describe('a site that waits for approval', () => {
  it('stages: hidden and disabled, roles and all in service on approval', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await suspend(s);
    const document = web({
      'full-domain': domainOf(orgId, 'web'),
      auth: { 'sso-enabled': true, 'sso-roles': ['Night'] },
    });
    expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    expect(await rows(orgId)).toMatchObject([{ enabled: false, staged: s.siteId }]);
    expect(await app.root.expect('GET', `/org/${orgId}/resources`)).toMatchObject({
      resources: [],
      pagination: { total: 0 },
    });
    expect(await app.sql(`SELECT 1 FROM role WHERE org_id = $1 AND name = 'Night'`, [orgId])).toEqual([]);
    expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    await approve(s);
    expect(await rows(orgId)).toMatchObject([{ enabled: true, staged: null }]);
    expect(await app.root.expect('GET', `/org/${orgId}/resources`)).toMatchObject({ pagination: { total: 1 } });
    const granted = await app.sql<{ name: string }>(
      'SELECT name FROM resource_role JOIN role USING (role_id) WHERE org_id = $1',
      [orgId],
    );
    expect(granted.map((g) => g.name)).toEqual(['Night']);
    expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    expect(await history(orgId)).toEqual(['NEWT true']);
  });

  it('is rejected with all that it staged', async () => {
    const orgId = await org();
    const s = await site(orgId);
    // As claimed under a key whose sites wait.
    await app.sql(`UPDATE site SET status = 'pending' WHERE site_id = $1`, [s.siteId]);
    await send(orgId, s, 'bootstrap', web({ 'full-domain': domainOf(orgId, 'web') }));
    expect(await rows(orgId)).toHaveLength(1);
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect(await rows(orgId)).toEqual([]);
  });

  it('suspended: what its file declares is disabled and kept, and approving restores exactly that', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const document = {
      'public-resources': {
        ...web({ 'full-domain': domainOf(orgId, 'a') }, 'a')['public-resources'],
        ...web({ 'full-domain': domainOf(orgId, 'b'), enabled: false }, 'b')['public-resources'],
      },
    };
    await send(orgId, s, 'file', document);
    await suspend(s);
    expect((await rows(orgId)).map((r) => r.enabled)).toEqual([false, false]);
    expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    await approve(s);
    expect((await rows(orgId)).map((r) => [r.key, r.enabled])).toEqual([
      ['a', true],
      ['b', false],
    ]);
  });
});

describe('what waits for approval blocks nothing that is in service', () => {
  const squat = (orgId: string) => ({
    'public-resources': {
      ...web({ 'full-domain': domainOf(orgId, 'web') })['public-resources'],
      raw: { name: 'Raw', mode: 'tcp', 'proxy-port': 4000 },
      wild: { name: 'Wild', mode: 'http', 'full-domain': `*.wild-${orgId}.localhost` },
    },
    'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9', alias: 'db.internal' } },
  });
  const waiting = async (orgId: string, document: object, kind: SiteKind = 'file') => {
    const s = await site(orgId, 'squatter');
    await suspend(s);
    expect(await send(orgId, s, kind, document)).toMatchObject({ ok: true });
    return s;
  };
  const evicted = async (orgId: string, action: string) =>
    (
      await app.sql<{ details: { gaveWay?: { niceId: string }[] } }>(
        'SELECT details FROM audit WHERE org_id = $1 AND action = $2 ORDER BY 1',
        [orgId, action],
      )
    ).flatMap((row) => row.details.gaveWay?.map((g) => g.niceId) ?? []);
  const staged = async (orgId: string) => (await rows(orgId)).flatMap((r) => (r.staged === null ? [] : [r.key]));
  const localhost = async (orgId: string) =>
    (await app.root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${orgId}/domains`)).domains[0]!.domainId;

  it.each(['file', 'newt', 'bootstrap'] as const)('neither the document of an approved site (%s)', async (kind) => {
    const orgId = await org();
    const squatter = await waiting(orgId, squat(orgId));
    const s = await site(orgId, 'good');
    expect(await send(orgId, s, kind, squat(orgId))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => [r.key, r.staged, r.targets])).toEqual([
      ['raw', null, null],
      ['web', null, `${s.siteId}@127.0.0.1:8080`],
      ['wild', null, null],
    ]);
    expect((await privates(orgId)).map((p) => p.sites)).toEqual([[s.siteId]]);
    expect((await evicted(orgId, 'blueprint.apply')).sort()).toEqual(['db', 'raw', 'web', 'wild']);
    await approve(squatter);
    expect(
      await send(orgId, squatter, 'file', web({ name: 'Mine now', 'full-domain': domainOf(orgId, 'web') })),
    ).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining('belongs to the') }] });
  });

  it('nor a blueprint of the operator under other keys; what waits in another organization stays', async () => {
    const [orgId, other] = [await org(), await org()];
    await waiting(orgId, squat(orgId));
    await waiting(other, web({ 'full-domain': domainOf(orgId, 'other') }, 'elsewhere'));
    const document = {
      'public-resources': {
        a: { name: 'A', mode: 'http', 'full-domain': domainOf(orgId, 'web') },
        b: { name: 'B', mode: 'tcp', 'proxy-port': 4000 },
        c: { name: 'C', mode: 'http', 'full-domain': `x.wild-${orgId}.localhost` },
      },
      'private-resources': {
        e: {
          name: 'E',
          mode: 'host',
          destination: '10.0.0.1',
          alias: 'DB.internal',
          site: (await site(orgId, 'good')).niceId,
        },
      },
    };
    const plan = await apply(orgId, JSON.stringify(document), '?dryRun=true');
    expect(
      plan.body.data?.changes
        .filter((c) => c.action === 'delete')
        .map((c) => c.key)
        .sort(),
    ).toEqual(['db', 'raw', 'web', 'wild']);
    expect((await apply(orgId, JSON.stringify(document))).status).toBe(201);
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['a', 'b', 'c']);
    const theirs = { 'public-resources': { d: { name: 'D', mode: 'http', 'full-domain': domainOf(orgId, 'other') } } };
    expect(await apply(orgId, JSON.stringify(theirs))).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'public-resources.d.full-domain' }] },
    });
    expect((await privates(orgId)).map((p) => p.key)).toEqual(['e']);
    expect(await staged(other)).toEqual(['elsewhere']);
    expect((await evicted(orgId, 'blueprint.apply')).sort()).toEqual(['db', 'raw', 'web', 'wild']);
  });

  it('nor what the operator makes and changes', async () => {
    const orgId = await org();
    await waiting(orgId, squat(orgId));
    const domainId = await localhost(orgId);
    const s = await site(orgId, 'good');
    const made = await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, {
      name: 'W',
      http: true,
      protocol: 'tcp',
      domainId,
      subdomain: `web-${orgId}`,
    });
    expect(await staged(orgId)).toEqual(['raw', 'wild']);
    expect(await evicted(orgId, 'resource.create')).toEqual(['web']);
    expect(
      (
        await app.root.put(`/org/${orgId}/resource`, {
          name: 'W',
          http: true,
          protocol: 'tcp',
          domainId,
          subdomain: `web-${orgId}`,
        })
      ).status,
    ).toBe(409);
    await app.root.expect('POST', `/resource/${made.resourceId}`, { subdomain: `x.wild-${orgId}` });
    await app.root.expect('PUT', `/org/${orgId}/resource`, {
      name: 'R',
      http: false,
      protocol: 'tcp',
      proxyPort: 4000,
    });
    expect(await staged(orgId)).toEqual([]);
    expect(await evicted(orgId, 'resource.update')).toEqual(['wild']);
    const privately = await app.root.expect<{ siteResourceId: number }>('PUT', `/org/${orgId}/site-resource`, {
      name: 'P',
      mode: 'host',
      destination: '10.0.0.1',
      siteIds: [s.siteId],
    });
    await app.root.expect('POST', `/site-resource/${privately.siteResourceId}`, { niceId: 'db', alias: 'db.internal' });
    expect((await privates(orgId)).map((p) => [p.key, p.sites])).toEqual([['db', [s.siteId]]]);
    expect(await evicted(orgId, 'site_resource.update')).toEqual(['db']);
  });

  it('and a private resource that the operator makes takes its name', async () => {
    const orgId = await org();
    await waiting(orgId, squat(orgId));
    const s = await site(orgId, 'good');
    await app.root.expect('PUT', `/org/${orgId}/site-resource`, {
      name: 'P',
      niceId: 'db',
      mode: 'host',
      destination: '10.0.0.1',
      alias: 'db.internal',
      siteIds: [s.siteId],
    });
    expect((await privates(orgId)).map((p) => [p.key, p.sites])).toEqual([['db', [s.siteId]]]);
  });

  it('of two that wait the first one has it; a bootstrap that gave way may be applied again', async () => {
    const orgId = await org();
    const first = await waiting(orgId, web({ 'full-domain': domainOf(orgId, 'web') }), 'bootstrap');
    const second = await site(orgId, 'second');
    await suspend(second);
    expect(await send(orgId, second, 'file', web({ 'full-domain': domainOf(orgId, 'web') }))).toMatchObject({
      ok: false,
      problems: [{ message: expect.stringContaining('waits for approval') }],
    });
    const { resourceId } = await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, {
      name: 'W',
      http: true,
      protocol: 'tcp',
      domainId: await localhost(orgId),
      subdomain: `web-${orgId}`,
    });
    expect(await staged(orgId)).toEqual([]);
    await app.root.expect('DELETE', `/resource/${resourceId}`);
    await approve(first);
    expect(await send(orgId, first, 'bootstrap', web({ 'full-domain': domainOf(orgId, 'web') }))).toMatchObject({
      ok: true,
    });
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['web']);
  });
});
