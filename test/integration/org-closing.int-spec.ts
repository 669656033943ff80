import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { SiteExpiryRepository } from '../../src/agents/expiry/site-expiry.repository.js';
import { JobsRepository } from '../../src/jobs/jobs.repository.js';
import { Api, deviceToken, newHardwareId, provision, TestOrg } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';
import { type Refused, TestSession } from '../support/session.js';

let database: TestDatabase;
let one: StartedApp;
let two: StartedApp;
let org: TestOrg;
let counter = 0;
/** An Admin of the organization, logged in at the second server. */
let admin: Api;
let adminEmail: string;
const PASSWORD = 'correct horse battery';
const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);

beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = [await startApp(database.url), await startApp(database.url)];
  await createUser(one, { email: 'boss@example.com', password: PASSWORD, serverAdmin: true });
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});
beforeEach(async () => {
  org = await TestOrg.create(one.root);
  adminEmail = `admin-${++counter}@example.com`;
  admin = await person('Admin', adminEmail);
});

async function person(role: string, email = `person-${++counter}@example.com`): Promise<Api> {
  const userId = await createUser(one, { email, password: PASSWORD });
  const [row] = await sql<{ id: number }>('SELECT role_id AS id FROM role WHERE org_id = $1 AND name = $2', [
    org.orgId,
    role,
  ]);
  await one.db.tx((tx) => one.app.get(UsersService).addMember(tx, org.orgId, userId, { roleIds: [row!.id] }));
  return logIn(two.url, email, PASSWORD);
}
const close = (api = admin, body: object = {}) => api.post(org.path('close'), body);
const reopen = (api = admin) => api.post(org.path('reopen'));
async function keyOf(actionIds: string[]): Promise<Api> {
  const key = await one.root.expect<{ apiKeyId: string; apiKey: string }>('PUT', org.path('api-key'), { name: 'k' });
  await one.root.expect('POST', org.path(`api-key/${key.apiKeyId}/actions`), { actionIds });
  return one.root.as(`${key.apiKeyId}.${key.apiKey}`);
}
/** Of both servers: what one was told late the other may know. */
const everywhere = (check: (url: string) => Promise<boolean>) =>
  until(async () => (await Promise.all([one.url, two.url].map(check))).every(Boolean));
const connect = (url: string, token: string) => TestSession.connect(`${url.replace('http', 'ws')}/api/v1/ws`, token);

describe('closing an organization', () => {
  it('says by a dry run what there is, and changes nothing', async () => {
    await org.key();
    const { body } = await close(admin, { dryRun: true });
    expect(body.data).toEqual({
      orgId: org.orgId,
      closedAt: null,
      closedBy: null,
      sites: { total: 0, pending: 0, neverConnected: 0, online: 0, offline: 0, suspended: 0, revoked: 0 },
      publicResources: 0,
      privateResources: 0,
      members: 2,
      apiKeys: 0,
      provisioningKeys: 1,
    });
    expect(await sql(`SELECT FROM audit WHERE org_id = $1 AND action = 'org.close'`, [org.orgId])).toEqual([]);
    expect((await admin.post(`/org/${org.orgId}`, { name: 'still open' })).status).toBe(200);
  });

  it('refuses keys with a reason, and people what changes anything, until an Admin reopens it', async () => {
    const key = await keyOf(['listSites', 'updateOrg', 'getOrg']);
    expect((await close()).body.data).toMatchObject({ closedBy: adminEmail });
    for (const url of [one.url, two.url]) {
      const at = new Api(url, key.authorization);
      await until(async () => (await at.get(org.path('sites'))).status === 403);
      expect((await at.get(org.path('sites'))).body).toMatchObject({
        code: 'org_closed',
        message: expect.stringContaining('reopen'),
      });
      for (const path of [`/org/${org.orgId}`, '/orgs', '/search?query=any'])
        expect((await at.get(path)).body).toMatchObject({ status: 403, code: 'org_closed' });
    }
    await until(async () => (await admin.post(`/org/${org.orgId}`, { name: 'x' })).status === 403);
    expect((await admin.get(org.path('sites'))).status).toBe(200);
    expect((await admin.get(`/org/${org.orgId}`)).body.data).toMatchObject({
      org: { closedBy: adminEmail, closedAt: expect.any(String) },
    });
    expect((await one.root.put(org.path('role'), { name: 'no' })).body).toMatchObject({
      status: 403,
      code: 'org_closed',
    });
    expect((await reopen()).body.data).toMatchObject({ closedAt: null, closedBy: null });
    await everywhere(async (url) => (await new Api(url, key.authorization).get(org.path('sites'))).status === 200);
    expect((await admin.post(`/org/${org.orgId}`, { name: 'x' })).status).toBe(200);
  });

  it('refuses claims for now, and lets them in again', async () => {
    const { siteProvisioningKey } = await org.key();
    const claim = (url = one.url) =>
      provision(url, { provision_key: siteProvisioningKey, hardware_id: newHardwareId() });
    expect((await claim()).status).toBe(201);
    await close();
    await everywhere(async (url) => (await claim(url)).status === 503);
    const refused = await claim();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60']);
    await reopen();
    await everywhere(async (url) => (await claim(url)).status === 201);
  });

  it('ends the sessions of agents at every server, which keep their credential and are told to come back', async () => {
    const { siteProvisioningKey } = await org.keyUnder({}, { approveNewSites: true });
    const device = async () => (await provision(one.url, { provision_key: siteProvisioningKey })).body;
    const keys = [(await device()).api_key, (await device()).api_key];
    const tokens = await Promise.all(keys.map(async (key) => (await deviceToken(one.url, key)).body.data.token));
    const sessions = [await connect(one.url, tokens[0]!), await connect(two.url, tokens[1]!)];
    await close();
    for (const session of sessions) expect(await session.closed).toMatchObject({ code: 1012, reason: 'org_closed' });
    for (const [url, key] of [
      [one.url, keys[0]!],
      [two.url, keys[1]!],
    ] as const) {
      await until(async () => (await deviceToken(url, key)).status === 503);
      const refused = await deviceToken(url, key);
      expect([refused.body, refused.headers.get('retry-after')]).toMatchObject([{ code: 'out_of_service' }, '300']);
      expect((await new Api(url, key).get('/device/self')).status).toBe(503);
    }
    // A token of before does not help.
    const late = await connect(one.url, tokens[0]!).catch((error: Refused) => error);
    expect(late).toMatchObject({ status: 503, body: { code: 'out_of_service' } });
    await reopen();
    await until(async () => (await deviceToken(one.url, keys[0]!)).status === 200);
    const back = await connect(one.url, (await deviceToken(one.url, keys[0]!)).body.data.token);
    expect((await org.sites()).sites).toHaveLength(2);
    back.ws.terminate();
  });

  it('can be repeated, and is audited each time', async () => {
    for (const status of [await close(), await close(), await reopen(), await reopen()].map((reply) => reply.status))
      expect(status).toBe(200);
    expect(
      await sql(
        `SELECT action, actor_type, details FROM audit WHERE org_id = $1 AND action LIKE 'org.%' AND action <> 'org.create' ORDER BY audit_id`,
        [org.orgId],
      ),
    ).toEqual([
      { action: 'org.close', actor_type: 'user', details: { changed: true } },
      { action: 'org.close', actor_type: 'user', details: { changed: false } },
      { action: 'org.reopen', actor_type: 'user', details: { changed: true } },
      { action: 'org.reopen', actor_type: 'user', details: { changed: false } },
    ]);
  });

  it('is for Admins and who runs the server, not for an Operator or a key', async () => {
    const operator = await person('Operator');
    const key = await keyOf(['deleteOrg']);
    for (const api of [operator, key]) {
      expect((await close(api)).status).toBe(403);
      expect((await reopen(api)).status).toBe(403);
    }
    expect((await close(one.root)).status).toBe(200);
    expect((await reopen(await logIn(one.url, 'boss@example.com', PASSWORD))).status).toBe(200);
  });

  it('keeps ephemeral sites, whose time begins anew when it is reopened', async () => {
    const { siteId } = await one.root.expect<{ siteId: number }>('PUT', org.path('site'), { name: 'E', type: 'newt' });
    await sql(`UPDATE site SET ephemeral_seconds = 60, created_at = now() - interval '1 day' WHERE site_id = $1`, [
      siteId,
    ]);
    await close();
    const due = () => one.app.get(SiteExpiryRepository).due(one.db.manager, new Date(0), 0, 100);
    expect((await due()).filter((site) => site.orgId === org.orgId)).toEqual([]);
    await reopen();
    expect((await due()).filter((site) => site.orgId === org.orgId)).toEqual([]);
    await sql(`UPDATE org SET reopened_at = now() - interval '1 hour' WHERE org_id = $1`, [org.orgId]);
    expect(await due()).toMatchObject([{ siteId }]);
    await sql('UPDATE site SET ephemeral_seconds = NULL WHERE site_id = $1', [siteId]);
  });

  it('makes jobs wait', async () => {
    await sql(
      `INSERT INTO job (org_id, kind, input, total, pace, created_by_kind, created_by_id, created_by_name, due_at) VALUES ($1, 'no.such', '{}', 0, 1, 'system', NULL, 'test', now() - interval '1 hour')`,
      [org.orgId],
    );
    const jobs = one.app.get(JobsRepository);
    await close();
    expect([await jobs.take(one.db.manager, ['no.such']), await jobs.nextDueMs(one.db.manager, ['no.such'])]).toEqual([
      null,
      undefined,
    ]);
    await reopen();
    expect(await jobs.take(one.db.manager, ['no.such'])).toMatchObject({ orgId: org.orgId });
  });
});

describe('deleting an organization', () => {
  it('takes a person who has closed it and types its id; a key as ever', async () => {
    const boss = await logIn(one.url, 'boss@example.com', PASSWORD);
    const gone = (api: Api, body?: object) => api.delete(`/org/${org.orgId}`, body);
    expect((await gone(admin, { confirm: org.orgId })).status).toBe(403);
    expect((await gone(boss)).body).toMatchObject({ status: 400, fields: [{ path: 'confirm' }] });
    expect((await gone(boss, { confirm: 'another' })).status).toBe(400);
    expect((await gone(one.root, { confirm: 'another' })).status).toBe(400);
    expect((await gone(boss, { confirm: org.orgId })).body).toMatchObject({ status: 409, code: 'conflict' });
    await close();
    expect((await gone(boss, { confirm: org.orgId })).status).toBe(200);
    const plain = await TestOrg.create(one.root);
    expect((await one.root.delete(`/org/${plain.orgId}`)).status).toBe(200);
  });
});
