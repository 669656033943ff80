// The rules are those of docs/instances.md §2.
import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretsService } from '../../src/instances/index.js';
import { TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { holds, nameIn, profileNaming, versionId } from '../support/secrets.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

const newName = () => `S_${randomUUID().replace(/-/g, '_').toUpperCase()}`;
const path = (name: string, rest = '') => org.path(`secret/${name}${rest}`);

async function secret(value = 'one', body: object = {}): Promise<string> {
  const name = newName();
  await app.root.expect('PUT', org.path('secret'), { name, value: secretValue(value), ...body });
  return name;
}
const add = (name: string, value: string) =>
  app.root.expect<{ version: number }>('POST', path(name, '/version'), { value: secretValue(value) });
async function site(): Promise<number> {
  const { siteId } = await app.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: 'site', type: 'newt' });
  return siteId;
}
async function storedValue(name: string, version: number): Promise<Buffer> {
  const id = await versionId(app, org.orgId, name, version);
  return (await app.get(SecretsService).values(app.db.manager, org.orgId, null, [id])).get(id)!;
}
const details = (name: string) => app.root.expect<Details>('GET', path(name));
interface Details {
  version: number;
  settledVersion: number;
  usedBySites: number;
  versions: { version: number; current: boolean; usedBySites: number; destroyedAt: string | null; createdBy: string }[];
  profiles: { total: number; profiles: { profileId: number; revision: number; current: boolean }[] };
  outstanding: { total: number; sites: { siteId: number; offeredVersion: number; appliedVersion: number }[] };
}
/** Once the rollout of a secret has offered its newest version to its first site. */
const begun = (name: string) =>
  until(async () => {
    const { rollouts } = await app.root.expect<{ rollouts: { offered: number; change: { secret: string } }[] }>(
      'GET',
      org.path('rollouts'),
    );
    return rollouts.some(({ offered, change }) => change.secret === name && offered === 1);
  });
const audits = (name: string) =>
  app.sql<{ action: string; details: Record<string, unknown> }>(
    `SELECT action, details FROM audit WHERE target_type = 'secret' AND target_id = $1 ORDER BY audit_id`,
    [name],
  );

describe('a value', () => {
  const mark = Buffer.from(secretValue(''));
  const bytes = Buffer.concat([mark, randomBytes(64 * 1024 - mark.length)]);
  const text = secretValue('é'.repeat(32 * 1024 - mark.length / 2));
  const withNul = Buffer.from(`\0${secretValue()}`);
  it.each<[string, object, Buffer]>([
    ['text', { value: secretValue('pa"ss\n\u{1F511}') }, Buffer.from(secretValue('pa"ss\n\u{1F511}'))],
    ['bytes of any kind, 64 KB of them', { value: bytes.toString('base64'), encoding: 'base64' }, bytes],
    ['64 KB of text', { value: text }, Buffer.from(text)],
    ['NUL, in base64', { value: withNul.toString('base64'), encoding: 'base64' }, withNul],
  ])('is kept as it is: %s', async (_what, body, expected) => {
    const name = await secret('', body);
    expect((await storedValue(name, 1)).equals(expected)).toBe(true);
  });

  it.each<[string, object, RegExp]>([
    ['no text', { value: 7 }, /^Validation error: value must be a string at "value"$/],
    ['nothing', { value: '' }, /value should not be empty/],
    ['one byte too many', { value: `${'é'.repeat(32 * 1024)}x` }, /value must be at most 65536 bytes/],
    [
      'one byte too many in base64',
      { value: randomBytes(64 * 1024 + 1).toString('base64'), encoding: 'base64' },
      /value must be (at most 65536 bytes|shorter)/,
    ],
    ['what is no base64', { value: 'not base64!', encoding: 'base64' }, /value must be base64 with padding/],
    ['base64 without its padding', { value: 'YQ', encoding: 'base64' }, /value must be base64 with padding/],
    ['NUL in a text', { value: 'a\0b' }, /value/],
    ['another encoding', { value: '6131', encoding: 'hex' }, /encoding must be one of/],
  ])('is refused: %s', async (_what, body, message) => {
    const reply = await app.root.put(org.path('secret'), { name: newName(), ...body });
    expect([reply.status, reply.body.message]).toEqual([400, expect.stringMatching(message)]);
  });

  it('is encrypted under a key of its own, and bound to its secret and version', async () => {
    const [a, b] = [await secret('same'), await secret('same')];
    await add(a, 'same');
    const rows = await app.sql<{ id: number; wrapped: Buffer; sealed: Buffer }>(
      `SELECT secret_version_id AS id, wrapped_key AS wrapped, sealed_value AS sealed FROM secret_version JOIN secret USING (secret_id)
       WHERE org_id = $1 AND name = ANY($2::text[]) ORDER BY 1`,
      [org.orgId, [a, b]],
    );
    for (const column of ['wrapped', 'sealed'] as const)
      expect(new Set(rows.map((row) => row[column].toString('hex'))).size).toBe(3);
    // Put in place of another version, and of another secret's: neither can be read.
    for (const other of [rows[1]!, rows[2]!]) {
      await app.sql('UPDATE secret_version SET wrapped_key = $2, sealed_value = $3 WHERE secret_version_id = $1', [
        rows[0]!.id,
        other.wrapped,
        other.sealed,
      ]);
      await expect(storedValue(a, 1)).rejects.toThrow(/authenticate/);
    }
  });

  it('is nobody else’s: another organization asks for its id in vain', async () => {
    const id = await versionId(app, org.orgId, await secret(), 1);
    const other = await TestOrg.create(app.root);
    await expect(app.get(SecretsService).values(app.db.manager, other.orgId, null, [id])).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});

describe('a name', () => {
  it.each(['', 'lower', '1A', '_A', 'A-B', 'Ä', 'A B', 'A'.repeat(129), 'A\n'])('is refused: %j', async (name) => {
    const reply = await app.root.put(org.path('secret'), { name, value: secretValue('x') });
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('name')]);
  });

  it('is there once', async () => {
    const name = await secret();
    const again = await app.root.put(org.path('secret'), { name, value: secretValue('two') });
    expect([again.status, again.body.message]).toEqual([
      409,
      `The secret ${name} is there already; add a version to it`,
    ]);
    expect(await storedValue(name, 1)).toEqual(Buffer.from(secretValue('one')));
  });
});

describe('versions', () => {
  it('count, and the newest is current; without sites it is settled at once', async () => {
    const name = await secret();
    expect(await add(name, 'two')).toEqual({ name, version: 2 });
    expect(await storedValue(name, 1)).toEqual(Buffer.from(secretValue('one')));
    expect(await storedValue(name, 2)).toEqual(Buffer.from(secretValue('two')));
    expect(await details(name)).toMatchObject({
      version: 2,
      settledVersion: 2,
      versions: [
        { version: 2, current: true, usedBySites: 0, destroyedAt: null },
        { version: 1, current: false, usedBySites: 0 },
      ],
    });
    const named = await app.get(SecretsService).named(app.db.manager, org.orgId, [name, 'NO_SUCH']);
    expect([...named.keys()]).toEqual([name]);
    expect(named.get(name)).toMatchObject({ current: { version: 2 }, settled: { version: 2 } });
  });

  it('get different numbers when they are added at once', async () => {
    const name = await secret();
    const added = await Promise.all(Array.from({ length: 8 }, (_, i) => add(name, `value ${i}`)));
    expect(added.map(({ version }) => version).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('wait for their rollout while sites are offered an earlier one', async () => {
    const name = await secret();
    await holds(app, org.orgId, await site(), [await versionId(app, org.orgId, name, 1)]);
    await add(name, 'two');
    expect(await details(name)).toMatchObject({ version: 2, settledVersion: 1 });
  });

  it('are added to what was read: If-Match', async () => {
    const name = await secret();
    const read = await app.root.get(path(name));
    const etag = read.headers.get('etag')!;
    const matching = app.root.as(app.root.authorization, { 'if-match': etag });
    expect((await matching.post(path(name, '/version'), { value: secretValue('two') })).status).toBe(201);
    expect((await matching.post(path(name, '/version'), { value: secretValue('three') })).status).toBe(412);
    expect((await matching.delete(path(name))).status).toBe(412);
    expect((await app.root.get(path(name))).headers.get('etag')).not.toBe(etag);
  });

  it('are made once per Idempotency-Key, and another value under it is refused', async () => {
    const name = await secret();
    const api = app.root.as(app.root.authorization, { 'idempotency-key': randomUUID() });
    const [first, second] = [
      await api.post(path(name, '/version'), { value: secretValue('two') }),
      await api.post(path(name, '/version'), { value: secretValue('two') }),
    ];
    expect([first.body.data, second.body.data]).toEqual([
      { name, version: 2 },
      { name, version: 2 },
    ]);
    expect((await api.post(path(name, '/version'), { value: secretValue('three') })).status).toBe(409);
    expect(await details(name)).toMatchObject({ version: 2 });
  });
});

describe('who uses it', () => {
  it('is said per version: sites, those that lack the newest, and bootstraps', async () => {
    const name = await secret();
    const profileId = await profileNaming(app, org.orgId, [name]);
    await nameIn(app, org.orgId, profileId, [], 2);
    const naming = await profileNaming(app, org.orgId, [name], 3);
    await add(name, 'two');
    const [v1, v2] = [await versionId(app, org.orgId, name, 1), await versionId(app, org.orgId, name, 2)];
    const [old, moving, done, left] = [await site(), await site(), await site(), await site()];
    await holds(app, org.orgId, old, [v1]);
    await holds(app, org.orgId, moving, [v2], [v1]);
    await holds(app, org.orgId, done, [v2]);
    // Its bundle holds the secret no more; it runs with the old one still.
    await holds(app, org.orgId, left, [], [v1]);
    expect(await details(name)).toMatchObject({
      usedBySites: 4,
      versions: [
        { version: 2, usedBySites: 2 },
        { version: 1, usedBySites: 3 },
      ],
      profiles: {
        total: 2,
        profiles: [
          { profileId, revision: 1, current: false },
          { profileId: naming, revision: 3, current: true },
        ],
      },
      outstanding: {
        total: 2,
        sites: [
          { siteId: old, offeredVersion: 1, appliedVersion: 1 },
          { siteId: moving, offeredVersion: 2, appliedVersion: 1 },
        ],
      },
    });
  });
});

describe('the list', () => {
  it('is by name, searched and in pages', async () => {
    const other = await TestOrg.create(app.root);
    for (const name of ['B_KEY', 'A_KEY', 'TOKEN'])
      await app.root.expect('PUT', other.path('secret'), { name, value: secretValue('x') });
    const names = async (query: string) => {
      const { secrets, pagination } = await app.root.expect<{ secrets: { name: string }[]; pagination: object }>(
        'GET',
        other.path(`secrets${query}`),
      );
      return [secrets.map((s) => s.name), pagination];
    };
    expect(await names('')).toEqual([['A_KEY', 'B_KEY', 'TOKEN'], { total: 3, pageSize: 1000, page: 1 }]);
    expect(await names('?query=key&order=desc')).toEqual([['B_KEY', 'A_KEY'], { total: 2, pageSize: 1000, page: 1 }]);
    expect(await names('?pageSize=2&page=2')).toEqual([['TOKEN'], { total: 3, pageSize: 2, page: 2 }]);
  });
});

describe('a version is destroyed', () => {
  it('with its data key, when nothing uses it', async () => {
    const name = await secret();
    await add(name, 'two');
    const id = await versionId(app, org.orgId, name, 1);
    await app.root.expect('DELETE', path(name, '/version/1'));
    expect(
      await app.sql('SELECT wrapped_key, sealed_value FROM secret_version WHERE secret_version_id = $1', [id]),
    ).toEqual([{ wrapped_key: null, sealed_value: null }]);
    await expect(app.get(SecretsService).values(app.db.manager, org.orgId, null, [id])).rejects.toMatchObject({
      code: 'conflict',
    });
    expect((await details(name)).versions.map((v) => [v.version, v.destroyedAt !== null])).toEqual([
      [2, false],
      [1, true],
    ]);
    expect((await app.root.delete(path(name, '/version/1'))).status).toBe(404);
    expect((await app.root.delete(path(name, '/version/9'))).status).toBe(404);
  });

  it('never while it is the current one', async () => {
    const name = await secret();
    for (const query of ['', '?force=true'])
      expect((await app.root.delete(path(name, `/version/1${query}`))).status).toBe(409);
    expect(await storedValue(name, 1)).toEqual(Buffer.from(secretValue('one')));
  });

  it('not while sites hold it, who are named; by force it is', async () => {
    const name = await secret();
    const [first, siteId] = [await site(), await site()];
    const v1 = await versionId(app, org.orgId, name, 1);
    for (const holder of [first, siteId]) await holds(app, org.orgId, holder, [v1]);
    // The rollout goes to this one first, and waits for what it never answers: the other stays as it is.
    await app.sql('UPDATE site_presence SET session_id = gen_random_uuid(), takes_bundles = true WHERE site_id = $1', [
      first,
    ]);
    await add(name, 'two');
    await begun(name);
    const users = {
      profiles: { total: 0, profiles: [] },
      sites: {
        total: 2,
        sites: [
          { siteId: first, offeredVersion: null, appliedVersion: 1 },
          { siteId, offeredVersion: 1, appliedVersion: 1 },
        ],
      },
    };
    const refused = await app.root.delete(path(name, '/version/1'));
    expect([refused.status, refused.body]).toEqual([409, expect.objectContaining({ code: 'conflict' })]);
    expect(refused.body.data).toMatchObject(users);
    expect(await app.root.expect('DELETE', path(name, '/version/1?dryRun=true'))).toMatchObject(users);
    expect(await storedValue(name, 1)).toEqual(Buffer.from(secretValue('one')));
    expect(await app.root.expect('DELETE', path(name, '/version/1?force=true'))).toBeNull();
    await expect(storedValue(name, 1)).rejects.toThrow(/destroyed/);
    expect(await details(name)).toMatchObject({ settledVersion: 2 });
    expect((await audits(name)).at(-1)).toEqual({
      action: 'secret.destroy_version',
      details: { version: 1, force: true, profiles: 0, sites: 2 },
    });
  });
});

describe('a secret is deleted', () => {
  it('when nothing uses it, and its name is free', async () => {
    const name = await secret();
    const profileId = await profileNaming(app, org.orgId, [name]);
    await nameIn(app, org.orgId, profileId, [], 2);
    await app.root.expect('DELETE', path(name));
    expect((await app.root.get(path(name))).status).toBe(404);
    expect(await app.root.expect('PUT', org.path('secret'), { name, value: secretValue('new') })).toEqual({
      name,
      version: 1,
    });
  });

  it('not while a bootstrap names it or a site holds it; by force what was named waits for another value', async () => {
    const name = await secret();
    const profileId = await profileNaming(app, org.orgId, [name]);
    const siteId = await site();
    await holds(app, org.orgId, siteId, [await versionId(app, org.orgId, name, 1)]);
    const users = {
      profiles: { total: 1, profiles: [{ profileId, revision: 1, current: true }] },
      sites: { total: 1, sites: [{ siteId }] },
    };
    const refused = await app.root.delete(path(name));
    expect(refused.status).toBe(409);
    expect(refused.body.data).toMatchObject(users);
    expect(await app.root.expect('DELETE', path(name, '?dryRun=true'))).toMatchObject(users);
    expect(await app.root.expect('DELETE', path(name, '?force=true'))).toBeNull();
    expect((await audits(name)).map((row) => [row.action, row.details])).toEqual([
      ['secret.create', { version: 1 }],
      ['secret.delete', { force: true, profiles: 1, sites: 1 }],
    ]);
    expect((await app.root.get(path(name))).status).toBe(404);
    expect((await app.root.post(path(name, '/version'), { value: secretValue('x') })).status).toBe(404);
    const list = await app.root.expect<{ secrets: object[] }>('GET', org.path(`secrets?query=${name}`));
    expect(list.secrets).toEqual([]);

    // Who makes it again has the sites of that profile start with the new value.
    const without = await app.orgKey(org.orgId, 'createSecret');
    expect((await without.put(org.path('secret'), { name, value: secretValue('new') })).status).toBe(403);
    const other = await profileNaming(app, org.orgId, []);
    expect(
      (await app.root.put(org.path('secret'), { name, value: secretValue('new'), profileIds: [other] })).status,
    ).toBe(409);
    const withUse = await app.orgKey(org.orgId, 'createSecret', 'useSecret');
    expect(await withUse.expect('PUT', org.path('secret'), { name, value: secretValue('new') })).toEqual({
      name,
      version: 2,
    });
    expect(await storedValue(name, 2)).toEqual(Buffer.from(secretValue('new')));
    await expect(storedValue(name, 1)).rejects.toThrow(/destroyed/);
    expect((await details(name)).profiles).toMatchObject({ total: 1, profiles: [{ profileId }] });
  });
});

describe('each action is asked for', () => {
  it.each([
    ['createSecret', 'PUT', () => org.path('secret'), { name: 'ANY_NAME', value: secretValue('x') }],
    ['listSecrets', 'GET', () => org.path('secrets'), undefined],
    ['listSecrets', 'GET', () => path('ANY_NAME'), undefined],
    ['updateSecret', 'POST', () => path('ANY_NAME'), { profileIds: null }],
    ['updateSecret', 'POST', () => path('ANY_NAME', '/version'), { value: secretValue('y') }],
    ['deleteSecret', 'DELETE', () => path('ANY_NAME', '/version/1'), undefined],
    ['deleteSecret', 'DELETE', () => path('ANY_NAME'), undefined],
  ] as const)('%s: %s', async (action, method, url, body) => {
    const bare = await app.orgKey(org.orgId, 'getOrg', 'useSecret');
    expect((await bare.send(method, url(), body)).status).toBe(403);
    const key = await app.orgKey(org.orgId, action);
    expect((await key.send(method, url(), body)).status).not.toBe(403);
  });
});
