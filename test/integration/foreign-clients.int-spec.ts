import { describe, expect, it } from 'vitest';
import {
  adminRole,
  app,
  domainId,
  host,
  memberRole,
  newMember,
  ORG,
  type Private,
  problemsOf,
  put,
  refused,
  setUpForeignClients,
  siteId,
  type Web,
  web,
  word,
} from '../support/foreign-clients.js';

// What clients written for other servers of this API send and read (docs/adr/0036-what-clients-of-others-get.md).
setUpForeignClients();

describe('the kind of a public resource', () => {
  it.each([
    ['http', { mode: 'http' }, { http: true, protocol: 'tcp', mode: 'http' }],
    ['http, said twice', { mode: 'http', http: true, protocol: 'tcp' }, { http: true, protocol: 'tcp', mode: 'http' }],
    ['tcp', { mode: 'tcp', proxyPort: 7001 }, { http: false, protocol: 'tcp', mode: 'tcp' }],
    ['udp, said twice', { mode: 'udp', http: false, protocol: 'udp', proxyPort: 7002 }, { mode: 'udp', http: false }],
    ['udp, the old way', { http: false, protocol: 'udp', proxyPort: 7003 }, { mode: 'udp', protocol: 'udp' }],
  ])('%s', async (_, said, expected) => {
    const named = expected.mode === 'http' ? { domainId, subdomain: word() } : {};
    const made = await put<Web>('resource', { name: 'K', ...said, ...named, siteId, enableProxy: false });
    expect(made).toMatchObject({ ...expected, enableProxy: false });
    expect(await app.root.expect('GET', `/resource/${made.resourceId}`)).toMatchObject(expected);
  });

  it.each([
    [{ mode: 'http', http: false }, 'mode'],
    [{ mode: 'tcp', http: true }, 'mode'],
    [{ mode: 'tcp', protocol: 'udp', proxyPort: 7010 }, 'mode'],
    [{ mode: 'http', protocol: 'udp' }, 'mode'],
    [{ mode: 'ssh' }, 'mode'],
    [{ protocol: 'tcp', proxyPort: 7010 }, 'http'],
    [{ http: true }, 'protocol'],
    [{ mode: 'tcp' }, 'proxyPort'],
    [{ mode: 'tcp', proxyPort: 7010, siteId: 'one' }, 'siteId'],
  ])('refuses %j, naming the field', async (said, path) => {
    expect(await refused('PUT', `/org/${ORG}/resource`, { name: 'K', ...said })).toEqual([400, path]);
  });

  it('a site of another organization is 404 there too', async () => {
    const { siteId: theirs } = await app.root.expect<{ siteId: number }>('PUT', '/org/globex/site', {
      name: 'T',
      type: 'newt',
    });
    const body = { name: 'K', mode: 'tcp', proxyPort: 7011, siteId: theirs };
    expect((await app.root.put(`/org/${ORG}/resource`, body)).status).toBe(404);
  });

  it('comes back in an update as it was read, and cannot be changed', async () => {
    const { resourceId } = await web();
    const path = `/resource/${resourceId}`;
    const read = { mode: 'http', http: true, protocol: 'tcp', enableProxy: true };
    expect(await app.root.expect('POST', path, { ...read, name: 'New' })).toMatchObject({ name: 'New' });
    expect(await refused('POST', path, { mode: 'tcp' })).toEqual([400, 'mode']);
    expect(await refused('POST', path, { http: false })).toEqual([400, 'http']);
    const { resourceId: raw } = await put<Web>('resource', { name: 'K', mode: 'tcp', proxyPort: 7020 });
    expect(await refused('POST', `/resource/${raw}`, { protocol: 'udp' })).toEqual([400, 'protocol']);
  });

  it('is what a target of it may say', async () => {
    const { resourceId } = await web();
    const target = { siteId, ip: '10.0.0.1', port: 80 };
    const path = `/resource/${resourceId}/target`;
    const { targetId } = await app.root.expect<{ targetId: number }>('PUT', path, { ...target, mode: 'http' });
    expect(await app.root.expect('GET', `/target/${targetId}`)).toMatchObject({ mode: 'http' });
    expect(await app.root.expect('POST', `/target/${targetId}`, { ...target, mode: 'http' })).toMatchObject({
      mode: 'http',
    });
    const { targets } = await app.root.expect<{ targets: object[] }>('GET', `${path}s`);
    expect(targets).toEqual([expect.objectContaining({ targetId, mode: 'http' })]);
    expect(await refused('PUT', path, { ...target, mode: 'udp' })).toEqual([400, 'mode']);
    expect(await refused('POST', `/target/${targetId}`, { ...target, mode: 'udp' })).toEqual([400, 'mode']);
  });

  it('and its subdomain are in the list', async () => {
    const subdomain = word();
    const made = await web({ name: 'Listed', subdomain });
    const { resources } = await app.root.expect<{ resources: { resourceId: number }[] }>(
      'GET',
      `/org/${ORG}/resources?query=${made.niceId}`,
    );
    expect(resources).toEqual([
      expect.objectContaining({ resourceId: made.resourceId, subdomain, mode: 'http', http: true, protocol: 'tcp' }),
    ]);
  });
});

describe('a list without any paging parameter', () => {
  it('is whole, up to 1,000 rows, and its pagination says so', async () => {
    const orgId = 'many';
    await app.makeOrg(orgId, '10.0.0.0/16');
    await app.sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port)
       SELECT $1, 'r' || n, 'R' || n, false, 'tcp', 20000 + n FROM generate_series(1, 1001) n`,
      [orgId],
    );
    const list = async (query = '') => {
      const { resources, pagination } = await app.root.expect<{ resources: unknown[]; pagination: object }>(
        'GET',
        `/org/${orgId}/resources${query}`,
      );
      return [resources.length, pagination];
    };
    expect(await list()).toEqual([1000, { total: 1001, pageSize: 1000, page: 1 }]);
    expect(await list('?query=R100')).toEqual([3, { total: 3, pageSize: 1000, page: 1 }]);
    expect(await list('?page=2&pageSize=1000')).toEqual([1, { total: 1001, pageSize: 1000, page: 2 }]);
    // Who asks for more than a page holds is told what it holds, and goes on from there.
    expect(await list('?limit=10000')).toEqual([1000, { total: 1001, pageSize: 1000, page: 1 }]);
    expect(await list('?page=2&pageSize=5000')).toEqual([1, { total: 1001, pageSize: 1000, page: 2 }]);
    // Who asks for a page gets one of the size that the document says.
    expect(await list('?page=1')).toEqual([20, { total: 1001, pageSize: 20, page: 1 }]);
    expect(await list('?offset=20')).toEqual([20, { total: 1001, pageSize: 20, page: 2 }]);
  });

  it.each(['sites', 'resources', 'site-resources', 'roles', 'users', 'clients', 'user-devices'])('%s', async (noun) => {
    expect(await app.root.expect('GET', `/org/${ORG}/${noun}`)).toMatchObject({
      pagination: { page: 1, pageSize: 1000 },
    });
  });
});

describe('Admin among the roles of a private resource', () => {
  const granted = async (id: number) =>
    (
      await app.sql<{ roleId: number }>(
        'SELECT role_id AS "roleId" FROM site_resource_role WHERE site_resource_id = $1',
        [id],
      )
    ).map(({ roleId }) => roleId);

  it('is accepted on creation and update, and changes nothing: what a read lists can be sent back', async () => {
    const { siteResourceId } = await host({ roleIds: [adminRole, memberRole], userIds: [], clientIds: [] });
    expect(await granted(siteResourceId)).toEqual([memberRole]);
    const { roles } = await app.root.expect<{ roles: { roleId: number }[] }>(
      'GET',
      `/site-resource/${siteResourceId}/roles`,
    );
    const roleIds = roles.map(({ roleId }) => roleId);
    expect(roleIds).toEqual([adminRole, memberRole]);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { name: 'Again', roleIds });
    expect(await granted(siteResourceId)).toEqual([memberRole]);
    await app.root.expect('POST', `/site-resource/${siteResourceId}`, { roleIds: [adminRole] });
    expect(await granted(siteResourceId)).toEqual([]);
  });

  it('is refused by the routes of the relation, and another organization’s role everywhere', async () => {
    const { siteResourceId } = await host();
    const path = `/site-resource/${siteResourceId}`;
    expect(await refused('POST', `${path}/roles`, { roleIds: [adminRole] })).toEqual([400, 'roleIds']);
    expect(await refused('POST', `${path}/roles/add`, { roleId: adminRole })).toEqual([400, 'roleId']);
    const { roles } = await app.root.expect<{ roles: { roleId: number }[] }>('GET', '/org/globex/roles');
    for (const { roleId } of roles) {
      expect((await app.root.post(path, { roleIds: [roleId] })).status).toBe(404);
      const body = { name: 'H', mode: 'host', siteId, destination: '192.0.2.1', roleIds: [roleId] };
      expect((await app.root.put(`/org/${ORG}/site-resource`, body)).status).toBe(404);
    }
  });
});

describe('a private resource', () => {
  it('keeps alias and domain when it is only switched on or off', async () => {
    const named = await host({ alias: 'db.internal' });
    const web = await put<Private>('site-resource', {
      name: word(),
      mode: 'http',
      siteId,
      destination: '192.0.2.9',
      destinationPort: 80,
      scheme: 'http',
      domainId,
      subdomain: word(),
    });
    for (const { siteResourceId, alias, fullDomain } of [named, web])
      for (const enabled of [false, true])
        expect(await app.root.expect('POST', `/v1/private-resource/${siteResourceId}`, { enabled })).toMatchObject({
          enabled,
          alias,
          fullDomain,
        });
    expect(
      await app.root.expect('POST', `/site-resource/${named.siteResourceId}`, { name: 'N', alias: null }),
    ).toMatchObject({ alias: null });
  });

  it('is flat and nested in the list of a site', async () => {
    const made = await host();
    const { siteResources } = await app.root.expect<{ siteResources: Record<string, unknown>[] }>(
      'GET',
      `/org/${ORG}/site/${siteId}/resources?limit=1000&offset=0`,
    );
    const row = siteResources.find((one) => one['siteResourceId'] === made.siteResourceId)!;
    expect(row).toMatchObject({ siteId, destination: '192.0.2.1', mode: 'host' });
    expect(row['siteResources']).toMatchObject({ siteResourceId: made.siteResourceId, destination: '192.0.2.1' });
  });
});

describe('a role', () => {
  const make = async () => (await put<{ roleId: number }>('role', { name: word() })).roleId;

  it('that nobody holds is deleted without a replacement, and its grants go with it', async () => {
    const roleId = await make();
    const { siteResourceId } = await host({ roleIds: [roleId] });
    await app.root.expect('DELETE', `/role/${roleId}`);
    expect((await app.root.get(`/role/${roleId}`)).status).toBe(404);
    const { roles } = await app.root.expect<{ roles: unknown[] }>('GET', `/site-resource/${siteResourceId}/roles`);
    expect(roles).toHaveLength(1);
    const [audited] = await app.sql<{ details: object }>(
      `SELECT details FROM audit WHERE action = 'role.delete' AND target_id = $1`,
      [String(roleId)],
    );
    expect(audited!.details).toMatchObject({ replacement: null });
  });

  it('that a member holds, or an open invitation promises, needs one: 400 names the field', async () => {
    const held = await make();
    await newMember([held]);
    expect(await refused('DELETE', `/role/${held}`)).toEqual([400, 'roleId']);
    await app.root.expect('DELETE', `/role/${held}`, { roleId: memberRole });
    const promised = await make();
    await app.root.expect('POST', `/org/${ORG}/create-invite`, {
      email: `${word()}@example.com`,
      roleIds: [promised],
      validHours: 1,
    });
    expect(await refused('DELETE', `/role/${promised}`, {})).toEqual([400, 'roleId']);
    await app.sql(`UPDATE invitation SET expires_at = now() - interval '1 minute'`);
    await app.root.expect('DELETE', `/role/${promised}`);
  });

  it('Admin never, and null is no replacement', async () => {
    expect((await app.root.delete(`/role/${adminRole}`)).status).toBe(403);
    expect(await refused('DELETE', `/role/${await make()}`, { roleId: null })).toEqual([400, 'roleId']);
  });
});

describe('a machine client', () => {
  it('is answered as an object to who renames it by /v1, else as the list of the document', async () => {
    const { clientId } = await put<{ clientId: number }>('client', {
      name: 'robot',
      olmId: `Robot_${word()}-1`,
      secret: 'S'.repeat(16),
      subnet: '100.90.128.78',
      type: 'olm',
    });
    const by = (path: string, body: object) => app.root.expect('POST', path, body);
    expect(await by(`/v1/client/${clientId}`, { name: 'A' })).toMatchObject({ clientId, name: 'A' });
    expect(await by(`/api/v1/client/${clientId}`, { name: 'B' })).toEqual([expect.objectContaining({ name: 'B' })]);
    expect(await by(`/v1/client/${clientId}`, { name: 'C', niceId: word() })).toEqual([
      expect.objectContaining({ name: 'C' }),
    ]);
  });
});

describe('a blueprint as text', () => {
  let port = 7200;
  const document = () => `public-resources:\n  ${word()}:\n    name: T\n    protocol: tcp\n    proxy-port: ${port++}\n`;
  const apply = (body: object) => app.root.put<Record<string, unknown> | null>(`/v1/org/${ORG}/blueprint`, body);
  const last = async () =>
    (await app.root.expect<{ blueprints: object[] }>('GET', `/org/${ORG}/blueprints?limit=1`)).blueprints[0];

  it('is applied under its name and source, and answers its record', async () => {
    const blueprint = document();
    const reply = await apply({ name: 'Ports', blueprint, source: 'CLI' });
    expect(reply).toMatchObject({
      status: 201,
      body: {
        data: {
          blueprintId: expect.any(Number),
          name: 'Ports',
          source: 'CLI',
          orgId: ORG,
          succeeded: true,
          message: expect.any(String),
          contents: expect.stringContaining('proxy-port'),
        },
      },
    });
    expect(await last()).toMatchObject({ name: 'Ports', source: 'CLI' });
    // One that changes nothing has a record too: who sent it reads one.
    expect((await apply({ name: 'Again', blueprint, source: 'API' })).body.data).toMatchObject({ name: 'Again' });
    expect((await apply({ name: 'From the dashboard', blueprint: document() })).body.data).toMatchObject({
      source: 'UI',
    });
  });

  it('is base64 without either, as before', async () => {
    const reply = await apply({ blueprint: Buffer.from(document()).toString('base64') });
    expect([reply.status, reply.body.data]).toEqual([201, null]);
    expect(problemsOf((await apply({ blueprint: document() })) as never)).toEqual([400, 'blueprint']);
  });

  it('is refused with its problems, and remembered under its name', async () => {
    const wrong = await apply({
      name: 'Wrong',
      blueprint: 'public-resources: {x: {name: T, protocol: tcp}}',
      source: 'UI',
    });
    expect(wrong.status).toBe(400);
    expect(wrong.body.message).toMatch(/^Failed to update database from config: Error:/);
    for (const [more, path] of [
      [{ source: 'NEWT' }, 'source'],
      [{ name: '' }, 'name'],
      [{ name: 'x', color: 'red' }, 'color'],
    ] as const)
      expect(problemsOf((await apply({ blueprint: document(), ...more })) as never)).toEqual([400, path]);
    expect(problemsOf((await apply({ name: 'x' })) as never)).toEqual([400, 'blueprint']);
  });
});

describe('an API key', () => {
  it('lists its actions in both ways', async () => {
    const { apiKeyId } = await put<{ apiKeyId: string }>('api-key', { name: 'ci' });
    await app.root.expect('POST', `/org/${ORG}/api-key/${apiKeyId}/actions`, { actionIds: ['getOrg', 'listSites'] });
    expect(await app.root.expect('GET', `/org/${ORG}/api-key/${apiKeyId}/actions`)).toMatchObject({
      actions: [{ actionId: 'getOrg' }, { actionId: 'listSites' }],
      actionIds: ['getOrg', 'listSites'],
    });
  });
});
