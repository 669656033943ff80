import { describe, expect, it } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { one, orgKey, setUpAccess, sql, two } from '../support/access.js';
import { Api } from '../support/api.js';
import { createUser, logIn } from '../support/app.js';
import { until } from '../support/server.js';

setUpAccess();

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
      actionIds: ['getOrg'],
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

describe('an API key', () => {
  it('is made, listed with the right total, read, given actions and deleted', async () => {
    const org = 'keys';
    await one.root.expect('PUT', '/org', { orgId: org, name: org });
    const made = [];
    for (const name of ['a', 'b', 'c'])
      made.push(
        await one.root.expect<{ apiKeyId: string; apiKey: string; lastChars: string; createdAt: string }>(
          'PUT',
          `/org/${org}/api-key`,
          { name },
        ),
      );
    const [{ apiKeyId, apiKey, lastChars, createdAt }] = made as [(typeof made)[0]];
    expect([apiKeyId, apiKey]).toEqual([
      expect.stringMatching(/^[a-z0-9]{15}$/),
      expect.stringMatching(/^[a-z2-7]{40}$/),
    ]);
    const createdBy = { kind: 'root_key', id: expect.any(String), name: 'test' };
    const unused = { createdBy, lastUsedAt: null, lastUsedFrom: null, expiresAt: null };
    expect(await one.root.expect('GET', `/org/${org}/api-keys?limit=1&offset=0`)).toEqual({
      apiKeys: [{ apiKeyId, orgId: org, lastChars: apiKey.slice(-4), createdAt, name: 'a', ...unused }],
      pagination: { total: 3, limit: 1, offset: 0 },
    });
    expect(await one.root.expect('GET', `/org/${org}/api-key/${apiKeyId}`)).toEqual({
      apiKeyId,
      orgId: org,
      lastChars,
      createdAt,
      name: 'a',
      ...unused,
    });
    const path = `/org/${org}/api-key/${apiKeyId}/actions`;
    const set = await one.root.post(path, { actionIds: ['listSites', 'getOrg', 'getSite'] });
    expect([set.status, set.body.data]).toEqual([201, {}]);
    expect(await one.root.expect('GET', `${path}?limit=2`)).toEqual({
      actions: [{ actionId: 'getOrg' }, { actionId: 'getSite' }],
      actionIds: ['getOrg', 'getSite'],
      pagination: { total: 3, limit: 2, offset: 0 },
    });
    for (const actionIds of [['flyToTheMoon'], 'getOrg', undefined])
      expect((await one.root.post(path, { actionIds })).status, String(actionIds)).toBe(400);
    expect((await one.root.get(`/org/other/api-key/${apiKeyId}`)).status).toBe(404);
    expect((await one.root.delete(`/org/${org}/api-key/${apiKeyId}`)).body).toMatchObject({ status: 200, data: null });
    expect((await one.root.get(path)).status).toBe(404);
  });
});
