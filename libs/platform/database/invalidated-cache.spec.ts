import { beforeEach, describe, expect, it, vi } from 'vitest';
import { InvalidatedCache } from './invalidated-cache.js';
import type { Channel } from './pg-notifications.js';

/** Notices that a test sends itself. */
class FakeNotifications {
  isDown = false;
  private readonly handlers = new Map<string, (payload: string) => void>();
  private back: () => void = () => undefined;
  onEarly = (channel: string, handler: (payload: string) => void) => void this.handlers.set(channel, handler);
  onReconnected = (handler: () => void) => void (this.back = handler);
  send = (channel: Channel, payload: string) => this.handlers.get(channel)?.(payload);
  lose = () => void (this.isDown = true);
  reconnect = () => {
    this.isDown = false;
    this.back();
  };
}

interface Value {
  n: number;
  site: number;
}

let notifications: FakeNotifications;
let cache: InvalidatedCache<Value>;
let stored: Value | null;
let loads: number;
const load = async () => {
  loads++;
  return stored;
};
const get = () => cache.get('k', load);

beforeEach(() => {
  notifications = new FakeNotifications();
  cache = new InvalidatedCache<Value>(notifications as never, {
    max: 100,
    channels: { access_changed: (name) => [name], site_changed: (siteId) => [`site:${siteId}`] },
    tags: (key, value) => (value ? [`site:${value.site}`, 'user:u'] : [key]),
  });
  stored = { n: 1, site: 5 };
  loads = 0;
});

describe('what authorization remembers', () => {
  it('asks once, callers that miss together included', async () => {
    await Promise.all([get(), get(), get()]);
    expect(await get()).toEqual({ n: 1, site: 5 });
    expect(loads).toBe(1);
  });

  it('forgets on the notice of any of its tags, and on no other', async () => {
    await get();
    notifications.send('site_changed', '6');
    notifications.send('access_changed', 'user:v');
    await get();
    expect(loads).toBe(1);
    notifications.send('site_changed', '5');
    stored = null;
    expect(await get()).toBeNull();
    expect(loads).toBe(2);
  });

  it('hears the channels that it names, whose notices may drop many names or none', async () => {
    cache = new InvalidatedCache<Value>(notifications as never, {
      max: 100,
      channels: { resource_changed: (payload) => payload.split(' ') },
      tags: (key, value) => (value ? [`site:${value.site}`] : [key]),
    });
    await get();
    notifications.send('site_changed', '5');
    notifications.send('access_changed', 'site:5');
    notifications.send('resource_changed', '');
    await get();
    expect(loads).toBe(1);
    notifications.send('resource_changed', 'site:4 site:5');
    await get();
    expect(loads).toBe(2);
  });

  it('remembers absence too, until a notice', async () => {
    stored = null;
    await get();
    await get();
    expect(loads).toBe(1);
    stored = { n: 2, site: 5 };
    notifications.send('access_changed', 'k');
    expect(await get()).toEqual({ n: 2, site: 5 });
  });

  it('is dropped by its tag again after absence turned into presence', async () => {
    stored = null;
    await get();
    notifications.send('access_changed', 'k');
    stored = { n: 1, site: 5 };
    await get();
    notifications.send('access_changed', 'user:u');
    await get();
    expect(loads).toBe(3);
  });

  it('never keeps what was read before a notice that arrived during the read', async () => {
    const release: (() => void)[] = [];
    const slow = () =>
      new Promise<Value | null>((resolve) => {
        loads++;
        const seen = stored;
        release.push(() => resolve(seen));
      });
    const first = cache.get('k', slow);
    stored = null;
    notifications.send('site_changed', '5');
    const late = cache.get('k', slow);
    release.shift()!();
    await vi.waitFor(() => expect(release).toHaveLength(1));
    release.shift()!();
    expect(await late).toBeNull();
    expect(await first).toBeNull();
    expect(await get()).toBeNull();
  });

  it('is bypassed while notices are down, and empty once they are back', async () => {
    await get();
    notifications.lose();
    stored = null;
    expect(await get()).toBeNull();
    notifications.reconnect();
    expect(await get()).toBeNull();
    expect(loads).toBe(3);
  });

  it('does not keep a failure', async () => {
    await expect(cache.get('k', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await get()).toEqual({ n: 1, site: 5 });
  });

  it('keeps no more than it may', async () => {
    for (let i = 0; i < 500; i++) await cache.get(`k${i}`, async () => ({ n: i, site: i }));
    const before = loads;
    await cache.get('k0', load);
    expect(loads).toBe(before + 1);
  });

  it('ends after a minute even without a notice', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'Date', 'setTimeout', 'clearTimeout'] });
    vi.advanceTimersByTime(1_000);
    try {
      await get();
      vi.advanceTimersByTime(59_000);
      await get();
      expect(loads).toBe(1);
      vi.advanceTimersByTime(2_000);
      await get();
      expect(loads).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });
});
