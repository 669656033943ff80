// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, newNonce, register, type TestKey, TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: TestKey;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = await org.key({ approveNewSites: false });
});
afterAll(() => app?.close());

/** A pending site whose newt is known by this. */
async function claim(known: { hardwareId?: string; claimNonce?: string } = {}) {
  const reply = await register(app.root.url, { provisioningKey: key.siteProvisioningKey, ...known });
  expect(reply.status).toBe(201);
  const [site] = await app.sql<{ siteId: number }>(
    `SELECT site_id AS "siteId" FROM site_credential WHERE newt_id = $1`,
    [reply.body.data.newtId],
  );
  return { ...site!, known };
}
type Claimed = Awaited<ReturnType<typeof claim>>;
const again = ({ known }: Claimed) => register(app.root.url, { provisioningKey: key.siteProvisioningKey, ...known });
const tombstones = async () =>
  (
    await app.root.expect<{ tombstones: { hardwareId: string }[] }>('GET', org.path('tombstones?limit=1000'))
  ).tombstones.map((one) => one.hardwareId);
const lastAudit = async ({ siteId }: Claimed) =>
  (
    await app.sql<{ action: string; details: { tombstone?: boolean } }>(
      `SELECT action, details FROM audit WHERE target_type = 'site' AND target_id = $1 ORDER BY audit_id DESC LIMIT 1`,
      [String(siteId)],
    )
  )[0]!;
const decide = (body: object) =>
  app.root.expect<{ results: { outcome: string; message: string | null }[] }>('POST', org.path('approvals'), body);
const lift = (name: string) => app.root.expect('DELETE', org.path(`tombstone/${encodeURIComponent(name)}`));
const NONE = expect.stringContaining('no tombstone was left');

describe('rule 34: a device without hardware id', () => {
  it('is refused by its nonce once it was rejected, until the tombstone is lifted', async () => {
    const site = await claim({ claimNonce: newNonce() });
    const reply = await app.root.delete(`/site/${site.siteId}`);
    expect(reply.body.message).toBe('Site deleted successfully');
    expect(await lastAudit(site)).toMatchObject({ action: 'site.reject', details: { tombstone: true } });
    const name = (await tombstones()).find((one) => one.startsWith('nonce:'))!;
    expect(name).toMatch(/^nonce:[0-9a-f]{64}$/);
    expect((await again(site)).status).toBe(401);
    // Nobody else is meant.
    expect(
      (await register(app.root.url, { provisioningKey: key.siteProvisioningKey, claimNonce: newNonce() })).status,
    ).toBe(201);
    await lift(name);
    expect((await again(site)).status).toBe(201);
  });

  it('comes back by its nonce when it was revoked and its tombstone is lifted', async () => {
    const site = await claim({ claimNonce: newNonce() });
    await app.root.expect('POST', `/site/${site.siteId}/revoke`, {});
    expect(await lastAudit(site)).toMatchObject({ action: 'site.revoke', details: { changed: true, tombstone: true } });
    expect((await again(site)).status).toBe(401);
    expect((await app.root.post(`/site/${site.siteId}/allow-reclaim`, {})).status).toBe(409);
    const [name] = (await tombstones()).filter((one) => one.startsWith('nonce:'));
    await lift(name!);
    const back = await again(site);
    expect(back.status).toBe(201);
    const [same] = await app.sql<{ siteId: number }>(
      'SELECT site_id AS "siteId" FROM site_credential WHERE newt_id = $1',
      [back.body.data.newtId],
    );
    expect(same!.siteId).toBe(site.siteId);
  });

  it('and without a nonce leaves none, which answer and audit say, however it was decided', async () => {
    const before = await tombstones();
    const rejected = await claim();
    expect((await app.root.delete(`/site/${rejected.siteId}`)).body.message).toEqual(NONE);
    expect(await lastAudit(rejected)).toMatchObject({ action: 'site.reject', details: { tombstone: false } });

    const revoked = await claim();
    expect((await app.root.post(`/site/${revoked.siteId}/revoke`, {})).body.message).toEqual(NONE);
    expect(await lastAudit(revoked)).toMatchObject({
      action: 'site.revoke',
      details: { changed: true, tombstone: false },
    });
    expect((await app.root.post(`/site/${revoked.siteId}/revoke`, {})).body.message).toBe('Site revoked successfully');
    expect((await lastAudit(revoked)).details).toEqual({ changed: false });

    const [bare, known] = [await claim(), await claim({ hardwareId: newHardwareId() })];
    const many = { siteIds: [bare.siteId, known.siteId], decision: 'reject' };
    const expected = [
      { siteId: bare.siteId, outcome: 'rejected', message: NONE },
      { siteId: known.siteId, outcome: 'rejected', message: null },
    ];
    expect((await decide({ ...many, dryRun: true })).results).toEqual(
      expected.map((one) => ({ ...one, oddities: [] })),
    );
    expect((await decide(many)).results).toEqual(expected);
    expect((await lastAudit(bare)).details).toMatchObject({ tombstone: false });
    expect((await lastAudit(known)).details).toMatchObject({ tombstone: true });
    expect(await tombstones()).toEqual([known.known.hardwareId, ...before]);
  });

  it('says nothing of it where none was wanted', async () => {
    const [one, other] = [await claim(), await claim()];
    expect((await app.root.delete(`/site/${one.siteId}?tombstone=false`)).body.message).toBe(
      'Site deleted successfully',
    );
    const { results } = await decide({ siteIds: [other.siteId], decision: 'reject', tombstone: false });
    expect(results).toEqual([{ siteId: other.siteId, outcome: 'rejected', message: null }]);
    for (const site of [one, other]) expect((await lastAudit(site)).details).toMatchObject({ tombstone: false });
  });

  it('cannot be allowed to claim again: no claim would be known to be its own', async () => {
    const site = await claim();
    const reply = await app.root.post(`/site/${site.siteId}/allow-reclaim`, {});
    expect([reply.status, reply.body.message]).toEqual([
      409,
      expect.stringContaining('neither hardware id nor claim nonce'),
    ]);
    const byNonce = await claim({ claimNonce: newNonce() });
    expect((await app.root.post(`/site/${byNonce.siteId}/allow-reclaim`, {})).status).toBe(200);
  });
});

it('a site that was revoked and then deleted is not told to have been rejected', async () => {
  const site = await claim({ hardwareId: newHardwareId() });
  await app.root.expect('POST', `/site/${site.siteId}`, { status: 'approved' });
  await app.root.expect('POST', `/site/${site.siteId}/revoke`, {});
  await app.root.expect('DELETE', `/site/${site.siteId}`);
  const { results } = await decide({ siteIds: [site.siteId], decision: 'reject' });
  expect(results).toMatchObject([{ outcome: 'not_found' }]);
});
