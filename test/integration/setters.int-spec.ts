import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let resource: string;
let siteResource: string;
let domain: string;
let roleIds: number[];
let userIds: string[];
let clientIds: number[];
const EMAILS = ['a@example.com', 'b@example.com', 'c@example.com'];
beforeAll(async () => {
  app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
  await app.makeOrg('acme');
  const put = <T>(path: string, body: object) => app.root.expect<T>('PUT', `/org/acme/${path}`, body);
  const { siteId } = await put<{ siteId: number }>('site', { name: 'S', type: 'newt' });
  const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', '/org/acme/domains');
  domain = `/org/acme/domain/${domains[0]!.domainId}`;
  resource = `/resource/${(await put<{ resourceId: number }>('resource', { name: 'R', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain: 'r' })).resourceId}`;
  await app.root.expect('POST', resource, { emailWhitelistEnabled: true });
  siteResource = `/site-resource/${(await put<{ siteResourceId: number }>('site-resource', { name: 'P', mode: 'host', destination: '10.1.2.3', siteId })).siteResourceId}`;
  roleIds = await Promise.all(
    ['one', 'two'].map(async (name) => (await put<{ roleId: number }>('role', { name })).roleId),
  );
  userIds = ['u1', 'u2'];
  for (const id of userIds) {
    await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', ['acme', id]);
  }
  const addresses = ['100.90.128.20', '100.90.128.21'];
  clientIds = await Promise.all(
    addresses.map(
      async (subnet, i) =>
        (
          await put<{ clientId: number }>('client', {
            name: `c${i}`,
            olmId: `${i}`.repeat(15),
            secret: 's'.repeat(48),
            subnet,
            type: 'olm',
          })
        ).clientId,
    ),
  );
});
afterAll(() => app?.close());

describe('setters check the version that the caller read', () => {
  const calls: [path: () => string, body: () => object][] = [
    [() => `${resource}/password`, () => ({ password: 'secret' })],
    [() => `${resource}/pincode`, () => ({ pincode: '123456' })],
    [() => `${resource}/header-auth`, () => ({ user: 'user', password: 'secret', extendedCompatibility: true })],
    [() => `${resource}/whitelist`, () => ({ emails: EMAILS })],
    [() => `${resource}/whitelist/remove`, () => ({ email: EMAILS[0] })],
    [() => `${resource}/whitelist/add`, () => ({ email: EMAILS[0] })],
    ...[() => resource, () => siteResource].flatMap((of): typeof calls => [
      [() => `${of()}/roles`, () => ({ roleIds })],
      [() => `${of()}/roles/remove`, () => ({ roleId: roleIds[0] })],
      [() => `${of()}/roles/add`, () => ({ roleId: roleIds[0] })],
      [() => `${of()}/users`, () => ({ userIds })],
      [() => `${of()}/users/remove`, () => ({ userId: userIds[0] })],
      [() => `${of()}/users/add`, () => ({ userId: userIds[0] })],
    ]),
    [() => `${siteResource}/clients`, () => ({ clientIds })],
    [() => `${siteResource}/clients/remove`, () => ({ clientId: clientIds[0] })],
    [() => `${siteResource}/clients/add`, () => ({ clientId: clientIds[0] })],
  ];
  it('412 and no change when it is stale; else the version that is now', async () => {
    for (const [path, body] of calls) {
      const of = path().split('/').slice(0, 3).join('/');
      const before = await app.root.get(of);
      const [current, stale] = [before.headers.get('etag')!, '"999"'].map((tag) =>
        app.root.as(app.root.authorization, { 'if-match': tag }),
      );
      const audited = async () => (await app.sql('SELECT FROM audit')).length;
      const rows = await audited();
      expect(await stale!.post(path(), body()), path()).toMatchObject({
        status: 412,
        body: { code: 'precondition_failed' },
      });
      expect(await audited()).toBe(rows);
      const done = await (current as typeof app.root).post(path(), body());
      expect(done.status, path()).toBe(path().endsWith('/remove') ? 200 : 201);
      expect(done.headers.get('etag'), path()).toBe((await app.root.get(of)).headers.get('etag'));
    }
  });
});

describe('lists of relations are whole, or the page that is asked for', () => {
  it.each([
    ['roles', () => resource, 'roleId'],
    ['users', () => resource, 'userId'],
    ['whitelist', () => resource, 'email'],
    ['roles', () => siteResource, 'roleId'],
    ['users', () => siteResource, 'userId'],
    ['clients', () => siteResource, 'clientId'],
  ] as const)('%s', async (list, of, id) => {
    const read = async (query = '') =>
      ((await app.root.expect('GET', `${of()}/${list}${query}`)) as Record<string, Record<string, unknown>[]>)[list]!;
    const all = await read();
    expect(all.length).toBeGreaterThanOrEqual(2);
    if (list === 'roles') expect(all[0]).toMatchObject({ isAdmin: true });
    const ids = (rows: Record<string, unknown>[]) => rows.map((row) => row[id]);
    expect(ids(await read('?limit=1'))).toEqual(ids(all.slice(0, 1)));
    expect(ids(await read('?page=2&pageSize=1'))).toEqual(ids(all.slice(1, 2)));
    expect(ids(await read('?offset=1'))).toEqual(ids(all.slice(1)));
    for (const bad of ['limit=x', 'limit=0', 'page=1&limit=1', 'color=red'])
      expect((await app.root.get(`${of()}/${list}?${bad}`)).status, bad).toBe(400);
  });

  it('DNS records', async () => {
    const all = await app.root.expect<{ id: number }[]>('GET', `${domain}/dns-records`);
    expect(all).toHaveLength(2);
    expect(await app.root.expect('GET', `${domain}/dns-records?limit=1&offset=1`)).toEqual(all.slice(1));
    expect(await app.root.expect('GET', `${domain}/dns-records?page=1&pageSize=1`)).toEqual(all.slice(0, 1));
    expect((await app.root.get(`${domain}/dns-records?page=1&limit=1`)).status).toBe(400);
  });
});
