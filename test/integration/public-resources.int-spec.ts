import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import type { Api } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
  await app.makeOrg('acme');
  await app.makeOrg('other');
});
afterAll(() => app?.close());

interface Resource extends Record<string, unknown> {
  resourceId: number;
  niceId: string;
  name: string;
  fullDomain: string | null;
  subdomain: string | null;
  domainId: string | null;
}
interface List {
  resources: (Resource & { targets: Record<string, unknown>[]; sites: Record<string, unknown>[] })[];
  pagination: { total: number; page: number; pageSize: number };
}

let serial = 0;
const fresh = (what = 'r') => `${what}${++serial}`;
const baseDomain = async (orgId: string) =>
  (
    await app.root.expect<{ domains: { domainId: string; configManaged: boolean }[] }>('GET', `/org/${orgId}/domains`)
  ).domains.find((d) => d.configManaged)!.domainId;
const domain = async (orgId: string, type = 'wildcard') =>
  app.root.expect<{ domainId: string }>('PUT', `/org/${orgId}/domain`, {
    type,
    baseDomain: `${fresh('d')}.example.com`,
  });
const http = async (orgId: string, more: object = {}) => ({
  name: 'App',
  http: true,
  protocol: 'tcp',
  domainId: await baseDomain(orgId),
  subdomain: fresh(),
  ...more,
});
const create = async (orgId = 'acme', more: object = {}) =>
  app.root.expect<Resource>('PUT', `/org/${orgId}/resource`, await http(orgId, more));
const raw = (more: object = {}) => ({
  name: 'Raw',
  http: false,
  protocol: 'udp',
  proxyPort: 20_000 + ++serial,
  ...more,
});
const site = async (orgId: string, type = 'newt', name = fresh('site')) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name, type })).siteId;
const target = (resourceId: number, siteId: number, more: object = {}) =>
  app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
    siteId,
    ip: '10.0.0.9',
    port: 80,
    method: 'http',
    ...more,
  });
const read = (id: number) => app.root.expect<Resource>('GET', `/resource/${id}`);
const auditOf = (action: string, id: number) =>
  app.sql<{ orgId: string }>(
    `SELECT org_id AS "orgId" FROM audit WHERE action = $1 AND target_type = 'resource' AND target_id = $2`,
    [action, String(id)],
  );
const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });
async function org(): Promise<string> {
  const orgId = fresh('org');
  await app.makeOrg(orgId);
  return orgId;
}

const ROW = [
  'resourceId',
  'resourceGuid',
  'orgId',
  'niceId',
  'name',
  'subdomain',
  'fullDomain',
  'domainId',
  'ssl',
  'blockAccess',
  'sso',
  'http',
  'protocol',
  'proxyPort',
  'emailWhitelistEnabled',
  'applyRules',
  'enabled',
  'stickySession',
  'tlsServerName',
  'setHostHeader',
  'enableProxy',
  'skipToIdpId',
  'headers',
  'proxyProtocol',
  'proxyProtocolVersion',
  'maintenanceModeEnabled',
  'maintenanceModeType',
  'maintenanceTitle',
  'maintenanceMessage',
  'maintenanceEstimatedTime',
  'postAuthPath',
  'health',
  'wildcard',
  'passwordId',
  'pincodeId',
  'headerAuthId',
  'sitesMayAddTargets',
];

describe('the walkthrough', () => {
  it('list domains, create an HTTP resource, add a target', async () => {
    const key = await app.orgKey('acme', 'listOrgDomains', 'createResource', 'createTarget');
    const domains = await key.get<{
      domains: { domainId: string; baseDomain: string; verified: boolean; type: string }[];
    }>('/v1/org/acme/domains');
    expect(domains.body).toMatchObject({
      data: { pagination: { limit: 1000, offset: 0 } },
      success: true,
      error: false,
      message: 'Domains retrieved successfully',
      status: 200,
    });
    const { domainId } = domains.body.data.domains.find((d) => d.baseDomain === 'gate.example.net' && d.verified)!;
    const made = await key.put<Resource>('/v1/org/acme/resource', {
      name: 'My Resource',
      http: true,
      subdomain: 'my-subdomain',
      domainId,
      protocol: 'tcp',
    });
    expect(made.body).toMatchObject({
      data: {
        resourceId: expect.any(Number),
        niceId: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/),
        name: 'My Resource',
        subdomain: 'my-subdomain',
        fullDomain: 'my-subdomain.gate.example.net',
        domainId,
      },
      success: true,
      error: false,
      message: 'Http resource created successfully',
      status: 201,
    });
    const { resourceId } = made.body.data;
    const siteId = await site('acme');
    const added = await key.put<Record<string, unknown>>(`/v1/resource/${resourceId}/target`, {
      ip: 'localhost',
      port: 8080,
      method: 'http',
      siteId,
    });
    expect(added.body).toMatchObject({
      data: { targetId: expect.any(Number), resourceId, siteId, ip: 'localhost', method: 'http', port: 8080 },
      success: true,
      error: false,
      message: 'Target created successfully',
      status: 201,
    });
  });
});

describe('create', () => {
  it('answers the whole row, and a read the same with parsed headers', async () => {
    const made = await create('acme', { stickySession: true, postAuthPath: '/home' });
    expect(Object.keys(made)).toEqual(expect.arrayContaining(ROW));
    expect(Object.keys(made)).toHaveLength(ROW.length);
    expect(made).toMatchObject({
      orgId: 'acme',
      ssl: true,
      sso: true,
      blockAccess: false,
      http: true,
      protocol: 'tcp',
      proxyPort: null,
      emailWhitelistEnabled: false,
      applyRules: false,
      enabled: true,
      stickySession: true,
      enableProxy: true,
      headers: null,
      proxyProtocol: false,
      proxyProtocolVersion: 1,
      maintenanceModeEnabled: false,
      maintenanceModeType: 'forced',
      postAuthPath: '/home',
      health: 'unknown',
      wildcard: false,
      passwordId: null,
    });
    expect(await read(made.resourceId)).toEqual({ ...made, drift: [] });
    expect(await auditOf('resource.create', made.resourceId)).toEqual([{ orgId: 'acme' }]);
  });

  it('an HTTP resource is stored as tcp; null, "" and no subdomain are the base domain', async () => {
    const { domainId } = await domain('acme');
    const made = await create('acme', { domainId, subdomain: null, protocol: 'udp' });
    expect(made).toMatchObject({
      protocol: 'tcp',
      subdomain: null,
      fullDomain: expect.stringMatching(/^d\d+\.example\.com$/),
    });
    for (const subdomain of ['', undefined, null])
      expect((await app.root.put('/org/acme/resource', await http('acme', { domainId, subdomain }))).status).toBe(409);
  });

  it('names are lower case, deep ones are fine, `*` and `*.labels` are wildcards', async () => {
    const { domainId } = await domain('acme');
    expect(await create('acme', { domainId, subdomain: 'Deep.ER' })).toMatchObject({
      subdomain: 'Deep.ER',
      fullDomain: expect.stringMatching(/^deep\.er\.d/),
      wildcard: false,
    });
    expect(await create('acme', { domainId, subdomain: '*' })).toMatchObject({
      subdomain: '*',
      fullDomain: expect.stringMatching(/^\*\.d/),
      wildcard: true,
    });
    expect(await create('acme', { domainId, subdomain: '*.Low' })).toMatchObject({
      fullDomain: expect.stringMatching(/^\*\.low\.d/),
      wildcard: true,
    });
  });

  it('a wildcard and a name that it covers exclude each other', async () => {
    const { domainId } = await domain('acme');
    await create('acme', { domainId, subdomain: 'a' });
    expect(await app.root.put('/org/acme/resource', await http('acme', { domainId, subdomain: '*' }))).toMatchObject({
      status: 409,
      body: { message: expect.stringMatching(/conflicts with a wildcard/) },
    });
    await create('acme', { domainId, subdomain: 'x.deep' });
    const star = await create('acme', { domainId, subdomain: '*.b' });
    expect((await app.root.put('/org/acme/resource', await http('acme', { domainId, subdomain: 'c.b' }))).status).toBe(
      409,
    );
    await create('acme', { domainId, subdomain: 'c.c.b' });
    expect((await app.root.post(`/resource/${star.resourceId}`, { subdomain: '*.deep' })).status).toBe(409);
    expect((await app.root.post(`/resource/${star.resourceId}`, { subdomain: '*.free' })).status).toBe(200);
    await create('acme', { domainId, subdomain: 'c.b' });
  });

  it('a wildcard and names below it at once: never both', async () => {
    for (let round = 0; round < 5; round++) {
      const { domainId } = await domain('acme');
      const bodies = await Promise.all(['*', 'a', 'b', 'c'].map((subdomain) => http('acme', { domainId, subdomain })));
      const statuses = (await Promise.all(bodies.map((body) => app.root.put('/org/acme/resource', body)))).map(
        (r) => r.status,
      );
      expect(statuses[0] === 201 ? statuses.slice(1) : statuses.slice(0, 1)).toEqual(
        statuses[0] === 201 ? [409, 409, 409] : [409],
      );
    }
  });

  it('cname: always the base, no subdomain, no wildcard; an unverified domain is 400', async () => {
    const { domainId } = await domain('acme', 'cname');
    expect(await app.root.put('/org/acme/resource', await http('acme', { domainId }))).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'domainId' }] },
    });
    await app.sql('UPDATE domain SET verified = true WHERE domain_id = $1', [domainId]);
    expect((await app.root.put('/org/acme/resource', await http('acme', { domainId, subdomain: '*' }))).status).toBe(
      400,
    );
    expect(await create('acme', { domainId, subdomain: 'ignored' })).toMatchObject({
      subdomain: null,
      fullDomain: expect.stringMatching(/^d\d+\.example\.com$/),
    });
  });

  it("another organization's domain is 404, like one that does not exist", async () => {
    const { domainId } = await domain('other');
    for (const id of [domainId, 'nosuchdomain'])
      expect(await app.root.put('/org/acme/resource', await http('acme', { domainId: id }))).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    const mine = await create();
    expect((await app.root.post(`/resource/${mine.resourceId}`, { domainId })).status).toBe(404);
  });

  it('one full domain from two organizations at once: one 201, one 409', async () => {
    const subdomain = fresh('race');
    const bodies = [await http('acme', { subdomain }), await http('other', { subdomain: subdomain.toUpperCase() })];
    const replies = await Promise.all(
      bodies.flatMap((body, i) => [1, 2].map(() => app.root.put(`/org/${['acme', 'other'][i]}/resource`, body))),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([201, 409, 409, 409]);
    expect(
      await app.sql('SELECT FROM resource WHERE full_domain = $1', [`${subdomain}.gate.example.net`]),
    ).toHaveLength(1);
  });

  it('raw: a port of its own', async () => {
    const body = raw();
    const made = await app.root.put<Resource>('/org/acme/resource', body);
    expect(made).toMatchObject({
      status: 201,
      body: {
        message: 'Raw resource created successfully',
        data: {
          http: false,
          protocol: 'udp',
          proxyPort: body.proxyPort,
          fullDomain: null,
          domainId: null,
          ssl: false,
          sso: false,
        },
      },
    });
    expect((await app.root.put('/org/acme/resource', body)).status).toBe(409);
    expect((await app.root.put('/org/acme/resource', { ...body, protocol: 'tcp' })).status).toBe(201);
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(256) }, 'name'],
    [{ http: 'yes' }, 'http'],
    [{ protocol: 'icmp' }, 'protocol'],
    [{ domainId: undefined }, 'domainId'],
    [{ proxyPort: 80 }, 'proxyPort'],
    [{ niceId: 'mine' }, 'niceId'],
    [{ subdomain: '-a' }, 'subdomain'],
    [{ subdomain: 'a-' }, 'subdomain'],
    [{ subdomain: 'a..b' }, 'subdomain'],
    [{ subdomain: 'a_b' }, 'subdomain'],
    [{ subdomain: 'a.*' }, 'subdomain'],
    [{ subdomain: '**' }, 'subdomain'],
    [{ subdomain: '*a' }, 'subdomain'],
    [{ subdomain: 'ü' }, 'subdomain'],
    [{ subdomain: 'a'.repeat(64) }, 'subdomain'],
    [{ subdomain: `${'a.'.repeat(119)}a` }, 'subdomain'],
    [{ subdomain: 7 }, 'subdomain'],
  ])('refuses %j of an HTTP resource, naming the field', async (more, path) => {
    expect(await app.root.put('/org/acme/resource', await http('acme', more))).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it.each([
    [{ proxyPort: undefined }, 'proxyPort'],
    [{ proxyPort: 0 }, 'proxyPort'],
    [{ proxyPort: 65_536 }, 'proxyPort'],
    [{ domainId: 'x' }, 'domainId'],
    [{ subdomain: 'x' }, 'subdomain'],
    [{ postAuthPath: '/' }, 'postAuthPath'],
  ])('refuses %j of a raw resource, naming the field', async (more, path) => {
    expect(await app.root.put('/org/acme/resource', raw(more))).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('the host of the server itself is taken', async () => {
    const self = await openTestApp({ BASE_DOMAIN: 'example.net', PUBLIC_URL: 'http://gate.example.net:3000' });
    try {
      await self.makeOrg('acme');
      const { domains } = await self.root.expect<{ domains: { domainId: string }[] }>('GET', '/org/acme/domains');
      expect(
        (
          await self.root.put('/org/acme/resource', {
            name: 'x',
            http: true,
            protocol: 'tcp',
            domainId: domains[0]!.domainId,
            subdomain: 'gate',
          })
        ).status,
      ).toBe(409);
    } finally {
      await self.close();
    }
  });

  it('the old path under a site works too', async () => {
    const siteId = await site('acme');
    const made = await app.root.put<Resource>(`/v1/org/acme/site/${siteId}/resource`, await http('acme'));
    expect(made.status).toBe(201);
    await target(made.body.data.resourceId, siteId);
    const { resources, pagination } = await app.root.expect<List>('GET', `/v1/site/${siteId}/resources`);
    expect(resources).toMatchObject([{ resourceId: made.body.data.resourceId, sites: [{ siteId }] }]);
    expect(pagination).toEqual({ total: 1, pageSize: 20, page: 1 });
    expect((await app.root.put(`/org/acme/site/${await site('other')}/resource`, await http('acme'))).status).toBe(404);
    expect((await app.root.get(`/site/${siteId}/resources?siteId=1`)).status).toBe(400);
  });
});

describe('change', () => {
  it('every field of an HTTP resource, read back as it was sent', async () => {
    const { resourceId } = await create();
    const sent = {
      name: 'New name',
      niceId: fresh('nice-'),
      ssl: false,
      sso: false,
      blockAccess: true,
      emailWhitelistEnabled: true,
      applyRules: true,
      enabled: false,
      stickySession: true,
      tlsServerName: 'inner.example.com',
      setHostHeader: '',
      headers: [
        { name: 'X-One', value: 'a\tb' },
        { name: 'x-two', value: '' },
      ],
      maintenanceModeEnabled: true,
      maintenanceModeType: 'automatic',
      maintenanceTitle: 'Back soon',
      maintenanceMessage: 'At work',
      maintenanceEstimatedTime: 'an hour',
      postAuthPath: '/in',
      skipToIdpId: null,
    };
    const reply = await app.root.post<Resource>(`/v1/resource/${resourceId}`, sent);
    expect(reply).toMatchObject({
      status: 200,
      body: { message: 'Resource updated successfully', data: { ...sent, headers: JSON.stringify(sent.headers) } },
    });
    expect(await read(resourceId)).toMatchObject(sent);
    await app.root.expect('POST', `/resource/${resourceId}`, {
      headers: null,
      tlsServerName: null,
      maintenanceTitle: null,
    });
    expect(await read(resourceId)).toMatchObject({
      ...sent,
      headers: null,
      tlsServerName: null,
      maintenanceTitle: null,
    });
    expect(await auditOf('resource.update', resourceId)).toHaveLength(2);
  });

  it('subdomain alone, domain alone, both', async () => {
    const { resourceId, fullDomain } = await create('acme', { subdomain: fresh('sub') });
    const label = fullDomain!.split('.')[0]!;
    const { domainId } = await domain('acme');
    const base = (await app.root.expect<{ baseDomain: string }>('GET', `/org/acme/domain/${domainId}`)).baseDomain;
    expect(await app.root.expect('POST', `/resource/${resourceId}`, { domainId })).toMatchObject({
      domainId,
      subdomain: label,
      fullDomain: `${label}.${base}`,
    });
    expect(await app.root.expect('POST', `/resource/${resourceId}`, { subdomain: null })).toMatchObject({
      domainId,
      subdomain: null,
      fullDomain: base,
    });
    expect(
      await app.root.expect('POST', `/resource/${resourceId}`, {
        domainId: await baseDomain('acme'),
        subdomain: 'Again',
      }),
    ).toMatchObject({ fullDomain: 'again.gate.example.net' });
    expect(await app.root.expect('POST', `/resource/${resourceId}`, { subdomain: 'again' })).toMatchObject({
      subdomain: 'again',
      fullDomain: 'again.gate.example.net',
    });
    await create('other', { subdomain: 'taken' });
    expect((await app.root.post(`/resource/${resourceId}`, { subdomain: 'taken' })).status).toBe(409);
  });

  it('a raw resource has fields of its own', async () => {
    const { resourceId } = await app.root.expect<Resource>('PUT', '/org/acme/resource', raw());
    const sent = {
      name: 'n',
      niceId: fresh('raw_'),
      proxyPort: 30_000,
      stickySession: true,
      enabled: false,
      proxyProtocol: true,
      proxyProtocolVersion: 2,
    };
    expect(await app.root.expect('POST', `/resource/${resourceId}`, sent)).toMatchObject(sent);
    expect(await read(resourceId)).toMatchObject(sent);
    for (const wrong of [
      { ssl: true },
      { subdomain: 'a' },
      { headers: [] },
      { sso: true },
      { maintenanceTitle: null },
    ]) {
      expect(await app.root.post(`/resource/${resourceId}`, wrong)).toMatchObject({
        status: 400,
        body: { fields: [{ path: Object.keys(wrong)[0] }] },
      });
    }
    const other = await app.root.expect<Resource>('PUT', '/org/acme/resource', raw());
    expect((await app.root.post(`/resource/${other.resourceId}`, { proxyPort: 30_000 })).status).toBe(409);
    expect((await app.root.post(`/resource/${(await create()).resourceId}`, { proxyPort: 1 })).status).toBe(400);
  });

  it.each([
    [{}, 'body'],
    [{ name: null }, 'name'],
    [{ niceId: 'a b' }, 'niceId'],
    [{ niceId: '12' }, 'niceId'],
    [{ niceId: '..' }, 'niceId'],
    [{ niceId: 'a/b' }, 'niceId'],
    [{ ssl: null }, 'ssl'],
    [{ setHostHeader: 'a b' }, 'setHostHeader'],
    [{ headers: [{ name: 'a b', value: '' }] }, 'headers.0.name'],
    [{ headers: [{ name: 'a', value: '{{env.X}}' }] }, 'headers.0.value'],
    [
      {
        headers: [
          { name: 'a', value: 'b' },
          { name: 'a', value: 'ü' },
        ],
      },
      'headers.1.value',
    ],
    [{ headers: [{ name: 'a' }] }, 'headers.0.value'],
    [{ headers: [{ name: 'a', value: 'b', more: 1 }] }, 'headers.0'],
    [{ headers: [null] }, 'headers.0'],
    [{ headers: 'a: b' }, 'headers'],
    [{ maintenanceModeType: 'x' }, 'maintenanceModeType'],
    [{ maintenanceTitle: 'x'.repeat(256) }, 'maintenanceTitle'],
    [{ maintenanceMessage: 'x'.repeat(2001) }, 'maintenanceMessage'],
    [{ maintenanceEstimatedTime: 'x'.repeat(101) }, 'maintenanceEstimatedTime'],
    [{ protocol: 'udp' }, 'protocol'],
    [{ http: false }, 'http'],
    [{ skipToIdpId: 0 }, 'skipToIdpId'],
  ])('refuses %j, naming the field', async (body, path) => {
    const { resourceId } = await create();
    expect(await app.root.post(`/resource/${resourceId}`, body)).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('a taken niceId is 409, in another organization it is free; an identity provider that is not there is 404', async () => {
    const [one, two, theirs] = [await create(), await create(), await create('other')];
    expect(await app.root.post(`/resource/${one.resourceId}`, { niceId: two.niceId })).toMatchObject({
      status: 409,
      body: { message: 'This niceId is already in use' },
    });
    expect((await app.root.post(`/resource/${one.resourceId}`, { niceId: theirs.niceId })).status).toBe(200);
    expect((await app.root.post(`/resource/${one.resourceId}`, { skipToIdpId: 1 })).status).toBe(404);
  });

  it('by ETag: what changed since it was read stays as it is', async () => {
    const { resourceId } = await create();
    const tag = (await app.root.get(`/resource/${resourceId}`)).headers.get('etag')!;
    const changed = await withTag(tag).post(`/resource/${resourceId}`, { name: 'first' });
    expect(changed.status).toBe(200);
    expect(await withTag(tag).post(`/resource/${resourceId}`, { name: 'second' })).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed' },
    });
    expect(
      (await withTag(changed.headers.get('etag')!).post(`/resource/${resourceId}`, { name: 'third' })).status,
    ).toBe(200);
    expect((await read(resourceId)).name).toBe('third');
    expect((await withTag('*').post(`/resource/${resourceId}`, { name: 'fourth' })).status).toBe(200);
  });
});

describe('delete', () => {
  it('takes everything with it, tells its sites, and is 404 afterwards', async () => {
    const { resourceId } = await create();
    const siteId = await site('acme');
    const { targetId } = await target(resourceId, siteId);
    const desired = async () =>
      (await app.root.expect<{ desiredVersion: number }>('GET', `/site/${siteId}`)).desiredVersion;
    const before = await desired();
    expect(await app.root.delete(`/v1/resource/${resourceId}`)).toMatchObject({
      status: 200,
      body: { data: null, message: 'Resource deleted successfully' },
    });
    expect(await desired()).toBe(before + 1);
    for (const path of [`/resource/${resourceId}`, `/target/${targetId}`])
      expect((await app.root.get(path)).status).toBe(404);
    expect((await app.root.delete(`/resource/${resourceId}`)).status).toBe(404);
    expect(await auditOf('resource.delete', resourceId)).toHaveLength(1);
  });
});

describe('another organization', () => {
  it('sees nothing of it on any route', async () => {
    const { resourceId } = await create('other');
    const actions: Action[] = [
      'getResource',
      'updateResource',
      'deleteResource',
      'createTarget',
      'listTargets',
      'createResourceRule',
      'listResourceRules',
      'listResourceRoles',
      'setResourceRoles',
      'setResourcePassword',
      'getResourceWhitelist',
      'generateAccessToken',
      'listAccessTokens',
    ];
    const key = await app.orgKey('acme', ...actions);
    const calls = [
      ['GET', ''],
      ['POST', '', { name: 'x' }],
      ['DELETE', ''],
      ['PUT', '/target', { siteId: 1, ip: 'a', port: 1 }],
      ['GET', '/targets'],
      ['GET', '/rules'],
      ['GET', '/roles'],
      ['POST', '/roles', { roleIds: [] }],
      ['PUT', '/rule', { action: 'DROP', match: 'IP', value: '10.0.0.1', priority: 1 }],
      ['POST', '/password', { password: 'four' }],
      ['GET', '/whitelist'],
      ['POST', '/access-token', {}],
      ['GET', '/access-tokens'],
    ] as const;
    for (const [method, rest, body] of calls)
      expect((await key.send(method, `/resource/${resourceId}${rest}`, body)).status, `${method} ${rest}`).toBe(404);
    for (const id of ['0', '-1', 'x', '99999999', '1e3', '9'.repeat(30)])
      expect((await key.get(`/resource/${id}`)).status).toBe(404);
    expect((await read(resourceId)).name).toBe('App');
  });
});

describe('list', () => {
  const names = (l: List) => l.resources.map((r) => r.name);

  it('pages by name in shape B, with targets and sites', async () => {
    const orgId = await org();
    const [newt, local] = [await site(orgId, 'newt', 'North'), await site(orgId, 'local', 'Here')];
    const made = await create(orgId, { name: 'Beta' });
    await create(orgId, { name: 'Alpha' });
    await create(orgId, { name: 'Gamma' });
    const first = await target(made.resourceId, newt);
    await target(made.resourceId, newt);
    const third = await target(made.resourceId, local, { hcEnabled: true, enabled: false });
    const all = await app.root.expect<List>('GET', `/v1/org/${orgId}/resources`);
    expect(names(all)).toEqual(['Alpha', 'Beta', 'Gamma']);
    expect(all.pagination).toEqual({ total: 3, pageSize: 20, page: 1 });
    const beta = all.resources[1]!;
    expect(Object.keys(beta)).toEqual([
      'resourceId',
      'niceId',
      'name',
      'ssl',
      'fullDomain',
      'passwordId',
      'sso',
      'pincodeId',
      'whitelist',
      'http',
      'protocol',
      'proxyPort',
      'wildcard',
      'enabled',
      'domainId',
      'headerAuthId',
      'health',
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
      healthStatus: 'unhealthy',
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
    'pageSize=1001',
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
