import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { privatePage } from '../../src/resources/private/private-reads.js';
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
  siteResourceId: number;
  siteId: number | null;
  siteIds: number[];
  niceId: string;
  name: string;
  alias: string | null;
  aliasAddress: string | null;
}
interface List {
  siteResources: (Resource & {
    siteNames: string[];
    siteNiceIds: string[];
    siteAddresses: string[];
    siteOnlines: boolean[];
  })[];
  pagination: { total: number; page: number; pageSize: number };
}

let serial = 0;
const fresh = (what: string) => `${what}${++serial}`;
async function org(utilitySubnet?: string): Promise<string> {
  const orgId = fresh('org');
  await app.root.expect('PUT', '/org', {
    orgId,
    name: orgId,
    subnet: '100.90.128.0/17',
    utilitySubnet: utilitySubnet ?? '100.96.128.0/20',
  });
  return orgId;
}
const site = async (orgId: string, type = 'newt', name = fresh('site')) =>
  (await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, { name, type })).siteId;
const put = (orgId: string, body: object) => app.root.put<Resource>(`/org/${orgId}/site-resource`, body);
const create = async (orgId: string, more: object = {}) =>
  app.root.expect<Resource>('PUT', `/org/${orgId}/site-resource`, {
    name: 'Database',
    mode: 'host',
    destination: '10.1.2.3',
    siteId: await siteOf(orgId),
    ...more,
  });
/** Without the drift, which a change does not answer. */
async function read(id: number): Promise<Resource> {
  const { drift, ...resource } = await app.root.expect<Resource & { drift: unknown }>('GET', `/site-resource/${id}`);
  expect(drift).toEqual([]);
  return resource;
}
const update = (id: number, body: object) => app.root.post<Resource>(`/site-resource/${id}`, body);
const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/site-resources${query}`);
const names = (l: List) => l.siteResources.map((r) => r.name);
const desired = async (siteId: number) =>
  (await app.root.expect<{ desiredVersion: number }>('GET', `/site/${siteId}`)).desiredVersion;
const domain = async (orgId: string) =>
  (
    await app.root.expect<{ domains: { domainId: string; configManaged: boolean }[] }>('GET', `/org/${orgId}/domains`)
  ).domains.find((d) => d.configManaged)!.domainId;
const role = async (orgId: string) =>
  (await app.root.expect<{ roleId: number }>('PUT', `/org/${orgId}/role`, { name: fresh('role') })).roleId;
const adminRole = async (orgId: string) =>
  (await app.sql<{ id: number }>('SELECT role_id AS id FROM role WHERE org_id = $1 AND is_admin', [orgId]))[0]!.id;
async function user(orgId: string): Promise<string> {
  const id = fresh('user');
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
  await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, id]);
  return id;
}
async function client(orgId: string): Promise<number> {
  const { olmId, olmSecret, subnet } = await app.root.expect<Record<string, string>>(
    'GET',
    `/org/${orgId}/pick-client-defaults`,
  );
  return (
    await app.root.expect<{ clientId: number }>('PUT', `/org/${orgId}/client`, {
      name: fresh('client'),
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    })
  ).clientId;
}
const auditOf = (action: string, id: number) =>
  app.sql<{ orgId: string }>(
    `SELECT org_id AS "orgId" FROM audit WHERE action = $1 AND target_type = 'site_resource' AND target_id = $2`,
    [action, String(id)],
  );
const withTag = (tag: string): Api => app.root.as(app.root.authorization, { 'if-match': tag });
const sites = new Map<string, Promise<number>>();
/** One site for all the tests of an organization that need any. */
function siteOf(orgId: string): Promise<number> {
  if (!sites.has(orgId)) sites.set(orgId, site(orgId));
  return sites.get(orgId)!;
}

const ROW = [
  'siteResourceId',
  'orgId',
  'networkId',
  'defaultNetworkId',
  'niceId',
  'name',
  'ssl',
  'mode',
  'scheme',
  'proxyPort',
  'destinationPort',
  'destination',
  'enabled',
  'alias',
  'aliasAddress',
  'tcpPortRangeString',
  'udpPortRangeString',
  'disableIcmp',
  'authDaemonPort',
  'authDaemonMode',
  'domainId',
  'subdomain',
  'fullDomain',
];

describe('the walkthrough', () => {
  it('creates a private resource with alias, port ranges and roles, then grants roles and users', async () => {
    const orgId = await org();
    const key = await app.orgKey(orgId, 'createSiteResource', 'setResourceRoles', 'setResourceUsers');
    const siteId = await site(orgId);
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
    const made = await key.put<Resource>(`/v1/org/${orgId}/site-resource`, body);
    expect(made.body).toMatchObject({
      data: {
        siteResourceId: expect.any(Number),
        siteId,
        niceId: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z0-9]{5}$/),
        name: 'My Private Resource',
        mode: 'host',
        destination: 'localhost',
        alias: 'private-resource.internal',
        tcpPortRangeString: '*',
        udpPortRangeString: '',
        disableIcmp: false,
        authDaemonPort: 22123,
        authDaemonMode: 'site',
      },
      success: true,
      error: false,
      message: 'Site resource created successfully',
      status: 201,
    });
    const { siteResourceId } = made.body.data;
    const granted = await key.post(`/v1/site-resource/${siteResourceId}/roles/add`, { roleId: await role(orgId) });
    expect(granted.body).toMatchObject({ data: {}, success: true, error: false, status: 201 });
    expect(
      (await key.post(`/v1/site-resource/${siteResourceId}/users/add`, { userId: await user(orgId) })).body,
    ).toMatchObject({ data: {}, status: 201 });
  });
});

describe('create', () => {
  it('fills in the defaults, answers the row, and a read the same', async () => {
    const orgId = await org();
    const siteId = await siteOf(orgId);
    const before = await desired(siteId);
    const made = await create(orgId);
    expect(Object.keys(made)).toEqual([...ROW, 'siteId', 'siteIds']);
    expect(made).toEqual({
      siteResourceId: made.siteResourceId,
      orgId,
      networkId: made.siteResourceId,
      defaultNetworkId: null,
      niceId: made.niceId,
      name: 'Database',
      ssl: false,
      mode: 'host',
      scheme: null,
      proxyPort: null,
      destinationPort: null,
      destination: '10.1.2.3',
      enabled: true,
      alias: null,
      aliasAddress: '100.96.128.8',
      tcpPortRangeString: '*',
      udpPortRangeString: '*',
      disableIcmp: false,
      authDaemonPort: 22123,
      authDaemonMode: 'site',
      domainId: null,
      subdomain: null,
      fullDomain: null,
      siteId,
      siteIds: [siteId],
    });
    expect(await read(made.siteResourceId)).toEqual(made);
    expect(await auditOf('site_resource.create', made.siteResourceId)).toEqual([{ orgId }]);
    expect(await desired(siteId)).toBe(before + 1);
  });

  it('keeps what is sent: sites in their order, siteId first, null and text as they are', async () => {
    const ids = [await site('acme'), await site('acme'), await site('acme')];
    const body = {
      niceId: fresh('Nice-Id'),
      siteId: ids[2],
      siteIds: [ids[1], ids[2], ids[0]],
      destination: '2001:db8::1',
      alias: `*.${fresh('A')}.Internal`,
      tcpPortRangeString: '22, 8000-8010',
      udpPortRangeString: '53',
      disableIcmp: true,
      enabled: false,
      authDaemonMode: 'remote',
      authDaemonPort: 2222,
      destinationPort: 80,
      scheme: null,
      ssl: true,
    };
    const { siteId, siteIds, ...rest } = body;
    const made = await create('acme', body);
    expect(made).toMatchObject({ ...rest, siteId: ids[2], siteIds: [ids[2], ids[1], ids[0]] });
    expect(await read(made.siteResourceId)).toEqual(made);
    expect([siteId, siteIds]).toBeDefined();
  });

  it('cidr has no alias address; http has fixed ports and a name on a domain', async () => {
    expect(await create('acme', { mode: 'cidr', destination: '10.0.0.0/24' })).toMatchObject({
      mode: 'cidr',
      aliasAddress: null,
    });
    const domainId = await domain('acme');
    const http = {
      mode: 'http',
      destination: 'web',
      destinationPort: 8080,
      scheme: 'https',
      domainId,
      subdomain: fresh('App'),
      tcpPortRangeString: '22',
      udpPortRangeString: '*',
      ssl: true,
    };
    const made = await create('acme', http);
    expect(made).toMatchObject({
      mode: 'http',
      destinationPort: 8080,
      scheme: 'https',
      domainId,
      subdomain: http.subdomain,
      fullDomain: `${http.subdomain.toLowerCase()}.gate.example.net`,
      tcpPortRangeString: '443,80',
      udpPortRangeString: '',
      disableIcmp: true,
      aliasAddress: expect.any(String),
      ssl: true,
    });
    expect(await put('acme', { name: 'Twice', siteId: await siteOf('acme'), ...http })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    expect(await create('acme', { ...http, subdomain: fresh('app'), disableIcmp: false })).toMatchObject({
      disableIcmp: false,
    });
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ name: undefined }, 'name'],
    [{ mode: 'ssh' }, 'mode'],
    [{ mode: undefined }, 'mode'],
    [{ destination: '' }, 'destination'],
    [{ destination: 'a b' }, 'destination'],
    [{ destination: '10.0.0' }, 'destination'],
    [{ destination: 'db.local' }, 'alias'],
    [{ destination: 'db' }, 'alias'],
    [{ alias: 'single' }, 'alias'],
    [{ alias: 'a.b*' }, 'alias'],
    [{ mode: 'cidr' }, 'destination'],
    [{ mode: 'cidr', destination: '10.0.0.0/33' }, 'destination'],
    [{ destination: '100.90.128.5' }, 'destination'],
    [{ destination: '100.96.128.5' }, 'destination'],
    [{ mode: 'cidr', destination: '100.96.128.0/24' }, 'destination'],
    [{ siteId: undefined }, 'siteIds'],
    [{ siteId: undefined, siteIds: [] }, 'siteIds'],
    [{ siteId: 0 }, 'siteId'],
    [{ siteIds: [1, 1] }, 'siteIds.1'],
    [{ siteIds: ['1'] }, 'siteIds.0'],
    [{ tcpPortRangeString: '80-79' }, 'tcpPortRangeString'],
    [{ udpPortRangeString: '0' }, 'udpPortRangeString'],
    [{ tcpPortRangeString: null }, 'tcpPortRangeString'],
    [{ disableIcmp: 'no' }, 'disableIcmp'],
    [{ authDaemonMode: 'native' }, 'authDaemonMode'],
    [{ authDaemonPort: 0 }, 'authDaemonPort'],
    [{ destinationPort: 65536 }, 'destinationPort'],
    [{ niceId: 'a/b' }, 'niceId'],
    [{ niceId: '12' }, 'niceId'],
    [{ niceId: 'my_nice.1' }, 'niceId'],
    [{ niceId: 'x y' }, 'niceId'],
    [{ niceId: '..' }, 'niceId'],
    [{ roleIds: [0] }, 'roleIds.0'],
    [{ userIds: ['a', 7] }, 'userIds.1'],
    [{ userIds: 'all' }, 'userIds'],
    [{ clientIds: [1.5] }, 'clientIds.0'],
    [{ subdomain: 'app' }, 'subdomain'],
    [{ color: 'red' }, 'color'],
    [{ mode: 'http' }, 'destinationPort'],
    [{ mode: 'http', destinationPort: 80 }, 'scheme'],
    [{ mode: 'http', destinationPort: 80, scheme: 'http' }, 'domainId'],
  ])('refuses %j, naming the field', async (more, path) => {
    const right = { name: 'Database', mode: 'host', destination: '10.1.2.3', siteId: await siteOf('acme') };
    expect(await put('acme', { ...right, ...more })).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path }] },
    });
  });

  it('an alias and a domain exclude each other; an unverified domain is 400', async () => {
    const right = {
      name: 'Web',
      siteId: await siteOf('acme'),
      mode: 'http',
      destination: 'web',
      destinationPort: 80,
      scheme: 'http',
    };
    const domainId = await domain('acme');
    expect(await put('acme', { ...right, domainId, subdomain: fresh('x'), alias: 'a.b' })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'alias' }] },
    });
    const unverified = await app.root.expect<{ domainId: string }>('PUT', '/org/acme/domain', {
      type: 'ns',
      baseDomain: `${fresh('d')}.example.com`,
    });
    expect(await put('acme', { ...right, domainId: unverified.domainId })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'domainId' }] },
    });
    expect(await put('acme', { ...right, domainId, subdomain: '-x' })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'subdomain' }] },
    });
  });

  it("another organization's ids are 404 like those that do not exist, in every field, and nothing is left behind", async () => {
    const orgId = await org();
    const mine = await siteOf(orgId);
    const foreign = {
      siteId: await siteOf('other'),
      roleIds: [await role('other')],
      userIds: [await user('other')],
      clientIds: [await client('other')],
      domainId: await domain('other'),
    };
    const fields: object[] = [
      { siteId: foreign.siteId },
      { siteIds: [mine, foreign.siteId] },
      { siteIds: [999_999_999] },
      { roleIds: foreign.roleIds },
      { userIds: foreign.userIds },
      { clientIds: foreign.clientIds },
      { mode: 'http', destinationPort: 80, scheme: 'http', domainId: foreign.domainId },
      { roleIds: [999_999_999] },
      { userIds: ['nobody'] },
      { clientIds: [999_999_999] },
    ];
    for (const field of fields) {
      expect(
        await put(orgId, { name: 'Database', mode: 'host', destination: '10.1.2.3', siteId: mine, ...field }),
        JSON.stringify(field),
      ).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    const { siteResourceId } = await create(orgId);
    for (const field of fields)
      expect(
        (await update(siteResourceId, { alias: 'a.b', ...field, ...('domainId' in field ? { alias: null } : {}) }))
          .status,
        JSON.stringify(field),
      ).toBe(404);
    expect((await list(orgId)).pagination.total).toBe(1);
    expect(await read(siteResourceId)).toMatchObject({ alias: null, siteIds: [mine] });
    expect((await app.root.get(`/org/${orgId}/site-resources?siteId=${foreign.siteId}`)).status).toBe(404);
    expect((await app.root.get(`/org/${orgId}/site/${foreign.siteId}/resources`)).status).toBe(404);
    expect(await put('nowhere', { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: mine })).toMatchObject({
      status: 404,
    });
  });

  it("Admin is not granted, nor a person's device: 400", async () => {
    const device = await client('acme');
    await app.sql('UPDATE client SET user_id = $2 WHERE client_id = $1', [device, await user('acme')]);
    const right = { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: await siteOf('acme') };
    expect(await put('acme', { ...right, roleIds: [await adminRole('acme')] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'roleIds' }] },
    });
    expect(await put('acme', { ...right, clientIds: [device] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'clientIds' }] },
    });
  });

  it('niceId and alias are of one resource in an organization: 409; another organization may have them too', async () => {
    const [alias, niceId] = [`${fresh('db')}.internal`, fresh('nice')];
    await create('acme', { alias, niceId });
    const right = { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: await siteOf('acme') };
    expect(await put('acme', { ...right, alias: alias.toUpperCase() })).toMatchObject({
      status: 409,
      body: { code: 'conflict', message: 'This alias is already in use' },
    });
    expect(await put('acme', { ...right, niceId })).toMatchObject({
      status: 409,
      body: { message: 'This niceId is already in use' },
    });
    expect(await create('other', { alias, niceId })).toMatchObject({ alias, niceId });
  });
});

describe('at once', () => {
  it('one alias twice: one 201, one 409', async () => {
    const orgId = await org();
    const right = {
      name: 'D',
      mode: 'host',
      destination: '10.1.2.3',
      siteId: await siteOf(orgId),
      alias: 'db.internal',
    };
    const replies = await Promise.all([put(orgId, right), put(orgId, right), put(orgId, right)]);
    expect(replies.map((r) => r.status).sort()).toEqual([201, 409, 409]);
    expect((await list(orgId)).pagination.total).toBe(1);
  });

  it('many get alias addresses of their own, from .8 on without a gap', async () => {
    const orgId = await org();
    const made = await Promise.all(Array.from({ length: 60 }, () => create(orgId)));
    const last = made.map((r) => Number(r.aliasAddress!.split('.')[3])).sort((a, b) => a - b);
    expect(last).toEqual(Array.from({ length: 60 }, (_, i) => i + 8));
    expect(await desired(await siteOf(orgId))).toBe(61);
  });

  it('two who change one resource with one ETag: one wins', async () => {
    const { siteResourceId } = await create('acme');
    const tag = (await app.root.get(`/site-resource/${siteResourceId}`)).headers.get('etag')!;
    const replies = await Promise.all(
      ['a', 'b', 'c'].map((name) => withTag(tag).post(`/site-resource/${siteResourceId}`, { name })),
    );
    expect(replies.map((r) => r.status).sort()).toEqual([200, 412, 412]);
  });

  it('the end of the utility subnet: gaps are filled, then 503 and nothing is left behind', async () => {
    const orgId = await org('100.96.128.0/28');
    const made: Resource[] = [];
    for (let i = 0; i < 8; i++) made.push(await create(orgId));
    expect(made.map((r) => r.aliasAddress)).toEqual(Array.from({ length: 8 }, (_, i) => `100.96.128.${i + 8}`));
    const right = { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: await siteOf(orgId) };
    const full = await put(orgId, right);
    expect(full).toMatchObject({ status: 503, body: { code: 'capacity' } });
    expect(full.headers.get('retry-after')).toBe('60');
    expect(await create(orgId, { mode: 'cidr', destination: '10.0.0.0/8' })).toMatchObject({ aliasAddress: null });
    await app.root.expect('DELETE', `/site-resource/${made[2]!.siteResourceId}`);
    await app.root.expect('DELETE', `/site-resource/${made[5]!.siteResourceId}`);
    const again = await Promise.all([put(orgId, right), put(orgId, right), put(orgId, right)]);
    expect(again.map((r) => r.status).sort()).toEqual([201, 201, 503]);
    expect(again.flatMap((r) => (r.status === 201 ? [r.body.data.aliasAddress] : [])).sort()).toEqual([
      '100.96.128.10',
      '100.96.128.13',
    ]);
    expect((await list(orgId)).pagination.total).toBe(9);
  });
});

describe('update', () => {
  it('changes what is given, keeps sites and grants, and clears alias and domain that are left out', async () => {
    const orgId = await org();
    const [roleId, userId, clientId] = [await role(orgId), await user(orgId), await client(orgId)];
    const made = await create(orgId, {
      alias: 'db.internal',
      roleIds: [roleId],
      userIds: [userId],
      clientIds: [clientId],
      destinationPort: 5432,
      authDaemonPort: 2222,
    });
    const changed = await update(made.siteResourceId, {
      name: 'Renamed',
      niceId: 'Renamed-1',
      enabled: false,
      destinationPort: null,
      authDaemonPort: null,
    });
    expect(changed.status).toBe(200);
    expect(changed.body.data).toEqual({
      ...made,
      name: 'Renamed',
      niceId: 'Renamed-1',
      enabled: false,
      alias: null,
      destinationPort: null,
      authDaemonPort: 22123,
    });
    expect(await read(made.siteResourceId)).toEqual(changed.body.data);
    const granted = async (what: string) =>
      (await app.root.expect<Record<string, unknown[]>>('GET', `/site-resource/${made.siteResourceId}/${what}`))[what];
    expect(await granted('roles')).toHaveLength(2);
    expect(await granted('users')).toHaveLength(1);
    expect(await granted('clients')).toHaveLength(1);
    expect((await update(made.siteResourceId, { roleIds: [], userIds: [], clientIds: [] })).status).toBe(200);
    expect(
      [await granted('roles'), await granted('users'), await granted('clients')].map((rows) => rows!.length),
    ).toEqual([1, 0, 0]);
    expect(await auditOf('site_resource.update', made.siteResourceId)).toHaveLength(2);
  });

  it('sites that are given replace the others; old and new ones have something new to do', async () => {
    const orgId = await org();
    const [a, b, c] = [await site(orgId), await site(orgId), await site(orgId)];
    const made = await create(orgId, { siteId: a, siteIds: [b] });
    const before = [await desired(a), await desired(b), await desired(c)];
    const tag = (await app.root.get(`/site-resource/${made.siteResourceId}`)).headers.get('etag')!;
    const changed = await withTag(tag).post<Resource>(`/site-resource/${made.siteResourceId}`, { siteIds: [c, b] });
    expect(changed.body.data).toMatchObject({ siteId: c, siteIds: [c, b] });
    expect(changed.headers.get('etag')).not.toBe(tag);
    expect([await desired(a), await desired(b), await desired(c)]).toEqual(before.map((version) => version + 1));
    expect((await update(made.siteResourceId, { siteIds: [b, c] })).body.data).toMatchObject({ siteIds: [b, c] });
    expect(
      (await withTag(changed.headers.get('etag')!).post(`/site-resource/${made.siteResourceId}`, { siteIds: [a] }))
        .status,
    ).toBe(412);
    expect(await update(made.siteResourceId, { siteIds: [] })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'siteIds' }] },
    });
  });

  it('another mode: the alias address comes and goes', async () => {
    const orgId = await org();
    const made = await create(orgId);
    expect((await update(made.siteResourceId, { mode: 'cidr', destination: '10.0.0.0/8' })).body.data).toMatchObject({
      mode: 'cidr',
      aliasAddress: null,
    });
    expect((await update(made.siteResourceId, { mode: 'host' })).body).toMatchObject({
      code: 'validation',
      fields: [{ path: 'destination' }],
    });
    const domainId = await domain(orgId);
    const http = { mode: 'http', destination: 'web', destinationPort: 80, scheme: 'http', domainId, subdomain: 'app' };
    expect((await update(made.siteResourceId, http)).body.data).toMatchObject({
      aliasAddress: '100.96.128.8',
      fullDomain: 'app.gate.example.net',
      tcpPortRangeString: '443,80',
      udpPortRangeString: '',
    });
    expect(
      (await update(made.siteResourceId, { name: 'Web', domainId, subdomain: 'app', tcpPortRangeString: '*' })).body
        .data,
    ).toMatchObject({ fullDomain: 'app.gate.example.net', tcpPortRangeString: '443,80' });
    expect((await update(made.siteResourceId, { name: 'Web' })).body.data).toMatchObject({
      domainId: null,
      subdomain: null,
      fullDomain: null,
    });
  });

  it('conflicts are 409, wrong values 400', async () => {
    const orgId = await org();
    await create(orgId, { alias: 'taken.internal', niceId: 'taken' });
    const { siteResourceId } = await create(orgId);
    expect((await update(siteResourceId, { alias: 'Taken.internal' })).status).toBe(409);
    expect((await update(siteResourceId, { niceId: 'taken' })).status).toBe(409);
    for (const wrong of [
      {},
      { name: null },
      { name: '' },
      { niceId: 'a_b' },
      { niceId: '12' },
      { niceId: '..' },
      { mode: 'cidr' },
      { destination: 'db' },
      { destination: '100.90.128.1' },
      { tcpPortRangeString: 'x' },
      { alias: 'x' },
      { color: 'red' },
    ]) {
      expect((await update(siteResourceId, wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    // What a blueprint called it may be sent back with the rest.
    await app.sql(`UPDATE site_resource SET nice_id = 'my_nice.1' WHERE site_resource_id = $1`, [siteResourceId]);
    expect((await update(siteResourceId, { name: 'x', niceId: 'my_nice.1' })).status).toBe(200);
    expect((await update(siteResourceId, { destination: 'db', alias: 'db.internal' })).status).toBe(200);
    expect((await update(999_999_999, { name: 'x' })).status).toBe(404);
  });
});

it('shows what was changed since a blueprint file was applied, under the names of the API', async () => {
  const orgId = await org();
  const made = await create(orgId, { alias: 'db.internal' });
  const [source] = await app.sql<{ id: number }>(
    `INSERT INTO blueprint_source (org_id, site_id, kind) VALUES ($1, $2, 'file') RETURNING source_id AS id`,
    [orgId, made.siteId],
  );
  await app.sql('INSERT INTO site_resource_declaration VALUES ($1, $2, $3)', [
    source!.id,
    made.siteResourceId,
    { name: 'Database', tcp_ports: '*', alias: 'db.internal', disable_icmp: false },
  ]);
  expect(await read(made.siteResourceId)).toMatchObject({ name: 'Database' });
  await update(made.siteResourceId, { tcpPortRangeString: '22', disableIcmp: true });
  expect(await app.root.expect('GET', `/site-resource/${made.siteResourceId}`)).toMatchObject({
    drift: expect.arrayContaining([
      { field: 'alias', file: 'db.internal', current: null },
      { field: 'disableIcmp', file: false, current: true },
      { field: 'tcpPortRangeString', file: '*', current: '22' },
    ]),
  });
});

describe('delete', () => {
  it('answers a message; the sites have something new to do', async () => {
    const made = await create('acme');
    const before = await desired(made.siteId!);
    expect((await app.root.delete(`/site-resource/${made.siteResourceId}`)).body).toMatchObject({
      data: { message: 'Site resource deleted successfully' },
      status: 200,
    });
    expect(await desired(made.siteId!)).toBe(before + 1);
    for (const reply of [
      await app.root.get(`/site-resource/${made.siteResourceId}`),
      await app.root.delete(`/site-resource/${made.siteResourceId}`),
    ])
      expect(reply.status).toBe(404);
    expect(await auditOf('site_resource.delete', made.siteResourceId)).toHaveLength(1);
  });

  it('a resource outlives its site', async () => {
    const siteId = await site('acme');
    const made = await create('acme', { siteId });
    const tag = (await app.root.get(`/site-resource/${made.siteResourceId}`)).headers.get('etag')!;
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect((await withTag(tag).post(`/site-resource/${made.siteResourceId}`, { name: 'late' })).status).toBe(412);
    expect(await read(made.siteResourceId)).toMatchObject({ siteId: null, siteIds: [] });
  });
});

describe('lists', () => {
  it('of the organization: by name, with the sites, filters, both ways to page, and totals', async () => {
    const orgId = await org();
    const [east, west] = [await site(orgId, 'newt', 'East wing'), await site(orgId, 'local', 'West wing')];
    await create(orgId, { name: 'bravo', siteIds: [west], siteId: east, alias: 'gadget.internal' });
    await create(orgId, { name: 'alpha', siteId: west, mode: 'cidr', destination: '10.77.0.0/16' });
    const charlie = await create(orgId, { name: 'charlie', siteId: east });
    const all = await list(orgId);
    expect(all.pagination).toEqual({ total: 3, pageSize: 20, page: 1 });
    expect(names(all)).toEqual(['alpha', 'bravo', 'charlie']);
    expect(Object.keys(all.siteResources[0]!)).toEqual([
      ...ROW,
      'siteId',
      'siteIds',
      'siteNames',
      'siteNiceIds',
      'siteAddresses',
      'siteOnlines',
    ]);
    expect(all.siteResources[1]).toMatchObject({
      siteIds: [east, west],
      siteNames: ['East wing', 'West wing'],
      siteAddresses: [expect.stringMatching(/\/17$/), expect.stringMatching(/\/17$/)],
      siteOnlines: [false, true],
    });
    expect(names(await list(orgId, '?order=desc&sort_by=name'))).toEqual(['charlie', 'bravo', 'alpha']);
    expect(names(await list(orgId, '?mode=cidr'))).toEqual(['alpha']);
    expect((await list(orgId, '?mode=http')).pagination.total).toBe(0);
    expect(names(await list(orgId, `?siteId=${west}`))).toEqual(['alpha', 'bravo']);
    for (const [query, found] of [
      ['BRAVO', ['bravo']],
      ['gadget', ['bravo']],
      ['10.77', ['alpha']],
      [charlie.aliasAddress!, ['charlie']],
      ['west w', ['alpha', 'bravo']],
      [charlie.niceId, ['charlie']],
      ['%', []],
    ] as const) {
      const reply = await list(orgId, `?query=${encodeURIComponent(query)}`);
      expect(names(reply), query).toEqual(found);
      expect(reply.pagination.total, query).toBe(found.length);
    }
    expect(await list(orgId, '?page=2&pageSize=2')).toMatchObject({
      siteResources: [{ name: 'charlie' }],
      pagination: { total: 3, pageSize: 2, page: 2 },
    });
    expect(names(await list(orgId, '?limit=1&offset=1'))).toEqual(['bravo']);
  });

  it.each([
    'mode=ssh',
    'sort_by=alias',
    'order=up',
    'siteId=x',
    'siteId=0',
    'color=red',
    'page=1&limit=1',
    'pageSize=1001',
    'page=-1',
  ])('refuses ?%s', async (query) => {
    expect((await app.root.get(`/org/acme/site-resources?${query}`)).status).toBe(400);
  });

  it('of a site: nested, 100 by default, without pagination', async () => {
    const orgId = await org();
    const siteId = await siteOf(orgId);
    const made = await create(orgId, { name: 'b' });
    await create(orgId, { name: 'a', siteId: await site(orgId) });
    await create(orgId, { name: 'c' });
    const reply = await app.root.get<{ siteResources: { siteResources: Resource }[] }>(
      `/v1/org/${orgId}/site/${siteId}/resources`,
    );
    const { siteId: _, siteIds: __, ...row } = made;
    expect(Object.keys(reply.body.data)).toEqual(['siteResources']);
    expect(reply.body.data.siteResources[0]).toEqual({
      siteNetworks: { siteId, networkId: made.siteResourceId },
      networks: { networkId: made.siteResourceId, niceId: null, name: null, scope: 'resource', orgId },
      siteResources: row,
    });
    expect(reply.body.data.siteResources.map((r) => r.siteResources.name)).toEqual(['b', 'c']);
    const page = await app.root.expect<{ siteResources: unknown[] }>(
      'GET',
      `/org/${orgId}/site/${siteId}/resources?limit=1&offset=1`,
    );
    expect(page.siteResources).toHaveLength(1);
    expect((await app.root.get(`/org/${orgId}/site/${siteId}/resources?color=red`)).status).toBe(400);
  });

  it('what waits for the approval of its site is not in the list of the organization, only in that of the site', async () => {
    const orgId = await org();
    const made = await create(orgId);
    await app.sql('UPDATE site_resource SET staged_by = $2 WHERE site_resource_id = $1', [
      made.siteResourceId,
      made.siteId,
    ]);
    expect(await list(orgId)).toMatchObject({ siteResources: [], pagination: { total: 0 } });
    expect(
      (await app.root.expect<{ siteResources: unknown[] }>('GET', `/org/${orgId}/site/${made.siteId}/resources`))
        .siteResources,
    ).toHaveLength(1);
    expect(await app.root.expect('GET', `/org/${orgId}/site-resources?siteId=${made.siteId}`)).toMatchObject({
      siteResources: [{ siteResourceId: made.siteResourceId }],
      pagination: { total: 1 },
    });
    // Whatever site it is for, it belongs to the one that it waits with.
    const other = await site(orgId);
    await app.sql('UPDATE site_resource SET staged_by = $2 WHERE site_resource_id = $1', [made.siteResourceId, other]);
    for (const [siteId, n] of [
      [made.siteId!, 0],
      [other, 1],
    ] as const) {
      expect(
        (await app.root.expect<{ siteResources: unknown[] }>('GET', `/org/${orgId}/site/${siteId}/resources`))
          .siteResources,
      ).toHaveLength(n);
      expect(await app.root.expect('GET', `/org/${orgId}/site-resources?siteId=${siteId}`)).toMatchObject({
        pagination: { total: n },
      });
    }
  });

  it('each filter and the order is served by an index', async () => {
    const orgId = await org();
    const siteId = await siteOf(orgId);
    await app.sql(
      `INSERT INTO site_resource (org_id, nice_id, name, mode, destination, alias, alias_address)
       SELECT $1, 'nice-' || i, md5(i::text), CASE WHEN i % 50 = 0 THEN 'cidr' ELSE 'host' END, '10.0.0.1', 'a' || md5(i::text) || '.internal', '100.96.0.0'::inet + i
       FROM generate_series(1, 10000) AS i`,
      [orgId],
    );
    await app.sql(
      'INSERT INTO site_resource_site SELECT site_resource_id, $2 FROM site_resource WHERE org_id = $1 AND site_resource_id % 500 = 0',
      [orgId, siteId],
    );
    await app.sql('VACUUM ANALYZE site_resource');
    await app.sql('VACUUM ANALYZE site_resource_site');
    for (const query of [
      {},
      { order: 'desc' as const },
      { mode: 'cidr' as const },
      { mode: 'host' as const },
      { siteId },
      { query: 'abcdef' },
    ]) {
      const { text, values } = privatePage(orgId, query, { limit: 20, offset: 0 });
      const plan = (await app.sql<Record<string, string>>(`EXPLAIN ${text}`, values))
        .map((row) => row['QUERY PLAN'])
        .join('\n');
      expect(plan, JSON.stringify(query)).not.toMatch(/Seq Scan on site_resource\b/);
    }
  });
});
