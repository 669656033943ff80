import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer } from '../support/server.js';
import { ManagedResource, type ResourceType } from '../support/terraform.js';

// Every kind of object under a Terraform provider: create, plan without change, update, import, delete.
const ORG = 'acme';
let database: TestDatabase;
let server: TestServer;
let root: Api;
let siteId: number;
let domainId: string;
let resourceId: number;
let memberRole: number;
let adminRole: number;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startServer({ databaseUrl: database.url });
  root = Api.root(server);
  await root.expect('PUT', '/org', {
    orgId: ORG,
    name: 'Acme',
    subnet: '100.90.128.0/20',
    utilitySubnet: '100.96.128.0/20',
  });
  ({ siteId } = await root.expect<{ siteId: number }>('PUT', `/org/${ORG}/site`, { name: 'edge', type: 'newt' }));
  domainId = (await root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${ORG}/domains`)).domains[0]!
    .domainId;
  ({ resourceId } = await root.expect<{ resourceId: number }>('PUT', `/org/${ORG}/resource`, {
    name: 'Base',
    http: true,
    protocol: 'tcp',
    domainId,
    subdomain: 'base',
  }));
  const { roles } = await root.expect<{ roles: { roleId: number; name: string }[] }>('GET', `/org/${ORG}/roles`);
  [adminRole, memberRole] = ['Admin', 'Member'].map((name) => roles.find((role) => role.name === name)!.roleId) as [
    number,
    number,
  ];
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** What a provider sends of a private resource without a domain. */
const SENT_OF_PRIVATE = [
  'name',
  'niceId',
  'siteIds',
  'mode',
  'destination',
  'destinationPort',
  'alias',
  'enabled',
  'tcpPortRangeString',
  'udpPortRangeString',
  'disableIcmp',
  'scheme',
  'ssl',
];

const word = () => randomBytes(5).toString('hex');

const TYPES: Record<string, () => ResourceType> = {
  organization: () => ({
    name: 'organization',
    create: {
      path: '/org',
      body: { orgId: `tf-${word()}`, name: 'TF', subnet: '10.9.0.0/16', utilitySubnet: '10.10.0.0/20' },
    },
    id: 'orgId',
    read: (id) => `/org/${id}`,
    unwrap: (data) => data['org'] as Record<string, unknown>,
    update: { path: (id) => `/org/${id}`, body: { name: 'TF again', settingsLogRetentionDaysRequest: 30 } },
    delete: { path: (id) => `/org/${id}` },
  }),
  site: () => ({
    name: 'site',
    create: {
      path: `/org/${ORG}/site`,
      body: {
        name: 'Line 4',
        type: 'newt',
        niceId: `line-${word()}`,
        newtId: `Newt_${word()}-1`,
        secret: `secret_of-${word()}`,
        dockerSocketEnabled: true,
        autoUpdateEnabled: true,
        remoteSubnets: '10.1.0.0/16,10.2.0.0/16',
      },
    },
    id: 'siteId',
    read: (id) => `/site/${id}`,
    update: {
      path: (id) => `/site/${id}`,
      body: { name: 'Line 5', dockerSocketEnabled: false, autoUpdateEnabled: false, remoteSubnets: null },
    },
    delete: { path: (id) => `/site/${id}` },
    writeOnly: ['secret'],
  }),
  domain: () => ({
    name: 'domain',
    create: {
      path: `/org/${ORG}/domain`,
      body: { type: 'wildcard', baseDomain: `${word()}.example.com`, certResolver: null, preferWildcardCert: null },
    },
    id: 'domainId',
    read: (id) => `/org/${ORG}/domain/${id}`,
    update: {
      method: 'PATCH',
      path: (id) => `/org/${ORG}/domain/${id}`,
      body: { certResolver: 'letsencrypt', preferWildcardCert: true },
    },
    delete: { path: (id) => `/org/${ORG}/domain/${id}` },
  }),
  'HTTP resource': () => ({
    name: 'HTTP resource',
    create: {
      path: `/org/${ORG}/resource`,
      body: {
        name: 'Web',
        mode: 'http',
        enableProxy: false,
        domainId,
        subdomain: word(),
        stickySession: false,
        postAuthPath: null,
      },
    },
    id: 'resourceId',
    read: (id) => `/resource/${id}`,
    update: {
      path: (id) => `/resource/${id}`,
      body: {
        name: 'Web 2',
        ssl: false,
        sso: false,
        enabled: false,
        tlsServerName: 'inner.example.com',
        setHostHeader: null,
        headers: [
          { name: 'X-B', value: '2' },
          { name: 'X-A', value: '1' },
        ],
      },
    },
    delete: { path: (id) => `/resource/${id}` },
  }),
  'raw resource': () => ({
    name: 'raw resource',
    create: { path: `/org/${ORG}/resource`, body: { name: 'SSH', http: false, protocol: 'tcp', proxyPort: 2222 } },
    id: 'resourceId',
    read: (id) => `/resource/${id}`,
    update: {
      path: (id) => `/resource/${id}`,
      body: { proxyPort: 2223, proxyProtocol: true, proxyProtocolVersion: 2 },
    },
    delete: { path: (id) => `/resource/${id}` },
  }),
  target: () => ({
    name: 'target',
    create: {
      path: `/resource/${resourceId}/target`,
      body: {
        siteId,
        ip: '10.0.0.5',
        port: 8080,
        mode: 'http',
        method: 'http',
        enabled: true,
        path: '/api',
        pathMatchType: 'prefix',
        rewritePath: null,
        rewritePathType: null,
        priority: 10,
        hcEnabled: true,
        hcPath: '/health',
        hcInterval: 15,
        hcHeaders: [{ name: 'Host', value: 'x' }],
      },
    },
    id: 'targetId',
    read: (id) => `/target/${id}`,
    update: {
      path: (id) => `/target/${id}`,
      body: { siteId, ip: '10.0.0.6', port: 8081, hcEnabled: true, hcHeaders: [{ name: 'Host', value: 'y' }] },
    },
    delete: { path: (id) => `/target/${id}` },
  }),
  rule: () => ({
    name: 'rule',
    create: {
      path: `/resource/${resourceId}/rule`,
      body: { action: 'ACCEPT', match: 'CIDR', value: '10.0.0.0/8', priority: 5, enabled: true },
    },
    id: 'ruleId',
    read: () => `/resource/${resourceId}/rules`,
    list: { key: 'rules', id: 'ruleId' },
    update: {
      path: (id) => `/resource/${resourceId}/rule/${id}`,
      body: { action: 'DROP', priority: 6, enabled: false },
    },
    delete: { path: (id) => `/resource/${resourceId}/rule/${id}` },
  }),
  role: () => ({
    name: 'role',
    create: { path: `/org/${ORG}/role`, body: { name: `Ops ${word()}`, description: 'On call' } },
    id: 'roleId',
    read: (id) => `/role/${id}`,
    update: { path: (id) => `/role/${id}`, body: { description: 'Off call' } },
    delete: { path: (id) => `/role/${id}` },
  }),
  'private resource': () => ({
    name: 'private resource',
    create: {
      path: `/org/${ORG}/site-resource`,
      body: {
        name: 'DB',
        siteIds: [siteId],
        mode: 'host',
        destination: '10.0.0.9',
        alias: `${word()}.internal`,
        tcpPortRangeString: '5432,6000-6010',
        udpPortRangeString: '',
        disableIcmp: true,
        roleIds: [adminRole, memberRole],
        userIds: [],
        clientIds: [],
      },
    },
    id: 'siteResourceId',
    read: (id) => `/site-resource/${id}`,
    update: {
      path: (id) => `/site-resource/${id}`,
      body: {
        name: 'DB 2',
        destination: '10.0.0.10',
        alias: `${word()}.internal`,
        tcpPortRangeString: '*',
        siteIds: [siteId],
        roleIds: [adminRole, memberRole],
      },
    },
    delete: { path: (id) => `/site-resource/${id}` },
    writeOnly: ['roleIds', 'userIds', 'clientIds'],
  }),
  'API key': () => ({
    name: 'API key',
    create: { path: `/org/${ORG}/api-key`, body: { name: 'ci' } },
    id: 'apiKeyId',
    read: () => `/org/${ORG}/api-keys`,
    list: { key: 'apiKeys', id: 'apiKeyId' },
    delete: { path: (id) => `/org/${ORG}/api-key/${id}` },
  }),
  'access token': () => ({
    name: 'access token',
    create: {
      method: 'POST',
      path: `/resource/${resourceId}/access-token`,
      body: { title: 'Guest', description: null },
    },
    id: 'accessTokenId',
    read: () => `/org/${ORG}/access-tokens`,
    list: { key: 'accessTokens', id: 'accessTokenId' },
    delete: { path: (id) => `/access-token/${id}` },
  }),
  'provisioning key': () => ({
    name: 'provisioning key',
    create: {
      path: `/org/${ORG}/site-provisioning-key`,
      body: { name: 'Line 4', maxBatchSize: 25, validUntil: null, approveNewSites: false },
    },
    id: 'siteProvisioningKeyId',
    read: (id) => `/org/${ORG}/site-provisioning-key/${id}`,
    update: {
      method: 'PATCH',
      path: (id) => `/org/${ORG}/site-provisioning-key/${id}`,
      body: { maxBatchSize: null, approveNewSites: true },
    },
    delete: { path: (id) => `/org/${ORG}/site-provisioning-key/${id}` },
  }),
};

describe('a Terraform provider', () => {
  it.each(Object.keys(TYPES))('manages a %s: what is read is what was sent', async (name) => {
    const type = TYPES[name]!();
    const managed = new ManagedResource(root, type);
    expect(await managed.create()).toEqual([]);
    expect(await managed.isStable()).toBe(true);
    expect(await managed.update()).toEqual([]);
    expect(await managed.import()).toEqual(await managed.refresh());
    expect(await managed.delete()).toBe(true);
  });

  it('takes over a private resource that a blueprint made, and updates it with its own values', async () => {
    const niceId = `web-${word()}`;
    const site = await root.expect<{ niceId: string }>('GET', `/site/${siteId}`);
    const document = {
      'private-resources': {
        [niceId]: { name: 'Panel', mode: 'host', destination: 'localhost', 'tcp-ports': '8080', site: site.niceId },
      },
    };
    await root.expect('PUT', `/org/${ORG}/blueprint`, {
      blueprint: Buffer.from(JSON.stringify(document)).toString('base64'),
    });
    const { siteResources } = await root.expect<{ siteResources: { siteResourceId: number; niceId: string }[] }>(
      'GET',
      `/org/${ORG}/site-resources?query=${niceId}`,
    );
    const id = siteResources.find((made) => made.niceId === niceId)!.siteResourceId;
    const managed = ManagedResource.existing(
      root,
      { ...TYPES['private resource']!(), name: 'private resource of a blueprint' },
      id,
    );
    const shown = (await managed.import())!;
    expect(shown).toMatchObject({ destination: 'localhost', alias: null });
    const own = Object.fromEntries(SENT_OF_PRIVATE.map((name) => [name, shown[name]]));
    expect(await managed.change(own)).toEqual([]);
    expect(await managed.change({ ...own, name: 'Panel 2' })).toEqual([]);
    expect(await managed.delete()).toBe(true);
  });

  it('manages a machine client with the defaults that it was given', async () => {
    const { olmId, olmSecret, subnet } = await root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
      'GET',
      `/org/${ORG}/pick-client-defaults`,
    );
    const managed = new ManagedResource(root, {
      name: 'client',
      create: { path: `/org/${ORG}/client`, body: { name: 'laptop', olmId, secret: olmSecret, subnet, type: 'olm' } },
      id: 'clientId',
      read: (id) => `/client/${id}`,
      update: { path: (id) => `/client/${id}`, body: { name: 'laptop 2' } },
      delete: { path: (id) => `/client/${id}` },
      writeOnly: ['secret', 'subnet'],
    });
    expect(await managed.create()).toEqual([]);
    expect(await managed.update()).toEqual([]);
    expect(await managed.delete()).toBe(true);
  });
});
