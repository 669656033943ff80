import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { Api } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let app: StartedApp;
const PASSWORD = 'correct horse battery';
const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
interface Item {
  orgId: string;
  claimsPausedAt: string | null;
  claimsPausedBy: string | null;
  counts: {
    sites: Record<string, number> | null;
    keysEnding: number | null;
    attention: number | null;
    lastClaimAt: string | null;
  };
}
const orgs = (api: Api) => api.expect<{ orgs: Item[]; pagination: { total: number } }>('GET', '/orgs');
const ids = async (api: Api) => (await orgs(api)).orgs.map(({ orgId }) => orgId);
/** Somebody with these roles, by organization. */
async function person(roles: Record<string, string>): Promise<Api> {
  const email = `${Object.entries(roles).flat().join('-')}@example.com`.toLowerCase();
  const userId = await createUser(app, { email, password: PASSWORD });
  for (const [orgId, name] of Object.entries(roles)) {
    const [role] = await sql<{ id: number }>('SELECT role_id AS id FROM role WHERE org_id = $1 AND name = $2', [
      orgId,
      name,
    ]);
    await app.db.tx((tx) => app.app.get(UsersService).addMember(tx, orgId, userId, { roleIds: [role!.id] }));
  }
  return logIn(app.url, email, PASSWORD);
}

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp(database.url);
  await createUser(app, { email: 'boss@example.com', password: PASSWORD, serverAdmin: true });
  for (const orgId of ['north', 'south', 'west']) await app.root.expect('PUT', '/org', { orgId, name: orgId });
  for (const name of ['A', 'B']) await app.root.expect('PUT', '/org/north/site', { name, type: 'newt' });
  await app.root.expect('PUT', '/org/north/site', { name: 'L', type: 'local' });
  await app.root.expect('PUT', '/org/north/site-provisioning-key', {
    name: 'ends',
    maxBatchSize: 1,
    validUntil: new Date(Date.now() + 86_400_000).toISOString(),
  });
  await app.root.expect('PUT', '/org/north/site-provisioning-key', { name: 'stays', maxBatchSize: 1 });
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

describe('the list of organizations', () => {
  it('is of all for a root key and a server administrator, else of those that somebody belongs to', async () => {
    expect(await ids(app.root)).toEqual(['north', 'south', 'west']);
    expect(await ids(await logIn(app.url, 'boss@example.com', PASSWORD))).toEqual(['north', 'south', 'west']);
    expect(await ids(await person({ north: 'Member', west: 'Viewer' }))).toEqual(['north', 'west']);
    expect(await ids(await person({}))).toEqual([]);
    const key = await app.root.expect<{ apiKeyId: string; apiKey: string }>('PUT', '/org/south/api-key', { name: 'k' });
    const api = app.root.as(`${key.apiKeyId}.${key.apiKey}`);
    expect(await ids(api)).toEqual([]);
    await app.root.expect('POST', `/org/south/api-key/${key.apiKeyId}/actions`, { actionIds: ['getOrg'] });
    await expect.poll(() => ids(api)).toEqual(['south']);
    expect((await app.root.as(undefined).get('/orgs')).status).toBe(401);
  });

  it('counts sites by state, keys that end and the last claim, for who may read them', async () => {
    const sites = { total: 3, pending: 0, neverConnected: 2, online: 1, offline: 0, suspended: 0, revoked: 0 };
    const [north] = (await orgs(await person({ north: 'Viewer' }))).orgs;
    expect(north!.counts).toEqual({ sites, keysEnding: 1, attention: 1, lastClaimAt: null });
    expect((await orgs(app.root)).orgs.map(({ counts }) => counts.sites!['total'])).toEqual([3, 0, 0]);
    const [asMember] = (await orgs(await person({ north: 'Member' }))).orgs;
    expect(asMember!.counts).toEqual({ sites: null, keysEnding: null, attention: null, lastClaimAt: null });
  });

  it('is paged, and says who paused claims', async () => {
    const boss = await logIn(app.url, 'boss@example.com', PASSWORD);
    await boss.expect('POST', '/org/west/claims/pause');
    const page = await app.root.expect<{ orgs: Item[]; pagination: object }>('GET', '/orgs?limit=1&offset=2');
    expect(page).toMatchObject({
      orgs: [{ orgId: 'west', claimsPausedBy: 'boss@example.com', claimsPausedAt: expect.any(String) }],
      pagination: { total: 3, limit: 1, offset: 2 },
    });
    await boss.expect('POST', '/org/west/claims/resume');
    expect((await app.root.expect<{ org: Item }>('GET', '/org/west')).org).toMatchObject({
      claimsPausedAt: null,
      claimsPausedBy: null,
    });
  });
});
