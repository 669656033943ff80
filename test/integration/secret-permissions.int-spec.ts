// Who may let a site receive a secret: docs/instances.md §2.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '#contracts';
import type { Principal } from '#platform';
import { DecisionJobs } from '../../src/approvals/decision-jobs.js';
import type { Api, Reply, TestKey, TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { documentNaming, nameIn, profileNaming } from '../support/secrets.js';
import { SecretsOrg } from '../support/secrets-org.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let of: SecretsOrg;
let org: TestOrg;
let delivering: number;
let plain: number;
let without: Api;
beforeAll(async () => {
  app = await openTestApp();
  of = await SecretsOrg.create(app);
  ({ org, delivering, plain, without } = of);
});
afterAll(() => app?.close());

const template = (profileId: number | null, body: object = {}) => org.template({ profileId, ...body });
const keyPath = ({ siteProvisioningKeyId }: TestKey, rest = '') =>
  org.path(`site-provisioning-key/${siteProvisioningKeyId}${rest}`);
const statusOf = async (siteId: number) =>
  (await app.sql<{ status: string }>('SELECT status FROM site WHERE site_id = $1', [siteId]))[0]!.status;
async function resultsOf(jobId: number): Promise<{ outcome: string; message: string | null }[]> {
  const job = await until(async () => {
    const read = await app.root.expect<{
      finishedAt: string | null;
      results: { outcome: string; message: string | null }[];
    }>('GET', org.path(`jobs/${jobId}`));
    return read.finishedAt === null ? undefined : read;
  });
  return job.results;
}
const SOON = '2036-01-01T00:00:00Z';
const LATER = '2037-01-01T00:00:00Z';

type Decided = Reply<{ data: { results: { outcome: string; message: string | null }[] } }>;
/** A bulk decision refuses for each site by itself. */
const outcomeOf = ({ status, body }: Decided): number => {
  if (status !== 200) return status;
  const [{ outcome, message }] = body.data.results as [{ outcome: string; message: string | null }];
  if (outcome === 'approved') return 200;
  return outcome === 'permission_denied' && message?.includes('useSecret') ? 403 : 500;
};

/** An act: the actions that it takes beside `useSecret`, and what does it to something new under a profile. @returns the status */
type Act = [name: string, actions: Action[], act: (api: Api, profileId: number) => Promise<number>];

const templateChange = (name: string, was: object, change: object): Act => [
  `a template: ${name}`,
  ['updateProvisioningTemplate', 'updateSite'],
  async (api, profileId) => {
    const { templateId } = await template(profileId, was);
    return (await api.post(org.path(`provisioning-template/${templateId}`), change)).status;
  },
];
const keyChange = (
  name: string,
  was: Record<string, unknown>,
  change: object,
  under: Record<string, unknown> = {},
): Act => [
  `a key: ${name}`,
  ['updateSiteProvisioningKey', 'updateSite'],
  async (api, profileId) => (await api.patch(keyPath(await of.key(profileId, was, under)), change)).status,
];

const ACTS: Act[] = [
  [
    'a bootstrap is saved',
    ['updateProvisioningProfile'],
    async (api, profileId) => {
      const path = org.path(`provisioning-profile/${await profileNaming(app, org.orgId, [])}/bootstrap`);
      return (await api.put(path, { document: documentNaming(namedBy(profileId)) })).status;
    },
  ],
  [
    'a bootstrap is gone back to',
    ['updateProvisioningProfile'],
    async (api, profileId) => {
      const changed = await other(profileId);
      await nameIn(app, org.orgId, changed, [], 2);
      return (await api.post(org.path(`provisioning-profile/${changed}/bootstrap/revert`), { revision: 1 })).status;
    },
  ],
  [
    'a secret is made again that was in use',
    ['createSecret'],
    async (api, profileId) => {
      const name = `S_${randomUUID().replace(/-/g, '_').toUpperCase()}`;
      await app.root.expect('PUT', org.path('secret'), { name, value: secretValue('x') });
      if (profileId === delivering) await profileNaming(app, org.orgId, [name]);
      await app.root.expect('DELETE', org.path(`secret/${name}?force=true`));
      return (await api.put(org.path('secret'), { name, value: secretValue('y') })).status;
    },
  ],
  [
    'a secret is given to a profile that has named it',
    ['updateSecret'],
    async (api, profileId) => {
      const name = `S_${randomUUID().replace(/-/g, '_').toUpperCase()}`;
      await app.root.expect('PUT', org.path('secret'), { name, value: secretValue('x') });
      const given = await profileNaming(app, org.orgId, profileId === delivering ? [name] : []);
      await app.root.expect('POST', org.path(`secret/${name}?force=true`), { profileIds: [] });
      return (await api.post(org.path(`secret/${name}`), { profileIds: [given] })).status;
    },
  ],
  [
    'bundles of a profile need not be sealed any more',
    ['updateProvisioningProfile'],
    async (api, profileId) =>
      (await api.post(org.path(`provisioning-profile/${await other(profileId)}`), { sealed: 'when_possible' })).status,
  ],
  [
    'a template is made',
    ['createProvisioningTemplate'],
    async (api, profileId) =>
      (await api.put(org.path('provisioning-template'), { name: randomUUID(), profileId })).status,
  ],
  [
    'a template gets the profile',
    ['updateProvisioningTemplate'],
    async (api, profileId) => {
      const { templateId } = await template(null);
      return (await api.post(org.path(`provisioning-template/${templateId}`), { profileId })).status;
    },
  ],
  templateChange('approves', { approveNewSites: false }, { approveNewSites: true }),
  templateChange('another pattern', { hardwareIdPattern: 'a.*' }, { hardwareIdPattern: '.*' }),
  templateChange('no pattern any more', { hardwareIdPattern: 'a.*' }, { hardwareIdPattern: null }),
  templateChange('a first pattern', {}, { hardwareIdPattern: '.*' }),
  templateChange('another form of hardware ids', {}, { hardwareIdForm: 'mac' }),
  templateChange('another kind of credential', { credentialType: 'psk' }, { credentialType: 'api_key' }),
  templateChange('newts may claim', { newtDoor: false }, { newtDoor: true }),
  templateChange('credentials are handed over', {}, { reclaimPolicy: 'reissue' }),
  [
    'a key is made',
    ['createSiteProvisioningKey'],
    async (api, profileId) => {
      const { templateId } = await template(profileId);
      return (await api.put(org.path('site-provisioning-key'), { name: 'k', maxBatchSize: 1, templateId })).status;
    },
  ],
  [
    'a key is rotated',
    ['rotateSiteProvisioningKey', 'updateSite'],
    async (api, profileId) => (await api.post(keyPath(await of.key(profileId), '/rotate'), {})).status,
  ],
  keyChange('enabled', { status: 'disabled' }, { status: 'active' }),
  keyChange('more uses', { maxBatchSize: 1 }, { maxBatchSize: 2 }),
  keyChange('no limit of uses', { maxBatchSize: 1 }, { maxBatchSize: null }),
  keyChange('a later expiry', { validUntil: SOON }, { validUntil: LATER }),
  keyChange('no expiry', { validUntil: SOON }, { validUntil: null }),
  keyChange(
    'approves',
    { approveNewSites: false, validUntil: SOON },
    { approveNewSites: true },
    { hardwareIdPattern: '.*' },
  ),
  keyChange(
    'a bound, by which it approves',
    { maxBatchSize: null, validUntil: SOON },
    { maxBatchSize: 10 },
    { hardwareIdPattern: '.*' },
  ),
  [
    'a key: another template',
    ['updateSiteProvisioningKey', 'updateSite'],
    async (api, profileId) => {
      const { templateId } = await template(profileId);
      return (await api.patch(keyPath(await of.key(plain)), { templateId })).status;
    },
  ],
  [
    'a site gets the profile',
    ['updateSite'],
    async (api, profileId) =>
      (await api.post(`/site/${(await of.site(plain)).siteId}`, { profileId: await other(profileId) })).status,
  ],
  [
    'a site is approved',
    ['updateSite'],
    async (api, profileId) =>
      (await api.post(`/site/${(await of.site(profileId)).siteId}`, { status: 'approved' })).status,
  ],
  [
    'sites are approved by their ids',
    ['updateApprovals'],
    async (api, profileId) => {
      const { siteId } = await of.site(profileId);
      return outcomeOf((await api.post(org.path('approvals'), { siteIds: [siteId], decision: 'approve' })) as Decided);
    },
  ],
  [
    'sites are approved by a filter',
    ['updateApprovals'],
    async (api, profileId) => {
      const { hardwareId } = await of.site(profileId);
      return outcomeOf(
        (await api.post(org.path('approvals'), { filter: { hardwareId }, decision: 'approve' })) as Decided,
      );
    },
  ],
  [
    'sites are approved in a dry run',
    ['updateApprovals'],
    async (api, profileId) => {
      const { siteId } = await of.site(profileId);
      return outcomeOf(
        (await api.post(org.path('approvals'), { siteIds: [siteId], decision: 'approve', dryRun: true })) as Decided,
      );
    },
  ],
  [
    'sites are approved by a job',
    ['updateApprovals'],
    async (api, profileId) => {
      const { siteId } = await of.site(profileId);
      const body = { siteIds: [siteId], decision: 'approve', asJob: true };
      const { jobId } = await api.expect<{ jobId: number }>('POST', org.path('approvals'), body);
      return outcomeOf({ status: 200, body: { data: { results: await resultsOf(jobId) } } } as Decided);
    },
  ],
  [
    'a re-claim is armed',
    ['allowReclaim'],
    async (api, profileId) => (await api.post(`/site/${(await of.site(profileId)).siteId}/allow-reclaim`, {})).status,
  ],
  [
    'a re-claim is armed by lifting a tombstone',
    ['deleteTombstone'],
    async (api, profileId) => {
      const { siteId, hardwareId } = await of.site(profileId);
      await app.root.expect('POST', `/site/${siteId}/revoke`, {});
      return (await api.delete(org.path(`tombstone/${hardwareId}`))).status;
    },
  ],
];

/** A profile of the same kind that nothing has yet. */
const other = (profileId: number) => profileNaming(app, org.orgId, namedBy(profileId));
const namedBy = (profileId: number) => (profileId === delivering ? ['TOKEN'] : []);

/** Every row that such an act could write. */
const rows = async () =>
  Object.fromEntries(
    await Promise.all(
      [
        'provisioning_template',
        'provisioning_key',
        'provisioning_key_generation',
        'site',
        'tombstone',
        'provisioning_profile',
        'bootstrap',
        'bootstrap_revision',
        'secret',
      ].map(async (table) => [
        table,
        (
          await app.sql<{ rows: string }>(
            `SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) AS rows FROM ${table} t`,
          )
        )[0]!.rows,
      ]),
    ),
  ) as Record<string, string>;

describe('to let a site receive a secret takes useSecret', () => {
  it.each(ACTS)('%s', async (_name, actions, act) => {
    const before = { rows: {} as Record<string, string> };
    // What it acts on is made first; the act itself may change nothing.
    const watching = (prefix: string) =>
      new Proxy(without, {
        get: (api, name) => {
          const method = api[name as keyof Api] as unknown;
          if (
            typeof method !== 'function' ||
            !['get', 'put', 'post', 'patch', 'delete', 'expect'].includes(name as string)
          )
            return method;
          return async (...args: unknown[]) => {
            before.rows = await rows();
            const placed = args.map((arg) => (typeof arg === 'string' && arg.startsWith('/') ? prefix + arg : arg));
            return (method as (...all: unknown[]) => Promise<unknown>).apply(api, placed);
          };
        },
      });
    for (const prefix of ['/api/v1', '/v1']) {
      expect(await act(watching(prefix), delivering)).toBe(403);
      expect(await rows()).toEqual(before.rows);
    }
    const enough = await app.orgKey(org.orgId, ...actions, 'useSecret');
    expect(await act(enough, delivering)).toBeLessThan(300);
    const own = await app.orgKey(org.orgId, ...actions);
    expect(await act(own, plain)).toBeLessThan(300);
  });

  it.each<[string, (api: Api) => Promise<Reply<unknown>>]>([
    ['a key gets fewer uses', async (api) => api.patch(keyPath(await of.key(delivering)), { maxBatchSize: 5 })],
    ['a key gets a name', async (api) => api.patch(keyPath(await of.key(delivering)), { name: 'other' })],
    ['a key is disabled', async (api) => api.patch(keyPath(await of.key(delivering)), { status: 'disabled' })],
    ['a key is revoked', async (api) => api.post(keyPath(await of.key(delivering), '/revoke'))],
    ['a key is deleted', async (api) => api.delete(keyPath(await of.key(delivering)))],
    [
      'a template approves no more',
      async (api) =>
        api.post(org.path(`provisioning-template/${(await template(delivering)).templateId}`), {
          approveNewSites: false,
          description: 'x',
        }),
    ],
    [
      'a template loses the profile',
      async (api) =>
        api.post(org.path(`provisioning-template/${(await template(delivering)).templateId}`), { profileId: null }),
    ],
    [
      'a site loses the profile',
      async (api) => api.post(`/site/${(await of.site(delivering)).siteId}`, { profileId: null }),
    ],
    ['a site is rejected', async (api) => api.delete(`/site/${(await of.site(delivering)).siteId}`)],
  ])('but not when %s', async (_name, act) => {
    const { status, text } = await act(without);
    expect([status, text]).toEqual([expect.toSatisfy((s: number) => s < 300), text]);
  });

  it('and is asked when a job decides, not only when it was started', async () => {
    const { siteId } = await of.site(delivering);
    const { apiKeyId: id } = await app.root.expect<{ apiKeyId: string }>('PUT', org.path('api-key'), {
      name: 'starter',
    });
    const actions = (...actionIds: Action[]) =>
      app.root.expect('POST', org.path(`api-key/${id}/actions`), { actionIds });
    await actions('updateApprovals', 'useSecret');
    const starter: Principal = { authority: { kind: 'rootKey' }, kind: 'api_key', id, name: 'starter', address: null };
    const { jobId } = await app.db.tx(async (tx) => {
      const job = await app.get(DecisionJobs).start(tx, starter, org.orgId, { siteIds: [siteId], decision: 'approve' });
      // Before anybody sees the job.
      await actions('updateApprovals');
      return job;
    });
    expect(await resultsOf(jobId)).toMatchObject([{ outcome: 'permission_denied', failed: true }]);
    expect(await statusOf(siteId)).toBe('pending');
  });
});
