import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import { UsersService } from '../../src/access/index.js';
import { type Api, provision, type TestKey } from '../support/api.js';
import { createUser, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

interface Key extends TestKey {
  approveNewSites: boolean;
  approveNewSitesSource: string;
  templateId: number;
}
interface Template {
  templateId: number;
  approveNewSites: boolean;
}

const PASSWORD = 'battery staple';
const PROVISIONER: Action[] = [
  'createSiteProvisioningKey',
  'updateSiteProvisioningKey',
  'listSiteProvisioningKeys',
  'rotateSiteProvisioningKey',
  'createProvisioningTemplate',
  'updateProvisioningTemplate',
  'getProvisioningTemplate',
];
let database: TestDatabase;
let server: StartedApp;
let counter = 0;
let org: string;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startApp(database.url);
});
afterAll(async () => {
  await server?.close();
  await database?.drop();
});
beforeEach(async () => {
  org = `org-${++counter}`;
  await server.root.expect('PUT', '/org', { orgId: org, name: org });
});

/** An API key of the organization with these actions. */
async function apiKey(actions: Action[]): Promise<Api> {
  const { apiKeyId, apiKey: secret } = await server.root.expect<{ apiKeyId: string; apiKey: string }>(
    'PUT',
    `/org/${org}/api-key`,
    { name: 'test' },
  );
  await server.root.expect('POST', `/org/${org}/api-key/${apiKeyId}/actions`, { actionIds: actions });
  return server.root.as(`${apiKeyId}.${secret}`);
}

/** A person whose role has them, logged in. */
async function session(actions: Action[]): Promise<Api> {
  const email = `person-${++counter}@example.com`;
  const userId = await createUser(server, { email, password: PASSWORD });
  const { roleId } = await server.root.expect<{ roleId: number }>('PUT', `/org/${org}/role`, {
    name: `Role ${counter}`,
  });
  await server.app
    .get(UsersService)
    ['db'].manager.query('UPDATE role SET actions = $2 WHERE role_id = $1', [roleId, actions]);
  await server.db.tx((tx) => server.app.get(UsersService).addMember(tx, org, userId, { roleIds: [roleId] }));
  return logIn(server.url, email, PASSWORD);
}

const makeKey = (api: Api, body: object = {}) =>
  api.put<Key>(`/org/${org}/site-provisioning-key`, { name: 'k', maxBatchSize: null, ...body });
const changeKey = (api: Api, key: Key, body: object) =>
  api.patch<Key>(`/org/${org}/site-provisioning-key/${key.siteProvisioningKeyId}`, body);
const makeTemplate = (api: Api, body: object = {}) =>
  api.put<Template>(`/org/${org}/provisioning-template`, { name: `t-${++counter}`, ...body });
const statusOfClaim = async (key: Key) => {
  const claimed = await provision(server.url, { provision_key: key.siteProvisioningKey });
  expect(claimed.status, claimed.text).toBe(201);
  const self = await server.root.as(claimed.body.api_key).get('/device/self');
  return (JSON.parse(self.text) as { status: string }).status;
};
const denied = { status: 403, code: 'permission_denied', fields: [{ path: 'approveNewSites' }] };

describe.each([
  ['an API key', apiKey],
  ['a person', session],
] as const)('%s without updateSite', (_who, holding) => {
  it('makes no provisioning key that approves, whatever the template says', async () => {
    const api = await holding(PROVISIONER);
    expect((await makeKey(api, { approveNewSites: true })).body).toMatchObject(denied);
    for (const body of [{}, { approveNewSites: null }, { approveNewSites: false }]) {
      const reply = await makeKey(api, body);
      expect([reply.status, reply.body.data]).toMatchObject([
        201,
        { approveNewSites: false, approveNewSitesSource: 'key' },
      ]);
      expect(await statusOfClaim(reply.body.data)).toBe('pending');
    }
  });

  it('changes none into one', async () => {
    const api = await holding(PROVISIONER);
    const pending = (await makeTemplate(server.root, { approveNewSites: false })).body.data;
    const key = (await makeKey(api)).body.data;
    for (const body of [{ approveNewSites: true }, { approveNewSites: null }])
      expect((await changeKey(api, key, body)).body).toMatchObject(denied);
    const other = (await makeKey(server.root, { templateId: pending.templateId })).body.data;
    expect((await changeKey(api, other, { templateId: key.templateId })).body).toMatchObject(denied);
    for (const made of [key, other]) expect(await statusOfClaim(made)).toBe('pending');
    // What approves already, by somebody who may, is changed in other respects.
    const approving = (await makeKey(server.root)).body.data;
    expect((await changeKey(api, approving, { name: 'renamed' })).body).toMatchObject({
      status: 200,
      data: { name: 'renamed', approveNewSites: true },
    });
    expect((await changeKey(api, approving, { approveNewSites: false })).status).toBe(200);
  });

  it('gets no secret of one that approves, and makes none approve again, more or for longer', async () => {
    const api = await holding(PROVISIONER);
    const validUntil = new Date(Date.now() + 3_600_000).toISOString();
    const later = new Date(Date.now() + 7_200_000).toISOString();
    const approving = (await makeKey(server.root, { maxBatchSize: 5, validUntil })).body.data;
    const rotate = (key: Key) =>
      api.post<Key>(`/org/${org}/site-provisioning-key/${key.siteProvisioningKeyId}/rotate`, { overlapSeconds: 0 });
    expect((await rotate(approving)).body).toMatchObject(denied);
    for (const body of [{ maxBatchSize: 6 }, { maxBatchSize: null }, { validUntil: later }, { validUntil: null }]) {
      expect((await changeKey(api, approving, body)).body, JSON.stringify(body)).toMatchObject(denied);
    }
    // Less is anybody's to take away, but not to give back.
    for (const body of [{ maxBatchSize: 4 }, { status: 'disabled' }])
      expect((await changeKey(api, approving, body)).status, JSON.stringify(body)).toBe(200);
    for (const body of [{ status: 'active' }, { maxBatchSize: 5 }])
      expect((await changeKey(api, approving, body)).body, JSON.stringify(body)).toMatchObject(denied);
    expect((await changeKey(server.root, approving, { status: 'active' })).status).toBe(200);
    expect(await statusOfClaim(approving)).toBe('approved');
    // With keys that do not approve anything goes.
    const pending = (await makeKey(api, { maxBatchSize: 1, status: 'disabled' })).body.data;
    expect((await changeKey(api, pending, { status: 'active', maxBatchSize: null, validUntil: later })).status).toBe(
      200,
    );
    expect(await statusOfClaim((await rotate(pending)).body.data)).toBe('pending');
  });

  it('makes no template that approves, and changes none into one', async () => {
    const api = await holding(PROVISIONER);
    expect((await makeTemplate(api, { approveNewSites: true })).body).toMatchObject(denied);
    const made = await makeTemplate(api);
    expect([made.status, made.body.data]).toMatchObject([201, { approveNewSites: false }]);
    const path = `/org/${org}/provisioning-template/${made.body.data.templateId}`;
    expect((await api.post(path, { approveNewSites: true })).body).toMatchObject(denied);
    expect((await api.post(path, { description: 'x' })).status).toBe(200);
    expect(await server.root.expect('GET', path)).toMatchObject({ approveNewSites: false });
  });

  it('but with it does all of this', async () => {
    const api = await holding([...PROVISIONER, 'updateSite']);
    expect((await makeKey(api)).body.data).toMatchObject({ approveNewSites: true, approveNewSitesSource: 'template' });
    const key = (await makeKey(api, { approveNewSites: true })).body.data;
    expect(await statusOfClaim(key)).toBe('approved');
    const made = (await makeTemplate(api)).body.data;
    expect(made.approveNewSites).toBe(true);
    expect(
      (await api.post(`/org/${org}/provisioning-template/${made.templateId}`, { approveNewSites: true })).status,
    ).toBe(200);
  });
});
