// What is deleted while something uses it: docs/instances.md §2.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import { newHardwareId, provision, type TestKey, TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { profileNaming } from '../support/secrets.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
});
afterAll(() => app?.close());

const profilePath = (profileId: number) => org.path(`provisioning-profile/${profileId}`);
const templatePath = (templateId: number) => org.path(`provisioning-template/${templateId}`);
const keyPath = (key: TestKey, rest = '') => org.path(`site-provisioning-key/${key.siteProvisioningKeyId}${rest}`);
async function secret(): Promise<string> {
  const name = `S_${randomUUID().replace(/-/g, '_').toUpperCase()}`;
  await app.root.expect('PUT', org.path('secret'), { name, value: secretValue('one') });
  return name;
}
async function claim(key: TestKey): Promise<number> {
  const { status, body } = await provision(app.root.url, {
    provision_key: key.siteProvisioningKey,
    hardware_id: newHardwareId(),
  });
  expect(status).toBe(201);
  const [row] = await app.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE device_id = $1', [body.device_id]);
  await app.db.tx((tx) => app.get(BundlesService).refresh(tx, org.orgId, row!.id));
  return row!.id;
}
const bundleOf = async (siteId: number) =>
  (
    await app.sql<{
      version: number;
      inputs: { profileId: number | null; revision: number | null; secrets: Record<string, { version: number }> };
      desired: number;
    }>(
      'SELECT b.version, b.inputs, s.desired_version AS desired FROM site_bundle b JOIN site s USING (site_id) WHERE site_id = $1',
      [siteId],
    )
  )[0]!;
const lastAudit = async (action: string) =>
  (
    await app.sql<{ details: object | null }>(
      'SELECT details FROM audit WHERE action = $1 ORDER BY audit_id DESC LIMIT 1',
      [action],
    )
  )[0]!.details;

/** A profile whose bootstrap names a new secret, a template and a key of it, and sites claimed under it. */
async function fleet(sites: number) {
  const name = await secret();
  const profileId = await profileNaming(app, org.orgId, [name]);
  const { templateId } = await org.template({ profileId });
  const key = await org.key({ templateId });
  const siteIds: number[] = [];
  for (let n = 0; n < sites; n++) siteIds.push(await claim(key));
  return { name, profileId, templateId, key, siteIds };
}

describe('a profile', () => {
  it('stays while templates name it and its bootstrap starts sites, who are named', async () => {
    const { profileId, templateId, siteIds } = await fleet(2);
    const users = {
      templates: { total: 1, templates: [{ templateId }] },
      sites: { total: 2, sites: siteIds.map((siteId) => ({ siteId })) },
    };
    const refused = await app.root.delete(profilePath(profileId));
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
    expect(refused.body.data).toMatchObject(users);
    expect(await app.root.expect('DELETE', `${profilePath(profileId)}?dryRun=true`)).toMatchObject(users);
    // Sites alone hold it too.
    await app.root.expect('POST', templatePath(templateId), { profileId: null });
    expect((await app.root.delete(profilePath(profileId))).status).toBe(409);
    expect((await app.root.get(profilePath(profileId))).status).toBe(200);
  });

  it('goes by force; templates and sites have none, bundles are empty, and a claim under way is no obstacle', async () => {
    const { name, profileId, templateId, key, siteIds } = await fleet(2);
    await app.root.expect('POST', org.path(`secret/${name}`), { profileIds: [profileId] });
    const before = await bundleOf(siteIds[0]!);
    expect(before.inputs).toMatchObject({ profileId, revision: 1, secrets: { [name]: { version: 1 } } });
    expect(await app.root.expect('DELETE', `${profilePath(profileId)}?force=true`)).toBeNull();
    expect(await lastAudit('provisioning_profile.delete')).toEqual({ force: true, templates: 1, sites: 2 });
    expect((await app.root.get(profilePath(profileId))).status).toBe(404);
    expect(await app.root.expect('GET', templatePath(templateId))).toMatchObject({ profileId: null });
    const after = await bundleOf(siteIds[0]!);
    expect(after.inputs).toMatchObject({ profileId: null, revision: null, secrets: {} });
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.desired).toBeGreaterThan(before.desired);
    // Nobody uses the secret, which is for nobody now.
    expect(await app.root.expect('GET', org.path(`secret/${name}`))).toMatchObject({ profileIds: [], usedBySites: 0 });
    await app.root.expect('DELETE', org.path(`secret/${name}`));
    await claim(key);
  });

  it('goes without a word when it has no bootstrap, as before; its sites stay', async () => {
    const { profileId } = await app.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
      name: randomUUID(),
    });
    const { templateId } = await org.template({ profileId });
    const siteId = await claim(await org.key({ templateId }));
    expect((await app.root.delete(profilePath(profileId))).status).toBe(409);
    await app.root.expect('POST', templatePath(templateId), { profileId: null });
    await app.root.expect('DELETE', profilePath(profileId));
    expect(await app.root.expect('GET', `/site/${siteId}`)).toMatchObject({ profileId: null });
  });

  it('of claims that come meanwhile leaves none behind', async () => {
    const { profileId, key } = await fleet(0);
    const [, ...sites] = await Promise.all([
      app.root.expect('DELETE', `${profilePath(profileId)}?force=true`),
      ...Array.from({ length: 8 }, () => claim(key)),
    ]);
    const left = await app.sql('SELECT FROM site WHERE site_id = ANY($1::bigint[]) AND profile_id IS NOT NULL', [
      sites,
    ]);
    expect(left).toEqual([]);
  });
});

describe('a template', () => {
  it('stays while keys are issued under it, who are named; by force they go with it, and their sites stay', async () => {
    const { templateId, key, siteIds } = await fleet(1);
    const users = { keys: { total: 1, keys: [{ siteProvisioningKeyId: key.siteProvisioningKeyId }] } };
    const refused = await app.root.delete(templatePath(templateId));
    expect(refused.status).toBe(409);
    expect(refused.body.data).toMatchObject(users);
    expect(await app.root.expect('DELETE', `${templatePath(templateId)}?dryRun=true`)).toMatchObject(users);
    expect(await app.root.expect('DELETE', `${templatePath(templateId)}?force=true`)).toBeNull();
    expect(await lastAudit('provisioning_template.delete')).toEqual({
      force: true,
      keys: [key.siteProvisioningKeyId],
    });
    expect((await app.root.get(keyPath(key))).status).toBe(404);
    const again = await provision(app.root.url, { provision_key: key.siteProvisioningKey });
    expect(again.status).toBe(403);
    expect((await app.root.get(`/site/${siteIds[0]}`)).status).toBe(200);
  });

  it('named default stays, by whatever force', async () => {
    const { provisioningTemplates } = await app.root.expect<{
      provisioningTemplates: { templateId: number; name: string }[];
    }>('GET', org.path('provisioning-templates'));
    const { templateId } = provisioningTemplates.find(({ name }) => name === 'default')!;
    expect((await app.root.delete(`${templatePath(templateId)}?force=true`)).status).toBe(409);
  });
});

describe('a key', () => {
  it('names the sites that it has made when it is rotated and when it is deleted, and neither waits for them', async () => {
    const { key, siteIds } = await fleet(2);
    const sites = { total: 2, sites: siteIds.map((siteId) => ({ siteId })) };
    expect(await app.root.expect('POST', keyPath(key, '/rotate'), {})).toMatchObject({ sites });
    expect(await app.root.expect('DELETE', keyPath(key))).toMatchObject({ sites });
    expect((await app.root.get(`/site/${siteIds[0]}`)).status).toBe(200);
  });
});

describe('a version of a secret', () => {
  it('that is destroyed by force is replaced where it was offered, at once', async () => {
    const { name, siteIds } = await fleet(2);
    // The rollout goes no further than the first site, which does not answer.
    await app.root.expect('POST', org.path(`secret/${name}/version`), { value: secretValue('two') });
    await until(async () => (await bundleOf(siteIds[0]!)).inputs.secrets[name]!.version === 2);
    const before = await bundleOf(siteIds[1]!);
    expect(before.inputs.secrets).toMatchObject({ [name]: { version: 1 } });
    await app.root.expect('DELETE', org.path(`secret/${name}/version/1?force=true`));
    for (const siteId of siteIds)
      expect((await bundleOf(siteId)).inputs.secrets).toMatchObject({ [name]: { version: 2 } });
    const after = await bundleOf(siteIds[1]!);
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.desired).toBeGreaterThan(before.desired);
    expect(await lastAudit('secret.destroy_version')).toEqual({ version: 1, force: true, profiles: 0, sites: 1 });
  });
});

describe('a revision that is being replaced', () => {
  it('delivers its secrets still, so that they stay in use and ask for useSecret', async () => {
    const { name, profileId, templateId } = await fleet(0);
    await app.sql(
      `INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) VALUES ($1, 2, $2, 'env: {}', 'test')`,
      [profileId, org.orgId],
    );
    await app.sql('UPDATE bootstrap SET current_revision = 2 WHERE profile_id = $1', [profileId]);
    expect((await app.root.delete(org.path(`secret/${name}`))).status).toBe(409);
    const without = await app.orgKey(org.orgId, 'createSiteProvisioningKey');
    const make = () => without.put(org.path('site-provisioning-key'), { name: 'k', maxBatchSize: 1, templateId });
    expect((await make()).status).toBe(403);
    await app.sql('UPDATE bootstrap SET settled_revision = 2 WHERE profile_id = $1', [profileId]);
    expect((await make()).status).toBe(201);
    await app.root.expect('DELETE', org.path(`secret/${name}`));
  });
});

it('a site that is revoked holds nothing any more, and is in no rollout', async () => {
  const { name, siteIds } = await fleet(2);
  const read = () => app.root.expect<{ usedBySites: number }>('GET', org.path(`secret/${name}`));
  expect(await read()).toMatchObject({ usedBySites: 2 });
  const before = await bundleOf(siteIds[0]!);
  await app.root.expect('POST', `/site/${siteIds[0]}/revoke`, {});
  expect(await read()).toMatchObject({ usedBySites: 1, outstanding: { total: 1, sites: [{ siteId: siteIds[1] }] } });
  expect(await bundleOf(siteIds[0]!)).toMatchObject({ version: before.version + 1, inputs: { secrets: {} } });
  // Its name does not bring the bundle back.
  await app.root.expect('POST', `/site/${siteIds[0]}`, { name: 'over' });
  expect(await read()).toMatchObject({ usedBySites: 1 });
});
