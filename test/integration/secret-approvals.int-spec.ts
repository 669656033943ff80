// What approves at once under a profile that delivers secrets: docs/instances.md §2.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provision, type TestKey, TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { profileNaming } from '../support/secrets.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let delivering: number;
let plain: number;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  await app.root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('x') });
  delivering = await profileNaming(app, org.orgId, ['TOKEN']);
  plain = await profileNaming(app, org.orgId, []);
});
afterAll(() => app?.close());

interface Template {
  templateId: number;
  approvalLimit: string | null;
}
const template = (profileId: number, body: object = {}) =>
  app.root.expect<Template>('PUT', org.path('provisioning-template'), { name: randomUUID(), profileId, ...body });
async function key(
  profileId: number,
  body: object,
  under: object,
): Promise<TestKey & { approvalLimit: string | null }> {
  const { templateId } = await template(profileId, under);
  return app.root.expect('PUT', org.path('site-provisioning-key'), { name: 'key', templateId, ...body });
}
const claim = (by: TestKey) => provision(app.root.url, { provision_key: by.siteProvisioningKey });
const keyPath = ({ siteProvisioningKeyId }: TestKey) => org.path(`site-provisioning-key/${siteProvisioningKeyId}`);
const SOON = '2036-01-01T00:00:00Z';

describe('a profile that delivers secrets approves at once only for bounded keys', () => {
  const PATTERN = { hardwareIdPattern: '.*' };
  it.each<[what: string, approved: boolean, key: object, template: object]>([
    ['uses, expiry and pattern', true, { maxBatchSize: 5, validUntil: SOON }, PATTERN],
    ['one use and an expiry', true, { maxBatchSize: undefined, oneTime: true, validUntil: SOON }, {}],
    ['no limit of uses', false, { maxBatchSize: null, validUntil: SOON }, PATTERN],
    ['no expiry', false, { maxBatchSize: 5 }, PATTERN],
    ['one use, no expiry', false, { maxBatchSize: undefined, oneTime: true }, PATTERN],
    ['neither one use nor pattern', false, { maxBatchSize: 5, validUntil: SOON }, {}],
  ])('%s: %s', async (_what, approved, body, under) => {
    const [by, ordinary] = [await key(delivering, body, under), await key(plain, body, under)];
    expect(by).toMatchObject({
      approveNewSites: true,
      approvalLimit: approved ? null : expect.stringContaining('delivers secrets'),
    });
    expect(ordinary.approvalLimit).toBeNull();
    for (const [one, status] of [
      [by, approved ? 'approved' : 'pending'],
      [ordinary, 'approved'],
    ] as const) {
      const { device_id } = (await claim(one)).body;
      const [row] = await app.sql<{ status: string }>('SELECT status FROM site WHERE device_id = $1', [device_id]);
      expect(row!.status).toBe(status);
    }
  });

  it('a template says which keys', async () => {
    expect((await template(delivering)).approvalLimit).toContain('delivers secrets');
    expect((await template(delivering, { approveNewSites: false })).approvalLimit).toBeNull();
    expect((await template(plain)).approvalLimit).toBeNull();
    const { provisioningTemplates } = await app.root.expect<{ provisioningTemplates: Template[] }>(
      'GET',
      org.path('provisioning-templates'),
    );
    expect(new Set(provisioningTemplates.map((one) => one.approvalLimit)).size).toBe(2);
  });

  it('and a bound that makes a key approve takes updateSite too', async () => {
    const held = await key(delivering, { maxBatchSize: null, validUntil: SOON }, PATTERN);
    const api = await app.orgKey(org.orgId, 'updateSiteProvisioningKey', 'useSecret');
    expect((await api.patch(keyPath(held), { maxBatchSize: 5 })).status).toBe(403);
    const both = await app.orgKey(org.orgId, 'updateSiteProvisioningKey', 'useSecret', 'updateSite');
    expect((await both.patch(keyPath(held), { maxBatchSize: 5 })).status).toBe(200);
  });
});
