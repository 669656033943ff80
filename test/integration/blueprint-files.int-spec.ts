import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { environmentTemplates, parse } from '#blueprint';
import { blueprintCalls, domainOf, type Site, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, suspend, approve, send, apply, planOf, rows, privates, history } = blueprintCalls(() => app);

describe('a file stays the truth', () => {
  it('updates what it owns, overwrites drift, and removes what disappears from it, and only that', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const both = {
      'public-resources': {
        ...web({ 'full-domain': domainOf(orgId, 'a') }, 'a')['public-resources'],
        ...web({ 'full-domain': domainOf(orgId, 'b') }, 'b')['public-resources'],
      },
    };
    expect(await send(orgId, s, 'file', both)).toMatchObject({ ok: true });
    await app.root.expect('PUT', `/org/${orgId}/resource`, {
      name: 'Mine',
      http: false,
      protocol: 'tcp',
      proxyPort: 4000,
    });
    const a = (
      await app.sql<{ id: number }>(`SELECT resource_id AS id FROM resource WHERE org_id = $1 AND nice_id = 'a'`, [
        orgId,
      ])
    )[0]!.id;
    await app.root.expect('POST', `/resource/${a}`, { name: 'Changed by hand' });
    const [drift] = await app.sql<{ drift: unknown }>('SELECT drift FROM resource_drift WHERE resource_id = $1', [a]);
    expect(drift!.drift).toEqual([{ field: 'name', file: 'Web', current: 'Changed by hand' }]);
    expect(await app.root.expect('GET', `/resource/${a}`)).toMatchObject({
      drift: [{ field: 'name', file: 'Web', current: 'Changed by hand' }],
    });
    const onlyA = web(
      { 'full-domain': domainOf(orgId, 'a'), targets: [{ method: 'http', hostname: '127.0.0.1', port: 9090 }] },
      'a',
    );
    expect(await send(orgId, s, 'file', onlyA)).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => [r.name, r.targets])).toEqual(
      expect.arrayContaining([
        ['Web', `${s.siteId}@127.0.0.1:9090`],
        ['Mine', null],
      ]),
    );
    expect(await rows(orgId)).toHaveLength(2);
    expect(await send(orgId, s, 'file', onlyA)).toMatchObject({ ok: true });
    expect(await history(orgId)).toEqual(['NEWT true', 'NEWT true']);
  });

  it('never overwrites what the operator made: a conflict that names the owner', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await apply(orgId, JSON.stringify(web({ 'full-domain': domainOf(orgId, 'web'), targets: [] })));
    const outcome = await send(orgId, s, 'file', web({ name: 'Stolen', 'full-domain': domainOf(orgId, 'web') }));
    expect(outcome).toMatchObject({
      ok: false,
      problems: [{ path: 'public-resources.web', message: expect.stringContaining('belongs to the operator') }],
    });
    expect((await rows(orgId))[0]!.name).toBe('Web');
  });

  it('lets two sites share a resource: each adds its own targets, and leaves with them alone', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const document = web({ 'full-domain': domainOf(orgId, 'web') });
    expect(await send(orgId, one, 'file', document)).toMatchObject({ ok: true });
    expect(await send(orgId, two, 'file', document)).toMatchObject({ ok: true });
    expect((await rows(orgId))[0]!.targets).toBe(`${one.siteId}@127.0.0.1:8080 ${two.siteId}@127.0.0.1:8080`);
    expect(await send(orgId, two, 'file', web({ name: 'Other', 'full-domain': domainOf(orgId, 'web') }))).toMatchObject(
      { ok: false, problems: [{ message: expect.stringContaining('site one') }] },
    );
    expect(await send(orgId, one, 'file', {})).toMatchObject({ ok: true });
    expect((await rows(orgId))[0]!.targets).toBe(`${two.siteId}@127.0.0.1:8080`);
    expect(await send(orgId, two, 'file', {})).toMatchObject({ ok: true });
    expect(await rows(orgId)).toEqual([]);
  });

  it('from two sites at once makes one resource', async () => {
    const orgId = await org();
    const sites = await Promise.all([1, 2, 3, 4].map((n) => site(orgId, `s${n}`)));
    const outcomes = await Promise.all(
      sites.map((s) => send(orgId, s, 'file', web({ 'full-domain': domainOf(orgId, 'web') }))),
    );
    expect(outcomes.map((o) => o.ok)).toEqual([true, true, true, true]);
    const all = await rows(orgId);
    expect(all).toHaveLength(1);
    expect(all[0]!.targets!.split(' ')).toHaveLength(4);
  });

  it('exposes nothing behind another site', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const outcome = await send(
      orgId,
      one,
      'file',
      web({
        'full-domain': domainOf(orgId, 'web'),
        targets: [{ site: two.niceId, method: 'http', hostname: 'x', port: 1 }],
      }),
    );
    expect(outcome.ok).toBe(false);
  });

  it('of 500 resources takes as many statements as one of five', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const many = (n: number) => ({
      'public-resources': Object.fromEntries(
        Array.from({ length: n }, (_, i) => [
          `r${i}`,
          {
            name: `R${i}`,
            protocol: 'http',
            'full-domain': domainOf(orgId, `r${i}`),
            targets: [{ method: 'http', hostname: '127.0.0.1', port: 80 }],
          },
        ]),
      ),
      'private-resources': Object.fromEntries(
        Array.from({ length: n }, (_, i) => [
          `p${i}`,
          { name: `P${i}`, mode: 'host', destination: `10.1.${i >> 8}.${i & 255}` },
        ]),
      ),
    });
    /** How many the transaction of the document sends; the server asks for other things at the same time, on other connections. */
    const statements = async (document: object) => {
      const query = vi.spyOn(pg.Client.prototype, 'query');
      try {
        expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
        const calls = query.mock.calls as unknown as [string | { text: string }][];
        const sent = calls.map(([statement], i) => ({
          client: query.mock.contexts[i],
          text: typeof statement === 'string' ? statement : statement.text,
        }));
        const { client } = sent.find(({ text }) => text.startsWith('INSERT INTO site_resource ('))!;
        const own = sent.flatMap((one) => (one.client === client ? [one.text] : []));
        const insert = own.findIndex((text) => text.startsWith('INSERT INTO site_resource ('));
        return own.indexOf('COMMIT', insert) - own.lastIndexOf('START TRANSACTION', insert);
      } finally {
        query.mockRestore();
      }
    };
    await send(orgId, s, 'file', {});
    const few = await statements(many(5));
    await send(orgId, s, 'file', {});
    expect(few).toBeGreaterThan(10);
    expect(await statements(many(500))).toBe(few);
    expect(await rows(orgId)).toHaveLength(500);
    expect(new Set((await privates(orgId)).map((p) => p.address)).size).toBe(500);
    expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    expect(await rows(orgId)).toEqual([]);
  });
});

describe('an export', () => {
  const contents = async (s: Site) =>
    (await app.root.expect<{ contents: string }>('GET', `/site/${s.siteId}/blueprint`)).contents;

  it('is what the site owns now, with templates for its secrets, and nothing of others', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await contents(s)).toBe('{}\n');
    await apply(orgId, JSON.stringify(web({ 'full-domain': domainOf(orgId, 'mine'), targets: [] }, 'mine')));
    const file = web(
      { 'full-domain': domainOf(orgId, '7-up'), auth: { password: 'hunter22', pincode: '012345' } },
      '7-up',
    );
    await send(orgId, s, 'file', file);
    await app.sql(`UPDATE resource SET name = 'Edited' WHERE org_id = $1 AND nice_id = '7-up'`, [orgId]);
    const parsed = parse(await contents(s), {
      templates: environmentTemplates({ _7_UP_PASSWORD: 'hunter22', _7_UP_PINCODE: '012345' }),
    });
    expect(parsed.model).toMatchObject({
      publicResources: [
        {
          key: '7-up',
          name: 'Edited',
          targets: [{ hostname: '127.0.0.1', port: 8080 }],
          auth: { password: 'hunter22', pincode: '012345' },
        },
      ],
    });
    expect(parsed.model!.publicResources).toHaveLength(1);
  });

  it('says nothing about access that an older document left behind', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const file = (more: object) => web({ 'full-domain': domainOf(orgId, 'web'), ...more });
    await send(
      orgId,
      s,
      'file',
      file({ auth: { 'sso-enabled': true, 'sso-roles': ['Ops'], 'whitelist-users': ['a@example.org'] } }),
    );
    await send(orgId, s, 'file', file({}));
    expect(await contents(s)).not.toContain('auth');
  });
});

describe('access in a file', () => {
  const grants = async (orgId: string) =>
    (
      await app.sql<{ roles: string[]; emails: string[] }>(
        `SELECT ARRAY(SELECT name FROM resource_role JOIN role USING (role_id) WHERE resource_id = r.resource_id ORDER BY 1) AS roles,
         ARRAY(SELECT email FROM resource_whitelist WHERE resource_id = r.resource_id ORDER BY 1) AS emails FROM resource r WHERE org_id = $1`,
        [orgId],
      )
    )[0]!;
  const file = (orgId: string, more: object = {}) => web({ 'full-domain': domainOf(orgId, 'web'), ...more });
  const auth = { 'sso-enabled': true, 'sso-roles': ['Ops'], 'whitelist-users': ['a@b.org'] };

  it.each([false, true])(
    'goes with the section "auth", what the operator granted stays (of a waiting site: %s)',
    async (waiting) => {
      const orgId = await org();
      const s = await site(orgId);
      if (waiting) await suspend(s);
      await send(orgId, s, 'file', file(orgId, { auth }));
      const [member] = await app.sql<{ id: number }>(
        `SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`,
        [orgId],
      );
      const [row] = await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1', [orgId]);
      await app.root.expect('POST', `/resource/${row!.id}/roles/add`, { roleId: member!.id });
      expect(await send(orgId, s, 'file', file(orgId))).toMatchObject({ ok: true });
      expect(await grants(orgId)).toEqual({ roles: ['Member'], emails: [] });
      expect(await planOf(orgId, s, 'file', file(orgId))).toMatchObject({ changes: [], drift: [], redeclares: false });
      await approve(s);
      expect(await grants(orgId)).toEqual({ roles: ['Member'], emails: [] });
    },
  );

  it('is not touched by a file that never spoke of it, and not taken back for a newt on the session of its claim', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'newt', file(orgId, { auth }), true);
    await send(orgId, s, 'newt', file(orgId), true);
    expect(await grants(orgId)).toEqual({ roles: ['Ops'], emails: ['a@b.org'] });
  });

  it('of a stranger is not told to a site that differs', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    await send(orgId, one, 'file', file(orgId, { auth: { pincode: '123456' } }));
    const { problems } = await send(orgId, two, 'file', file(orgId, { name: 'Other' }));
    expect(problems).toMatchObject([
      {
        path: 'public-resources.web',
        message: 'it belongs to the blueprint file of the site one, and differs in name',
      },
    ]);
    const guess = await send(orgId, two, 'file', file(orgId, { auth: { pincode: '654321' } }));
    expect(guess.problems).toMatchObject([
      { path: 'public-resources.web', message: 'it belongs to the blueprint file of the site one' },
    ]);
    const { body } = await apply(orgId, JSON.stringify(file(orgId, { targets: [] })));
    expect(body.message).toContain('it belongs to the blueprint file of the site one, and differs in pincode');
  });
});

describe('an unmodified newt', () => {
  it('creates and updates what its site owns and prunes nothing on the session of its claim', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'newt', web({ 'full-domain': domainOf(orgId, 'web') }), true);
    await send(orgId, s, 'newt', web({ name: 'Renamed', 'full-domain': domainOf(orgId, 'web') }), true);
    await send(orgId, s, 'newt', {}, true);
    expect((await rows(orgId)).map((r) => r.name)).toEqual(['Renamed']);
  });
});
