import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { register } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let server: StartedApp;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startApp(database.url);
  await server.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
});
afterAll(async () => {
  await server?.close();
  await database?.drop();
});

const NFD = 'Zu\u0308rich';
const NFC = 'Zürich';
const role = (name: string) => server.root.put<{ roleId: number; name: string }>('/org/acme/role', { name });
const yaml = (text: string, query = '') =>
  fetch(`${server.url}/api/v1/org/acme/blueprint${query}`, {
    method: 'PUT',
    body: text,
    headers: { 'content-type': 'application/yaml', authorization: `Bearer ${server.root.authorization}` },
  });
const document = (key: string, roles: string[], name = key) =>
  `public-resources:\n  ${key}:\n    name: "${name}"\n    mode: http\n    full-domain: ${key}.localhost\n    auth: {sso-enabled: true, sso-roles: ${JSON.stringify(roles)}}\n    targets: []\n`;

describe('names', () => {
  it('are kept in NFC, whatever form they come in: in a body, in claims, in a document', async () => {
    expect((await server.root.expect<{ name: string }>('PUT', '/org/acme/group', { name: NFD })).name).toBe(NFC);
    const { templateId } = await server.root.expect<{ templateId: number }>('PUT', '/org/acme/provisioning-template', {
      name: randomUUID(),
    });
    const { siteProvisioningKey } = await server.root.expect<{ siteProvisioningKey: string }>(
      'PUT',
      '/org/acme/site-provisioning-key',
      { name: 'k', maxBatchSize: null, templateId },
    );
    expect((await register(server.url, { provisioningKey: siteProvisioningKey, name: NFD })).status).toBe(201);
    const { sites } = await server.root.expect<{ sites: { name: string }[] }>('GET', '/org/acme/sites');
    expect(sites.map(({ name }) => name)).toEqual([NFC]);
    expect((await yaml(document('nfd', [], NFD))).status).toBe(201);
    const { resources } = await server.root.expect<{ resources: { name: string }[] }>('GET', '/org/acme/resources');
    expect(resources.map(({ name }) => name)).toEqual([NFC]);
  });

  it('of a document are refused when nobody could read them, with their place', async () => {
    for (const wrong of ['   ', '\\u200b', '\\u202eevil']) {
      const answer = (await (await yaml(document('web', [], wrong))).json()) as {
        fields: { path: string; problem: string }[];
      };
      expect(answer.fields.map(({ path }) => path)).toEqual(['public-resources.web.name']);
    }
  });
});

describe('roles', () => {
  it('are unique without regard to case, width and spaces, when made and when changed', async () => {
    const { roleId } = (await role('Porter')).body.data;
    for (const same of [
      'porter',
      'PORTER ',
      '\uff30orter',
      'Admin ',
      'admin',
      '\uff41dmin',
      'MEMBER',
      'operator',
      'VIEWER ',
    ])
      expect([same, (await role(same)).status]).toEqual([same, 409]);
    const other = (await role('Other')).body.data.roleId;
    expect((await server.root.post(`/role/${other}`, { name: 'pORTER' })).status).toBe(409);
    expect((await server.root.post<{ name: string }>(`/role/${roleId}`, { name: 'PORTER' })).body.data.name).toBe(
      'PORTER',
    );
    expect((await role('Porter')).status).toBe(409);
  });

  it('of one name made at once are one', async () => {
    const statuses = (await Promise.all(['Night', 'night', 'NIGHT', '\uff2eight', 'night '].map(role))).map(
      ({ status }) => status,
    );
    expect(statuses.sort()).toEqual([201, 409, 409, 409, 409]);
  });

  it('are found by a document in any case, and made once', async () => {
    await role('Ops');
    expect((await yaml(document('shop', ['OPS', 'ops', 'ADMIN', 'New role', 'new ROLE']))).status).toBe(201);
    const names = (
      await server.root.expect<{ roles: { name: string }[] }>('GET', '/org/acme/roles?pageSize=100')
    ).roles.map(({ name }) => name);
    expect(names.filter((name) => /^(ops|admin|new role)$/i.test(name)).sort()).toEqual(['Admin', 'Ops', 'new ROLE']);
    const plan = (await (await yaml(document('shop', ['ops', 'NEW role']), '?dryRun=true')).json()) as {
      data: { changes: unknown[] };
    };
    expect(plan.data.changes).toEqual([]);
  });
});

it('an empty list of actions takes them all from a key', async () => {
  const { apiKeyId, apiKey } = await server.root.expect<{ apiKeyId: string; apiKey: string }>(
    'PUT',
    '/org/acme/api-key',
    { name: 'k' },
  );
  const path = `/org/acme/api-key/${apiKeyId}/actions`;
  const key = server.root.as(`${apiKeyId}.${apiKey}`);
  await server.root.expect('POST', path, { actionIds: ['getOrg'] });
  expect((await key.get('/org/acme')).status).toBe(200);
  expect((await server.root.post(path, { actionIds: [] })).status).toBe(201);
  expect((await key.get('/org/acme')).status).toBe(403);
  expect((await server.root.expect<{ actions: unknown[] }>('GET', path)).actions).toEqual([]);
});
