import { describe, expect, it } from 'vitest';
import { sha256 } from '#platform';
import { Retention } from '../../libs/platform/database/retention.js';
import { headerAuthSecret, matchesShared } from '../../src/resources/auth/shared-secrets.js';
import { app, get, post, rawId, resource, resourceId, setUpResourceAccess, user } from '../support/resource-access.js';

setUpResourceAccess();

const hashes = async () =>
  (
    await app.sql<{
      password: string | null;
      pincode: string | null;
      user: string | null;
      header: string | null;
      extended: boolean | null;
    }>(
      `SELECT password_hash AS password, pincode_hash AS pincode, header_auth_user AS "user", header_auth_hash AS header, header_auth_extended AS extended FROM resource WHERE resource_id = $1`,
      [resourceId],
    )
  )[0]!;

describe('password, PIN, header authentication', () => {
  it('are stored as hashes, said to be set, never shown, and cleared by null', async () => {
    const long = 'p'.repeat(99);
    expect(await post('password', { password: `${long}1` })).toMatchObject({
      status: 201,
      body: { data: {}, success: true, status: 201 },
    });
    expect((await post('pincode', { pincode: '012345' })).status).toBe(201);
    expect(
      (await post('header-auth', { user: 'u'.repeat(100), password: long, extendedCompatibility: true })).status,
    ).toBe(201);
    const stored = await hashes();
    expect(await matchesShared(`${long}1`, stored.password!)).toBe(true);
    // Beyond the 72 bytes that bcrypt looks at.
    expect(await matchesShared(`${long}2`, stored.password!)).toBe(false);
    expect(await matchesShared('012345', stored.pincode!)).toBe(true);
    expect(await matchesShared(headerAuthSecret('u'.repeat(100), long), stored.header!)).toBe(true);
    expect(await matchesShared(headerAuthSecret('u'.repeat(100), `${long.slice(1)}x`), stored.header!)).toBe(false);
    expect(stored).toMatchObject({ user: 'u'.repeat(100), extended: true });
    const reply = await app.root.get(`/resource/${resourceId}`);
    expect(reply.body.data).toMatchObject({ passwordId: resourceId, pincodeId: resourceId, headerAuthId: resourceId });
    for (const secret of [...Object.values(stored).filter((v) => typeof v === 'string'), long])
      expect(reply.text).not.toContain(secret);
    const audit = await app.sql<{ details: unknown }>(
      `SELECT details FROM audit WHERE action LIKE 'resource.set_%' AND target_id = $1`,
      [String(resourceId)],
    );
    expect(audit.map((a) => a.details)).toEqual([{ set: true }, { set: true }, { set: true }]);
    await post('password', { password: null });
    await post('pincode', { pincode: null });
    await post('header-auth', { user: 'user', password: null, extendedCompatibility: true });
    expect(await hashes()).toEqual({ password: null, pincode: null, user: null, header: null, extended: null });
  });

  it.each([
    ['password', {}, 'password'],
    ['password', { password: 'abc' }, 'password'],
    ['password', { password: 'x'.repeat(101) }, 'password'],
    ['password', { password: 1234 }, 'password'],
    ['pincode', { pincode: '12345' }, 'pincode'],
    ['pincode', { pincode: 123456 }, 'pincode'],
    ['pincode', { pincode: '12345a' }, 'pincode'],
    ['pincode', {}, 'pincode'],
    ['header-auth', { user: 'user', password: 'pass' }, 'extendedCompatibility'],
    ['header-auth', { user: 'a:bc', password: 'pass', extendedCompatibility: true }, 'user'],
    ['header-auth', { password: 'pass', extendedCompatibility: true }, 'user'],
    ['header-auth', { user: 'user', password: 'pass', extendedCompatibility: 'yes' }, 'extendedCompatibility'],
    ['password', { password: 'four', hint: 'x' }, 'hint'],
  ])('%s refuses %j, naming the field', async (rest, body, path) => {
    expect(await post(rest, body)).toMatchObject({ status: 400, body: { code: 'validation', fields: [{ path }] } });
  });

  it('belong to HTTP resources', async () => {
    expect((await post('password', { password: 'four' }, rawId)).status).toBe(400);
  });
});

describe('whitelist', () => {
  it('is replaced, added to and removed from, in lower case, once it is switched on', async () => {
    const id = await resource('acme');
    expect((await post('whitelist', { emails: ['a@example.com'] }, id)).status).toBe(400);
    expect((await post('whitelist/add', { email: 'a@example.com' }, id)).status).toBe(400);
    await app.root.expect('POST', `/resource/${id}`, { emailWhitelistEnabled: true });
    expect(await post('whitelist', { emails: ['B@Example.com', '*@Example.org', 'b@example.com'] }, id)).toMatchObject({
      status: 201,
      body: { data: {} },
    });
    expect(await get('whitelist', id)).toEqual({ whitelist: [{ email: 'b@example.com' }, { email: '*@example.org' }] });
    expect((await post('whitelist/add', { email: 'A@example.com' }, id)).status).toBe(201);
    expect((await post('whitelist/add', { email: 'a@example.com' }, id)).status).toBe(409);
    expect((await post('whitelist/remove', { email: '*@EXAMPLE.org' }, id)).status).toBe(200);
    expect((await post('whitelist/remove', { email: '*@example.org' }, id)).status).toBe(404);
    expect(await get('whitelist', id)).toEqual({ whitelist: [{ email: 'b@example.com' }, { email: 'a@example.com' }] });
    const sent = ['z@example.com', 'a@example.com', 'b@example.com', '*@example.org'];
    for (const emails of [sent, [...sent].reverse()]) {
      await post('whitelist', { emails }, id);
      expect(await get('whitelist', id)).toEqual({ whitelist: emails.map((email) => ({ email })) });
    }
    await post('whitelist', { emails: [] }, id);
    expect(await get('whitelist', id)).toEqual({ whitelist: [] });
    const wrong = [
      { emails: ['nobody'] },
      { emails: ['*@'] },
      { emails: ['*@local'] },
      { emails: 'a@example.com' },
      { emails: [7] },
      { emails: Array.from({ length: 51 }, (_, i) => `u${i}@example.com`) },
      {},
    ];
    expect(await post('whitelist', { emails: ['a@example.com', 'nobody'] }, id)).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'emails.1' }] },
    });
    for (const body of wrong) expect((await post('whitelist', body, id)).status, JSON.stringify(body)).toBe(400);
  });

  it('from a blueprint keeps the order of the document', async () => {
    await Promise.all([user('acme'), user('acme')]);
    const emails = (
      await app.sql<{ email: string }>(
        `SELECT email FROM membership JOIN "user" USING (user_id) WHERE org_id = 'acme' AND email IS NOT NULL ORDER BY email DESC`,
      )
    ).map((u) => u.email);
    expect(emails.length).toBeGreaterThan(1);
    const document = {
      'public-resources': {
        listed: {
          name: 'Listed',
          protocol: 'http',
          'full-domain': 'listed.gate.example.net',
          auth: { 'whitelist-users': emails },
        },
      },
    };
    await app.root.expect('PUT', '/org/acme/blueprint', {
      blueprint: Buffer.from(JSON.stringify(document)).toString('base64'),
    });
    const [made] = (
      await app.root.expect<{ resources: { resourceId: number }[] }>('GET', '/org/acme/resources?query=listed')
    ).resources;
    expect(await get('whitelist', made!.resourceId)).toEqual({ whitelist: emails.map((email) => ({ email })) });
  });

  it('added at once: one 201, the others 409', async () => {
    const id = await resource('acme');
    await app.root.expect('POST', `/resource/${id}`, { emailWhitelistEnabled: true });
    const statuses = (
      await Promise.all([1, 2, 3].map(() => post('whitelist/add', { email: 'x@example.com' }, id)))
    ).map((r) => r.status);
    expect(statuses.sort()).toEqual([201, 409, 409]);
  });
});

describe('what a caller may open', () => {
  it('is shown to a key that holds no action, and to none of another organization', async () => {
    expect(await (await app.orgKey('acme')).expect('GET', '/org/acme/user-resources')).toMatchObject({
      resources: expect.arrayContaining([expect.objectContaining({ resourceId })]),
    });
    expect((await (await app.orgKey('other', 'listResources')).get('/org/acme/user-resources')).status).toBe(404);
    expect((await app.root.as(undefined).get('/org/acme/user-resources')).status).toBe(401);
  });
});

describe('access tokens', () => {
  interface Token extends Record<string, unknown> {
    accessTokenId: string;
    accessToken: string;
    url: string | null;
    expiresAt: number | null;
    createdAt: number;
  }
  const make = (body: object = {}, id = resourceId) =>
    app.root.expect<Token>('POST', `/resource/${id}/access-token`, body);
  interface TokenList {
    accessTokens: Token[];
    pagination: { total: number };
  }

  it('are shown once, stored as a hash, and listed by resource', async () => {
    const id = await resource('acme');
    const { siteId } = await app.root.expect<{ siteId: number }>('PUT', '/org/acme/site', {
      name: 'North',
      type: 'newt',
    });
    await app.root.expect('PUT', `/resource/${id}/target`, { siteId, ip: 'a', port: 1 });
    const reply = await app.root.post<Token>(`/v1/resource/${id}/access-token`, {
      validForSeconds: 60,
      title: 'T',
      description: 'D',
    });
    expect(reply.status).toBe(200);
    const { accessToken, url, ...shown } = reply.body.data;
    expect(accessToken).toMatch(/^[a-z2-7]{26}$/);
    expect(new URL(url!).search).toBe(`?p_token=${shown.accessTokenId}.${accessToken}`);
    expect(shown).toEqual({
      accessTokenId: expect.stringMatching(/^[a-z0-9]{8}$/),
      orgId: 'acme',
      resourceId: id,
      expiresAt: shown.createdAt + 60_000,
      sessionLength: 60_000,
      title: 'T',
      description: 'D',
      createdAt: shown.createdAt,
    });
    const [row] = await app.sql<{ hash: Buffer }>(
      'SELECT token_hash AS hash FROM access_token WHERE access_token_id = $1',
      [shown.accessTokenId],
    );
    expect(row!.hash).toEqual(sha256(accessToken));
    const other = await make();
    expect(other).toMatchObject({ expiresAt: null, sessionLength: 30 * 86_400_000, title: null, description: null });
    const list = await app.root.get<TokenList>(`/resource/${id}/access-tokens`);
    expect(list.body.data).toEqual({
      accessTokens: [{ ...shown, resourceName: 'App', resourceNiceId: expect.any(String), siteName: 'North' }],
      pagination: { total: 1, limit: 1000, offset: 0 },
    });
    expect(list.text).not.toContain(row!.hash.toString('hex'));
    expect(await app.root.expect('GET', `/access-token/${shown.accessTokenId}`)).toEqual(
      list.body.data.accessTokens[0],
    );
    const all = await app.root.expect<TokenList>('GET', '/org/acme/access-tokens?limit=1');
    expect(all.accessTokens).toHaveLength(1);
    expect(all.pagination.total).toBe(2);
  });

  it('leave the lists when they expire, and then the table', async () => {
    const id = await resource('acme');
    const { accessTokenId } = await make({ validForSeconds: 60 }, id);
    await app.sql(`UPDATE access_token SET expires_at = now() - interval '1 second' WHERE access_token_id = $1`, [
      accessTokenId,
    ]);
    expect(await get('access-tokens', id)).toMatchObject({ accessTokens: [], pagination: { total: 0 } });
    expect((await app.root.get(`/access-token/${accessTokenId}`)).status).toBe(404);
    await app.get(Retention).sweep();
    expect(await app.sql('SELECT FROM access_token WHERE access_token_id = $1', [accessTokenId])).toEqual([]);
  });

  it('are deleted by a root key and by a key of the organization, by nobody else', async () => {
    const [one, two] = [await make(), await make()];
    const [stranger, own] = [
      await app.orgKey('other', 'deleteAcessToken', 'listAccessTokens'),
      await app.orgKey('acme', 'deleteAcessToken'),
    ];
    expect((await stranger.delete(`/access-token/${one.accessTokenId}`)).status).toBe(404);
    expect((await stranger.get(`/access-token/${one.accessTokenId}`)).status).toBe(404);
    expect(await own.delete(`/access-token/${one.accessTokenId}`)).toMatchObject({ status: 200, body: { data: null } });
    expect((await app.root.delete(`/access-token/${two.accessTokenId}`)).status).toBe(200);
    expect((await app.root.delete(`/access-token/${two.accessTokenId}`)).status).toBe(404);
  });

  it('take no body, or a right one', async () => {
    expect((await app.root.post(`/resource/${resourceId}/access-token`)).status).toBe(200);
    for (const body of [
      { validForSeconds: 0 },
      { validForSeconds: 1.5 },
      { validForSeconds: 1e18 },
      { title: 7 },
      { color: 1 },
    ]) {
      expect((await app.root.post(`/resource/${resourceId}/access-token`, body)).status, JSON.stringify(body)).toBe(
        400,
      );
    }
  });

  it('one Idempotency-Key makes one', async () => {
    const id = await resource('acme');
    const api = app.root.as(app.root.authorization, { 'idempotency-key': 'once' });
    const replies = await Promise.all(
      [1, 2, 3].map(() => api.post<Token>(`/resource/${id}/access-token`, { title: 'x' })),
    );
    expect(new Set(replies.map((r) => r.body.data.accessToken)).size).toBe(1);
    expect(await get('access-tokens', id)).toMatchObject({ pagination: { total: 1 } });
  });
});
