import { describe, expect, it } from 'vitest';
import {
  app,
  auditOf,
  client,
  create,
  desired,
  domain,
  fresh,
  list,
  org,
  put,
  ROW,
  read,
  role,
  setUpPrivateResources,
  site,
  siteOf,
  update,
  user,
} from '../support/private-resources.js';

setUpPrivateResources();

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

  it('keeps what is sent: sites in their order, siteId first, null, and text in its normal form', async () => {
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
    const stored = {
      ...rest,
      alias: rest.alias.toLowerCase(),
      tcpPortRangeString: rest.tcpPortRangeString.replaceAll(' ', ''),
    };
    expect(made).toMatchObject({ ...stored, siteId: ids[2], siteIds: [ids[2], ids[1], ids[0]] });
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
    [{ niceId: 'a#b' }, 'niceId'],
    [{ niceId: ' x' }, 'niceId'],
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

  it("a person's device is not granted: 400", async () => {
    const device = await client('acme');
    await app.sql('UPDATE client SET user_id = $2 WHERE client_id = $1', [device, await user('acme')]);
    const right = { name: 'D', mode: 'host', destination: '10.1.2.3', siteId: await siteOf('acme') };
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
