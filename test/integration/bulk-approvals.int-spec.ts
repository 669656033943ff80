import { describe, expect, it } from 'vitest';
import { type NewSite, SiteLifecycleService } from '../../src/sites/index.js';
import {
  app,
  audit,
  authenticates,
  changeOrg,
  decide,
  events,
  orgId,
  post,
  returnTo,
  type Site,
  setUpApprovals,
  site,
  tombstones,
} from '../support/approvals.js';
import { until } from '../support/server.js';

setUpApprovals();

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
            : [
                {
                  siteId: fresh.siteId,
                  outcome: decision === 'approve' ? 'approved' : 'rejected',
                  message: null,
                  oddities: [],
                },
              ];
        expect(await decide({ filter, decision, dryRun: true })).toEqual({
          dryRun: true,
          decision,
          results,
          remaining: 0,
          upToSiteId: results[0]?.siteId ?? null,
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
        { siteId: a.siteId, outcome: 'conflict', message, ...(dryRun ? { oddities: [] } : {}) },
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
    expect((await events()).slice(-2)).toEqual([`site.revoked ${s.siteId}`, `site.deleted ${s.siteId}`]);
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

describe('POST /org/{orgId}/approvals', () => {
  it('decides site by site: what cannot be decided does not stop the others', async () => {
    const [a, b, done] = [await site(), await site(), await site({ status: 'approved' })];
    const other = await changeOrg();
    const mine = await site();
    const foreign = await decide({ siteIds: [a.siteId, mine.siteId], decision: 'approve' });
    expect(foreign.results).toMatchObject([
      { siteId: a.siteId, outcome: 'not_found' },
      { siteId: mine.siteId, outcome: 'approved' },
    ]);
    returnTo(other);
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
