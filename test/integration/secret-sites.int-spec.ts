// Sites that receive secrets, and ways around who may let them: docs/instances.md §2.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestOrg } from '../support/api.js';
import { documentNaming, holds, nameIn, profileNaming, versionId } from '../support/secrets.js';
import { SecretsOrg } from '../support/secrets-org.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let of: SecretsOrg;
let org: TestOrg;
beforeAll(async () => {
  app = await openTestApp();
  of = await SecretsOrg.create(app);
  org = of.org;
});
afterAll(() => app?.close());

type Decided = { results: { outcome: string }[] };
/** The credentials of a site that are good. */
const credentialsOf = async (siteId: number) =>
  (
    await app.sql<{ id: number }>(
      'SELECT credential_id AS id FROM site_credential WHERE site_id = $1 AND revoked_at IS NULL',
      [siteId],
    )
  ).map(({ id }) => id);
const SOON = '2036-01-01T00:00:00Z';
const HANDS_OVER = { reclaimPolicy: 'reissue', hardwareIdPattern: '.*' };

describe('a site that receives secrets', () => {
  it('is let in by nobody without useSecret while it is offered one by an earlier document still', async () => {
    const profileId = await profileNaming(app, org.orgId, ['TOKEN']);
    const approved = await of.site(profileId);
    const waiting = await of.site(profileId);
    await app.root.expect('POST', `/site/${approved.siteId}`, { status: 'approved' });
    const offered = [await versionId(app, org.orgId, 'TOKEN', 1)];
    for (const { siteId } of [approved, waiting]) await holds(app, org.orgId, siteId, offered);
    await nameIn(app, org.orgId, profileId, [], 2);
    expect((await of.without.post(`/site/${approved.siteId}/allow-reclaim`, {})).status).toBe(403);
    expect((await of.without.post(`/site/${waiting.siteId}`, { status: 'approved' })).status).toBe(403);
    const body = { siteIds: [waiting.siteId], decision: 'approve', dryRun: true };
    expect((await of.without.post<Decided>(org.path('approvals'), body)).body.data.results).toEqual([
      expect.objectContaining({ outcome: 'permission_denied' }),
    ]);
  });

  it('is handed over by no template of another profile', async () => {
    const { siteId, hardwareId } = await of.site(of.delivering);
    const before = await credentialsOf(siteId);
    for (const profileId of [of.plain, null, await profileNaming(app, org.orgId, ['TOKEN'])]) {
      const own = await of.key(profileId, { validUntil: SOON }, HANDS_OVER);
      expect((await of.claim(own, hardwareId)).status).toBe(200);
      expect(await credentialsOf(siteId)).toEqual(before);
    }
    await of.claim(await of.key(of.delivering, { validUntil: SOON }, HANDS_OVER), hardwareId);
    expect(await credentialsOf(siteId)).not.toEqual(before);
  });

  it.each<[string, boolean, Record<string, unknown>, Record<string, unknown>]>([
    ['uses, expiry and pattern', true, { validUntil: SOON }, {}],
    ['one use and an expiry', true, { oneTime: true, maxBatchSize: 1, validUntil: SOON }, { hardwareIdPattern: null }],
    ['no limit of uses', false, { maxBatchSize: null, validUntil: SOON }, {}],
    ['no expiry', false, {}, {}],
    ['neither one use nor pattern', false, { validUntil: SOON }, { hardwareIdPattern: null }],
    ['all of it, but no approval', false, { validUntil: SOON, approveNewSites: false }, {}],
  ])('is handed over by a key with %s: %s', async (_what, handedOver, body, under) => {
    const [{ siteId, hardwareId }, other] = [await of.site(of.delivering), await of.site(of.plain)];
    const before = [await credentialsOf(siteId), await credentialsOf(other.siteId)];
    const claimed = await of.claim(await of.key(of.delivering, body, { ...HANDS_OVER, ...under }), hardwareId);
    expect(claimed).toMatchObject(
      handedOver
        ? { status: 201, body: { api_key: expect.stringMatching(/./) } }
        : { status: 200, body: { api_key: '' } },
    );
    expect((await credentialsOf(siteId))[0] === before[0]![0]).toBe(!handedOver);
    // What receives none is handed over by any.
    await of.claim(await of.key(of.plain, body, { ...HANDS_OVER, ...under }), other.hardwareId);
    expect(await credentialsOf(other.siteId)).not.toEqual(before[1]);
  });

  it('is not handed over to an unbounded key whose claim began before the profile named a secret', async () => {
    const profileId = await profileNaming(app, org.orgId, []);
    const { siteId, hardwareId } = await of.site(profileId);
    const before = await credentialsOf(siteId);
    const unbounded = await of.key(profileId, { maxBatchSize: null }, HANDS_OVER);
    let claimed!: Promise<{ status: number }>;
    await app.db.tx(async (tx) => {
      await tx.query('SELECT FROM site WHERE site_id = $1 FOR UPDATE', [siteId]);
      claimed = of.claim(unbounded, hardwareId);
      // It has looked at the site once, and waits for it to decide.
      await until(async () => {
        const [row] = await app.sql<{ n: number }>(
          `SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT FROM site %'`,
        );
        return row!.n > 0;
      });
      await app.root.expect('PUT', org.path(`provisioning-profile/${profileId}/bootstrap`), {
        document: documentNaming(['TOKEN']),
      });
    });
    expect((await claimed).status).toBe(200);
    expect(await credentialsOf(siteId)).toEqual(before);
  });
});
