import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { environmentTemplates, parse } from '#blueprint';
import { BlueprintsRepository } from '../../src/blueprints/blueprints.repository.js';
import { CurrentStateRepository } from '../../src/blueprints/current-state.repository.js';
import { BlueprintsService, type SiteKind } from '../../src/blueprints/index.js';
import { makePlan } from '../../src/blueprints/plan.js';
import type { Plan } from '../../src/blueprints/plan.types.js';
import { Secrets } from '../../src/blueprints/secrets.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let blueprints: BlueprintsService;
beforeAll(async () => {
  app = await openTestApp();
  blueprints = app.get(BlueprintsService);
});
afterAll(() => app?.close());

interface Site {
  siteId: number;
  niceId: string;
}

let serial = 0;
async function org(): Promise<string> {
  const orgId = `bp${serial++}`;
  await app.makeOrg(orgId);
  return orgId;
}
const site = (orgId: string, name = 'edge') =>
  app.root.expect<Site>('PUT', `/org/${orgId}/site`, { name, type: 'newt' });
const suspend = (s: Site) => app.root.expect('POST', `/site/${s.siteId}`, { status: 'pending' });
const approve = (s: Site) => app.root.expect('POST', `/site/${s.siteId}`, { status: 'approved' });
const send = (orgId: string, s: Site, kind: SiteKind, document: object) =>
  blueprints.applyFromSite(orgId, s.siteId, kind, JSON.stringify(document));
const apply = (orgId: string, text: string, query = '') =>
  app.root.put<{ changes: { action: string; type: string; key: string; fields: string[] }[] } | null>(
    `/org/${orgId}/blueprint${query}`,
    { blueprint: Buffer.from(text).toString('base64') },
  );
/** What applying the document would do. */
async function planOf(orgId: string, s: Site, kind: SiteKind, document: object): Promise<Plan> {
  const parsed = parse(JSON.stringify(document));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const hashes = await app.get(Secrets).hash(orgId, parsed.model);
  return app.db.tx(async (tx) => {
    const site = await app.get(BlueprintsRepository).lockSite(tx, orgId, s.siteId);
    const applicant = { orgId, kind, site, sourceId: await app.get(BlueprintsRepository).sourceOf(tx, s.siteId, kind) };
    return makePlan(
      parsed.model,
      applicant,
      await app.get(CurrentStateRepository).load(tx, applicant, parsed.model),
      hashes,
    );
  });
}
const rows = (orgId: string) =>
  app.sql<{
    key: string;
    name: string;
    enabled: boolean;
    full: string | null;
    staged: number | null;
    targets: string | null;
  }>(
    `SELECT nice_id AS key, name, enabled, full_domain AS full, staged_by AS staged,
       (SELECT string_agg(t.site_id || '@' || t.ip || ':' || t.port, ' ' ORDER BY t.target_id) FROM target t WHERE t.resource_id = r.resource_id) AS targets
     FROM resource r WHERE org_id = $1 ORDER BY nice_id`,
    [orgId],
  );
const privates = (orgId: string) =>
  app.sql<{ key: string; alias: string | null; address: string | null; sites: number[] }>(
    `SELECT nice_id AS key, alias, host(alias_address) AS address, ARRAY(SELECT site_id FROM site_resource_site m WHERE m.site_resource_id = r.site_resource_id ORDER BY 1) AS sites
     FROM site_resource r WHERE org_id = $1 ORDER BY nice_id`,
    [orgId],
  );
const history = async (orgId: string) =>
  (
    await app.root.expect<{ blueprints: { source: string; succeeded: boolean }[] }>('GET', `/org/${orgId}/blueprints`)
  ).blueprints.map((b) => `${b.source} ${b.succeeded}`);

const web = (more: object = {}, key = 'web') => ({
  'public-resources': {
    [key]: {
      name: 'Web',
      protocol: 'http',
      'full-domain': `${key}.localhost`,
      targets: [{ method: 'http', hostname: '127.0.0.1', port: 8080 }],
      ...more,
    },
  },
});
const domainOf = (orgId: string, key: string) => `${key}-${orgId}.localhost`;

describe('the operator applies a blueprint', () => {
  it('as base64 of JSON: 201, nothing in data, and everything is there', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const document = {
      'public-resources': {
        web: {
          name: 'Web',
          protocol: 'http',
          'full-domain': domainOf(orgId, 'web'),
          headers: [{ name: 'X-A', value: 'b' }],
          targets: [
            {
              site: s.niceId,
              method: 'http',
              hostname: '10.0.0.1',
              port: 80,
              healthcheck: { hostname: '10.0.0.1', port: 80 },
            },
          ],
          auth: { password: 'hunter22', 'sso-enabled': true, 'sso-roles': ['Ops', 'Admin'] },
          rules: [{ action: 'deny', match: 'cidr', value: '10.0.0.0/8' }],
        },
      },
      'private-resources': {
        db: { name: 'DB', mode: 'host', destination: '10.0.0.9', site: s.niceId, alias: 'db.internal', roles: ['Ops'] },
      },
    };
    const reply = await apply(orgId, JSON.stringify(document));
    expect(reply.body).toEqual({
      data: null,
      success: true,
      error: false,
      message: 'Blueprint applied successfully',
      status: 201,
    });
    expect(await rows(orgId)).toEqual([
      {
        key: 'web',
        name: 'Web',
        enabled: true,
        full: domainOf(orgId, 'web'),
        staged: null,
        targets: `${s.siteId}@10.0.0.1:80`,
      },
    ]);
    expect(await privates(orgId)).toEqual([
      { key: 'db', alias: 'db.internal', address: '100.96.128.8', sites: [s.siteId] },
    ]);
    const [grants] = await app.sql<{ n: number }>(
      `SELECT count(*) AS n FROM resource_role JOIN role USING (role_id) WHERE org_id = $1 AND name = 'Ops'`,
      [orgId],
    );
    expect(grants!.n).toBe(1);
    const [record] = await app.root
      .expect<{ blueprints: { blueprintId: number }[] }>('GET', `/org/${orgId}/blueprints`)
      .then((l) => l.blueprints);
    const { contents } = await app.root.expect<{ contents: string }>(
      'GET',
      `/org/${orgId}/blueprint/${record!.blueprintId}`,
    );
    expect(contents).toContain('full-domain');
    expect(contents).not.toContain('hunter22');
  });

  it('as YAML, with problems by line, and an unchanged document is a no-op without history', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const yaml = (more = '') =>
      `public-resources:\n  web:\n    name: Web\n    protocol: http\n    full-domain: ${domainOf(orgId, 'web')}\n${more}    targets:\n      - site: ${s.niceId}\n        method: http\n        hostname: localhost\n        port: 80\n    auth:\n      pincode: 123456\n`;
    const put = (text: string) =>
      fetch(`${app.root.url}/v1/org/${orgId}/blueprint`, {
        method: 'PUT',
        body: text,
        headers: { authorization: `Bearer ${app.root.authorization}`, 'content-type': 'application/yaml' },
      });
    const wrong = await put(yaml('    enabld: true\n'));
    expect(wrong.status).toBe(400);
    expect(((await wrong.json()) as { message: string }).message).toMatch(/did you mean "?enabled.*line 6/);
    expect((await put(yaml())).status).toBe(201);
    const version = async () =>
      (await app.sql<{ version: number }>('SELECT version FROM resource WHERE org_id = $1', [orgId]))[0]!.version;
    const before = await version();
    expect((await put(yaml())).status).toBe(201);
    expect(await version()).toBe(before);
    expect(await history(orgId)).toEqual(['API true']);
  });

  it('dryRun answers the plan and changes nothing', async () => {
    const orgId = await org();
    const reply = await apply(
      orgId,
      JSON.stringify(web({ 'full-domain': domainOf(orgId, 'web'), targets: [] })),
      '?dryRun=true',
    );
    expect(reply.status).toBe(200);
    expect(reply.body.data).toEqual({
      changes: [{ action: 'create', type: 'public-resource', key: 'web', fields: [] }],
      drift: [],
    });
    expect(await rows(orgId)).toEqual([]);
    const roles = { 'sso-enabled': true, 'sso-roles': ['Ops', 'Member', 'Admin'] };
    const more = await apply(
      orgId,
      JSON.stringify(web({ 'full-domain': domainOf(orgId, 'web'), targets: [], auth: roles })),
      '?dryRun=true',
    );
    expect(more.body.data!.changes).toEqual([
      { action: 'create', type: 'role', key: 'Ops', fields: [] },
      { action: 'create', type: 'public-resource', key: 'web', fields: [] },
    ]);
  });

  it('takes nothing that is not UTF-8, and says how large a document and a body may be', async () => {
    const orgId = await org();
    const put = async (body: Uint8Array | string, type = 'application/yaml', path = `/v1/org/${orgId}/blueprint`) => {
      const reply = await fetch(`${app.root.url}${path}`, {
        method: 'PUT',
        body,
        headers: { authorization: `Bearer ${app.root.authorization}`, 'content-type': type },
      });
      return [reply.status, ((await reply.json()) as { message: string }).message] as const;
    };
    const latin = Buffer.from('public-resources:\n  raw: {name: caf\xe9, mode: tcp, proxy-port: 4000}\n', 'latin1');
    for (const reply of [
      await put(latin),
      await put(JSON.stringify({ blueprint: latin.toString('base64') }), 'application/json'),
    ])
      expect(reply).toEqual([400, expect.stringContaining('not UTF-8')]);
    expect(await rows(orgId)).toEqual([]);
    const large = `# ${'x'.repeat(1_100_000)}\n{}\n`;
    for (const reply of [
      await put(large),
      await put(JSON.stringify({ blueprint: Buffer.from(large).toString('base64') }), 'application/json'),
    ]) {
      expect(reply).toEqual([400, expect.stringMatching(/the document has 1100006 bytes; at most 262144 are read/)]);
    }
    expect(await put('x'.repeat(2_200_000))).toEqual([
      413,
      'The request body is too large: at most 2097152 bytes are read',
    ]);
    expect(await put(`"${'x'.repeat(1_100_000)}"`, 'application/json', `/v1/org/${orgId}/resource`)).toEqual([
      413,
      'The request body is too large: at most 1048576 bytes are read',
    ]);
  });

  it('makes a raw resource without ssl, as the API does', async () => {
    const orgId = await org();
    expect(
      (
        await apply(
          orgId,
          JSON.stringify({ 'public-resources': { raw: { name: 'Raw', mode: 'tcp', 'proxy-port': 4000 } } }),
        )
      ).status,
    ).toBe(201);
    expect(await app.sql('SELECT ssl FROM resource WHERE org_id = $1', [orgId])).toEqual([{ ssl: false }]);
  });

  it('names pass from one resource of a document to another, in a circle too', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const [one, two, wild] = [domainOf(orgId, 'one'), domainOf(orgId, 'two'), `*.${domainOf(orgId, 'wild')}`];
    const document = (publics: Record<string, string>, aliases: Record<string, string | undefined>) =>
      JSON.stringify({
        'public-resources': Object.fromEntries(
          Object.entries(publics).map(([key, domain]) => [key, { name: key, protocol: 'http', 'full-domain': domain }]),
        ),
        'private-resources': Object.fromEntries(
          Object.entries(aliases).map(([key, alias]) => [
            key,
            { name: key, mode: 'host', destination: '10.0.0.9', site: s.niceId, ...(alias ? { alias } : {}) },
          ]),
        ),
      });
    const put = async (...of: Parameters<typeof document>) =>
      expect((await apply(orgId, document(...of))).body).toMatchObject({ status: 201 });
    const now = async () => [
      (await rows(orgId)).map((r) => `${r.key} ${r.full}`),
      (await privates(orgId)).map((r) => `${r.key} ${r.alias}`),
    ];
    await put({ a: one, b: two, c: wild }, { p: 'p.lan', q: 'q.lan' });
    const address = async (key: string) => (await privates(orgId)).find((r) => r.key === key)!.address;
    const before = await address('p');
    await put({ a: two, b: one, c: wild }, { p: 'q.lan', q: 'p.lan' });
    expect(await now()).toEqual([
      [`a ${two}`, `b ${one}`, `c ${wild}`],
      ['p q.lan', 'q p.lan'],
    ]);
    expect(await address('p')).toBe(before);
    await put(
      { a: domainOf(orgId, 'three'), b: one, c: domainOf(orgId, 'four'), d: two, e: wild.replace('*', 'name') },
      { p: undefined, q: 'p.lan', r: 'q.lan' },
    );
    expect(await now()).toEqual([
      [
        `a ${domainOf(orgId, 'three')}`,
        `b ${one}`,
        `c ${domainOf(orgId, 'four')}`,
        `d ${two}`,
        `e ${wild.replace('*', 'name')}`,
      ],
      ['p null', 'q p.lan', 'r q.lan'],
    ]);
  });

  it('what has a name, port or alias already is called by its key, unless it is a stranger’s', async () => {
    const [orgId, other] = [await org(), await org()];
    const s = await site(orgId);
    const document = (key: string, fullDomain: string) =>
      JSON.stringify({
        'public-resources': {
          [key]: { name: 'Web', protocol: 'http', 'full-domain': fullDomain },
          [`${key}-raw`]: { name: 'Raw', mode: 'tcp', 'proxy-port': 7100 },
        },
        'private-resources': {
          [`${key}-db`]: { name: 'DB', mode: 'host', destination: '10.0.0.9', site: s.niceId, alias: 'db.lan' },
        },
      });
    await apply(orgId, document('a', domainOf(orgId, 'web')));
    await apply(
      other,
      JSON.stringify({
        'public-resources': { theirs: { name: 'T', protocol: 'http', 'full-domain': domainOf(other, 'theirs') } },
      }),
    );
    const told = async (fullDomain: string) => (await apply(orgId, document('b', fullDomain))).body.message;
    for (const key of ['a', 'a-raw', 'a-db'])
      expect(await told(domainOf(orgId, 'web'))).toMatch(
        new RegExp(`is already in use by the (public|private)-resource ${key}\\b`),
      );
    expect(await told(domainOf(other, 'theirs'))).toContain(`${domainOf(other, 'theirs')} is already in use at`);
  });

  it('a name does not pass from a resource that somebody else owns', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'file', web({ 'full-domain': domainOf(orgId, 'web') }));
    const reply = await apply(
      orgId,
      JSON.stringify({
        'public-resources': {
          web: { name: 'Web', protocol: 'http', 'full-domain': domainOf(orgId, 'other') },
          mine: { name: 'Mine', protocol: 'http', 'full-domain': domainOf(orgId, 'web') },
        },
      }),
    );
    expect([reply.status, reply.body.message]).toEqual([
      400,
      expect.stringContaining('it belongs to the blueprint file of the site'),
    ]);
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['web']);
  });

  it('rolls everything back when one thing is wrong, and remembers the failure', async () => {
    const orgId = await org();
    const document = {
      ...web({ 'full-domain': domainOf(orgId, 'web'), targets: [] }),
      'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9', site: 'nowhere' } },
    };
    const reply = await apply(orgId, JSON.stringify(document));
    expect([reply.status, reply.body.message]).toEqual([
      400,
      expect.stringMatching(
        /^Failed to update database from config: Error: there is no site nowhere at "private-resources.db/,
      ),
    ]);
    expect(await rows(orgId)).toEqual([]);
    expect(await history(orgId)).toEqual(['API false']);
  });

  it.each(['{}', '{"blueprint":""}', '{"blueprint":5}', '{"blueprint":"###"}', '{"blueprint":"e30=","x":1}'])(
    'refuses the body %s',
    async (body) => {
      const reply = await app.root.put<never>(`/org/${await org()}/blueprint`, body);
      expect(reply.status).toBe(400);
    },
  );
});

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
    const statements = async (document: object) => {
      const query = vi.spyOn(pg.Client.prototype, 'query');
      try {
        expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
        return query.mock.calls.length;
      } finally {
        query.mockRestore();
      }
    };
    await send(orgId, s, 'file', {});
    const few = await statements(many(5));
    await send(orgId, s, 'file', {});
    // Whatever else the server asks at the same moment is a handful.
    expect(await statements(many(500))).toBeLessThan(few + 10);
    expect(await rows(orgId)).toHaveLength(500);
    expect(new Set((await privates(orgId)).map((p) => p.address)).size).toBe(500);
    expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    expect(await rows(orgId)).toEqual([]);
  });
});

describe('private resources', () => {
  const db = (more: object = {}, key = 'db') => ({
    [key]: { name: 'DB', mode: 'host', destination: '10.0.0.9', ...more },
  });
  const document = (...entries: object[]) => ({ 'private-resources': Object.assign({}, ...entries) as object });
  interface Read {
    siteResourceId: number;
    siteIds: number[];
    drift: { field: string }[];
  }
  const read = async (orgId: string, key = 'db') => {
    const [row] = await app.sql<{ id: number; version: number }>(
      'SELECT site_resource_id AS id, version FROM site_resource WHERE org_id = $1 AND nice_id = $2',
      [orgId, key],
    );
    return { ...(await app.root.expect<Read>('GET', `/site-resource/${row!.id}`)), version: row!.version };
  };

  it('get the lowest free alias addresses when the end of the utility subnet is reached, and none as ranges', async () => {
    const orgId = await org();
    const s = await site(orgId);
    expect(await send(orgId, s, 'file', document(db({}, 'top')))).toMatchObject({ ok: true });
    await app.sql(`UPDATE site_resource SET alias_address = '100.96.143.255' WHERE org_id = $1`, [orgId]);
    expect(
      await send(
        orgId,
        s,
        'file',
        document(db({}, 'top'), db({}, 'a'), db({}, 'b'), db({ mode: 'cidr', destination: '10.0.0.0/24' }, 'c')),
      ),
    ).toMatchObject({ ok: true });
    expect((await privates(orgId)).map((p) => [p.key, p.address])).toEqual([
      ['a', '100.96.128.8'],
      ['b', '100.96.128.9'],
      ['c', null],
      ['top', '100.96.143.255'],
    ]);
    expect(
      await send(
        orgId,
        s,
        'file',
        document(db({ mode: 'cidr', destination: '10.0.0.0/24' }, 'top'), db({}, 'a'), db({}, 'b'), db({}, 'c')),
      ),
    ).toMatchObject({ ok: true });
    expect((await privates(orgId)).map((p) => [p.key, p.address === null])).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
      ['top', true],
    ]);
  });

  it('have their sites in the order of the document', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const put = async (...sites: Site[]) =>
      (await apply(orgId, JSON.stringify(document(db({ sites: sites.map((s) => s.niceId) }))))).status;
    expect(await put(two, one)).toBe(201);
    const before = await read(orgId);
    expect(before.siteIds).toEqual([two.siteId, one.siteId]);
    expect(await put(two, one)).toBe(201);
    expect((await read(orgId)).version).toBe(before.version);
    expect(await put(one, two)).toBe(201);
    const after = await read(orgId);
    expect(after.siteIds).toEqual([one.siteId, two.siteId]);
    expect(after.version).toBeGreaterThan(before.version);
  });

  it.each(['100.90.128.5', '100.96.128.9'])(
    'do not lead to %s, which is an address of the organization itself',
    async (destination) => {
      const orgId = await org();
      const s = await site(orgId);
      const message = expect.stringContaining('own subnets');
      expect(await send(orgId, s, 'file', document(db({ destination })))).toMatchObject({
        ok: false,
        problems: [{ path: 'private-resources.db.destination', message }],
      });
      expect(
        await send(orgId, s, 'file', document(db({ mode: 'cidr', destination: `${destination}/32` }))),
      ).toMatchObject({ ok: false, problems: [{ message }] });
      expect(await send(orgId, s, 'file', document(db()))).toMatchObject({ ok: true });
    },
  );

  it('call a changed field as the API does, in a read and in a plan', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const file = document(db({ 'tcp-ports': '22', 'disable-icmp': true }));
    await send(orgId, s, 'file', file);
    const { siteResourceId } = await read(orgId);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { tcpPortRangeString: '80', disableIcmp: false });
    const drift = [
      { field: 'disableIcmp', file: true, current: false },
      { field: 'tcpPortRangeString', file: '22', current: '80' },
    ];
    const byField = (a: { field: string }, b: { field: string }) => (a.field < b.field ? -1 : 1);
    expect((await read(orgId)).drift.sort(byField)).toEqual(drift);
    const plan = await planOf(orgId, s, 'file', file);
    expect(plan.drift.sort(byField)).toEqual(drift.map((d) => ({ type: 'private-resource', key: 'db', ...d })));
    expect(plan.changes).toEqual([
      { action: 'update', type: 'private-resource', key: 'db', fields: ['tcpPortRangeString', 'disableIcmp'] },
    ]);
  });

  it('keep their alias, and public ones their name and port, when only their key changes', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const all = (suffix: string) => ({
      ...document(db({ destination: 'pg', alias: 'db.internal' }, `db${suffix}`), {
        [`app${suffix}`]: { name: 'App', mode: 'http', destination: 'app', 'full-domain': domainOf(orgId, 'app') },
      }),
      'public-resources': {
        [`web${suffix}`]: { name: 'Web', mode: 'http', 'full-domain': domainOf(orgId, 'web') },
        [`raw${suffix}`]: { name: 'Raw', mode: 'tcp', 'proxy-port': 4000 },
      },
    });
    expect(await send(orgId, s, 'file', all('-1'))).toMatchObject({ ok: true });
    expect(await send(orgId, s, 'file', all('-2'))).toMatchObject({ ok: true });
    expect((await rows(orgId)).map((r) => r.key)).toEqual(['raw-2', 'web-2']);
    expect((await privates(orgId)).map((p) => [p.key, p.alias])).toEqual([
      ['app-2', null],
      ['db-2', 'db.internal'],
    ]);
  });

  it('say which name another resource has', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const of = (key: string) => ({
      ...document(db({ destination: 'pg', alias: 'DB.internal' }, key), {
        [`app-${key}`]: { name: 'App', mode: 'http', destination: 'app', 'full-domain': domainOf(orgId, 'app') },
      }),
      'public-resources': { [`raw-${key}`]: { name: 'Raw', mode: 'udp', 'proxy-port': 4000 } },
    });
    expect(await send(orgId, one, 'file', of('x'))).toMatchObject({ ok: true });
    const refused = await send(orgId, two, 'file', of('y'));
    expect([refused.ok, refused.problems.map((p) => p.path)]).toEqual([
      false,
      ['public-resources.raw-y.proxy-port', 'private-resources.y.alias', 'private-resources.app-y.full-domain'],
    ]);
  });

  it('are no longer changed when the file takes over what somebody changed', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'file', document(db()));
    const { siteResourceId } = await read(orgId);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { name: 'Store' });
    expect((await read(orgId)).drift).toHaveLength(1);
    await send(orgId, s, 'file', document(db({ name: 'Store' })));
    expect((await read(orgId)).drift).toEqual([]);
    expect(await history(orgId)).toEqual(['NEWT true']);
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

  it('is not touched by a file that never spoke of it, and not taken back for a newt', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'newt', file(orgId, { auth }));
    await send(orgId, s, 'newt', file(orgId));
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

describe('drift', () => {
  const person = (orgId: string) => `ops@${orgId}.example`;
  /** A person of the organization, and two of its roles. */
  const people = async (orgId: string) => {
    await app.sql(`INSERT INTO "user" (user_id, username, email, password_hash) VALUES ($1, $1, $1, 'x')`, [
      person(orgId),
    ]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, person(orgId)]);
  };
  const all = (orgId: string) => ({
    'public-resources': {
      web: {
        name: 'Web',
        mode: 'http',
        'full-domain': domainOf(orgId, 'web'),
        targets: [
          { method: 'http', hostname: '127.0.0.1', port: 8080 },
          { method: 'http', hostname: '127.0.0.1', port: 8081 },
        ],
        rules: [{ action: 'deny', match: 'cidr', value: '10.0.0.0/8' }],
        auth: {
          password: 'hunter22',
          'sso-enabled': true,
          'sso-roles': ['Ops'],
          'sso-users': [person(orgId)],
          'whitelist-users': ['a@b.org'],
        },
      },
    },
    'private-resources': {
      db: { name: 'DB', mode: 'host', destination: '10.0.0.9', roles: ['Ops'], users: [person(orgId)] },
    },
  });
  interface Drift {
    field: string;
    file: unknown;
    current: unknown;
  }
  const driftOf = async (path: string) => (await app.root.expect<{ drift: Drift[] }>('GET', path)).drift;
  const ids = async (orgId: string) =>
    (
      await app.sql<{ web: number; db: number; targets: number[]; rule: number }>(
        `SELECT r.resource_id AS web, p.site_resource_id AS db, ARRAY(SELECT target_id::int FROM target t WHERE t.resource_id = r.resource_id ORDER BY 1) AS targets, u.rule_id AS rule
       FROM resource r JOIN site_resource p USING (org_id) JOIN resource_rule u USING (resource_id) WHERE r.org_id = $1`,
        [orgId],
      )
    )[0]!;
  const edits = async (orgId: string, { siteId }: Site) => {
    const { web: r, db, targets, rule } = await ids(orgId);
    const { olmId, olmSecret, subnet } = await app.root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
      'GET',
      `/org/${orgId}/pick-client-defaults`,
    );
    const client = await app.root.expect<{ clientId: number }>('PUT', `/org/${orgId}/client`, {
      name: 'M',
      type: 'olm',
      olmId,
      secret: olmSecret,
      subnet,
    });
    await app.root.expect('POST', `/resource/${r}/rule/${rule}`, { action: 'ACCEPT', priority: 1 });
    await app.root.expect('POST', `/target/${targets[0]}`, { siteId, ip: '127.0.0.1', method: 'http', port: 9999 });
    await app.root.expect('DELETE', `/target/${targets[1]}`);
    await app.root.expect('POST', `/resource/${r}/roles`, { roleIds: [] });
    await app.root.expect('POST', `/resource/${r}/users`, { userIds: [] });
    await app.root.expect('POST', `/resource/${r}/whitelist`, { emails: ['c@d.org'] });
    await app.root.expect('POST', `/resource/${r}/password`, { password: 'another1' });
    await app.root.expect('POST', `/site-resource/${db}/roles`, { roleIds: [] });
    await app.root.expect('POST', `/site-resource/${db}/users`, { userIds: [] });
    await app.root.expect('POST', `/site-resource/${db}/clients`, { clientIds: [client.clientId] });
    return { r, db };
  };

  it.each([false, true])(
    'shows edited targets, rules, grants and secrets of a resource (of a waiting site: %s), and in the plan; an apply sets them back',
    async (waiting) => {
      const orgId = await org();
      await people(orgId);
      const s = await site(orgId);
      if (waiting) await suspend(s);
      expect(await send(orgId, s, 'file', all(orgId))).toMatchObject({ ok: true });
      const { web: r, db } = await ids(orgId);
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      await edits(orgId, s);
      const target = (port: number) =>
        expect.objectContaining({ siteId: s.siteId, ip: '127.0.0.1', port, method: 'http', pathMatchType: null });
      const drift = await driftOf(`/resource/${r}`);
      expect(drift).toEqual(
        expect.arrayContaining([
          { field: 'targets', file: [target(8080), target(8081)], current: [target(9999)] },
          {
            field: 'rules',
            file: [expect.objectContaining({ action: 'DROP', match: 'CIDR', value: '10.0.0.0/8' })],
            current: [expect.objectContaining({ action: 'ACCEPT' })],
          },
          ...(waiting ? [] : [{ field: 'roles', file: ['Ops'], current: [] }]),
          { field: 'users', file: [person(orgId)], current: [] },
          { field: 'emails', file: ['a@b.org'], current: ['c@d.org'] },
          { field: 'password', file: '********', current: '********' },
        ]),
      );
      const machine = [expect.any(String)];
      const privately = await driftOf(`/site-resource/${db}`);
      expect(privately).toEqual(
        expect.arrayContaining([
          { field: 'users', file: [person(orgId)], current: [] },
          { field: 'clients', file: [], current: machine },
        ]),
      );
      const plan = await planOf(orgId, s, 'file', all(orgId));
      const sorted = (list: Drift[]) => list.map(({ field }) => field).sort();
      expect(sorted(plan.drift.filter((d) => d.key === 'web'))).toEqual(sorted(drift));
      expect(sorted(plan.drift.filter((d) => d.key === 'db'))).toEqual(sorted(privately));
      expect(await send(orgId, s, 'file', all(orgId))).toMatchObject({ ok: true });
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      if (!waiting) return;
      await approve(s);
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      expect(await planOf(orgId, s, 'file', all(orgId))).toMatchObject({ changes: [], drift: [], redeclares: false });
    },
  );

  it('is shown of a resource that waits, and "enabled" is not drift because the site waits or is suspended', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await suspend(s);
    await send(orgId, s, 'file', web({ 'full-domain': domainOf(orgId, 'web') }));
    const [{ id }] = (await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1', [
      orgId,
    ])) as [{ id: number }];
    expect(await driftOf(`/resource/${id}`)).toEqual([]);
    await app.root.expect('POST', `/resource/${id}`, { name: 'By hand' });
    expect(await driftOf(`/resource/${id}`)).toEqual([{ field: 'name', file: 'Web', current: 'By hand' }]);
    await approve(s);
    await suspend(s);
    expect((await driftOf(`/resource/${id}`)).map((d) => d.field)).toEqual(['name']);
  });

  it('of two sites that share is each one’s own, and an operator’s plan shows it', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const document = {
      ...web({ 'full-domain': domainOf(orgId, 'web') }),
      'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9' } },
    };
    for (const s of [one, two]) expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    const [row] = await app.sql<{ web: number; db: number; target: number }>(
      'SELECT resource_id AS web, site_resource_id AS db, max(target_id) AS target FROM resource JOIN site_resource USING (org_id) JOIN target USING (resource_id) WHERE resource.org_id = $1 GROUP BY 1, 2',
      [orgId],
    );
    expect([await driftOf(`/resource/${row!.web}`), await driftOf(`/site-resource/${row!.db}`)]).toEqual([[], []]);
    await app.root.expect('POST', `/target/${row!.target}`, {
      siteId: two.siteId,
      ip: '127.0.0.1',
      port: 8080,
      priority: 7,
    });
    await app.root.expect('POST', `/resource/${row!.web}`, { name: 'By hand' });
    await app.root.expect('POST', `/site-resource/${row!.db}`, { siteIds: [one.siteId] });
    expect((await driftOf(`/resource/${row!.web}`)).map((d) => d.field).sort()).toEqual(['name', 'targets']);
    expect(await driftOf(`/site-resource/${row!.db}`)).toEqual([
      { field: 'siteIds', file: [two.siteId], current: [one.siteId] },
    ]);
    const named = web({ 'full-domain': domainOf(orgId, 'web'), targets: [] });
    const reply = await apply(orgId, JSON.stringify(named), '?dryRun=true');
    expect(reply.body.data).toMatchObject({
      changes: [{ action: 'update', key: 'web', fields: ['name'] }],
      drift: expect.arrayContaining([
        { type: 'public-resource', key: 'web', field: 'name', file: 'Web', current: 'By hand' },
      ]),
    });
    expect((reply.body.data as unknown as { drift: Drift[] }).drift.map((d) => d.field).sort()).toEqual([
      'name',
      'targets',
    ]);
  });

  it('shows no secret of a header', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const headers = (value: string) => [
      { name: 'Authorization', value },
      { name: 'X-Plain', value },
    ];
    const target = (value: string) => ({
      method: 'http',
      hostname: '127.0.0.1',
      port: 8080,
      healthcheck: { hostname: '127.0.0.1', port: 8080, headers: headers(value) },
    });
    const document = (value: string) =>
      web({ 'full-domain': domainOf(orgId, 'web'), headers: headers(value), targets: [target(value)] });
    await send(orgId, s, 'file', document('sesame1'));
    await app.sql(
      `UPDATE resource SET headers = replace(headers::text, 'sesame1', 'sesame2')::jsonb WHERE org_id = $1`,
      [orgId],
    );
    await app.sql(
      `UPDATE target SET hc_headers = replace(hc_headers::text, 'sesame1', 'sesame2')::jsonb WHERE org_id = $1`,
      [orgId],
    );
    const [row] = await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1', [orgId]);
    const { drift } = await planOf(orgId, s, 'file', document('sesame1'));
    for (const seen of [await driftOf(`/resource/${row!.id}`), drift]) {
      expect(seen.map((d) => d.field).sort()).toEqual(['headers', 'targets']);
      const text = JSON.stringify(seen);
      expect(text).toContain('{"name":"Authorization","value":"********"}');
      expect([text.match(/sesame1/g)?.length, text.match(/sesame2/g)?.length]).toEqual([2, 2]);
    }
  });

  it('is gone when the document takes over what somebody changed, or no longer speaks of it', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const rules = (value: string) =>
      web({
        'full-domain': domainOf(orgId, 'web'),
        rules: [{ action: 'deny', match: 'cidr', value: '10.0.0.0/8', enabled: value === 'on' }],
      });
    await send(orgId, s, 'file', rules('on'));
    const [row] = await app.sql<{ r: number; rule: number }>(
      'SELECT resource_id AS r, rule_id AS rule FROM resource JOIN resource_rule USING (resource_id) WHERE resource.org_id = $1',
      [orgId],
    );
    await app.root.expect('POST', `/resource/${row!.r}/rule/${row!.rule}`, { enabled: false, priority: 1 });
    expect((await driftOf(`/resource/${row!.r}`)).map((d) => d.field)).toEqual(['rules']);
    expect(await send(orgId, s, 'file', rules('off'))).toMatchObject({ ok: true });
    expect(await driftOf(`/resource/${row!.r}`)).toEqual([]);
  });

  it('of targets that a file adds to somebody else’s resource goes with them', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await apply(
      orgId,
      JSON.stringify(
        web({ 'full-domain': domainOf(orgId, 'web'), targets: [], 'sites-may-add-targets': { sites: [s.niceId] } }),
      ),
    );
    const adds = { 'public-resources': { web: { targets: [{ method: 'http', hostname: '127.0.0.1', port: 8080 }] } } };
    expect(await send(orgId, s, 'file', adds)).toMatchObject({ ok: true });
    const [row] = await app.sql<{ r: number; target: number }>(
      'SELECT resource_id AS r, target_id AS target FROM resource JOIN target USING (resource_id) WHERE resource.org_id = $1',
      [orgId],
    );
    await app.root.expect('DELETE', `/target/${row!.target}`);
    expect(await driftOf(`/resource/${row!.r}`)).toMatchObject([{ field: 'targets', current: [] }]);
    expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    expect(await driftOf(`/resource/${row!.r}`)).toEqual([]);
  });
});

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

describe('an unmodified newt', () => {
  it('creates and updates what its site owns and prunes nothing', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await send(orgId, s, 'newt', web({ 'full-domain': domainOf(orgId, 'web') }));
    await send(orgId, s, 'newt', web({ name: 'Renamed', 'full-domain': domainOf(orgId, 'web') }));
    await send(orgId, s, 'newt', {});
    expect((await rows(orgId)).map((r) => r.name)).toEqual(['Renamed']);
  });
});

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
