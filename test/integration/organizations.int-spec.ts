import { beforeAll, describe, expect, it } from 'vitest';
import { admin, audited, one, orgKey, setUpAccess, sql, two } from '../support/access.js';
import { Api } from '../support/api.js';
import { logIn } from '../support/app.js';
import { until } from '../support/server.js';

setUpAccess();

describe('organizations', () => {
  it('tell whether an id is free', async () => {
    expect((await one.root.get('/v1/org/checkId?orgId=acme')).body).toMatchObject({
      status: 200,
      success: true,
      data: {},
    });
    expect((await one.root.get('/v1/org/checkId?orgId=free')).body).toMatchObject({
      status: 404,
      success: true,
      data: {},
    });
  });

  it.each([
    [{ orgId: 'acme', name: 'x' }, 409],
    [{ orgId: 'Upper', name: 'x' }, 400],
    [{ orgId: 'a--b', name: 'x' }, 400],
    [{ orgId: 'x'.repeat(33), name: 'x' }, 400],
    [{ orgId: 'ok', name: '' }, 400],
    [{ orgId: 'ok', name: 'x', subnet: '10.0.0.1/8' }, 400],
    [{ orgId: 'ok', name: 'x', subnet: '10.0.0.0/16', utilitySubnet: '10.0.128.0/20' }, 400],
    [{ orgId: 'ok', name: 'x', unknown: 1 }, 400],
  ])('refuse %j', async (body, status) => {
    expect((await one.root.put('/v1/org', body)).status).toBe(status);
  });

  it('begin with roles, an owner, the address pool and one audit row', async () => {
    const created = await one.root.expect<{ subnet: string }>('PUT', '/org', { orgId: 'fresh', name: 'Fresh' });
    expect(created.subnet).toBe('100.90.128.0/17');
    expect((await one.root.get('/org/fresh/roles')).body.data).toMatchObject({
      roles: [
        { name: 'Admin', isAdmin: true },
        { name: 'Approver' },
        { name: 'Member' },
        { name: 'Operator' },
        { name: 'Viewer' },
      ],
      pagination: { total: 5, page: 1, pageSize: 1000 },
    });
    expect((await one.root.get('/org/fresh/users?query=ADMIN')).body.data).toMatchObject({
      users: [{ email: admin.email, isOwner: true }],
      pagination: { total: 1 },
    });
    expect((await one.root.get('/org/fresh/address-ranges')).body.data).toMatchObject({
      addressRanges: [{ cidr: '100.90.128.0/17' }],
    });
    expect(await sql(`SELECT 1 FROM audit WHERE org_id = 'fresh'`)).toHaveLength(1);
  });

  it('are changed field by field, and refuse what nothing enforces yet', async () => {
    expect((await one.root.post('/org/acme', {})).status).toBe(400);
    expect((await one.root.post('/org/acme', { requireTwoFactor: true })).body).toMatchObject({
      status: 400,
      code: 'not_available',
    });
    expect((await one.root.post('/org/acme', { passwordExpiryDays: 30 })).body).toMatchObject({
      code: 'not_available',
    });
    expect((await one.root.post('/org/acme', { maxSessionLengthHours: 8 })).body).toMatchObject({
      code: 'not_available',
    });
    const reply = await one.root.post('/org/acme', {
      name: 'Acme Ltd',
      requireTwoFactor: false,
      passwordExpiryDays: null,
      settingsLogRetentionDaysAccess: -1,
    });
    expect(reply.body).toMatchObject({
      status: 200,
      data: {
        name: 'Acme Ltd',
        settingsLogRetentionDaysAccess: -1,
        settingsLogRetentionDaysRequest: 7,
        sshCaPrivateKey: null,
      },
    });
  });

  it('take everything along when they are deleted, on every server process', async () => {
    await one.root.expect('PUT', '/org', { orgId: 'doomed', name: 'Doomed' });
    const key = await orgKey('doomed', ['getOrg', 'deleteOrg']);
    const [inside, session] = [new Api(two.url, key.token), await logIn(two.url, admin.email, admin.password)];
    await sql(
      `INSERT INTO site (org_id, nice_id, name, status) SELECT 'doomed', 's' || n, 's', 'approved' FROM generate_series(1, 4500) AS n`,
    );
    await sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) SELECT 'doomed', 'r' || n, 'r', false, 'tcp', n FROM generate_series(1, 2100) AS n`,
    );
    expect((await inside.get('/org/doomed')).status).toBe(200);
    expect((await session.get('/org/doomed')).status).toBe(200);
    expect((await inside.delete('/org/doomed')).status).toBe(403);
    expect((await one.root.delete('/org/doomed')).status).toBe(200);
    await until(async () => (await inside.get('/org/doomed')).status === 401);
    await until(async () => (await session.get('/org/doomed')).status === 404);
    const tables = await sql<{ name: string }>(
      `SELECT c.table_name AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND c.column_name = 'org_id' AND t.table_type = 'BASE TABLE'`,
    );
    const left: string[] = [];
    for (const { name } of tables)
      if ((await sql(`SELECT 1 FROM "${name}" WHERE org_id = 'doomed' LIMIT 1`)).length > 0) left.push(name);
    // What outlives an organization is kept under its identity.
    expect(left.filter((name) => !['audit', 'claim', 'event'].includes(name))).toEqual([]);
    expect((await audited('org.delete')).map((row) => row.target_id)).toEqual(['doomed']);
  });

  it('are listed a page at a time, both ways of asking', async () => {
    const all = await one.root.expect<{ orgs: { orgId: string }[]; pagination: { total: number } }>('GET', '/orgs');
    expect(all.pagination).toEqual({ total: all.orgs.length, limit: 1000, offset: 0 });
    expect((await one.root.get('/orgs?page=2&pageSize=1')).body.data).toMatchObject({
      orgs: [all.orgs[1]],
      pagination: { limit: 1, offset: 1 },
    });
    expect((await one.root.get('/orgs?page=2&limit=1')).status).toBe(400);
  });
});

describe('an organization', () => {
  const org = 'versioned';
  beforeAll(() => one.root.expect('PUT', '/org', { orgId: org, name: org }));
  const withMatch = (etag: string) => one.root.as(one.root.authorization, { 'if-match': etag });

  it('is changed only as it was read', async () => {
    const reply = await one.root.get(`/org/${org}`);
    const etag = reply.headers.get('etag')!;
    expect(etag).toBe('"1"');
    const first = await withMatch(etag).post<{ name: string }>(`/org/${org}`, { name: 'First' });
    expect([first.status, first.body.data.name, first.headers.get('etag')]).toEqual([200, 'First', '"2"']);
    expect((await withMatch(etag).post(`/org/${org}`, { name: 'Second' })).body).toMatchObject({
      status: 412,
      code: 'precondition_failed',
    });
    expect((await one.root.get(`/org/${org}`)).headers.get('etag')).toBe('"2"');
    expect((await one.root.post(`/org/${org}`, { name: 'Third' })).status).toBe(200);
  });

  it.each([{ requireTwoFactor: true }, { passwordExpiryDays: 30 }, { maxSessionLengthHours: 8 }])(
    'does not store what nothing enforces: %j',
    async (body) => {
      expect((await one.root.post(`/org/${org}`, body)).body).toMatchObject({ status: 400, code: 'not_available' });
      expect(
        (
          await one.root.post(`/org/${org}`, {
            requireTwoFactor: false,
            passwordExpiryDays: null,
            maxSessionLengthHours: null,
          })
        ).status,
      ).toBe(200);
    },
  );
});
