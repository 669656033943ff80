import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer } from '../support/server.js';

// The Integration API walkthrough (../shared/seeds/001), call by call, with an organization's API key on /v1.
let database: TestDatabase;
let server: TestServer;
let api: Api;
let siteId: number;
let domainId: string;
let resourceId: number;
let siteResourceId: number;

const ORG = 'acme';
const ACTIONS = [
  'createSite',
  'listOrgDomains',
  'createResource',
  'createTarget',
  'createSiteResource',
  'listRoles',
  'listUsers',
  'setResourceRoles',
  'setResourceUsers',
  'listResourceRoles',
  'listResourceUsers',
];

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startServer({ databaseUrl: database.url });
  const root = Api.root(server);
  await root.expect('PUT', '/v1/org', {
    orgId: ORG,
    name: 'Acme',
    subnet: '100.90.128.0/24',
    utilitySubnet: '100.96.128.0/24',
  });
  const { apiKeyId, apiKey } = await root.expect<{ apiKeyId: string; apiKey: string }>(
    'PUT',
    `/v1/org/${ORG}/api-key`,
    { name: 'walkthrough' },
  );
  await root.expect('POST', `/v1/org/${ORG}/api-key/${apiKeyId}/actions`, { actionIds: ACTIONS });
  api = new Api(server.url, `${apiKeyId}.${apiKey}`);
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** The envelope of a success: its members, in this order. */
function expectEnvelope(text: string, message: string, status: number): void {
  const envelope = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys(envelope)).toEqual(['data', 'success', 'error', 'message', 'status']);
  expect(envelope).toMatchObject({ success: true, error: false, message, status });
}

describe('the walkthrough of the Integration API', () => {
  it('gets site defaults and creates the site with them', async () => {
    const defaults = await api.get<{ newtId: string; newtSecret: string; clientAddress: string }>(
      `/v1/org/${ORG}/pick-site-defaults`,
    );
    expectEnvelope(defaults.text, 'Site defaults chosen successfully', 200);
    const { newtId, newtSecret, clientAddress } = defaults.body.data;
    expect(clientAddress).toBe('100.90.128.0');
    const site = await api.put<{ siteId: number }>(`/v1/org/${ORG}/site`, {
      name: 'My Site',
      address: clientAddress,
      type: 'newt',
      newtId,
      secret: newtSecret,
    });
    expectEnvelope(site.text, 'Site created successfully', 201);
    expect(site.body.data).toMatchObject({
      siteId: expect.any(Number),
      niceId: expect.stringMatching(/^[a-z0-9-]+$/),
      name: 'My Site',
      type: 'newt',
      online: false,
      address: '100.90.128.0/24',
    });
    siteId = site.body.data.siteId;
  });

  it('lists domains', async () => {
    const domains = await api.get<{ domains: { domainId: string }[] }>(`/v1/org/${ORG}/domains`);
    expectEnvelope(domains.text, 'Domains retrieved successfully', 200);
    expect(domains.body.data).toMatchObject({
      domains: [{ domainId: expect.any(String), baseDomain: 'localhost', verified: true, type: 'wildcard' }],
      pagination: { total: 1, limit: 1000, offset: 0 },
    });
    domainId = domains.body.data.domains[0]!.domainId;
  });

  it('creates an HTTP resource and adds a target', async () => {
    const resource = await api.put<{ resourceId: number }>(`/v1/org/${ORG}/resource`, {
      name: 'My Resource',
      http: true,
      subdomain: 'my-subdomain',
      domainId,
      protocol: 'tcp',
    });
    expectEnvelope(resource.text, 'Http resource created successfully', 201);
    expect(resource.body.data).toMatchObject({
      niceId: expect.any(String),
      name: 'My Resource',
      subdomain: 'my-subdomain',
      fullDomain: 'my-subdomain.localhost',
      domainId,
    });
    resourceId = resource.body.data.resourceId;
    const target = await api.put(`/v1/resource/${resourceId}/target`, {
      ip: 'localhost',
      port: 8080,
      method: 'http',
      siteId,
    });
    expectEnvelope(target.text, 'Target created successfully', 201);
    expect(target.body.data).toMatchObject({
      targetId: expect.any(Number),
      resourceId,
      siteId,
      ip: 'localhost',
      method: 'http',
      port: 8080,
    });
  });

  it('uses the base domain when the subdomain is null or absent', async () => {
    const bare = await api.put<{ fullDomain: string; resourceId: number }>(`/v1/org/${ORG}/resource`, {
      name: 'Base',
      http: true,
      subdomain: null,
      domainId,
      protocol: 'tcp',
    });
    expect(bare.body.data).toMatchObject({ subdomain: null, fullDomain: 'localhost' });
    expect(
      (await api.put<never>(`/v1/org/${ORG}/resource`, { name: 'Base again', http: true, domainId, protocol: 'tcp' }))
        .status,
    ).toBe(409);
  });

  it('creates a private resource', async () => {
    const body = {
      name: 'My Private Resource',
      siteId,
      mode: 'host',
      destination: 'localhost',
      alias: 'private-resource.internal',
      tcpPortRangeString: '*',
      udpPortRangeString: '',
      disableIcmp: false,
      authDaemonMode: 'site',
      roleIds: [],
      userIds: [],
    };
    const reply = await api.put<{ siteResourceId: number }>(`/v1/org/${ORG}/site-resource`, body);
    expectEnvelope(reply.text, 'Site resource created successfully', 201);
    expect(reply.body.data).toMatchObject({
      siteResourceId: expect.any(Number),
      siteId,
      niceId: expect.any(String),
      name: 'My Private Resource',
      mode: 'host',
      destination: 'localhost',
      alias: 'private-resource.internal',
      tcpPortRangeString: '*',
      udpPortRangeString: '',
      disableIcmp: false,
      authDaemonPort: 22123,
      authDaemonMode: 'site',
    });
    siteResourceId = reply.body.data.siteResourceId;
  });

  it('accepts absent port ranges and absent grants', async () => {
    const reply = await api.put(`/v1/org/${ORG}/site-resource`, {
      name: 'Network',
      siteId,
      mode: 'cidr',
      destination: '10.0.0.0/24',
    });
    expect(reply.status).toBe(201);
    expect(reply.body.data).toMatchObject({ tcpPortRangeString: '*', udpPortRangeString: '*' });
  });

  it('lists roles and users, and grants them both resources; Admin cannot be granted', async () => {
    const { roles } = await api.expect<{ roles: { roleId: number; name: string }[] }>(
      'GET',
      `/v1/org/${ORG}/roles?limit=100&offset=0`,
    );
    const { users } = await api.expect<{ users: { id: string }[] }>('GET', `/v1/org/${ORG}/users?limit=100&offset=0`);
    const member = roles.find((role) => role.name === 'Member')!;
    const admin = roles.find((role) => role.name === 'Admin')!;
    for (const path of [`/v1/resource/${resourceId}`, `/v1/site-resource/${siteResourceId}`]) {
      for (const [relation, body] of [
        ['roles', { roleId: member.roleId }],
        ['users', { userId: users[0]!.id }],
      ] as const) {
        const reply = await api.post(`${path}/${relation}/add`, body);
        expect(reply.body).toMatchObject({ data: {}, success: true, error: false, status: 201 });
        expect((await api.post<never>(`${path}/${relation}/add`, body)).status).toBe(409);
      }
      expect((await api.post<never>(`${path}/roles/add`, { roleId: admin.roleId })).status).toBe(400);
      const granted = await api.expect<{ roles: { roleId: number; isAdmin: boolean }[] }>('GET', `${path}/roles`);
      expect(granted.roles.map((role) => role.roleId)).toEqual([admin.roleId, member.roleId]);
    }
  });
});
