import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Db, Drain, databaseAway } from '#platform';
import { requestEntry } from '../../../test/support/request-entries.js';
import type { SiteTraffic } from '../../sites/index.js';
import { queues } from './edge-metrics.js';
import type { LoggedRequest, LogWritesRepository, TrafficHour } from './log-writes.repository.js';
import { TrafficCounters } from './traffic-counters.js';

beforeEach(() => {
  // An hour's sums are rows of their own: all that a test counts is of one hour.
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 12) });
  vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Counters before a database that answers a transaction with `fails`, if that is something. */
function countersBefore(fails: () => Error | undefined) {
  const written: { sites: { siteId: number; bytesOut: number }[]; hours: TrafficHour[] } = { sites: [], hours: [] };
  const drain = new Drain();
  const counters = new TrafficCounters(
    {
      tx: async (work: (tx: EntityManager) => Promise<void>) => {
        const error = fails();
        if (error) throw error;
        await work({} as EntityManager);
      },
    } as unknown as Db,
    drain,
    {
      addTraffic: async (_: unknown, hours: TrafficHour[]) => void written.hours.push(...hours),
    } as unknown as LogWritesRepository,
    {
      add: async (_: unknown, sites: { siteId: number; bytesOut: number }[]) => void written.sites.push(...sites),
    } as unknown as SiteTraffic,
  );
  counters.onModuleInit();
  return { counters, drain, written };
}

const request = (more: object = {}): LoggedRequest => ({
  ...requestEntry(),
  orgId: 'acme',
  resourceId: 1,
  siteId: 1,
  query: null,
  allowed: true,
  ...more,
});

describe('sums', () => {
  it('that cannot be written now are written later, with what came meanwhile, once', async () => {
    let away = true;
    const { counters, written } = countersBefore(() => (away ? databaseAway() : undefined));
    counters.addRequest(request({ bytesOut: 1 }));
    await vi.advanceTimersByTimeAsync(6_000);
    counters.addRequest(request({ bytesOut: 10 }));
    await vi.advanceTimersByTimeAsync(6_000);
    expect(written.sites).toEqual([]);
    away = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(written.sites).toEqual([{ siteId: 1, bytesIn: 0, bytesOut: 11 }]);
    expect(written.hours).toMatchObject([{ requests: 2, bytesOut: 11 }]);
  });

  it('are of one resource, organization, hour and country each, in whatever order they come, and each is written once', async () => {
    const { counters, written } = countersBefore(() => undefined);
    const time = Date.now();
    for (const more of [{ resourceId: 2 }, { orgId: 'other' }, { time: time + 3_600_000 }, { country: 'FR' }])
      for (const of of [{}, more]) counters.addRequest(request({ time, ...of }));
    await vi.advanceTimersByTimeAsync(6_000);
    expect(written.hours.map(({ requests }) => requests)).toEqual([4, 1, 1, 1, 1]);
    counters.addRequest(request({ time }));
    await vi.advanceTimersByTimeAsync(6_000);
    expect(written.hours.slice(5)).toMatchObject([{ resourceId: 1, requests: 1 }]);
  });

  it('that PostgreSQL refuses are given up and counted', async () => {
    let refuses = true;
    const { counters, written } = countersBefore(() => (refuses ? new Error('no') : undefined));
    counters.addRequest(request());
    await vi.advanceTimersByTimeAsync(6_000);
    refuses = false;
    counters.addRequest(request({ siteId: 2 }));
    await vi.advanceTimersByTimeAsync(6_000);
    expect([written.sites.map(({ siteId }) => siteId), queues.get('traffic')!.droppedRows]).toEqual([[2], 2]);
  });

  it('are no more than a bound, whoever asks for what', async () => {
    const { counters } = countersBefore(() => databaseAway());
    for (let i = 0; i < 15_000; i++) counters.addRequest(request({ siteId: i, resourceId: i }));
    const { waitingRows, droppedRows } = queues.get('traffic')!;
    expect([waitingRows, droppedRows]).toEqual([20_000, 10_000]);
  });

  it('are written when the server stops', async () => {
    const { counters, drain, written } = countersBefore(() => undefined);
    counters.add({ orgId: 'acme', resourceId: 1, siteId: 1, bytesIn: 1, bytesOut: 2 });
    const [flush] = drain.worksOf('flush');
    expect([await flush!.work(), written.sites, written.hours.length]).toEqual([
      undefined,
      [{ siteId: 1, bytesIn: 1, bytesOut: 2 }],
      1,
    ]);
  });
});
