import { newNonce } from '../api.js';
import { type FixtureOrg } from '../fixture-org.js';
import { approvedSite, type Call, list, type Operation, PAGE, read } from './operation.js';

export const PROVISIONING_OPERATIONS: Record<string, Operation> = {
  // provisioning
  createProvisioningProfile: {
    by: 'key',
    call: (fixture) => ({
      body: { name: fixture.name('profile'), labels: { ring: 'one' }, groupIds: [fixture.groupId], config: { a: 1 } },
    }),
    audit: ['provisioning_profile.create', 'provisioning_profile', 'profileId'],
  },
  listProvisioningProfiles: list('key'),
  getProvisioningProfile: read('key', (fixture) => ({ params: { profileId: fixture.profileId } })),
  updateProvisioningProfile: {
    by: 'key',
    call: async (fixture) => ({
      params: { profileId: await fixture.profile() },
      body: { description: 'walk', groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_profile.update', 'provisioning_profile', 'profileId'],
  },
  deleteProvisioningProfile: {
    by: 'key',
    call: async (fixture) => ({ params: { profileId: await fixture.profile() } }),
    audit: ['provisioning_profile.delete', 'provisioning_profile', 'profileId'],
  },
  createProvisioningTemplate: {
    by: 'key',
    call: (fixture) => ({
      body: { name: fixture.name('template'), profileId: fixture.profileId, groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_template.create', 'provisioning_template', 'templateId'],
  },
  listProvisioningTemplates: list('key'),
  getProvisioningTemplate: read('key', (fixture) => ({ params: { templateId: fixture.templateId } })),
  updateProvisioningTemplate: {
    by: 'key',
    call: async (fixture) => ({
      params: { templateId: await fixture.template() },
      body: { profileId: fixture.profileId, groupIds: [fixture.groupId] },
    }),
    audit: ['provisioning_template.update', 'provisioning_template', 'templateId'],
  },
  deleteProvisioningTemplate: {
    by: 'key',
    call: async (fixture) => ({ params: { templateId: await fixture.template() } }),
    audit: ['provisioning_template.delete', 'provisioning_template', 'templateId'],
  },
  createSiteProvisioningKey: {
    by: 'key',
    call: (fixture) => ({ body: { name: fixture.name('key'), templateId: fixture.templateId, maxBatchSize: 5 } }),
    audit: ['site_provisioning_key.create', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  listSiteProvisioningKeys: list('key'),
  getSiteProvisioningKey: read('key', (fixture) => ({
    params: { siteProvisioningKeyId: fixture.key.siteProvisioningKeyId },
  })),
  updateSiteProvisioningKey: {
    by: 'key',
    call: async (fixture) => ({
      ...(await provisioningKey(fixture)),
      body: { status: 'disabled', templateId: fixture.templateId },
    }),
    audit: ['site_provisioning_key.update', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  deleteSiteProvisioningKey: {
    by: 'key',
    call: provisioningKey,
    audit: ['site_provisioning_key.delete', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  revokeSiteProvisioningKey: {
    by: 'key',
    call: provisioningKey,
    audit: ['site_provisioning_key.revoke', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  rotateSiteProvisioningKey: {
    by: 'key',
    call: async (fixture) => ({ ...(await provisioningKey(fixture)), body: { overlapSeconds: 60 } }),
    audit: ['site_provisioning_key.rotate', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  getSiteProvisioningKeyRollout: read('key', (fixture) => ({
    params: { siteProvisioningKeyId: fixture.key.siteProvisioningKeyId },
    query: { ...PAGE, hours: 2 },
  })),
  getExpectedDevices: read('key', (fixture) => ({
    params: { siteProvisioningKeyId: fixture.key.siteProvisioningKeyId },
    query: PAGE,
  })),
  setExpectedDevices: {
    by: 'key',
    call: async (fixture) => ({
      ...(await provisioningKey(fixture)),
      body: { hardwareIds: [fixture.name('hardware')] },
    }),
    audit: ['site_provisioning_key.expect', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  deleteExpectedDevices: {
    by: 'key',
    call: provisioningKey,
    audit: ['site_provisioning_key.expect', 'site_provisioning_key', 'siteProvisioningKeyId'],
  },
  lookUpSites: read('key', (fixture) => ({
    body: {
      hardwareIds: [fixture.approved.hardwareId, fixture.name('hardware')],
      siteProvisioningKeyId: fixture.key.siteProvisioningKeyId,
    },
  })),

  listExpiring: list('key', { within: '365d', kind: 'site_provisioning_key' }),

  // claims
  listClaims: read('key', (fixture) => ({
    query: {
      ...PAGE,
      siteId: fixture.approved.siteId,
      keyId: fixture.key.siteProvisioningKeyId,
      hardwareId: fixture.approved.hardwareId,
    },
  })),
  listKeyRefusals: read('key', (fixture) => ({ query: { ...PAGE, keyId: fixture.key.siteProvisioningKeyId } })),
  listUnattributedClaims: list('root'),
  pauseClaims: { by: 'key', call: () => ({}), audit: ['claims.pause', 'org', 'orgId'] },
  resumeClaims: { by: 'key', call: () => ({}), audit: ['claims.resume', 'org', 'orgId'] },
  allowReclaim: {
    by: 'key',
    call: async (fixture) => ({ ...(await approvedSite(fixture)), body: { expiresInSeconds: 60 } }),
    audit: ['site.allow_reclaim', 'site', 'siteId'],
  },
  provisionDevice: {
    by: 'anybody',
    call: (fixture) => {
      const hardware = fixture.name('hardware');
      const body = {
        provision_key: fixture.key.siteProvisioningKey,
        device_name: fixture.name('site'),
        hardware_id: hardware,
        claim_nonce: newNonce(),
      };
      return { body, target: () => siteOf(fixture, hardware), actor: hardware };
    },
    audit: ['site.claim', 'site'],
  },
  registerNewt: {
    by: 'anybody',
    call: (fixture) => {
      const hardware = fixture.name('hardware');
      const body = {
        provisioningKey: fixture.key.siteProvisioningKey,
        name: fixture.name('site'),
        hardwareId: hardware,
        claimNonce: newNonce(),
      };
      return { body, target: () => siteOf(fixture, hardware), actor: hardware };
    },
    audit: ['site.claim', 'site'],
  },
};

async function provisioningKey(fixture: FixtureOrg): Promise<Call> {
  return { params: { siteProvisioningKeyId: (await fixture.provisioningKey()).siteProvisioningKeyId } };
}
/** The site that the machine has claimed. */
export async function siteOf(fixture: FixtureOrg, hardwareId: string): Promise<number> {
  const [site] = await fixture.sql<{ id: number }>(
    'SELECT site_id AS id FROM site WHERE org_id = $1 AND hardware_id = $2',
    [fixture.orgId, hardwareId],
  );
  return site!.id;
}
