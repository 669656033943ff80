import { LRUCache } from 'lru-cache';
import { atMost } from '../runtime/at-most.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import type { Channel, PgNotifications } from './pg-notifications.js';

const TTL_MS = 60_000;
const ABSENT_TTL_MS = 3_000;
const RELOADS = 3;
/** Looked up at each call, so that tests can move it. */
const perf = { now: () => performance.now() };

interface Loading<V> {
  result: Promise<V | null>;
  dropped: Set<string>;
  cleared: boolean;
}

export interface InvalidatedCacheOptions<V> {
  /** Entries held at most; absent keys have a small cache of their own, so that guesses push nothing out. */
  max: number;
  /** Which channels it hears, and the names that a notice's payload drops. */
  channels: { [C in Channel]?: (payload: string) => string[] };
  /** Names under which an entry is dropped. `value` null: the key is absent. */
  tags: (key: string, value: V | null) => string[];
}

/**
 * What a process may remember of the database (docs/agent-protocol.md rule 17): at most 60 s, never past a notice that it changed, nothing at all while
 * notices are down, and nothing from before they came back. Callers that miss together share one load.
 */
export class InvalidatedCache<V extends object> {
  private readonly present: LRUCache<string, V>;
  private readonly absent: LRUCache<string, true>;
  /** Most names are of one entry: a set for each would be most of the memory that an entry costs. */
  private readonly keysOf = new Map<string, string | Set<string>>();
  private readonly loading = new Map<string, Loading<V>>();

  constructor(
    private readonly notifications: Pick<PgNotifications, 'isDown' | 'onEarly' | 'onReconnected'>,
    private readonly options: InvalidatedCacheOptions<V>,
  ) {
    this.present = new LRUCache({
      ...atMost(options.max),
      ttl: TTL_MS,
      perf,
      dispose: (value, key) => this.untag(key, value),
    });
    this.absent = new LRUCache({
      ...atMost(Math.min(options.max, 5_000)),
      ttl: ABSENT_TTL_MS,
      perf,
      dispose: (_, key) => this.untag(key, null),
    });
    for (const [channel, tagsOf] of Object.entries(options.channels))
      notifications.onEarly(channel as Channel, (payload) => tagsOf(payload).forEach((tag) => this.drop(tag)));
    notifications.onReconnected(() => this.clear());
    // Entries nobody asks for again would otherwise stay until others push them out.
    new PeriodicTask(InvalidatedCache.name, {
      failure: 'Stale entries of a cache could not be dropped',
      everyMs: TTL_MS,
      run: () => [this.present, this.absent].forEach((cache) => cache.purgeStale()),
    }).wake(TTL_MS);
  }

  /** @returns the value of `key`, from memory when that is allowed, else from `load`; null when there is none. */
  async get(key: string, load: () => Promise<V | null>): Promise<V | null> {
    if (this.notifications.isDown) return load();
    const held = this.present.get(key);
    if (held) return held;
    if (this.absent.get(key)) return null;
    const joined = this.loading.get(key);
    if (joined) return joined.result;
    const loading: Loading<V> = { result: Promise.resolve(null), dropped: new Set(), cleared: false };
    loading.result = this.load(key, load, loading).finally(() => {
      if (this.loading.get(key) === loading) this.loading.delete(key);
    });
    this.loading.set(key, loading);
    return loading.result;
  }

  /** What is held of `key` and may be used now; undefined: `get` has to look. For those that answer without waiting. */
  peek(key: string): V | undefined {
    return this.notifications.isDown ? undefined : this.present.get(key);
  }

  /** Forgets every entry with this tag, and what is being loaded under it. */
  drop(tag: string): void {
    for (const loading of this.loading.values()) loading.dropped.add(tag);
    const keys = this.keysOf.get(tag);
    if (typeof keys === 'string') this.forget(keys);
    else for (const key of keys ?? []) this.forget(key);
  }

  forget(key: string): void {
    this.present.delete(key);
    this.absent.delete(key);
  }

  clear(): void {
    for (const loading of this.loading.values()) loading.cleared = true;
    this.present.clear();
    this.absent.clear();
  }

  /** A notice that arrives during the load may be about a change that the load did not see yet: load again. */
  private async load(key: string, load: () => Promise<V | null>, loading: Loading<V>): Promise<V | null> {
    for (let attempt = 1; ; attempt++) {
      loading.dropped.clear();
      loading.cleared = false;
      const value = await load();
      const tags = this.options.tags(key, value);
      const overtaken = loading.cleared || this.notifications.isDown || tags.some((tag) => loading.dropped.has(tag));
      if (!overtaken) {
        this.store(key, value, tags);
        return value;
      }
      if (attempt === RELOADS || this.notifications.isDown) return value;
    }
  }

  private store(key: string, value: V | null, tags: string[]): void {
    this.forget(key);
    if (value) this.present.set(key, value);
    else this.absent.set(key, true);
    for (const tag of tags) {
      const keys = this.keysOf.get(tag);
      if (keys === undefined) this.keysOf.set(tag, key);
      else if (typeof keys !== 'string') keys.add(key);
      else if (keys !== key) this.keysOf.set(tag, new Set([keys, key]));
    }
  }

  private untag(key: string, value: V | null): void {
    for (const tag of this.options.tags(key, value)) {
      const keys = this.keysOf.get(tag);
      if (typeof keys !== 'string') keys?.delete(key);
      if (keys === key || (typeof keys === 'object' && keys.size === 0)) this.keysOf.delete(tag);
    }
  }
}
