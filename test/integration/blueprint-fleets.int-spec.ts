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

describe('one document, many sites', () => {
  /** The fleet example of docs/blueprints.md, with its templates filled in. */
  const fleet = (orgId: string, serial: string, more: object = {}) => ({
    'private-resources': {
      'ssh-resource': {
        name: 'SSH Server',
        mode: 'host',
        destination: 'localhost',
        site: `${serial}-site`,
        'tcp-ports': '22,3389',
        'udp-ports': '*',
        roles: ['Customer1', 'DevOps'],
      },
    },
    'public-resources': {
      'secure-resource': {
        name: 'Web Resource',
        protocol: 'http',
        'full-domain': `${serial}-${orgId}.localhost`,
        auth: { 'sso-enabled': true, 'sso-roles': ['Member', 'Admin'] },
        ...more,
      },
    },
  });
  const machines = async (orgId: string, kind: SiteKind, serials: string[]) => {
    const sites = await Promise.all(serials.map((name) => site(orgId, `${name}-site`)));
    const outcomes = await Promise.all(sites.map((s, i) => send(orgId, s, kind, fleet(orgId, serials[i]!))));
    return { sites, outcomes };
  };

  it.each(['file', 'bootstrap', 'newt', 'profile'] as const)(
    'each machine has its own of what the %s describes, all of them at once',
    async (kind) => {
      const orgId = await org();
      const serials = ['s1', 's2', 's3'];
      const { sites, outcomes } = await machines(orgId, kind, serials);
      expect(outcomes).toMatchObject(serials.map(() => ({ ok: true })));
      expect((await rows(orgId)).map((r) => r.full).sort()).toEqual(
        serials.map((name) => `${name}-${orgId}.localhost`),
      );
      expect((await privates(orgId)).map((r) => r.sites).sort()).toEqual(sites.map((s) => [s.siteId]).sort());
      const keys = (await rows(orgId)).map((r) => r.key);
      expect(keys.filter((key) => key === 'secure-resource')).toHaveLength(1);
      for (const key of keys)
        expect(['secure-resource', ...sites.map((s) => `secure-resource-${s.niceId}`)]).toContain(key);
      const before = await history(orgId);
      for (const [i, s] of sites.entries())
        expect(await send(orgId, s, kind, fleet(orgId, serials[i]!))).toMatchObject({ ok: true });
      expect(await history(orgId)).toEqual(before);
    },
  );

  it('each follows its own file: changed, with a problem under the key that the file says, and removed', async () => {
    const orgId = await org();
    const {
      sites: [first, second],
      outcomes,
    } = await machines(orgId, 'file', ['s1', 's2']);
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true }]);
    for (const [s, name] of [
      [first!, 's1'],
      [second!, 's2'],
    ] as const) {
      expect(await send(orgId, s, 'file', fleet(orgId, name, { name: `Web of ${name}` }))).toMatchObject({ ok: true });
      expect(await send(orgId, s, 'file', fleet(orgId, name, { 'full-domain': 'nobody.example' }))).toMatchObject({
        ok: false,
        problems: [{ path: 'public-resources.secure-resource.full-domain' }],
      });
    }
    expect((await rows(orgId)).map((r) => r.name).sort()).toEqual(['Web of s1', 'Web of s2']);
    await send(orgId, second!, 'file', {});
    expect((await rows(orgId)).map((r) => r.name)).toEqual(['Web of s1']);
    expect((await privates(orgId)).map((r) => r.sites)).toEqual([[first!.siteId]]);
  });

  it('what both describe alike is one resource still, and what only another one says differently a conflict', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const shared = (name: string) => ({
      ...web({ name, 'full-domain': domainOf(orgId, 'web') }),
      'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9', alias: 'db.internal' } },
    });
    for (const s of [one, two]) expect(await send(orgId, s, 'file', shared('Web'))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['web']);
    expect((await privates(orgId)).map((r) => r.sites)).toEqual([[one.siteId, two.siteId]]);
    expect(await send(orgId, two, 'file', shared('Mine'))).toMatchObject({
      ok: false,
      problems: [{ path: 'public-resources.web', message: expect.stringContaining('site one') }],
    });
  });

  it('a key of somebody else with another name in the network is not touched', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await apply(
      orgId,
      JSON.stringify({
        'public-resources': { web: { name: 'By hand', protocol: 'http', 'full-domain': domainOf(orgId, 'hand') } },
      }),
    );
    expect(await send(orgId, s, 'file', web({ 'full-domain': domainOf(orgId, 'web') }))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => `${r.key} ${r.name}`)).toEqual(['web By hand', `web-${s.niceId} Web`]);
  });
});

describe('two sites with one file', () => {
  const shared = (orgId: string, more: object = {}, roles: string[] = ['Ops']) => ({
    ...web({ 'full-domain': domainOf(orgId, 'web'), auth: { 'sso-roles': roles }, ...more }),
    'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9', alias: 'db.internal', roles } },
  });
  const ofBoth = async (orgId: string) => {
    const sites = [await site(orgId, 'one'), await site(orgId, 'two')] as const;
    for (const s of sites) expect(await send(orgId, s, 'file', shared(orgId))).toMatchObject({ ok: true });
    return sites;
  };
  const idOf = async (orgId: string, table: 'resource' | 'site_resource') =>
    (await app.sql<{ id: number }>(`SELECT ${table}_id AS id FROM ${table} WHERE org_id = $1`, [orgId]))[0]!.id;
  const rolesOf = async (orgId: string, table: 'resource' | 'site_resource') =>
    (
      await app.sql<{ name: string }>(
        `SELECT r.name FROM ${table}_role m JOIN role r USING (role_id) JOIN ${table} t USING (${table}_id) WHERE t.org_id = $1 ORDER BY 1`,
        [orgId],
      )
    ).map((r) => r.name);
  const member = async (orgId: string) =>
    (await app.root.expect<{ roles: { roleId: number; name: string }[] }>('GET', `/org/${orgId}/roles`)).roles.find(
      (r) => r.name === 'Member',
    )!.roleId;

  it('set back what was changed by hand, whichever of them comes', async () => {
    const orgId = await org();
    const sites = await ofBoth(orgId);
    const [web, db] = [await idOf(orgId, 'resource'), await idOf(orgId, 'site_resource')];
    for (const s of sites) {
      await app.root.expect('POST', `/resource/${web}`, { name: 'By hand' });
      await app.root.expect('POST', `/resource/${web}/roles`, { roleIds: [await member(orgId)] });
      await app.root.expect('POST', `/site-resource/${db}/roles`, { roleIds: [await member(orgId)] });
      expect(await send(orgId, s, 'file', shared(orgId))).toMatchObject({ ok: true });
      expect((await rows(orgId)).map((r) => r.name)).toEqual(['Web']);
      expect([await rolesOf(orgId, 'resource'), await rolesOf(orgId, 'site_resource')]).toEqual([['Ops'], ['Ops']]);
      expect(await app.root.expect<{ drift: unknown[] }>('GET', `/resource/${web}`)).toMatchObject({ drift: [] });
      expect(await app.root.expect<{ drift: unknown[] }>('GET', `/site-resource/${db}`)).toMatchObject({ drift: [] });
    }
  });

  it('a change of one is a conflict; a change of both comes with the second', async () => {
    const orgId = await org();
    const [one, two] = await ofBoth(orgId);
    const changed = shared(orgId, { name: 'Web 2', headers: [{ name: 'X-A', value: 'b' }] }, ['Ops', 'Night shift']);
    const told = {
      ok: false,
      problems: [
        {
          path: 'public-resources.web',
          message: 'it belongs to the blueprint file of the site two, and differs in name, headers',
        },
        { path: 'private-resources.db' },
      ],
    };
    for (let i = 0; i < 2; i++) expect(await send(orgId, one, 'file', changed)).toMatchObject(told);
    expect((await rows(orgId)).map((r) => r.name)).toEqual(['Web']);
    expect(await send(orgId, two, 'file', changed)).toMatchObject({ ok: true });
    expect(await send(orgId, one, 'file', changed)).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => r.name)).toEqual(['Web 2']);
    expect([await rolesOf(orgId, 'resource'), await rolesOf(orgId, 'site_resource')]).toEqual([
      ['Night shift', 'Ops'],
      ['Night shift', 'Ops'],
    ]);
    expect(
      await app.root.expect<{ drift: unknown[] }>('GET', `/resource/${await idOf(orgId, 'resource')}`),
    ).toMatchObject({ drift: [] });
    // What was proposed and taken back is not agreed to.
    expect(await send(orgId, one, 'file', shared(orgId, { name: 'Web 3' }, ['Ops', 'Night shift']))).toMatchObject({
      ok: false,
    });
    expect(await send(orgId, one, 'file', changed)).toMatchObject({ ok: true });
    expect(await send(orgId, two, 'file', shared(orgId, { name: 'Web 3' }, ['Ops', 'Night shift']))).toMatchObject({
      ok: false,
    });
  });

  it('a third one that waits for approval adds neither target nor site', async () => {
    const orgId = await org();
    const [one, two] = await ofBoth(orgId);
    const third = await site(orgId, 'three');
    await suspend(third);
    const before = [await rows(orgId), await privates(orgId)];
    expect(await send(orgId, third, 'file', shared(orgId))).toMatchObject({
      ok: false,
      problems: [
        { path: 'public-resources.web', message: expect.stringContaining('waits for approval') },
        { path: 'private-resources.db', message: expect.stringContaining('waits for approval') },
      ],
    });
    expect([await rows(orgId), await privates(orgId)]).toEqual(before);
    await approve(third);
    expect(await send(orgId, third, 'file', shared(orgId))).toMatchObject({ ok: true });
    expect((await privates(orgId)).map((r) => r.sites)).toEqual([[one.siteId, two.siteId, third.siteId]]);
  });
});
