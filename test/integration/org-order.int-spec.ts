import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { Api, provision, type TestKey } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';

interface Item {
  orgId: string;
  counts: {
    sites: Record<'online' | 'offline' | 'pending', number> | null;
    keysEnding: number | null;
    attention: number | null;
    lastClaimAt: string | null;
  };
}

const PASSWORD = 'correct horse battery';
let database: TestDatabase;
let app: StartedApp;
/** What each needs is one more than what the one before needs, but for `idle`, where nothing is. */
const ORGS = { north: 1, south: 2, west: 3, idle: 0 };

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp(database.url);
  for (const [orgId, count] of Object.entries(ORGS)) {
    await app.root.expect('PUT', '/org', { orgId, name: `${orgId} 100%` });
    const body = { maxBatchSize: 100, validUntil: new Date(Date.now() + 86_400_000).toISOString() };
    for (let n = 0; n < count; n++) {
      const path = `/org/${orgId}/site-provisioning-key`;
      const key = await app.root.expect<TestKey>('PUT', path, { ...body, name: `ends ${n}`, approveNewSites: n === 0 });
      expect((await provision(app.url, { provision_key: key.siteProvisioningKey })).status).toBe(201);
      await app.root.expect('PUT', `/org/${orgId}/site`, { name: `local ${n}`, type: 'local' });
    }
  }
  await queryDatabase(
    database.url,
    `UPDATE site_presence SET connected_at = now(), last_seen_at = now() WHERE state = 'never_connected'`,
  );
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

const list = async (api: Api, query: string) => (await api.expect<{ orgs: Item[] }>('GET', `/orgs?${query}`)).orgs;
const ids = async (api: Api, query: string) => (await list(api, query)).map(({ orgId }) => orgId);

async function person(roles: Record<string, string>): Promise<Api> {
  const userId = await createUser(app, { email: 'mixed@example.com', password: PASSWORD });
  for (const [orgId, name] of Object.entries(roles)) {
    const [role] = await queryDatabase<{ id: number }>(
      database.url,
      'SELECT role_id AS id FROM role WHERE org_id = $1 AND name = $2',
      [orgId, name],
    );
    await app.db.tx((tx) => app.app.get(UsersService).addMember(tx, orgId, userId, { roleIds: [role!.id] }));
  }
  return logIn(app.url, 'mixed@example.com', PASSWORD);
}

it('organizations are found by name and id, whatever is special in a pattern', async () => {
  expect(await ids(app.root, 'query=OUT')).toEqual(['south']);
  expect(await ids(app.root, 'query=h%20100%25')).toEqual(['north', 'south']);
  expect(await ids(app.root, 'query=n%25h')).toEqual([]);
  const page = await app.root.expect('GET', '/orgs?query=100%25&sort_by=name&order=desc&limit=1&offset=1');
  expect(page).toMatchObject({ orgs: [{ orgId: 'south' }], pagination: { total: 4, limit: 1, offset: 1 } });
});

it('the counts say what needs attention, and organizations stand in the order of each count', async () => {
  expect((await list(app.root, 'query=west'))[0]!.counts).toMatchObject({
    sites: { online: 3, offline: 1, pending: 2 },
    keysEnding: 3,
    attention: 6,
  });
  const rising = ['idle', 'north', 'south', 'west'];
  for (const field of ['online', 'keysEnding', 'attention']) {
    expect(await ids(app.root, `sort_by=${field}`), field).toEqual(rising);
    expect(await ids(app.root, `sort_by=${field}&order=desc`), field).toEqual([...rising].reverse());
  }
  // Of the same count by their ids.
  expect(await ids(app.root, 'sort_by=offline&order=desc')).toEqual(['west', 'south', 'north', 'idle']);
  expect(await ids(app.root, 'sort_by=pending')).toEqual(['idle', 'north', 'south', 'west']);
  // What never was stands last, whichever way.
  expect(await ids(app.root, 'sort_by=lastClaimAt')).toEqual(['north', 'south', 'west', 'idle']);
  expect(await ids(app.root, 'sort_by=lastClaimAt&order=desc')).toEqual(['west', 'south', 'north', 'idle']);
});

it('the order tells nothing of what the caller may not count', async () => {
  const mixed = await person({ north: 'Viewer', south: 'Viewer', west: 'Member' });
  for (const field of ['online', 'offline', 'pending', 'keysEnding', 'attention', 'lastClaimAt'])
    for (const order of ['asc', 'desc'])
      expect((await ids(mixed, `sort_by=${field}&order=${order}`)).at(-1), `${field} ${order}`).toBe('west');
  expect((await list(mixed, 'sort_by=attention&order=desc')).map(({ counts }) => counts.attention)).toEqual([
    4,
    2,
    null,
  ]);
});
