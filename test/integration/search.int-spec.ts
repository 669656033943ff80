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
interface Hit {
  kind: string;
  orgId: string;
  id: string;
  name: string;
  note: string | null;
}
const find = async (api: Api, query: string) =>
  (await api.expect<{ hits: Hit[] }>('GET', `/search?query=${encodeURIComponent(query)}`)).hits;
const where = (hits: Hit[]) => hits.map(({ kind, orgId }) => `${kind} ${orgId}`).sort();
async function person(email: string, roles: Record<string, string>): Promise<Api> {
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
const KINDS = ['apiKey', 'client', 'privateResource', 'provisioningKey', 'publicResource', 'site', 'user'];

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp(database.url);
  for (const orgId of ['north', 'south']) {
    await app.root.expect('PUT', '/org', { orgId, name: orgId });
    await app.root.expect('PUT', `/org/${orgId}/site`, { name: 'Otter 100%', type: 'newt' });
    await sql(`UPDATE site SET hardware_id = 'hw-otter-' || org_id WHERE org_id = $1`, [orgId]);
    await sql(
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) VALUES ($1, 'r', 'Otter web', false, 'tcp', 1000 + length($1))`.replace(
        'length($1)',
        orgId === 'north' ? '1' : '2',
      ),
      [orgId],
    );
    await sql(
      `INSERT INTO site_resource (org_id, nice_id, name, mode, destination) VALUES ($1, 's', 'Otter db', 'host', '10.0.0.1')`,
      [orgId],
    );
    await sql(
      `INSERT INTO client (org_id, nice_id, name, olm_id, secret_hash, address) VALUES ($1, 'c', 'Otter client', 'olm-' || $1, '', '100.90.200.1')`,
      [orgId],
    );
    await app.root.expect('PUT', `/org/${orgId}/site-provisioning-key`, { name: 'Otter key', maxBatchSize: 1 });
    await app.root.expect('PUT', `/org/${orgId}/api-key`, { name: 'Otter import' });
    await person(`otter-${orgId}@example.com`, { [orgId]: 'Member' });
  }
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

describe('the search', () => {
  it('finds every kind in the organizations of the caller, and none elsewhere', async () => {
    const viewer = await person('viewer@example.com', { north: 'Viewer' });
    expect(where(await find(viewer, 'oTTer'))).toEqual(KINDS.map((kind) => `${kind} north`));
    expect(where(await find(app.root, 'otter'))).toEqual(KINDS.flatMap((kind) => [`${kind} north`, `${kind} south`]));
    expect(await find(await person('nobody@example.com', {}), 'otter')).toEqual([]);
  });

  it('asks for the right of each kind in each organization', async () => {
    const both = await person('both@example.com', { north: 'Member', south: 'Approver' });
    expect(where(await find(both, 'otter'))).toEqual([
      'provisioningKey south',
      'publicResource north',
      'publicResource south',
      'site south',
    ]);
  });

  it('finds for a key what it may list, and no API keys', async () => {
    const key = await app.root.expect<{ apiKeyId: string; apiKey: string }>('PUT', '/org/south/api-key', { name: 'k' });
    await app.root.expect('POST', `/org/south/api-key/${key.apiKeyId}/actions`, {
      actionIds: ['getOrg', 'listSites', 'listApiKeys'],
    });
    expect(where(await find(app.root.as(`${key.apiKeyId}.${key.apiKey}`), 'otter'))).toEqual(['site south']);
  });

  it('finds a site by hardware id and niceId, keys by their id, people by their address, and root keys never', async () => {
    const [site] = await find(app.root, 'hw-otter-north');
    expect(site).toMatchObject({ kind: 'site', orgId: 'north', name: 'Otter 100%', note: 'hw-otter-north' });
    const [row] = await sql<{ nice: string; key: string; root: string }>(
      `SELECT (SELECT nice_id FROM site WHERE org_id = 'south') AS nice, (SELECT key_id FROM provisioning_key WHERE org_id = 'south') AS key,
         (SELECT api_key_id FROM api_key WHERE org_id IS NULL LIMIT 1) AS root`,
    );
    expect(where(await find(app.root, row!.nice))).toEqual(['site south']);
    expect(await find(app.root, row!.key)).toMatchObject([{ kind: 'provisioningKey', id: row!.key }]);
    expect(await find(app.root, row!.root)).toEqual([]);
    expect(where(await find(app.root, 'otter-south@'))).toEqual(['user south']);
  });

  it('takes the text as it is, and puts first what begins with it', async () => {
    expect(where(await find(app.root, '100%'))).toEqual(['site north', 'site south']);
    expect(await find(app.root, '%%')).toEqual([]);
    expect(await find(app.root, "'; --")).toEqual([]);
    for (const name of ['Zulu otters', 'Badger', 'An adger'])
      await app.root.expect('PUT', '/org/north/site', { name, type: 'newt' });
    expect((await find(app.root, 'adger')).map(({ name }) => name)).toEqual(['An adger', 'Badger']);
    expect((await find(app.root, 'badger')).map(({ name }) => name)).toEqual(['Badger']);
  });

  it('answers at most twenty of a kind', async () => {
    await sql(
      `INSERT INTO site (org_id, nice_id, name, status) SELECT 'north', 'many-' || n, 'Many ' || n, 'approved' FROM generate_series(1, 300) n`,
    );
    expect(await find(app.root, 'many')).toHaveLength(20);
  });

  it('is refused when wrong, and to strangers', async () => {
    for (const query of ['', '?query=a', `?query=${'x'.repeat(101)}`, '?query=ab&orgId=north'])
      expect((await app.root.get(`/search${query}`)).status).toBe(400);
    expect((await app.root.as(undefined).get('/search?query=ab')).status).toBe(401);
  });
});
