import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemPrincipal } from '#platform';
import { UsersService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { CSRF, createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let one: StartedApp;
let two: StartedApp;
let adminId: string;
const admin = { email: 'admin@example.com', password: 'correct horse' };
const member = { email: 'member@example.com', password: 'battery staple' };

beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = [await startApp(database.url), await startApp(database.url)];
  adminId = await createUser(one, { ...admin, serverAdmin: true });
  await one.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
  await one.root.expect('PUT', '/org', { orgId: 'other', name: 'Other' });
  const memberId = await createUser(one, member);
  const [role] = await sql<{ role_id: number }>(`SELECT role_id FROM role WHERE org_id = 'acme' AND name = 'Member'`);
  await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, 'acme', memberId, { roleIds: [role!.role_id] }));
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const audited = (action: string) =>
  sql<{ actor_type: string; actor_id: string; result: string; address: string; target_id: string }>(
    'SELECT actor_type, actor_id, result, host(address) AS address, target_id FROM audit WHERE action = $1 ORDER BY audit_id',
    [action],
  );

async function orgKey(orgId: string, actions: string[] = []): Promise<{ id: string; token: string }> {
  const key = await one.root.expect<{ apiKeyId: string; apiKey: string }>('PUT', `/org/${orgId}/api-key`, {
    name: 'k',
  });
  if (actions.length > 0)
    await one.root.expect('POST', `/org/${orgId}/api-key/${key.apiKeyId}/actions`, { actionIds: actions });
  return { id: key.apiKeyId, token: `${key.apiKeyId}.${key.apiKey}` };
}

describe('logging in', () => {
  it('sets a cookie that pages cannot read, and answers who it is', async () => {
    const reply = await new Api(one.url, undefined, CSRF).post<{ email: string }>('/auth/login', {
      email: 'Admin@Example.com',
      password: admin.password,
    });
    expect(reply.status).toBe(200);
    const cookie = reply.headers.get('set-cookie')!;
    expect(cookie).toMatch(/^gatehouse_session=[\w-]{43}; Path=\/; Expires=.*; HttpOnly; SameSite=Lax$/);
    expect(reply.text).not.toContain(/=([\w-]+);/.exec(cookie)![1]!);
    const user = await (await logIn(two.url, admin.email, admin.password)).expect<{
      userId: string;
      memberships: object[];
    }>('GET', '/user');
    expect(user.userId).toBe(adminId);
    // Organizations that a key creates belong to the first administrator.
    expect(user.memberships).toMatchObject([
      { orgId: 'acme', isOwner: true, roles: [{ name: 'Admin', isAdmin: true }] },
      { orgId: 'other' },
    ]);
  });

  it('uses the __Host- prefix and Secure behind https', async () => {
    const https = await startApp(database.url, { PUBLIC_URL: 'https://gatehouse.example.com' });
    try {
      const reply = await new Api(https.url, undefined, CSRF).post('/auth/login', admin);
      expect(reply.headers.get('set-cookie')).toMatch(/^__Host-gatehouse_session=.*; HttpOnly; Secure; SameSite=Lax$/);
    } finally {
      await https.close();
    }
  });

  it('answers an unknown user, a wrong password and a password-less user alike', async () => {
    await sql(
      `INSERT INTO "user" (user_id, email, username) VALUES ('nopassword', 'nopassword@example.com', 'nopassword@example.com')`,
    );
    const anonymous = new Api(one.url, undefined, CSRF);
    const replies = [
      await anonymous.post('/auth/login', { email: admin.email, password: 'wrong' }),
      await anonymous.post('/auth/login', { email: 'nobody@example.com', password: 'wrong' }),
      await anonymous.post('/auth/login', { email: 'nopassword@example.com', password: 'wrong' }),
    ];
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(replies[0]!.status).toBe(401);
  });

  it('is audited with address and result, success and failure', async () => {
    // Failures are recorded after the answer: those of other tests may come meanwhile.
    const email = 'audited@example.com';
    const rows = async () =>
      (await audited('auth.login')).filter((row) => row.actor_id === email || row.actor_id === adminId).slice(-2);
    await new Api(one.url, undefined, CSRF).post('/auth/login', { email, password: 'wrong' });
    await until(async () => (await rows()).at(-1)?.actor_id === email);
    await logIn(one.url, admin.email, admin.password);
    expect(await rows()).toEqual([
      { actor_type: 'anonymous', actor_id: email, result: 'failure', address: '127.0.0.1', target_id: null },
      { actor_type: 'user', actor_id: adminId, result: 'success', address: '127.0.0.1', target_id: adminId },
    ]);
  });

  it('refuses more than 72 bytes and a missing CSRF header', async () => {
    const reply = await new Api(one.url, undefined, CSRF).post('/auth/login', {
      email: admin.email,
      password: 'ä'.repeat(40),
    });
    expect(reply.body).toMatchObject({ code: 'validation', fields: [{ path: 'password' }] });
    expect((await new Api(one.url).post('/auth/login', admin)).body).toMatchObject({ code: 'csrf', status: 403 });
  });

  it('throttles refusals only: the right password is let in while guesses are turned away', async () => {
    const strict = await startApp(database.url, { REFUSALS_PER_MINUTE: '3' });
    try {
      const anonymous = new Api(strict.url, undefined, CSRF);
      const statuses = [];
      for (let i = 0; i < 5; i++)
        statuses.push((await anonymous.post('/auth/login', { email: admin.email, password: 'guess' })).status);
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      expect(
        (await anonymous.post('/auth/login', { email: admin.email, password: 'guess' })).headers.get('retry-after'),
      ).toMatch(/^\d+$/);
      expect((await anonymous.post('/auth/login', admin)).status).toBe(200);
    } finally {
      await strict.close();
    }
  });
});

describe('a session', () => {
  it('is ignored on /v1, where any origin may call', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    expect((await session.get('/api/v1/org/acme')).status).toBe(200);
    const reply = await session.as(undefined, { origin: 'https://elsewhere.example' }).get('/v1/org/acme');
    expect(reply.body).toMatchObject({ status: 401, message: 'API key required' });
    expect(reply.headers.get('access-control-allow-origin')).toBe('*');
    expect(reply.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await one.root.get('/api/v1/orgs')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is not looked at when a key is there', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    const cookie = session.extra;
    expect((await session.as('wrong.key', cookie).get('/org/acme')).status).toBe(401);
    expect((await session.as((await orgKey('other', ['getOrg'])).token, cookie).get('/org/acme')).status).toBe(404);
  });

  it('ends on every server process when it is logged out', async () => {
    const session = await logIn(one.url, member.email, member.password);
    const elsewhere = new Api(two.url, undefined, session.extra);
    expect((await elsewhere.get('/user')).status).toBe(200);
    expect((await elsewhere.get('/org/acme')).status).toBe(200);
    expect((await session.post('/auth/logout')).status).toBe(200);
    await until(async () => (await elsewhere.get('/org/acme')).status === 401);
    expect(await audited('auth.logout')).toHaveLength(1);
  });

  it('sees what its roles allow, and nothing of other organizations', async () => {
    const session = await logIn(one.url, member.email, member.password);
    expect((await session.get('/org/acme')).status).toBe(200);
    expect((await session.get('/org/other')).status).toBe(404);
    expect((await session.get('/org/nosuch')).text).toBe((await session.get('/org/other')).text);
    expect((await session.post('/org/acme', { name: 'Mine' })).status).toBe(403);
    expect((await session.get('/orgs')).status).toBe(403);
  });

  it('ends everywhere but here when the password changes', async () => {
    const email = 'changes@example.com';
    const id = await createUser(one, { email, password: 'the old one' });
    const [here, there] = [await logIn(one.url, email, 'the old one'), await logIn(two.url, email, 'the old one')];
    expect((await there.get('/user')).status).toBe(200);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'not it', newPassword: 'the new one' })).status,
    ).toBe(400);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'the old one', newPassword: 'short' })).status,
    ).toBe(400);
    expect(
      (await here.post('/auth/change-password', { currentPassword: 'the old one', newPassword: 'the new one' })).status,
    ).toBe(200);
    await until(async () => (await there.get('/user')).status === 401);
    expect((await here.get('/user')).status).toBe(200);
    await expect(logIn(one.url, email, 'the old one')).rejects.toThrow('401');
    await logIn(one.url, email, 'the new one');
    expect((await audited('user.change_password')).map((row) => [row.actor_id, row.result])).toEqual([
      [id, 'failure'],
      [id, 'success'],
    ]);
  });

  it('ends when an operator resets the password', async () => {
    const email = 'reset@example.com';
    await createUser(one, { email, password: 'the old one' });
    const session = await logIn(two.url, email, 'the old one');
    expect((await session.get('/user')).status).toBe(200);
    await one.app.get(UsersService).resetPassword(systemPrincipal('admin command'), email, 'set by hand');
    await until(async () => (await session.get('/user')).status === 401);
    await logIn(one.url, email, 'set by hand');
  });

  it('stores no token', async () => {
    const session = await logIn(one.url, admin.email, admin.password);
    const token = session.extra['cookie']!.split('=')[1]!;
    const rows = await sql<{ hash: string }>(`SELECT encode(token_hash, 'escape') AS hash FROM user_session`);
    expect(rows.some((row) => row.hash.includes(token))).toBe(false);
  });
});

describe('API keys', () => {
  it('hold nothing when new, and exactly what was set afterwards', async () => {
    const key = await orgKey('acme');
    const api = new Api(one.url, key.token);
    expect((await api.get('/v1/org/acme')).status).toBe(403);
    await one.root.expect('POST', `/org/acme/api-key/${key.id}/actions`, { actionIds: ['getOrg'] });
    await until(async () => (await api.get('/v1/org/acme')).status === 200);
    expect((await api.post('/v1/org/acme', { name: 'Mine' })).status).toBe(403);
    expect((await api.get('/v1/org/other')).status).toBe(404);
    expect((await new Api(one.url, undefined, { 'x-api-key': key.token }).get('/v1/org/acme')).status).toBe(200);
  });

  it('show the secret once and never again', async () => {
    const key = await orgKey('acme');
    const secret = key.token.split('.')[1]!;
    expect(secret).toMatch(/^[a-z2-7]{40}$/);
    expect(key.id).toMatch(/^[a-z0-9]{15}$/);
    expect((await one.root.get('/org/acme/api-keys')).text).not.toContain(secret);
    const { apiKeys } = await one.root.expect<{ apiKeys: object[] }>('GET', '/org/acme/api-keys');
    expect(apiKeys.flatMap(Object.keys).filter((name) => /hash/i.test(name))).toEqual([]);
    const [row] = await sql<{ secret_hash: Buffer }>('SELECT secret_hash FROM api_key WHERE api_key_id = $1', [key.id]);
    expect(row!.secret_hash).toHaveLength(32);
  });

  it.each([
    ['no key', undefined, 'API key required'],
    ['no dot', 'abc', 'Invalid API key'],
    ['no secret', 'abc.', 'Invalid API key'],
    ['unknown id', `${'a'.repeat(15)}.${'b'.repeat(40)}`, 'Invalid API key'],
    ['NUL', 'a\\u0000.b', 'Invalid API key'],
  ])('answer 401 for %s', async (_, token, message) => {
    expect((await new Api(one.url, token).get('/v1/orgs')).body).toMatchObject({ status: 401, message });
  });

  it('answer 401 for a wrong secret, known to the cache or not', async () => {
    const key = await orgKey('acme', ['getOrg']);
    for (let i = 0; i < 2; i++) {
      expect((await new Api(one.url, `${key.id}.wrong`).get('/v1/org/acme')).status).toBe(401);
      expect((await new Api(one.url, key.token).get('/v1/org/acme')).status).toBe(200);
    }
  });

  it('end on every server process when they are deleted', async () => {
    const key = await orgKey('acme', ['getOrg']);
    const elsewhere = new Api(two.url, key.token);
    expect((await elsewhere.get('/v1/org/acme')).status).toBe(200);
    expect((await one.root.delete(`/org/acme/api-key/${key.id}`)).status).toBe(200);
    await until(async () => (await elsewhere.get('/v1/org/acme')).status === 401);
    expect((await one.root.delete(`/org/acme/api-key/${key.id}`)).status).toBe(404);
  });

  it('cannot be made by organization keys, nor given what the giver lacks', async () => {
    const all = await orgKey('acme', ['createApiKey', 'setApiKeyActions', 'listApiKeys', 'getOrg']);
    expect((await new Api(one.url, all.token).put('/v1/org/acme/api-key', { name: 'x' })).status).toBe(403);
    expect((await new Api(one.url, all.token).get('/v1/org/acme/api-keys')).status).toBe(403);
    const email = 'granter@example.com';
    const id = await createUser(one, { email, password: 'granter granter' });
    const [role] = await sql<{ role_id: number }>(
      `INSERT INTO role (org_id, name, name_key, actions) VALUES ('acme', 'Granter', 'granter', '{createApiKey,setApiKeyActions,listApiKeyActions,getOrg}') RETURNING role_id`,
    );
    await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, 'acme', id, { roleIds: [Number(role!.role_id)] }));
    const granter = await logIn(one.url, email, 'granter granter');
    const made = await granter.expect<{ apiKeyId: string }>('PUT', '/org/acme/api-key', { name: 'x' });
    const actions = `/org/acme/api-key/${made.apiKeyId}/actions`;
    expect((await granter.post(actions, { actionIds: ['getOrg', 'deleteSite'] })).body).toMatchObject({
      status: 403,
      message: expect.stringContaining('deleteSite'),
    });
    expect((await granter.post(actions, { actionIds: ['getOrg'] })).status).toBe(201);
    expect((await granter.get(actions)).body.data).toEqual({
      actions: [{ actionId: 'getOrg' }],
      pagination: { total: 1, limit: 1000, offset: 0 },
    });
    expect((await granter.post(actions, { actionIds: ['flyToTheMoon'] })).status).toBe(400);
    expect((await granter.post(actions, { actionIds: [] })).status).toBe(201);
  });

  it('of another organization cannot be touched through one’s own', async () => {
    const key = await orgKey('other');
    expect((await one.root.get(`/org/acme/api-key/${key.id}/actions`)).status).toBe(404);
    expect((await one.root.delete(`/org/acme/api-key/${key.id}`)).status).toBe(404);
  });

  it('that are provisioning keys authorize nothing', async () => {
    for (const token of [`spk_${'a'.repeat(15)}.${'b'.repeat(52)}`, `spk-${'a'.repeat(15)}.${'b'.repeat(40)}`]) {
      for (const path of ['/v1/orgs', '/v1/org/acme', '/api/v1/user'])
        expect((await new Api(one.url, token).get(path)).status).toBe(403);
    }
  });

  it('are audited, one row per change', async () => {
    const before = (await sql(`SELECT 1 FROM audit WHERE org_id = 'acme'`)).length;
    const key = await orgKey('acme', ['getOrg']);
    await one.root.delete(`/org/acme/api-key/${key.id}`);
    const rows = (
      await sql<{ action: string; org_id: string }>(
        `SELECT action, org_id FROM audit WHERE org_id = 'acme' ORDER BY audit_id`,
      )
    ).slice(before);
    expect(rows).toEqual(
      ['create', 'set_actions', 'delete'].map((verb) => ({ action: `api_key.${verb}`, org_id: 'acme' })),
    );
  });
});

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
      roles: [{ name: 'Admin', isAdmin: true }, { name: 'Member' }],
      pagination: { total: 2, page: 1, pageSize: 20 },
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
    expect((await one.root.get('/orgs?limit=1001')).status).toBe(400);
  });
});
