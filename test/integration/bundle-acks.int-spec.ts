// The rules are those of docs/instances.md §4.
import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import { openSession } from '../support/bundle-sessions.js';
import { BundleOrg, type BundleSite } from '../support/bundles.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let site: BundleSite;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  site = await org.site();
  await org.revision({});
  await org.revision({ env: { A: 'b' } });
});

const first = EPOCH + 1;
const ROLLOUT = 77;
/** Offers a revision and lets the site fetch it. @returns the digest */
async function fetched(revision: number | null, rolloutId: number | null = null): Promise<string> {
  await app.db.tx((tx) =>
    app.get(BundlesService).offer(tx, org.org.orgId, [site.siteId], (inputs) => ({ ...inputs, revision }), rolloutId),
  );
  return fetchNow();
}
async function fetchNow(): Promise<string> {
  await app.sql(`UPDATE provisioning_profile SET sealed = 'when_possible' WHERE profile_id = $1`, [org.profileId]);
  const { status, headers, text } = await app.root.as(site.apiKey).get('/device/bundle');
  expect(status, text).toBe(200);
  return headers.get('etag')!.slice(1, -1);
}
async function ack(version: number, digest: string, state: string, reason?: string): Promise<void> {
  const { status, text } = await app.root
    .as(site.apiKey)
    .post('/device/bundle/ack', { version, digest, state, reason });
  expect(status, text).toBe(204);
}
const row = () => org.bundle(site);
const told = async () => (await org.events(site)).map(({ type, data }) => [type, data['version']]);

describe('an acknowledgement', () => {
  it('takes a version from offered over fetched to applied, each with one event at most', async () => {
    const digest = await fetched(1);
    expect(await row()).toMatchObject({ state: 'offered', applied: null, digest });
    for (let i = 0; i < 2; i++) await ack(first, digest, 'fetched');
    expect(await row()).toMatchObject({ state: 'fetched' });
    expect(await told()).toEqual([]);
    for (let i = 0; i < 2; i++) await ack(first, digest, 'applied');
    expect(await row()).toMatchObject({ state: 'applied', applied: first });
    expect(
      await app.sql(
        'SELECT applied_inputs = inputs AS same, applied_digest AS digest FROM site_bundle WHERE site_id = $1',
        [site.siteId],
      ),
    ).toEqual([{ same: true, digest }]);
    expect(await told()).toEqual([['bundle.applied', first]]);
    await ack(first, digest, 'fetched');
    expect(await row()).toMatchObject({ state: 'applied' });
  });

  it('that a version failed gives way to one that it was applied after all, and never the other way round', async () => {
    const digest = await fetched(1);
    for (let i = 0; i < 2; i++) await ack(first, digest, 'failed', 'no disk');
    expect(await row()).toMatchObject({ state: 'failed', reason: 'no disk', version: first });
    await ack(first, digest, 'fetched');
    expect(await row()).toMatchObject({ state: 'failed' });
    await ack(first, digest, 'applied');
    await ack(first, digest, 'failed', 'late');
    expect(await row()).toMatchObject({ state: 'applied', reason: null, version: first });
    expect(await told()).toEqual([
      ['bundle.failed', first],
      ['bundle.applied', first],
    ]);
  });

  it('with another digest than was fetched, or of a version that was never offered, changes nothing', async () => {
    const digest = await fetched(1);
    await ack(first, 'A'.repeat(43), 'applied');
    await ack(first + 1, digest, 'applied');
    await ack(first - 1, digest, 'failed');
    expect(await row()).toMatchObject({ state: 'offered', applied: null });
    expect(await told()).toEqual([]);
  });

  it('before anything was fetched changes nothing', async () => {
    await app.db.tx((tx) => app.get(BundlesService).offer(tx, org.org.orgId, [site.siteId], (i) => i, null));
    await ack(first, 'A'.repeat(43), 'applied');
    expect(await row()).toMatchObject({ state: 'offered', applied: null });
  });

  it('of a version that was overtaken after it was fetched is believed, and never goes back', async () => {
    const one = await fetched(1);
    const two = await fetched(2);
    expect(await row()).toMatchObject({ version: first + 1, state: 'offered' });
    await ack(first, 'A'.repeat(43), 'applied');
    expect(await row()).toMatchObject({ applied: null });
    await ack(first, one, 'failed', 'overtaken');
    expect(await row()).toMatchObject({ state: 'offered' });
    await ack(first, one, 'applied');
    expect(await row()).toMatchObject({ state: 'offered', applied: first, version: first + 1 });
    expect(
      await app.sql(`SELECT (applied_inputs->>'revision')::int AS revision FROM site_bundle WHERE site_id = $1`, [
        site.siteId,
      ]),
    ).toEqual([{ revision: 1 }]);
    await ack(first + 1, two, 'applied');
    await ack(first, one, 'applied');
    expect(await row()).toMatchObject({ state: 'applied', applied: first + 1 });
    expect(await told()).toEqual([
      ['bundle.applied', first],
      ['bundle.applied', first + 1],
    ]);
  });

  it('keeps a reason as one line of bounded length', async () => {
    const digest = await fetched(1);
    await ack(first, digest, 'failed', `no disk\r\n\u001b[31m at\u2028 all\u202e ${'😀'.repeat(900)}`);
    const { reason } = (await row())!;
    expect(reason).toMatch(/^no disk \[31m at all 😀/u);
    expect([...reason!].length).toBe(501);
  });

  it.each([
    ['version', { version: 0 }],
    ['version', { version: '1' }],
    ['digest', { digest: 'A' }],
    ['state', { state: 'offered' }],
    ['reason', { reason: 'x'.repeat(4001) }],
  ])('is refused for a wrong %s', async (field, wrong) => {
    const body = { version: first, digest: 'A'.repeat(43), state: 'failed', ...wrong };
    const reply = await app.root.as(site.apiKey).post('/device/bundle/ack', body);
    expect(reply.status).toBe(400);
    expect(reply.body.message).toContain(field);
  });

  it('of many at the same moment is one', async () => {
    const digest = await fetched(1);
    await Promise.all(Array.from({ length: 10 }, (_, i) => ack(first, digest, i % 2 ? 'applied' : 'fetched')));
    expect(await row()).toMatchObject({ state: 'applied' });
    expect(await told()).toEqual([['bundle.applied', first]]);
  });

  it('of a suspended site is heard too', async () => {
    const digest = await fetched(1);
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    await ack(first, digest, 'applied');
    expect(await row()).toMatchObject({ state: 'applied' });
  });

  it('comes over the session in the order in which it was said', async () => {
    const digest = await fetched(1);
    const session = await openSession(app, site);
    session.send('agent/bundle', { version: first, digest, state: 'fetched' });
    session.send('agent/bundle', { version: first, digest, state: 'failed', reason: 'x' });
    session.send('agent/bundle', { version: first, digest, state: 'applied' });
    await until(async () => (await row())!.state === 'applied');
    expect(await told()).toEqual([
      ['bundle.failed', first],
      ['bundle.applied', first],
    ]);
    session.send('agent/bundle', { version: first, digest: 'short', state: 'applied' });
    await session.message('error', ({ originalMessage }) => originalMessage === 'agent/bundle');
    await session.close();
  });
});

describe('a version of a rollout that failed', () => {
  /** Applies revision 1, then fails revision 2 of a rollout. */
  async function failed(): Promise<void> {
    await ack(first, await fetched(1), 'applied');
    await ack(first + 1, await fetched(2, ROLLOUT), 'failed', 'not ready');
  }

  it('gives the site back what it applied before, as a new version, and still counts as failed', async () => {
    const session = await openSession(app, site);
    await failed();
    expect(await row()).toMatchObject({
      version: first + 2,
      state: 'failed',
      reason: 'not ready',
      returned: true,
      rollout: ROLLOUT,
      applied: first,
      digest: null,
      inputs: { revision: 1 },
    });
    await session.message(
      'agent/state',
      ({ bundle }) => (bundle as { version: number } | undefined)?.version === first + 2,
    );
    await session.close();
    const digest = await fetchNow();
    await ack(first + 2, digest, 'fetched');
    await ack(first + 2, digest, 'applied');
    expect(await row()).toMatchObject({ version: first + 2, state: 'failed', reason: 'not ready', applied: first + 2 });
    expect(await told()).toEqual([
      ['bundle.applied', first],
      ['bundle.failed', first + 1],
      ['bundle.applied', first + 2],
    ]);
  });

  it('gives it back once, however often the site says so', async () => {
    await failed();
    await ack(first + 2, await fetchNow(), 'failed', 'this too');
    expect(await row()).toMatchObject({ version: first + 2, reason: 'not ready' });
  });

  it('stays offered where nothing was applied before', async () => {
    await ack(first, await fetched(2, ROLLOUT), 'failed', 'not ready');
    expect(await row()).toMatchObject({ version: first, state: 'failed', returned: false, inputs: { revision: 2 } });
  });

  it('stays offered where it was no rollout', async () => {
    await ack(first, await fetched(1), 'applied');
    await ack(first + 1, await fetched(2), 'failed', 'not ready');
    expect(await row()).toMatchObject({ version: first + 1, state: 'failed', returned: false });
  });

  it('does not bring back what another profile gave', async () => {
    await ack(first, await fetched(1), 'applied');
    const profileId = await org.profile();
    const revision = await org.revision({}, profileId);
    await app.sql(`UPDATE provisioning_profile SET sealed = 'when_possible'`);
    await app.root.expect('POST', `/site/${site.siteId}`, { profileId });
    await ack(first + 2, await fetched(null, ROLLOUT), 'failed');
    expect(await row()).toMatchObject({ version: first + 2, returned: false, inputs: { profileId, revision: null } });
    expect(revision).toBe(1);
  });

  it('stays a way back when the site is renamed, and ends with the next offer', async () => {
    await org.revision({ env: { NAME: '{{site.name}}' } });
    await ack(first, await fetched(3), 'applied');
    await ack(first + 1, await fetched(2, ROLLOUT), 'failed', 'not ready');
    await app.root.expect('POST', `/site/${site.siteId}`, { name: 'Renamed' });
    expect(await row()).toMatchObject({
      version: first + 3,
      state: 'failed',
      returned: true,
      rollout: ROLLOUT,
      inputs: { revision: 3, site: { name: 'Renamed' } },
    });
    await fetched(2, ROLLOUT + 1);
    expect(await row()).toMatchObject({ state: 'offered', returned: false, reason: null, rollout: ROLLOUT + 1 });
  });

  it('is tried again when the bundle is sent again, with what is settled by then', async () => {
    await failed();
    expect(await app.root.expect('POST', `/site/${site.siteId}/bundle/resend`)).toMatchObject({
      version: first + 3,
      state: 'offered',
      returned: false,
      revision: 2,
    });
  });

  it('takes part in no deadlock with the rollout that goes on', async () => {
    await ack(first, await fetched(1), 'applied');
    const bundles = app.get(BundlesService);
    for (let round = 0; round < 5; round++) {
      const { version } = (await row())!;
      const digest = await fetched(round % 2 ? 2 : null, ROLLOUT + round);
      await Promise.all([
        ack(version! + 1, digest, 'failed', 'x'),
        app.db.tx((tx) =>
          bundles.offer(tx, org.org.orgId, [site.siteId], (i) => ({ ...i, revision: i.revision === 1 ? 2 : 1 }), 99),
        ),
        app.root.expect('POST', `/site/${site.siteId}`, { name: `Round ${round}` }),
      ]);
      const now = (await row())!;
      await ack(now.version!, await fetchNow(), 'applied');
      expect((await row())!.applied).toBe(now.version);
    }
  });
});
