import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api, TestOrg } from '../support/api.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type TestServer, until } from '../support/server.js';
import { arm, withinRequest } from '../support/within-request.js';

interface Made {
  siteId: number;
  newtId: string;
  secret: string;
}

let database: TestDatabase;
let one: TestServer;
let other: TestServer;
let org: TestOrg;
beforeAll(async () => {
  database = await createTestDatabase();
  one = await startServer({ databaseUrl: database.url });
  other = await startServer({ databaseUrl: database.url });
  org = await TestOrg.create(Api.root(one));
});
afterAll(async () => {
  await Promise.all([one?.stop(), other?.stop()]);
  await database?.drop();
});

const withKey = (key: string, server = one, authorization = one.rootKey) =>
  new Api(server.url, authorization, { 'idempotency-key': key });
const site = (api: Api, name: string) => api.put<Made>(org.path('site'), { name, type: 'newt' });
const sitesNamed = async (name: string) =>
  (
    await queryDatabase<{ n: number }>(database.url, 'SELECT count(*) AS n FROM site WHERE org_id = $1 AND name = $2', [
      org.orgId,
      name,
    ])
  )[0]!.n;

/** An organization key with these actions. */
async function orgKey(actions: string[]): Promise<string> {
  const { apiKeyId, apiKey } = await Api.root(one).expect<{ apiKeyId: string; apiKey: string }>(
    'PUT',
    org.path('api-key'),
    { name: 'test' },
  );
  await Api.root(one).expect('POST', org.path(`api-key/${apiKeyId}/actions`), { actionIds: actions });
  return `${apiKeyId}.${apiKey}`;
}

describe('Idempotency-Key', () => {
  it('answers a repeated creation with the same bytes, secret included, and creates once', async () => {
    const key = randomUUID();
    const first = await site(withKey(key), 'once');
    const again = await site(withKey(key, other), 'once');
    expect(first.status).toBe(201);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.status).toBe(201);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await sitesNamed('once')).toBe(1);
  });

  it('takes a body for the same in another order of its keys', async () => {
    const key = randomUUID();
    const first = await withKey(key).put<Made>(org.path('site'), { name: 'ordered', type: 'newt' });
    const again = await withKey(key).put<Made>(org.path('site'), { type: 'newt', name: 'ordered' });
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(await sitesNamed('ordered')).toBe(1);
  });

  it('is the same call on /v1 and /api/v1', async () => {
    const key = randomUUID();
    const first = await withKey(key).put<Made>(`/v1${org.path('site')}`, { name: 'prefix', type: 'newt' });
    const again = await site(withKey(key), 'prefix');
    expect(again.body.data.siteId).toBe(first.body.data.siteId);
  });

  it('refuses the key with another body', async () => {
    const key = randomUUID();
    await site(withKey(key), 'body');
    const reply = await site(withKey(key), 'another body');
    expect([reply.status, reply.body.code]).toEqual([409, 'conflict']);
    expect(await sitesNamed('another body')).toBe(0);
  });

  it('belongs to its principal, and to its path', async () => {
    const key = randomUUID();
    const mine = await site(withKey(key), 'principal');
    const theirs = await site(withKey(key, one, await orgKey(['createSite'])), 'principal');
    expect(theirs.body.data.siteId).not.toBe(mine.body.data.siteId);
    expect((await withKey(key).put<{ groupId: number }>(org.path('group'), { name: 'principal' })).status).toBe(201);
  });

  it('sent thirty times at once to two servers creates once, and everybody gets the answer', async () => {
    const key = randomUUID();
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, i) => site(withKey(key, i % 2 ? one : other), 'at once')),
    );
    expect(new Set(replies.map((r) => r.status))).toEqual(new Set([201]));
    expect(new Set(replies.map((r) => r.text)).size).toBe(1);
    expect(await sitesNamed('at once')).toBe(1);
  });

  it('keeps nothing of a call that failed', async () => {
    const key = randomUUID();
    const api = withKey(key);
    await org.root.expect('PUT', org.path('group'), { name: 'taken' });
    expect((await api.put<never>(org.path('group'), { name: 'taken' })).status).toBe(409);
    const { groups } = await org.root.expect<{ groups: { groupId: number; name: string }[] }>(
      'GET',
      org.path('groups'),
    );
    await org.root.expect('DELETE', org.path(`group/${groups.find((g) => g.name === 'taken')!.groupId}`));
    expect((await api.put<never>(org.path('group'), { name: 'taken' })).status).toBe(201);
  });

  it('is checked after the credential: a stored answer is not shown to a key that lost its action', async () => {
    const authorization = await orgKey(['createSite']);
    const key = randomUUID();
    expect((await site(withKey(key, one, authorization), 'lost')).status).toBe(201);
    await Api.root(one).expect('POST', org.path(`api-key/${authorization.split('.')[0]}/actions`), {
      actionIds: ['getOrg'],
    });
    // The change reaches a process by a notice, within a second of its commit.
    await until(async () => (await site(withKey(key, one, authorization), 'lost')).status === 403);
  });

  it('must be visible characters', async () => {
    expect((await site(withKey('a b'), 'bad key')).status).toBe(400);
    expect((await site(withKey('x'.repeat(256)), 'bad key')).status).toBe(400);
    expect(await sitesNamed('bad key')).toBe(0);
  });

  it('stores the answer encrypted', async () => {
    const key = randomUUID();
    const { body } = await site(withKey(key), 'sealed');
    const [row] = await queryDatabase<{ answer: Buffer }>(
      database.url,
      'SELECT answer FROM idempotency_key WHERE key = $1',
      [key],
    );
    expect(row!.answer.includes(body.data.secret)).toBe(false);
    expect(row!.answer.includes(body.data.newtId)).toBe(false);
  });

  it('is forgotten after 24 hours', async () => {
    const key = randomUUID();
    const first = await site(withKey(key), 'old');
    await queryDatabase(
      database.url,
      `UPDATE idempotency_key SET created_at = now() - interval '24 hours 1 second' WHERE key = $1`,
      [key],
    );
    const later = await site(withKey(key), 'old');
    expect(later.status).toBe(201);
    expect(later.body.data.siteId).not.toBe(first.body.data.siteId);
  });

  it('gives the answer of a server that died between commit and answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-failpoint-'));
    const armed = join(folder, 'armed');
    const doomed = await startServer({
      databaseUrl: database.url,
      preload: [withinRequest],
      env: { FAILPOINT_FILE: armed },
    });
    const key = randomUUID();
    try {
      arm(armed, { request: `PUT ${org.path('site')}`, at: 'answer' });
      await expect(site(withKey(key, doomed), 'died')).rejects.toThrow();
    } finally {
      await doomed.stop();
      rmSync(folder, { recursive: true, force: true });
    }
    const retry = await site(withKey(key), 'died');
    expect(retry.status).toBe(201);
    expect(await sitesNamed('died')).toBe(1);
    const token = await new Api(one.url).post<{ token: string }>('/auth/newt/get-token', {
      newtId: retry.body.data.newtId,
      secret: retry.body.data.secret,
    });
    expect(token.status).toBe(200);
  });
});
