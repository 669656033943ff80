// docs/integration-api.md §3.1
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatsView } from '../../src/agents/stats/stats.dto.js';
import { StatsService } from '../../src/agents/stats/stats.service.js';
import { EventsService } from '../../src/audit/index.js';
import { newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let orgUid: string;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  orgUid = (await app.sql<{ uid: string }>('SELECT org_uid AS uid FROM org WHERE org_id = $1', [org.orgId]))[0]!.uid;
});
afterAll(() => app?.close());

const stats = (metric: string, bucket: string, rest = '') =>
  app.root.expect<StatsView>('GET', org.path(`stats?metric=${metric}&bucket=${bucket}${rest}`));
const sum = ({ points }: StatsView) => points.reduce((all, point) => all + (point.value ?? 0), 0);
const refused = async (query: string) => (await app.root.get(org.path(`stats?${query}`))).status;

describe('numbers over time', () => {
  it('are of whole buckets in UTC, with zeros, from the beginning of the first to the end of the last', async () => {
    const view = await stats('claims', 'hour', '&from=2026-03-28T22:30:00%2B01:00&to=2026-03-29T04:10:00Z');
    expect(view).toMatchObject({ from: '2026-03-28T21:00:00.000Z', to: '2026-03-29T05:00:00.000Z', timeZone: 'UTC' });
    expect(view.points.map((p) => new Date(p.at).getUTCHours())).toEqual([21, 22, 23, 0, 1, 2, 3, 4]);
    expect(view.points.map((p) => p.value)).toEqual(Array(8).fill(0));
    const days = await stats('connects', 'day', '&from=2026-03-01&to=2026-04-01');
    expect(days.points).toHaveLength(31);
    expect([days.points[0]!.at, days.points.at(-1)!.at]).toEqual([
      '2026-03-01T00:00:00.000Z',
      '2026-03-31T00:00:00.000Z',
    ]);
    const lengths = [];
    for (const bucket of ['minute', 'hour', 'day']) lengths.push((await stats('online', bucket)).points.length);
    // The present bucket is there, and the one in which the period begins.
    expect(lengths).toEqual([61, 25, 31]);
  });

  it('are at most a thousand, of a period that ends after it begins', async () => {
    const day = '&to=2026-03-02T00:00:00Z';
    expect(await refused(`metric=claims&bucket=minute&from=2026-03-01T07:20:00Z${day}`)).toBe(200);
    expect(await refused(`metric=claims&bucket=minute&from=2026-03-01T07:19:59Z${day}`)).toBe(400);
    expect(await refused(`metric=claims&bucket=hour&from=2026-03-02T00:00:00Z${day}`)).toBe(400);
    expect(await refused('metric=claims')).toBe(400);
    expect(await refused('metric=logins&bucket=hour')).toBe(400);
    expect(await refused('metric=claims&bucket=week')).toBe(400);
    expect(await refused('metric=claims&bucket=hour&from=yesterday')).toBe(400);
  });

  it('count claims, refusals and approvals as they happen, of this organization alone', async () => {
    const other = await TestOrg.create(app.root, { subnet: '100.91.0.0/17' });
    for (const [of, claims] of [
      [org, 3],
      [other, 1],
    ] as const) {
      const key = await of.keyUnder({ hardwareIdPattern: '^[0-9a-f-]{36}$', approveNewSites: false });
      for (let i = 0; i < claims; i++)
        await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: newHardwareId() });
      await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: 'other' });
    }
    const { sites } = await org.sites();
    await app.root.expect('POST', org.path('approvals'), {
      siteIds: sites.slice(0, 2).map((s) => s.siteId),
      decision: 'approve',
    });
    await until(async () => sum(await stats('refusals', 'minute')) === 1);
    for (const bucket of ['minute', 'hour', 'day'])
      expect([sum(await stats('claims', bucket)), sum(await stats('approvals', bucket))], bucket).toEqual([3, 2]);
  });

  it('count connects and disconnects of many transactions at once, each once, and none that was rolled back', async () => {
    const events = app.get(EventsService);
    const emit = (type: 'site.online' | 'site.offline', n: number, fails = false) =>
      app.db.tx(async (tx) => {
        await events.emit(tx, ...Array.from({ length: n }, () => ({ orgId: org.orgId, type, siteId: 1, data: {} })));
        if (fails) throw new Error('rolled back');
      });
    await Promise.all(Array.from({ length: 20 }, (_, i) => emit(i % 2 ? 'site.online' : 'site.offline', 3)));
    await emit('site.online', 100, true).catch(() => undefined);
    expect([sum(await stats('connects', 'hour')), sum(await stats('disconnects', 'hour'))]).toEqual([30, 30]);
  });
});

describe('sites that are online', () => {
  it('are counted once for each five minutes, whoever counts', async () => {
    const connected = () =>
      app.sql(
        `UPDATE site_presence SET session_id = gen_random_uuid(), connected_at = now() WHERE site_id = (SELECT min(site_id) FROM site WHERE org_id = $1 AND status = 'approved')`,
        [org.orgId],
      );
    await connected();
    await app.sql('DELETE FROM online_sample');
    const service = app.get(StatsService);
    await Promise.all([service.sample(), service.sample(), service.sample()]);
    await service.sample();
    const samples = await app.sql<{ n: number; off: number }>(
      `SELECT n, extract(epoch FROM at)::int % 300 AS off FROM online_sample WHERE org_uid = $1`,
      [orgUid],
    );
    // Two, where five minutes ended meanwhile.
    expect(samples.length).toBeLessThan(3);
    for (const sample of samples) expect(sample).toEqual({ n: 1, off: 0 });
    const { points } = await stats('online', 'hour');
    expect(points.at(-1)!.value ?? points.at(-2)!.value).toBe(1);
  });

  it('are an average with the fewest and the most, and unknown where nobody counted', async () => {
    await app.sql(
      `INSERT INTO online_sample (org_uid, at, n) SELECT $1, '2026-03-01T10:00Z'::timestamptz + make_interval(mins => m), n FROM (VALUES (0, 10), (5, 0), (10, 21), (60, 4)) v(m, n)`,
      [orgUid],
    );
    const { points } = await stats('online', 'hour', '&from=2026-03-01T10:00Z&to=2026-03-01T13:00Z');
    expect(points.map(({ value, min, max }) => [value, min, max])).toEqual([
      [10, 0, 21],
      [4, 4, 4],
      [null, null, null],
    ]);
  });
});
