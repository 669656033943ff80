import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestKey } from '../support/api.js';
import { provision } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

interface Row {
  action: string;
  actorName: string | null;
  targetId: string | null;
  targetName: string | null;
  requestId: string | null;
}

let app: TestApp;
let orgId: string;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  orgId = `o${randomUUID().slice(0, 8)}`;
  await app.makeOrg(orgId);
});

const path = (rest: string) => `/org/${orgId}/${rest}`;
const audit = async (query = '') =>
  (await app.root.expect<{ audit: Row[] }>('GET', path(`audit${query}`))).audit.map((row) => row);
const named = async (query = '') => (await audit(query)).map((row) => [row.action, row.targetName]).reverse();

describe('the audit says what actor and target were called', () => {
  it('at each act, whatever they are called later, and what is gone by now as it was', async () => {
    const { siteId } = await app.root.expect<{ siteId: number }>('PUT', path('site'), { name: 'Press', type: 'newt' });
    await app.root.expect('POST', `/site/${siteId}`, { name: 'Press 2' });
    await app.root.expect('DELETE', `/site/${siteId}`);
    expect(await named(`?targetType=site&targetId=${siteId}`)).toEqual([
      ['site.create', 'Press'],
      ['site.update', 'Press 2'],
      ['site.delete', 'Press 2'],
    ]);
    expect((await audit('?targetType=site')).map((row) => row.actorName)).toEqual(['test', 'test', 'test']);
  });

  it('of each kind, made, changed and deleted', async () => {
    const root = app.root;
    const { groupId } = await root.expect<{ groupId: number }>('PUT', path('group'), { name: 'Lab' });
    await root.expect('DELETE', path(`group/${groupId}`));
    const key = await root.expect<TestKey>('PUT', path('site-provisioning-key'), { name: 'K', maxBatchSize: null });
    await root.expect('DELETE', path(`site-provisioning-key/${key.siteProvisioningKeyId}`));
    const { resourceId } = await root.expect<{ resourceId: number }>('PUT', path('resource'), {
      name: 'R',
      http: false,
      protocol: 'tcp',
      proxyPort: 9000,
    });
    await root.expect('DELETE', `/resource/${resourceId}`);
    const { roleId } = await root.expect<{ roleId: number }>('PUT', path('role'), { name: 'Auditor' });
    expect(roleId).toBeGreaterThan(0);
    const names = await named();
    for (const [noun, name] of [
      ['group', 'Lab'],
      ['site_provisioning_key', 'K'],
      ['resource', 'R'],
    ])
      expect(names).toEqual(
        expect.arrayContaining([`${noun}.create`, `${noun}.delete`].map((action) => [action, name])),
      );
    expect(names).toContainEqual(['role.create', 'Auditor']);
  });

  it('of a claim too: the machine, and the site that it became', async () => {
    const { siteProvisioningKey } = await app.root.expect<TestKey>('PUT', path('site-provisioning-key'), {
      name: 'K',
      maxBatchSize: null,
    });
    await provision(app.root.url, { provision_key: siteProvisioningKey, hardware_id: 'SN-77' });
    const [row] = await audit('?action=site.claim');
    const [site] = await app.sql<{ name: string }>('SELECT name FROM site WHERE org_id = $1', [orgId]);
    expect(row).toMatchObject({ targetName: site!.name, requestId: null });
    expect(row!.actorName).not.toBeNull();
  });
});

describe('the audit is searched', () => {
  it('by a part of action, names and ids, by address and range, and by the request', async () => {
    const made = await app.root.send<{ siteId: number }>('PUT', path('site'), { name: 'Presse 100%', type: 'newt' });
    await app.root.expect('PUT', path('group'), { name: 'Halle 3' });
    const actions = async (query: string) => (await audit(query)).map((row) => row.action);
    expect(await actions('?query=pRESSE')).toEqual(['site.create']);
    expect(await actions('?query=100%25')).toEqual(['site.create']);
    expect(await actions('?query=group.cr')).toEqual(['group.create']);
    expect(await actions('?query=halle_3')).toEqual([]);
    const { siteId } = made.body.data;
    expect(await actions(`?query=${siteId}&targetType=site`)).toEqual(['site.create']);
    expect(await actions('?address=127.0.0.1&targetType=group')).toEqual(['group.create']);
    expect(await actions('?address=127.0.0.0/8&targetType=group')).toEqual(['group.create']);
    expect(await actions('?address=10.0.0.0/8')).toEqual([]);
    const requestId = made.headers.get('x-request-id')!;
    expect(await actions(`?requestId=${requestId}`)).toEqual(['site.create']);
    expect(await actions(`?requestId=${randomUUID()}`)).toEqual([]);
  });

  it.each(['address=localhost', 'address=1.2.3', 'address=fe80::1%25eth0', 'requestId=7'])(
    'and not by %s',
    async (query) => expect((await app.root.get(path(`audit?${query}`))).status).toBe(400),
  );
});
