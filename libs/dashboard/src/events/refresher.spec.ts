import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LiveEvent } from './invalidations';
import { Refresher } from './refresher';

const event = (of: Partial<LiveEvent>): LiveEvent => ({
  type: 'site.online',
  cursor: '',
  orgId: 'a',
  siteId: 1,
  data: {},
  ...of,
});

let queries: QueryClient;
let fetched: string[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  queries = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY, retry: false } } });
  fetched = [];
});
afterEach(() => {
  queries.clear();
  vi.useRealTimers();
});

/** A read that is on the page. */
async function shown(path: string, params: Record<string, unknown>): Promise<void> {
  const queryKey = ['get', path, { params: { path: params } }];
  const queryFn = () => {
    fetched.push(`${path} ${JSON.stringify(params)}`);
    return Promise.resolve(1);
  };
  new QueryObserver(queries, { queryKey, queryFn }).subscribe(() => undefined);
  await vi.advanceTimersByTimeAsync(0);
  fetched = [];
}

it('fetches what an event tells of, and nothing else', async () => {
  await shown('/org/{orgId}/sites', { orgId: 'a' });
  await shown('/org/{orgId}/sites', { orgId: 'b' });
  await shown('/site/{siteId}', { siteId: '1' });
  await shown('/site/{siteId}', { siteId: '2' });
  await shown('/org/{orgId}/domains', { orgId: 'a' });
  new Refresher(queries).event(event({}));
  await vi.advanceTimersByTimeAsync(1);
  expect(fetched).toEqual(['/org/{orgId}/sites {"orgId":"a"}', '/site/{siteId} {"siteId":"1"}']);
});

it('fetches a list once a second, also at 2,000 events a minute, and once more after the last one', async () => {
  await shown('/org/{orgId}/sites', { orgId: 'a' });
  const refresher = new Refresher(queries);
  for (let sent = 0; sent < 2000; sent++) {
    refresher.event(event({ siteId: sent }));
    await vi.advanceTimersByTimeAsync(30);
  }
  expect(fetched.length).toBeGreaterThan(50);
  expect(fetched.length).toBeLessThanOrEqual(61);
  const before = fetched.length;
  await vi.advanceTimersByTimeAsync(5000);
  expect(fetched.length - before).toBeLessThanOrEqual(1);
});

it('after events were missed, fetches again what is being fetched for the first time', async () => {
  let answer: (value: number) => void = () => undefined;
  const queryFn = vi.fn(() => new Promise<number>((resolve) => (answer = resolve)));
  const queryKey = ['get', '/org/{orgId}/sites', { params: { path: { orgId: 'a' } } }];
  new QueryObserver(queries, { queryKey, queryFn }).subscribe(() => undefined);
  await vi.advanceTimersByTimeAsync(0);
  new Refresher(queries).everything();
  await vi.advanceTimersByTimeAsync(2000);
  expect(queryFn).toHaveBeenCalledTimes(1);
  answer(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(queryFn).toHaveBeenCalledTimes(2);
});
