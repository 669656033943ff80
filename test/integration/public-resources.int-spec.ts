import { describe, expect, it } from 'vitest';
import { type Action } from '#contracts';
import { type Api } from '../support/api.js';
import {
  app,
  auditOf,
  baseDomain,
  create,
  domain,
  fresh,
  type Resource,
  raw,
  read,
  setUpPublicResources,
  site,
  target,
} from '../support/public-resources.js';

setUpPublicResources();

const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });

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
      responseTimeoutSeconds: 5,
      staleSeconds: 0,
      setHostHeader: 'inner.example.com:8443',
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
      staleSeconds: null,
      maintenanceTitle: null,
    });
    expect(await read(resourceId)).toMatchObject({
      ...sent,
      headers: null,
      tlsServerName: null,
      staleSeconds: null,
      maintenanceTitle: null,
    });
    expect(await auditOf('resource.update', resourceId)).toHaveLength(2);
  });

  it('fields that say nothing are null', async () => {
    const { resourceId } = await create();
    const empty = { setHostHeader: '', tlsServerName: '', maintenanceTitle: '', maintenanceMessage: '', headers: [] };
    const none = Object.fromEntries(Object.keys(empty).map((name) => [name, null]));
    expect(await app.root.expect('POST', `/resource/${resourceId}`, empty)).toMatchObject(none);
    expect(await read(resourceId)).toMatchObject(none);
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
    const { resourceId } = await app.root.expect<Resource>('PUT', '/org/acme/resource', raw({ protocol: 'tcp' }));
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
    const udp = await app.root.expect<Resource>('PUT', '/org/acme/resource', raw({ protocol: 'udp' }));
    for (const wrong of [{ proxyProtocol: true }, { proxyProtocolVersion: 2 }])
      expect((await app.root.post(`/resource/${udp.resourceId}`, wrong)).status).toBe(400);
    const other = await app.root.expect<Resource>('PUT', '/org/acme/resource', raw({ protocol: 'tcp' }));
    expect((await app.root.post(`/resource/${other.resourceId}`, { proxyPort: 30_000 })).status).toBe(409);
    expect((await app.root.post(`/resource/${(await create()).resourceId}`, { proxyPort: 1 })).status).toBe(400);
  });

  it.each([
    [{}, 'body'],
    [{ name: null }, 'name'],
    [{ niceId: 'a?b' }, 'niceId'],
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
