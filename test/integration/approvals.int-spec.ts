import { describe, expect, it } from 'vitest';
import { AddressPoolService } from '../../src/orgs/index.js';
import {
  app,
  audit,
  authenticates,
  changeOrg,
  decide,
  events,
  heard,
  hooked,
  orgId,
  post,
  setUpApprovals,
  site,
  tombstones,
} from '../support/approvals.js';
import { until } from '../support/server.js';
import { operator } from '../support/test-app.js';

setUpApprovals();

const free = async () => (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges[0]!.free;

describe('POST /site/{siteId}', () => {
  it('approves with who, when and why, once: repeating it changes and emits nothing', async () => {
    const s = await site();
    const before = await app.root.expect<{ desiredVersion: number }>('GET', `/site/${s.siteId}`);
    heard.length = 0;
    const reply = await post(s, { status: 'approved', note: 'seen on the shelf' });
    expect(reply).toMatchObject({
      status: 200,
      body: {
        data: {
          status: 'approved',
          decidedBy: 'test',
          decisionNote: 'seen on the shelf',
          suspendedAt: null,
          desiredVersion: before.desiredVersion + 1,
        },
      },
    });
    expect(reply.body.data['decidedAt']).toEqual(expect.any(String));
    await until(() => heard.includes(String(s.siteId)));
    const again = await post(s, { status: 'approved', note: 'once more' });
    expect(again.body.data).toEqual(reply.body.data);
    expect(await events()).toEqual([`site.approved ${s.siteId}`]);
    expect(hooked).toEqual([`approved ${s.siteId}`]);
    expect(await audit()).toEqual([`site.approve ${s.siteId}`, `site.approve ${s.siteId}`]);
  });

  it('suspends an approved site, which is pending then, and approves it again', async () => {
    const s = await site({ status: 'approved' });
    expect((await post(s, { status: 'pending', note: 'odd traffic' })).body.data).toMatchObject({
      status: 'pending',
      suspendedAt: expect.any(String),
      decisionNote: 'odd traffic',
    });
    await post(s, { status: 'pending' });
    expect(await authenticates(s)).toBe(true);
    expect((await post(s, { status: 'approved' })).body.data).toMatchObject({
      status: 'approved',
      suspendedAt: null,
      decisionNote: null,
    });
    expect(await events()).toEqual([`site.suspended ${s.siteId}`, `site.approved ${s.siteId}`]);
    expect(hooked).toEqual([`suspended ${s.siteId}`, `approved ${s.siteId}`]);
  });

  it('changes plain fields, alone or with a decision, in one transaction and with one audit row', async () => {
    const [s, other] = [await site(), await site()];
    const reply = await post(s, {
      name: 'Cold Store',
      niceId: 'cold-store',
      dockerSocketEnabled: false,
      labels: { floor: '2' },
    });
    expect(reply.body.data).toMatchObject({
      name: 'Cold Store',
      niceId: 'cold-store',
      dockerSocketEnabled: false,
      labels: { floor: '2' },
      status: 'pending',
    });
    expect(await post(other, { name: 'mine', niceId: 'cold-store', status: 'approved' })).toMatchObject({
      status: 409,
      body: { message: 'This niceId is already in use' },
    });
    expect((await app.root.get(`/site/${other.siteId}`)).body.data).toMatchObject({
      name: 'sensor',
      status: 'pending',
    });
    await post(other, { name: 'mine', status: 'approved' });
    expect(await audit()).toEqual([`site.update ${s.siteId}`, `site.approve ${other.siteId}`]);
    expect(await events()).toEqual([
      `site.updated ${s.siteId}`,
      `site.approved ${other.siteId}`,
      `site.updated ${other.siteId}`,
    ]);
  });

  it.each([
    [{}, 'body'],
    [{ note: 'alone' }, 'body'],
    [{ status: 'rejected' }, 'status'],
    [{ name: '' }, 'name'],
    [{ niceId: '12' }, 'niceId'],
    [{ labels: { 'a=b': 'c' } }, 'labels'],
    [{ labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }, 'labels'],
    [{ labels: { a: 1 } }, 'labels'],
    [{ groupIds: [1e20] }, 'groupIds.0'],
    [{ groupIds: [5, 5] }, 'groupIds.1'],
    [{ groupIds: null }, 'groupIds'],
    [{ online: true }, 'online'],
  ])('refuses %j', async (body, path) => {
    expect(await post(await site(), body)).toMatchObject({ status: 400, body: { fields: [{ path }] } });
    expect(await audit()).toEqual([]);
  });

  it('answers 404 for a site that is not there', async () => {
    expect((await app.root.post('/site/999999999', { status: 'approved' })).status).toBe(404);
  });
});

describe('DELETE /site/{siteId}', () => {
  it('rejects a pending site: credential, session and row go, the hardware id is buried, the address is free', async () => {
    const was = await free();
    const s = await site();
    expect(await authenticates(s)).toBe(true);
    heard.length = 0;
    expect(await app.root.delete(`/site/${s.siteId}`)).toMatchObject({ status: 200, body: { data: null } });
    expect(await free()).toBe(was);
    await until(() => heard.includes(String(s.siteId)));
    await until(async () => !(await authenticates(s)));
    expect((await app.root.get(`/site/${s.siteId}`)).status).toBe(404);
    expect(await tombstones()).toEqual([`rejected ${s.key}`]);
    expect(hooked).toEqual([`deleting ${s.siteId}`]);
    expect(await events()).toEqual([`site.rejected ${s.siteId}`]);
    expect(await audit()).toEqual([`site.reject ${s.siteId}`]);
    expect((await app.root.delete(`/site/${s.siteId}`)).status).toBe(404);
  });

  it('leaves no tombstone when told so, nor for a site without hardware id', async () => {
    const [told, none] = [await site(), await site({ hardwareId: null })];
    await app.root.expect('DELETE', `/site/${told.siteId}?tombstone=false`);
    await app.root.expect('DELETE', `/site/${none.siteId}`);
    expect(await tombstones()).toEqual([]);
    expect((await app.root.delete(`/site/${(await site()).siteId}?tombstone=perhaps`)).status).toBe(400);
  });

  it('deletes an approved site: hardware id, name and address are free, and no tombstone is left', async () => {
    const s = await site({ status: 'approved' });
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect(await tombstones()).toEqual([]);
    expect(await events()).toEqual([`site.deleted ${s.siteId}`]);
    expect(await audit()).toEqual([`site.delete ${s.siteId}`]);
    expect((await site({ hardwareId: s.key })).siteId).toBeGreaterThan(s.siteId);
  });
});

describe('approve and reject at the same moment', () => {
  it('one wins, whatever the order, and the other is told', async () => {
    let approvals = 0;
    for (let round = 0; round < 20; round++) {
      const s = await site();
      const [approve, reject] = await Promise.all([
        decide({ siteIds: [s.siteId], decision: 'approve' }),
        decide({ siteIds: [s.siteId], decision: 'reject' }),
      ]);
      const outcomes = [approve.results[0]!.outcome, reject.results[0]!.outcome];
      const there = (await app.root.get(`/site/${s.siteId}`)).status === 200;
      expect(outcomes).toEqual(there ? ['approved', 'conflict'] : ['not_found', 'rejected']);
      expect((await events()).filter((e) => e.endsWith(` ${s.siteId}`))).toEqual([
        there ? `site.approved ${s.siteId}` : `site.rejected ${s.siteId}`,
      ]);
      approvals += there ? 1 : 0;
    }
    expect((await tombstones()).length).toBe(20 - approvals);
  });

  it('a DELETE that meant a pending site does not delete the one that was approved while it waited', async () => {
    const s = await site();
    let deleting: ReturnType<typeof app.root.delete> | undefined;
    await app.db.tx(async (tx) => {
      await tx.query(`UPDATE site SET status = 'approved' WHERE site_id = $1`, [s.siteId]);
      deleting = app.root.delete(`/site/${s.siteId}`);
      await until(
        async () =>
          (
            await app.sql(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length > 0,
      );
    });
    expect(await deleting).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await app.root.get(`/site/${s.siteId}`)).body.data).toMatchObject({ status: 'approved' });
  });

  it('sixteen approvals at once approve it once', async () => {
    const s = await site();
    await Promise.all(Array.from({ length: 16 }, () => post(s, { status: 'approved' })));
    expect(await events()).toEqual([`site.approved ${s.siteId}`]);
    expect(hooked).toEqual([`approved ${s.siteId}`]);
  });
});

describe('tombstones', () => {
  it('are listed and lifted by their percent-encoded hardware id, byte for byte', async () => {
    const hardwareId = 'AA:BB/%2F? #1';
    const s = await site({ hardwareId });
    await app.root.expect('POST', `/org/${orgId}/approvals`, {
      siteIds: [s.siteId],
      decision: 'reject',
      note: 'stranger',
    });
    expect(await app.root.expect('GET', `/org/${orgId}/tombstones`)).toMatchObject({
      tombstones: [{ hardwareId, siteName: 'sensor', reason: 'rejected', note: 'stranger', createdBy: 'test' }],
      pagination: { total: 1, limit: 1000, offset: 0 },
    });
    const path = (id: string) => `/org/${orgId}/tombstone/${encodeURIComponent(id)}`;
    expect((await app.root.delete(path(hardwareId.toLowerCase()))).status).toBe(404);
    expect(await app.root.expect('DELETE', path(hardwareId))).toBeNull();
    expect((await app.root.delete(path(hardwareId))).status).toBe(404);
    expect(await tombstones()).toEqual([]);
    expect((await audit()).at(-1)).toBe(`tombstone.delete ${hardwareId}`);
  });
});

describe('POST /site/{siteId}/revoke', () => {
  it('revokes the credentials and buries the hardware id; the site stays', async () => {
    const s = await site({ status: 'approved' });
    expect(await authenticates(s)).toBe(true);
    heard.length = 0;
    const reply = await app.root.post<{ revokedAt: string }>(`/site/${s.siteId}/revoke`, { note: 'stolen' });
    expect(reply).toMatchObject({ status: 200, body: { data: { siteId: s.siteId, revokedAt: expect.any(String) } } });
    await until(() => heard.includes(String(s.siteId)));
    await until(async () => !(await authenticates(s)));
    expect(await tombstones()).toEqual([`revoked ${s.key}`]);
    const again = await app.root.post<{ revokedAt: string }>(`/site/${s.siteId}/revoke`);
    expect(again.body.data.revokedAt).toBe(reply.body.data.revokedAt);
    expect(await events()).toEqual([`site.revoked ${s.siteId}`]);
    expect(await audit()).toEqual([`site.revoke ${s.siteId}`, `site.revoke ${s.siteId}`]);
  });
});

describe('access', () => {
  it('every decision needs its own action, in this organization', async () => {
    const s = await site();
    const weak = await app.orgKey(orgId, 'getSite');
    const foreign = await changeOrg();
    const other = await app.orgKey(
      orgId,
      'updateSite',
      'deleteSite',
      'revokeSite',
      'updateApprovals',
      'listTombstones',
      'deleteTombstone',
    );
    const calls: [string, string, object?][] = [
      ['POST', `/site/${s.siteId}`, { status: 'approved' }],
      ['DELETE', `/site/${s.siteId}`],
      ['POST', `/site/${s.siteId}/revoke`, {}],
      ['POST', `/org/${foreign}/approvals`, { siteIds: [s.siteId], decision: 'approve' }],
      ['GET', `/org/${foreign}/tombstones`],
      ['DELETE', `/org/${foreign}/tombstone/x`],
    ];
    for (const [method, path, body] of calls) {
      expect((await weak.send(method, path, body)).status).toBe(403);
      expect((await other.send(method, path, body)).status).toBe(404);
    }
    expect((await app.root.get(`/site/${s.siteId}`)).body.data).toMatchObject({ status: 'pending', revokedAt: null });
  });
});
