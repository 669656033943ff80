// The rules are those of docs/instances.md §4.
import 'reflect-metadata';
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LeasePayload, Trust } from '#contracts';
import { newNonce } from '../support/api.js';
import { openSession } from '../support/bundle-sessions.js';
import { BundleOrg, type BundleSite } from '../support/bundles.js';
import { until } from '../support/server.js';

import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let site: BundleSite;
beforeAll(async () => {
  app = await openTestApp();
  org = await BundleOrg.create(app);
});
afterAll(() => app?.close());
beforeEach(async () => {
  site = await org.site();
});

const ask = (prev: string | null, body: object = {}, { apiKey } = site) =>
  app.root.as(apiKey).post<{ lease: string }>('/device/lease', { nonce: newNonce(), prev, ver: 0, ...body });
/** @returns the lease's jti */
async function take(prev: string | null, of = site): Promise<string> {
  const { status, body, text } = await ask(prev, {}, of);
  expect(status, text).toBe(200);
  return decodeJwt<LeasePayload>(body.data.lease).jti!;
}
const onClone = (value: 'alert' | 'hold') =>
  app.sql('UPDATE provisioning_profile SET on_clone = $2 WHERE profile_id = $1', [org.profileId, value]);
const cloned = async () => (await org.events(site)).filter(({ type }) => type === 'site.cloned');

describe('a lease', () => {
  it('is signed for the site by its organization, holds the nonce, and ends after a day', async () => {
    const nonce = newNonce();
    const { body } = await ask(null, { nonce });
    const trust = await app.root.as(site.apiKey).expect<Trust>('GET', '/device/trust');
    const key = await importJWK(trust.keys.at(-1)!, 'EdDSA');
    const { payload, protectedHeader } = await jwtVerify<LeasePayload>(body.data.lease, key);
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'gatehouse-lease+jws', kid: trust.keys.at(-1)!.kid });
    const [{ uid }] = (await app.sql<{ uid: string }>('SELECT org_uid AS uid FROM org WHERE org_id = $1', [
      org.org.orgId,
    ])) as [{ uid: string }];
    expect(payload).toEqual({
      iss: uid,
      sub: site.deviceId,
      ver: 0,
      digest: '',
      nonce,
      jti: expect.any(String),
      prev: null,
      iat: expect.any(Number),
      exp: payload.iat + 86_400,
    });
    expect(Math.abs(payload.iat - Date.now() / 1000)).toBeLessThan(60);
  });

  it('names the digest of the version that the instance holds', async () => {
    await app.sql(
      `INSERT INTO site_bundle (site_id, org_id, version, inputs, state, digest, applied_version, applied_digest, overtaken)
       VALUES ($1, $2, 30, '{}', 'offered', 'of-30', 10, 'of-10', '{"version": 20, "digest": "of-20"}')`,
      [site.siteId, org.org.orgId],
    );
    const digests: string[] = [];
    let prev: string | null = null;
    for (const ver of [10, 20, 30, 40, 15]) {
      const lease: LeasePayload = decodeJwt((await ask(prev, { ver })).body.data.lease);
      digests.push(lease.digest);
      prev = lease.jti!;
      // One that is not known any more stands behind the one that is offered.
      expect(lease.ver).toBe(ver === 15 ? 30 : ver);
    }
    expect(digests).toEqual(['of-10', 'of-20', 'of-30', '', 'of-30']);
  });

  it('is refused to a site that is pending or suspended, and leaves no chain', async () => {
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    const { status, body, headers } = await ask(null);
    expect([status, body.code]).toEqual([403, 'pending_approval']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await app.sql('SELECT FROM site_lease WHERE site_id = $1', [site.siteId])).toEqual([]);
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
    await take(null);
  });

  it.each([
    ['nonce', { nonce: 'short' }],
    ['nonce', { nonce: 'x'.repeat(129) }],
    ['nonce', { nonce: `${newNonce()}\n` }],
    ['prev', { prev: 'x'.repeat(65) }],
    ['ver', { ver: -1 }],
    ['ver', { ver: 1.5 }],
  ])('is refused for a wrong %s', async (field, wrong) => {
    const { status, body } = await ask(null, wrong);
    expect(status).toBe(400);
    expect(body.message).toContain(field);
  });
});

describe('the chain of leases', () => {
  it('goes on from the last one, and from the one before, whose answer was lost', async () => {
    const first = await take(null);
    // The answer to the first was lost too.
    const again = await take(null);
    const second = await take(again);
    const lost = await take(second);
    const instead = await take(second);
    await take(instead);
    expect(await cloned()).toEqual([]);
    expect(new Set([first, again, second, lost, instead]).size).toBe(5);
  });

  it('does not part at a request that is repeated, whichever of its answers came first', async () => {
    const shared = await take(await take(null));
    const nonce = newNonce();
    const repeated = async (prev: string) => decodeJwt<LeasePayload>((await ask(prev, { nonce })).body.data.lease).jti!;
    const held = await repeated(shared);
    expect(await repeated(shared)).toBe(held); // the first try, which a server that stood still has only now read
    const next = await repeated(held);
    expect(next).not.toBe(held);
    await take(next);
    expect(await cloned()).toEqual([]);
  });

  it('shows a copy at the latest when each of the two has asked once more, and tells of it once within the hour', async () => {
    const shared = await take(await take(null));
    let [original, copy] = [await take(shared), await take(shared)];
    expect(await cloned()).toEqual([]);
    original = await take(original);
    expect(await cloned()).toMatchObject([{ data: { held: false } }]);
    for (let round = 0; round < 3; round++) [copy, original] = [await take(copy), await take(original)];
    expect(await cloned()).toHaveLength(1);
    await app.sql(`UPDATE site_lease SET cloned_at = now() - interval '61 minutes' WHERE site_id = $1`, [site.siteId]);
    for (let round = 0; round < 2; round++) [copy, original] = [await take(copy), await take(original)];
    expect(await cloned()).toHaveLength(2);
  });

  it('takes a first request after a chain was begun for a copy', async () => {
    await take(await take(null));
    await take(null);
    expect(await cloned()).toHaveLength(1);
  });

  it('of two requests at once with the same lease goes on as if one had come after the other', async () => {
    for (let round = 0; round < 10; round++) {
      const one = await org.site();
      const shared = await take(await take(null, one), one);
      const both = await Promise.all([take(shared, one), take(shared, one)]);
      const [chain] = await app.sql<{ jti: string; before: string }>(
        'SELECT jti, previous_jti AS before FROM site_lease WHERE site_id = $1',
        [one.siteId],
      );
      expect(both).toContain(chain!.jti);
      expect(chain!.before).toBe(shared);
      expect(await org.events(one)).toEqual([]);
      const loser = both.find((jti) => jti !== chain!.jti)!;
      await Promise.all([take(loser, one), take(chain!.jti, one)]);
      expect((await org.events(one)).map(({ type }) => type)).toEqual(['site.cloned']);
    }
  });

  it('tells once of a copy that many requests show at once', async () => {
    const shared = await take(await take(null));
    const [one] = [await take(shared), await take(shared)];
    await Promise.all(Array.from({ length: 12 }, () => take(one)));
    expect(await cloned()).toHaveLength(1);
  });
});

describe('where the profile holds leases back', () => {
  beforeEach(() => onClone('hold'));
  afterAll(() => onClone('alert'));

  async function held() {
    const shared = await take(await take(null));
    const [original, copy] = [await take(shared), await take(shared)];
    const refused = await ask(original);
    expect([refused.status, refused.body.code]).toEqual([403, 'lease_held']);
    return { original, copy };
  }

  it('neither of the two gets one, until the bundle is sent again', async () => {
    const { original, copy } = await held();
    expect((await ask(copy)).status).toBe(403);
    expect((await ask(null)).status).toBe(403);
    expect(await cloned()).toMatchObject([{ data: { held: true } }]);
    const before = await app.root.expect('GET', `/site/${site.siteId}/bundle`);
    expect(before).toMatchObject({ lease: { held: true, clonedAt: expect.any(String) } });

    const sent = await app.root.expect<{ version: number }>('POST', `/site/${site.siteId}/bundle/resend`);
    expect(sent).toMatchObject({ lease: null, version: expect.any(Number) });
    const next = await take(original);
    await take(next);
    // The copy is seen again.
    expect((await ask(copy)).status).toBe(403);
    expect(await cloned()).toHaveLength(2);
    expect(
      await app.sql(`SELECT details FROM audit WHERE action = 'site.resend_bundle' AND target_id = $1`, [
        String(site.siteId),
      ]),
    ).toEqual([{ details: { version: sent.version } }]);
  });

  it('or its device claims again and gets another credential', async () => {
    const { copy } = await held();
    await app.root.expect('POST', `/site/${site.siteId}/allow-reclaim`, {});
    const again = await org.claim(site.hardwareId);
    expect(again.siteId).toBe(site.siteId);
    await take(copy, again);
  });

  it('it goes on holding them when the profile says otherwise later', async () => {
    const { copy } = await held();
    await onClone('alert');
    expect((await ask(copy)).status).toBe(403);
  });
});

describe('over the session', () => {
  it('an agent gets its lease, or hears why not', async () => {
    const session = await openSession(app, site);
    const nonce = newNonce();
    session.send('agent/lease', { nonce, prev: null, ver: 0 });
    const { data } = await session.message('agent/lease');
    const lease = decodeJwt<LeasePayload>(data['lease'] as string);
    expect(lease).toMatchObject({ sub: site.deviceId, nonce, prev: null });
    expect(decodeProtectedHeader(data['lease'] as string).typ).toBe('gatehouse-lease+jws');

    session.send('agent/lease', { nonce: 'short', prev: lease.jti, ver: 0 });
    await session.message('error', ({ originalMessage }) => originalMessage === 'agent/lease');
    await app.root.expect('POST', `/site/${site.siteId}`, { status: 'pending' });
    await until(async () => {
      session.send('agent/lease', { nonce: newNonce(), prev: lease.jti, ver: 0 });
      const refusals = session.received.filter(
        ({ type, data }) => type === 'error' && data['code'] === 'pending_approval',
      );
      return refusals.length > 0;
    });
    await session.close();
  });
});
