// Sites that receive secrets, and ways around who may let them: docs/instances.md §2.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIONS } from '#contracts';
import { type Api, newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { holds, nameIn, profileNaming, versionId } from '../support/secrets.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let delivering: number;
let plain: number;
/** Everything but `useSecret`. */
let without: Api;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  await app.root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: 'x' });
  delivering = await profileNaming(app, org.orgId, ['TOKEN']);
  plain = await profileNaming(app, org.orgId, []);
  without = await app.orgKey(org.orgId, ...ACTIONS.filter((action) => action !== 'useSecret'));
});
afterAll(() => app?.close());

type Decided = { results: { outcome: string }[] };
async function key(profileId: number | null, template: object = {}): Promise<TestKey> {
  const { templateId } = await app.root.expect<{ templateId: number }>('PUT', org.path('provisioning-template'), {
    name: randomUUID(),
    profileId,
    ...template,
  });
  return app.root.expect('PUT', org.path('site-provisioning-key'), { name: 'key', maxBatchSize: 10, templateId });
}
const claim = (by: TestKey, hardwareId: string) =>
  provision(app.root.url, { provision_key: by.siteProvisioningKey, hardware_id: hardwareId });
async function site(profileId: number): Promise<{ siteId: number; hardwareId: string }> {
  const hardwareId = newHardwareId();
  const claimed = await claim(await key(profileId, { approveNewSites: false }), hardwareId);
  const [row] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    claimed.body.device_id,
  ]);
  return { siteId: row!.siteId, hardwareId };
}

describe('a site that receives secrets', () => {
  it('is let in by nobody without useSecret while it is offered one by an earlier document still', async () => {
    const profileId = await profileNaming(app, org.orgId, ['TOKEN']);
    const approved = await site(profileId);
    const waiting = await site(profileId);
    await app.root.expect('POST', `/site/${approved.siteId}`, { status: 'approved' });
    const offered = [await versionId(app, org.orgId, 'TOKEN', 1)];
    for (const { siteId } of [approved, waiting]) await holds(app, org.orgId, siteId, offered);
    await nameIn(app, org.orgId, profileId, [], 2);
    expect((await without.post(`/site/${approved.siteId}/allow-reclaim`, {})).status).toBe(403);
    expect((await without.post(`/site/${waiting.siteId}`, { status: 'approved' })).status).toBe(403);
    const body = { siteIds: [waiting.siteId], decision: 'approve', dryRun: true };
    expect((await without.post<Decided>(org.path('approvals'), body)).body.data.results).toEqual([
      expect.objectContaining({ outcome: 'permission_denied' }),
    ]);
  });

  it('is handed over by no template of another profile', async () => {
    const { siteId, hardwareId } = await site(delivering);
    const current = async () =>
      (
        await app.sql<{ id: number }>(
          'SELECT credential_id AS id FROM site_credential WHERE site_id = $1 AND revoked_at IS NULL',
          [siteId],
        )
      ).map(({ id }) => id);
    const before = await current();
    const handsOver = { reclaimPolicy: 'reissue', approveNewSites: false };
    for (const profileId of [plain, null, await profileNaming(app, org.orgId, ['TOKEN'])]) {
      const own = await key(profileId, handsOver);
      expect((await claim(own, hardwareId)).status).toBe(200);
      expect(await current()).toEqual(before);
    }
    await claim(await key(delivering, handsOver), hardwareId);
    expect(await current()).not.toEqual(before);
  });
});
