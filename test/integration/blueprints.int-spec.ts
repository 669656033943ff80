import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blueprintCalls, domainOf, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, send, apply, rows, privates, history } = blueprintCalls(() => app);

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
