import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Hooks, PgNotifications, sha256 } from '#platform';
import { SiteCredentialsService } from '../../src/access/index.js';
import { AddressPoolService } from '../../src/orgs/index.js';
import { type NewSite, SiteLifecycleService } from '../../src/sites/index.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let orgId: string;
const heard: string[] = [];
const hooked: string[] = [];
beforeAll(async () => {
  app = await openTestApp();
  app.get(PgNotifications).on('site_changed', (id) => heard.push(id));
  const hooks = app.get(Hooks);
  hooks.siteApproved.register(async (_tx, _org, id) => void hooked.push(`approved ${id}`));
  hooks.siteSuspended.register(async (_tx, _org, id) => void hooked.push(`suspended ${id}`));
  hooks.siteDeleting.register(async (tx, org, id) => {
    // The row is still there for whoever has something to take down with it.
    hooked.push(`deleting ${id}`);
    await tx.query('SELECT 1 / count(*) FROM site WHERE org_id = $1 AND site_id = $2', [org, id]);
  });
});
afterAll(() => app?.close());

let serial = 0;
beforeEach(async () => {
  orgId = `appr${serial++}`;
  await app.makeOrg(orgId);
  hooked.length = 0;
});

interface Site {
  siteId: number;
  key: string;
  newtId: string;
}

/** A claimed site with a newt credential and an address, as provisioning would leave it. */
async function site(fields: Partial<NewSite> = {}): Promise<Site> {
  const newtId = `newt${serial++}abcdefgh`;
  return app.db.tx(async (tx) => {
    const [address] = await app.get(AddressPoolService).allocate(tx, orgId, 1);
    const [made] = await app
      .get(SiteLifecycleService)
      .insertMany(tx, orgId, [
        { name: 'sensor', status: 'pending', hardwareId: `hw/${newtId}`, address: address!, ...fields },
      ]);
    await app
      .get(SiteCredentialsService)
      .insertMany(tx, [{ siteId: made!.siteId, orgId, kind: 'newt', newtId, secretHash: sha256('secret') }]);
    return { siteId: made!.siteId, key: `hw/${newtId}`, newtId };
  });
}
const authenticates = async (s: Site) =>
  (await app.get(SiteCredentialsService).authenticateNewt(s.newtId, 'secret')) !== null;
const events = async () =>
  (
    await app.sql<{ type: string; siteId: number }>(
      'SELECT type, site_id AS "siteId" FROM event WHERE org_id = $1 ORDER BY event_id',
      [orgId],
    )
  ).map((e) => `${e.type} ${e.siteId}`);
const audit = async () =>
  (
    await app.sql<{ action: string; id: string }>(
      `SELECT action, target_id AS id FROM audit WHERE org_id = $1 AND action LIKE ANY('{site.%,tombstone.%}') ORDER BY audit_id`,
      [orgId],
    )
  ).map((a) => `${a.action} ${a.id}`);
const tombstones = async () =>
  (
    await app.root.expect<{ tombstones: { hardwareId: string; reason: string }[] }>('GET', `/org/${orgId}/tombstones`)
  ).tombstones.map((t) => `${t.reason} ${t.hardwareId}`);
const post = (s: Site, body: object) => app.root.post<Record<string, unknown>>(`/site/${s.siteId}`, body);
const free = async () => (await app.get(AddressPoolService).listRanges(operator, orgId, {})).addressRanges[0]!.free;
const decide = (body: object) =>
  app.root.expect<{ results: { siteId: number; outcome: string }[]; remaining: number }>(
    'POST',
    `/org/${orgId}/approvals`,
    body,
  );

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
    expect(await events()).toEqual([`site.approved ${other.siteId}`]);
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
    expect(await events()).toEqual([]);
    expect(await audit()).toEqual([`site.delete ${s.siteId}`]);
    expect((await site({ hardwareId: s.key })).siteId).toBeGreaterThan(s.siteId);
  });
});

describe('a suspended site', () => {
  const suspended = async (fields: Partial<NewSite> = {}) => {
    const s = await site({ status: 'approved', ...fields });
    await post(s, { status: 'pending', note: 'odd traffic' });
    return s;
  };
  const there = async (...sites: Site[]) =>
    Promise.all(
      sites.map(
        async (s) =>
          (await app.root.get<{ suspendedAt: string | null; status: string }>(`/site/${s.siteId}`)).body.data,
      ),
    );

  it('is in no filter, of a dry run neither, whatever is decided', async () => {
    const [old, fresh] = [await suspended({ labels: { room: 'cold' } }), await site({ labels: { room: 'cold' } })];
    for (const filter of [{}, { status: 'pending' }, { label: 'room=cold' }, { hardwareId: old.key }]) {
      for (const decision of ['approve', 'reject']) {
        const results =
          'hardwareId' in filter
            ? []
            : [{ siteId: fresh.siteId, outcome: decision === 'approve' ? 'approved' : 'rejected', message: null }];
        expect(await decide({ filter, decision, dryRun: true })).toEqual({
          dryRun: true,
          decision,
          results,
          remaining: 0,
        });
      }
    }
    expect((await decide({ filter: {}, decision: 'reject' })).results).toEqual([
      { siteId: fresh.siteId, outcome: 'rejected', message: null },
    ]);
    const second = await site();
    expect((await decide({ filter: {}, decision: 'approve' })).results).toEqual([
      { siteId: second.siteId, outcome: 'approved', message: null },
    ]);
    expect(await there(old)).toMatchObject([{ status: 'pending', suspendedAt: expect.any(String) }]);
    expect(await tombstones()).toEqual([`rejected ${fresh.key}`]);
  });

  it('is approved by its id, and never rejected: 409, as the dry run says', async () => {
    const [a, b] = [await suspended(), await suspended()];
    const message = 'The site is suspended, not new; approve or revoke it before you delete it';
    for (const dryRun of [true, false]) {
      expect((await decide({ siteIds: [a.siteId], decision: 'reject', dryRun })).results).toEqual([
        { siteId: a.siteId, outcome: 'conflict', message },
      ]);
    }
    expect(await app.root.delete(`/site/${a.siteId}`)).toMatchObject({
      status: 409,
      body: { code: 'conflict', message },
    });
    expect(await app.root.delete(`/site/${a.siteId}?tombstone=false`)).toMatchObject({ status: 409 });
    expect(await there(a, b)).toMatchObject([{ status: 'pending' }, { status: 'pending' }]);
    expect(await authenticates(a)).toBe(true);
    expect(await tombstones()).toEqual([]);
    for (const dryRun of [true, false])
      expect((await decide({ siteIds: [a.siteId], decision: 'approve', dryRun })).results).toMatchObject([
        { outcome: 'approved' },
      ]);
    expect(await there(a, b)).toMatchObject([{ status: 'approved', suspendedAt: null }, { status: 'pending' }]);
  });

  it('goes once it is revoked, without coming into service, and its hardware id stays buried', async () => {
    const s = await suspended();
    await app.root.expect('POST', `/site/${s.siteId}/revoke`, { note: 'stolen' });
    for (const dryRun of [true, false])
      expect((await decide({ siteIds: [s.siteId], decision: 'approve', dryRun })).results).toMatchObject([
        { outcome: 'conflict', message: 'The site is revoked' },
      ]);
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect((await app.root.get(`/site/${s.siteId}`)).status).toBe(404);
    expect(await tombstones()).toEqual([`revoked ${s.key}`]);
    expect((await audit()).slice(-2)).toEqual([`site.revoke ${s.siteId}`, `site.delete ${s.siteId}`]);
    expect((await events()).at(-1)).toBe(`site.revoked ${s.siteId}`);
  });

  it.each(['approve', 'reject'])(
    'that was suspended after the filter had found it is left alone (%s)',
    async (decision) => {
      const [held, other] = [await site(), await site()];
      let deciding: ReturnType<typeof decide> | undefined;
      await app.db.tx(async (tx) => {
        // Somebody approves and suspends it while the bulk call, which has read its list, waits for the row.
        await tx.query(`UPDATE site SET suspended_at = now(), decided_by = 'other' WHERE site_id = $1`, [held.siteId]);
        deciding = decide({ filter: {}, decision });
        await until(
          async () =>
            (
              await app.sql(
                `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
              )
            ).length > 0,
        );
      });
      expect((await deciding!).results).toMatchObject([
        { siteId: held.siteId, outcome: 'conflict' },
        { siteId: other.siteId, outcome: decision === 'approve' ? 'approved' : 'rejected' },
      ]);
      expect(await there(held)).toMatchObject([
        { status: 'pending', suspendedAt: expect.any(String), decidedBy: 'other' },
      ]);
    },
  );
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

describe('POST /org/{orgId}/approvals', () => {
  it('decides site by site: what cannot be decided does not stop the others', async () => {
    const [a, b, done] = [await site(), await site(), await site({ status: 'approved' })];
    const other = orgId;
    orgId = `appr${serial++}`;
    await app.makeOrg(orgId);
    const mine = await site();
    const foreign = await decide({ siteIds: [a.siteId, mine.siteId], decision: 'approve' });
    expect(foreign.results).toMatchObject([
      { siteId: a.siteId, outcome: 'not_found' },
      { siteId: mine.siteId, outcome: 'approved' },
    ]);
    orgId = other;
    const reply = await decide({
      siteIds: [a.siteId, 999999999, done.siteId, b.siteId],
      decision: 'approve',
      note: 'batch 7',
    });
    expect(reply.results.map((r) => r.outcome)).toEqual(['approved', 'not_found', 'unchanged', 'approved']);
    expect(
      (await decide({ siteIds: [a.siteId, b.siteId], decision: 'approve' })).results.map((r) => r.outcome),
    ).toEqual(['unchanged', 'unchanged']);
    expect((await decide({ siteIds: [a.siteId], decision: 'reject' })).results[0]!.outcome).toBe('conflict');
    expect((await events()).sort()).toEqual([`site.approved ${a.siteId}`, `site.approved ${b.siteId}`].sort());
    const [row] = await app.sql<{ note: string }>('SELECT decision_note AS note FROM site WHERE site_id = $1', [
      b.siteId,
    ]);
    expect(row!.note).toBe('batch 7');
  });

  it('takes a filter instead, says what would happen on a dry run, and touches pending sites only', async () => {
    const cold = [await site({ labels: { room: 'cold' } }), await site({ labels: { room: 'cold' } })];
    const warm = await site({ labels: { room: 'warm' } });
    const approved = await site({ labels: { room: 'cold' }, status: 'approved' });
    const body = { filter: { label: 'room=cold' }, decision: 'reject', tombstone: false };
    const expected = cold.map((s) => ({ siteId: s.siteId, outcome: 'rejected' }));
    expect(await decide({ ...body, dryRun: true })).toMatchObject({ dryRun: true, results: expected, remaining: 0 });
    expect(await audit()).toEqual([]);
    expect(await decide(body)).toMatchObject({ dryRun: false, results: expected });
    expect(await tombstones()).toEqual([]);
    for (const s of [warm, approved]) expect((await app.root.get(`/site/${s.siteId}`)).status).toBe(200);
    expect((await audit()).sort()).toEqual(cold.map((s) => `site.reject ${s.siteId}`).sort());
  });

  it('foresees what it will do', async () => {
    const [pending, approved] = [await site(), await site({ status: 'approved' })];
    const siteIds = [pending.siteId, approved.siteId, 999999999];
    for (const decision of ['approve', 'reject']) {
      const foreseen = await decide({ siteIds, decision, dryRun: true });
      expect(foreseen.results.map((r) => r.outcome)).toEqual(
        decision === 'approve' ? ['approved', 'unchanged', 'not_found'] : ['rejected', 'conflict', 'not_found'],
      );
    }
    expect((await decide({ siteIds, decision: 'reject' })).results.map((r) => r.outcome)).toEqual([
      'rejected',
      'conflict',
      'not_found',
    ]);
  });

  it('takes a repeated rejection for the same one', async () => {
    const { siteId } = await site({ hardwareId: 'again-1' });
    const twice = { siteIds: [siteId, 999999999], decision: 'reject' };
    expect((await decide(twice)).results.map((r) => r.outcome)).toEqual(['rejected', 'not_found']);
    for (const dryRun of [true, false])
      expect((await decide({ ...twice, dryRun })).results.map((r) => r.outcome)).toEqual(['unchanged', 'not_found']);
    expect(await audit()).toEqual([`site.reject ${siteId}`]);
  });

  it('approves a thousand in one call and says how many are left', async () => {
    await app.db.tx((tx) =>
      app.get(SiteLifecycleService).insertMany(
        tx,
        orgId,
        Array.from({ length: 1003 }, (_, i) => ({
          name: null,
          status: 'pending',
          hardwareId: `hw${i}`,
          address: null,
        })),
      ),
    );
    const first = await decide({ filter: {}, decision: 'approve' });
    expect(first.results.filter((r) => r.outcome === 'approved')).toHaveLength(1000);
    expect(first.remaining).toBe(3);
    expect(await decide({ filter: { status: 'pending' }, decision: 'approve' })).toMatchObject({
      remaining: 0,
      results: Array.from({ length: 3 }, () => ({ outcome: 'approved' })),
    });
    const [{ n }] = (await app.sql<{ n: number }>(
      `SELECT count(*) AS n FROM audit WHERE org_id = $1 AND action = 'site.approve'`,
      [orgId],
    )) as [{ n: number }];
    expect(n).toBe(1003);
  });

  it.each([
    [{ decision: 'approve' }, 'siteIds'],
    [{ decision: 'approve', siteIds: [1], filter: {} }, 'siteIds'],
    [{ decision: 'approve', siteIds: [] }, 'siteIds'],
    [{ decision: 'suspend', siteIds: [1] }, 'decision'],
    [{ decision: 'approve', siteIds: Array.from({ length: 1001 }, (_, i) => i + 1) }, 'siteIds'],
    [{ decision: 'reject', filter: { status: 'approved' } }, 'filter.status'],
    [{ decision: 'approve', filter: { colour: 'red' } }, 'filter.colour'],
    [{ decision: 'approve', filter: [] }, 'filter'],
    [{ decision: 'approve', siteIds: [1e20] }, 'siteIds.0'],
  ])('refuses %#', async (body, path) => {
    expect(await app.root.post(`/org/${orgId}/approvals`, body)).toMatchObject({
      status: 400,
      body: { fields: [{ path }] },
    });
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
    const foreign = orgId;
    orgId = `appr${serial++}`;
    await app.makeOrg(orgId);
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
