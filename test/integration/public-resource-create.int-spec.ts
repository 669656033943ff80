import { describe, expect, it } from 'vitest';
import {
  app,
  auditOf,
  create,
  domain,
  fresh,
  http,
  type List,
  type Resource,
  raw,
  read,
  setUpPublicResources,
  site,
  target,
} from '../support/public-resources.js';
import { openTestApp } from '../support/test-app.js';

setUpPublicResources();

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
  'mode',
  'proxyPort',
  'emailWhitelistEnabled',
  'applyRules',
  'enabled',
  'stickySession',
  'tlsServerName',
  'setHostHeader',
  'responseTimeoutSeconds',
  'staleSeconds',
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
    const url = `http://${made.fullDomain}:0`;
    expect(await read(made.resourceId)).toEqual({ ...made, drift: [], portError: null, url });
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
    expect(pagination).toEqual({ total: 1, pageSize: 1000, page: 1 });
    expect((await app.root.put(`/org/acme/site/${await site('other')}/resource`, await http('acme'))).status).toBe(404);
    expect((await app.root.get(`/site/${siteId}/resources?siteId=1`)).status).toBe(400);
  });
});
