import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import {
  Bag,
  Config,
  Db,
  InvalidatedCache,
  PeriodicTask,
  PgNotifications,
  type Placed,
  Retention,
  sha256,
} from '#platform';
import { type AccessFacts, AccessRepository, type StandingRow } from './access.repository.js';
import { SessionUses } from './session-uses.js';

const SWEEP_MS = 5_000;
const RETRY_MS = 500;
/** Looked at together. */
const AT_ONCE = 50;

/** What visitors pass by, as it was read. */
interface Ground {
  /** Notices that it may end by. */
  tags: string[];
  /** What goes on by it; undefined where nothing has lately. */
  watches: Bag<Watch> | undefined;
}

/** Who may pass, as this process remembers it. */
export interface Standing extends StandingRow, Ground {
  /** performance.now() at which it ends by itself. */
  endsAt: number;
  /** Made when it is first asked for (`Assertions`). */
  assertion?: { text: string; until: number };
}

export interface Facts extends AccessFacts, Ground {
  resourceId: number;
}

/** How something that goes on is looked after. */
interface Watched {
  /** By performance.now(): when it is looked at again, without a notice. */
  endsAt: number;
  /** @returns null: it has ended */
  look(): Promise<{ endsAt: number } | null>;
  /** Notes, now and then, that it goes on. */
  touch(): void;
}

interface Watch extends Watched, Placed {
  ground: Ground;
  listener(): void;
}

/** What a notice of a resource names. */
const tagsOfResource = (payload: string): string[] => {
  const { orgId, kind, ids } = JSON.parse(payload) as { orgId: string; kind: string; ids: number[] | null };
  if (kind !== 'public') return [];
  return ids ? ids.map(resourceTag) : [`resources:${orgId}`];
};
const resourceTag = (resourceId: number): string => `resource:${resourceId}`;
/** What `access_changed` says of a session that was ended by itself. */
export const sessionTag = (sessionId: string): string => `resource_session:${sessionId}`;

const CHANNELS = { resource_changed: tagsOfResource, access_changed: (name: string) => [name] };

/**
 * Who may pass by now, from memory while that is right (docs/edge-access.md): what a session or a token rests on is asked of the database in one
 * statement, and again after every notice that may concern it. What goes on meanwhile is watched, and ends when that does.
 */
@Injectable()
export class Standings implements OnModuleInit, OnApplicationShutdown {
  private readonly standings: InvalidatedCache<Standing>;
  private readonly resources: InvalidatedCache<Facts>;
  /** What has watches, by its tags. Kept until the next sweep where the last watch ends: the next request makes another. */
  private readonly grounds = new Map<string, Set<Ground>>();
  private readonly due = new Set<Watch>();
  private readonly task = new PeriodicTask(Standings.name, {
    failure: 'Who may go on could not be looked up; trying again',
    everyMs: SWEEP_MS,
    retryMs: RETRY_MS,
    run: () => this.lookAtDue(),
  });

  constructor(
    private readonly db: Db,
    private readonly repository: AccessRepository,
    private readonly uses: SessionUses,
    private readonly retention: Retention,
    private readonly notifications: PgNotifications,
    private readonly config: Config,
  ) {
    this.standings = new InvalidatedCache(notifications, {
      max: 50_000,
      channels: CHANNELS,
      tags: (key, standing) => standing?.tags ?? [key],
    });
    this.resources = new InvalidatedCache(notifications, {
      max: 10_000,
      channels: CHANNELS,
      tags: (key, facts) => facts?.tags ?? [key],
    });
    // After the caches, which have then forgotten it.
    for (const [channel, tags] of Object.entries(CHANNELS))
      notifications.onEarly(channel as keyof typeof CHANNELS, (payload) => this.changed(tags(payload)));
    notifications.onReconnected(() => this.changed(this.grounds.keys()));
  }

  onModuleInit(): void {
    this.retention.register({ table: 'resource_session', expired: 'expires_at < now()' });
    this.retention.register({ table: 'resource_login_code', expired: 'expires_at < now()' });
    this.retention.register({ table: 'resource_mail_code', expired: `created_at < now() - interval '1 day'` });
    this.retention.register({ table: 'resource_guess', expired: 'ends_at < now()' });
    this.task.wake(SWEEP_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** @returns undefined where the database has to be asked */
  heldSession(sessionId: string): Standing | undefined {
    return this.held(sessionTag(sessionId));
  }

  session(sessionId: string): Promise<Standing | null> {
    return this.get(sessionTag(sessionId), () => this.repository.standing(this.db.manager, sessionId));
  }

  heldToken(accessTokenId: string, token: string): Standing | undefined {
    return this.held(tokenKey(accessTokenId, token));
  }

  token(accessTokenId: string, token: string): Promise<Standing | null> {
    return this.get(tokenKey(accessTokenId, token), () =>
      this.repository.tokenStanding(this.db.manager, accessTokenId, sha256(token)),
    );
  }

  heldFacts(resourceId: number): Facts | undefined {
    return this.resources.peek(resourceTag(resourceId));
  }

  facts(resourceId: number): Promise<Facts | null> {
    return this.resources.get(resourceTag(resourceId), async () => {
      const facts = await this.repository.facts(this.db.manager, resourceId);
      return facts && { ...facts, resourceId, tags: tagsOf({ ...facts, resourceId }), watches: undefined };
    });
  }

  /**
   * Calls `listener` once, soon after what lets something go on has ended.
   * @param isCurrent whether nothing was heard of the ground since it was read: else it is looked at at once
   * @returns forgets it
   */
  watch(ground: Ground, isCurrent: boolean, { endsAt, look, touch }: Watched, listener: () => void): () => void {
    const watch: Watch = { place: -1, ground, endsAt, look, touch, listener };
    (ground.watches ?? this.added(ground)).add(watch);
    if (!isCurrent) {
      this.due.add(watch);
      this.task.wake();
    }
    return () => this.forget(watch);
  }

  /** Notes that a session is in use. */
  used(sessionId: string): void {
    this.uses.note(sessionId, null);
  }

  private held(key: string): Standing | undefined {
    const standing = this.standings.peek(key);
    return standing && standing.endsAt > performance.now() ? standing : undefined;
  }

  private async get(key: string, load: () => Promise<StandingRow | null>): Promise<Standing | null> {
    const read = () =>
      this.standings.get(key, async () => {
        const row = await load();
        if (!row) return null;
        const endsAt = performance.now() + row.secondsLeft * 1000;
        return { ...row, endsAt, tags: [key, ...tagsOf(row)], watches: undefined };
      });
    const standing = await read();
    if (!standing || standing.endsAt > performance.now()) return standing;
    // Being used puts the end off: what is remembered may not know of it.
    this.standings.forget(key);
    return read();
  }

  private added(ground: Ground): Bag<Watch> {
    for (const tag of ground.tags) {
      const grounds = this.grounds.get(tag);
      if (grounds) grounds.add(ground);
      else this.grounds.set(tag, new Set([ground]));
    }
    ground.watches = new Bag();
    return ground.watches;
  }

  private removed(ground: Ground): void {
    ground.watches = undefined;
    for (const tag of ground.tags) {
      const grounds = this.grounds.get(tag);
      if (grounds?.delete(ground) && grounds.size === 0) this.grounds.delete(tag);
    }
  }

  /** @returns whether it was watched */
  private forget(watch: Watch): boolean {
    this.due.delete(watch);
    return watch.ground.watches?.delete(watch) ?? false;
  }

  private end(watch: Watch): void {
    if (this.forget(watch)) watch.listener();
  }

  private changed(tags: Iterable<string>): void {
    const before = this.due.size;
    for (const tag of tags)
      for (const { watches } of this.grounds.get(tag) ?? [])
        for (const watch of watches?.values() ?? []) this.due.add(watch);
    if (this.due.size > before) this.task.wake();
  }

  /** What has watches, each once: its first tag is its own. */
  private *watched(): Generator<[Ground, Bag<Watch>]> {
    for (const [tag, grounds] of this.grounds)
      for (const ground of grounds) if (ground.tags[0] === tag && ground.watches) yield [ground, ground.watches];
  }

  private async lookAtDue(): Promise<void> {
    const now = performance.now();
    // What has ended meanwhile is not heard of: nothing that rests on a login goes on for longer than what needs none (docs/adr/0102).
    const { isDown, heardUntil } = this.notifications;
    const isStale = isDown && now - heardUntil > this.config.edge.staleSeconds * 1000;
    for (const [ground, watches] of this.watched()) {
      if (watches.size === 0) this.removed(ground);
      for (const watch of watches.values()) {
        if (isStale) {
          this.end(watch);
          continue;
        }
        watch.touch();
        if (watch.endsAt <= now) this.due.add(watch);
      }
    }
    while (this.due.size > 0) {
      const some = [...this.due].slice(0, AT_ONCE);
      for (const watch of some) this.due.delete(watch);
      const looked = await Promise.allSettled(some.map((watch) => this.lookAt(watch)));
      const failed = looked.findIndex(({ status }) => status === 'rejected');
      if (failed < 0) continue;
      for (const [i, watch] of some.entries())
        if (looked[i]!.status === 'rejected' && watch.ground.watches?.has(watch)) this.due.add(watch);
      throw (looked[failed] as PromiseRejectedResult).reason;
    }
  }

  private async lookAt(watch: Watch): Promise<void> {
    const now = await watch.look();
    if (now) watch.endsAt = now.endsAt;
    else this.end(watch);
  }
}

const tokenKey = (accessTokenId: string, token: string): string =>
  `token:${accessTokenId}:${sha256(token).toString('base64url')}`;

/** Notices that may concern what is of a resource. */
export function tagsOf(of: { resourceId: number; orgId: string; userId?: string | null }): string[] {
  const tags = [resourceTag(of.resourceId), `resources:${of.orgId}`, `org:${of.orgId}`];
  if (of.userId) tags.push(`user:${of.userId}`);
  return tags;
}
