import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { EventType } from '#contracts';
import { AppError, Db, orgUidOf, PgNotifications, type Principal, unavailable } from '#platform';
import { BEGINNING, formatCursor, isAfter, NOW, type Position, parseCursor } from './event-cursor.js';
import { EventsRepository } from './events.repository.js';
import { entryOf, type FeedEntry, type Follower, LiveFeed, PAGE } from './live-feed.js';

/** The rhythm of comments that keep proxies from closing an idle stream. */
const COMMENT_MS = 5000;
const PER_PRINCIPAL = 20;
const PER_ORGANIZATION = 500;
const IN_ALL = 2000;
/** After how long a browser comes back, drawn for each stream: all of them end when a server stops. */
const RETRY_MS = { from: 1000, to: 3000 };

/**
 * Server-sent event streams of this process. All streams of an organization live on one `LiveFeed`; a stream takes what its client takes, so a
 * slow client costs what it holds in hand, and a stream that lags behind the feed, or begins at an old cursor, reads pages of its own until it
 * has caught up. It ends when its reader's access changes: the client comes back with `Last-Event-ID` and is judged anew.
 */
@Injectable()
export class EventStreams {
  private readonly streams = new Set<Stream>();
  /** By the organization's identity: an id may be used again. */
  private readonly feeds = new Map<string, LiveFeed>();

  constructor(
    private readonly db: Db,
    private readonly repository: EventsRepository,
    notifications: PgNotifications,
  ) {
    notifications.on('event_added', (orgId) => {
      for (const feed of this.feeds.values()) if (feed.orgId === orgId) feed.wake();
    });
    notifications.on('access_changed', (payload) =>
      this.endAll((stream) => stream.owner === payload || `org:${stream.orgId}` === payload),
    );
    notifications.onReconnected(() => this.endAll(() => true));
  }

  /**
   * @param after a cursor, or `now`; undefined: from the beginning. @param types those that the reader gets, undefined: all
   * @throws validation for a bad cursor, `rate_limited` when the reader holds too many streams, or the organization has
   */
  async open(
    principal: Principal,
    orgId: string,
    after: string | undefined,
    types: readonly EventType[] | undefined,
  ): Promise<Readable> {
    const owner = `${principal.kind === 'user' ? 'user' : 'key'}:${principal.id}`;
    const held = (which: (stream: Stream) => boolean) => [...this.streams].filter(which).length;
    if (
      held((s) => s.owner === owner) >= PER_PRINCIPAL ||
      held((s) => s.orgId === orgId) >= PER_ORGANIZATION ||
      this.streams.size >= IN_ALL
    )
      throw new AppError('rate_limited', 'Too many open event streams', { retryAfter: 30 });
    const from = after === undefined || after === NOW ? BEGINNING : parseCursor(after);
    const stream = new Stream(orgId, owner, types, from, principal.endsAt?.getTime());
    this.streams.add(stream);
    try {
      const orgUid = await orgUidOf(this.db.manager, principal, orgId);
      const feed = this.follow(stream, orgUid);
      await feed.opened;
      if (after === NOW) stream.passed(feed.end);
      // Also what the feed will only hear of.
      const first = await this.ownPage(stream, orgUid, feed);
      const readable = Readable.from(this.read(stream, orgUid, feed, first), { objectMode: false });
      readable.once('close', () => this.leave(stream));
      return readable;
    } catch (error) {
      this.leave(stream);
      throw error;
    }
  }

  /** Ends all streams; their readers come back elsewhere. */
  close(): void {
    this.endAll(() => true);
  }

  private async *read(stream: Stream, orgUid: string, feed: LiveFeed, first: FeedEntry[]): AsyncGenerator<string> {
    // An id without data is remembered and told nobody: a browser that loses its stream before anything happened comes back to here.
    const { from, to } = RETRY_MS;
    const begun = first.length === 0 ? `id: ${formatCursor(stream.position)}\n` : '';
    yield `retry: ${from + Math.floor(Math.random() * (to - from))}\n${begun}: open\n\n`;
    let sentAt = performance.now();
    for (let page = first; ; page = await this.next(stream, orgUid, feed)) {
      for (const { text } of page) {
        if (stream.ended) return;
        yield text;
        sentAt = performance.now();
      }
      if (page.length === 0 && !(await stream.woken(sentAt + COMMENT_MS - performance.now()))) {
        yield ': idle\n\n';
        sentAt = performance.now();
      }
      if (stream.ended) return;
    }
  }

  /** From the feed, when it remembers everything that the stream has not had yet. */
  private async next(stream: Stream, orgUid: string, feed: LiveFeed): Promise<FeedEntry[]> {
    stream.toWake = false;
    const live = feed.after(stream.position);
    if (live) {
      stream.passed(feed.end);
      return live.filter(({ type }) => stream.types?.includes(type) ?? true);
    }
    try {
      return await this.ownPage(stream, orgUid, feed);
    } catch (error) {
      if (!unavailable(error)) throw error;
      return [];
    }
  }

  private async ownPage(stream: Stream, orgUid: string, feed: LiveFeed): Promise<FeedEntry[]> {
    // Nothing can come to the feed up to here any more, so a page that ends the feed has passed it even if a filter left nothing of it.
    const { end } = feed;
    const cursor = formatCursor(stream.position);
    const events = await this.repository.after(this.db.manager, orgUid, cursor, PAGE, stream.types);
    const page = events.map(entryOf);
    if (page.length > 0) stream.passed(page.at(-1)!.position);
    if (page.length < PAGE) stream.passed(end);
    return page;
  }

  private follow(stream: Stream, orgUid: string): LiveFeed {
    const feed = this.feeds.get(orgUid) ?? new LiveFeed(stream.orgId, orgUid, this.db.manager, this.repository);
    this.feeds.set(orgUid, feed);
    feed.followers.add(stream);
    stream.unfollow = () => {
      if (!feed.followers.delete(stream) || feed.followers.size > 0) return;
      feed.stop();
      this.feeds.delete(orgUid);
    };
    return feed;
  }

  private leave(stream: Stream): void {
    stream.end();
    stream.unfollow();
    this.streams.delete(stream);
  }

  private endAll(which: (stream: Stream) => boolean): void {
    for (const stream of this.streams) if (which(stream)) stream.end();
  }
}

/** One open stream: up to where it has been sent, and how to wake it. */
class Stream implements Follower {
  private over = false;
  /** Woken since it last looked. */
  toWake = false;
  unfollow: () => void = () => undefined;
  private resolve: (() => void) | undefined;

  constructor(
    readonly orgId: string,
    /** `access_changed` notices that may concern the reader. */
    readonly owner: string,
    readonly types: readonly EventType[] | undefined,
    public position: Position,
    /** When its reader's authority ends by itself. */
    private readonly until = Infinity,
  ) {}

  get ended(): boolean {
    return this.over || Date.now() >= this.until;
  }

  passed(position: Position): void {
    if (isAfter(position, this.position)) this.position = position;
  }

  wake(): void {
    this.toWake = true;
    this.resolve?.();
  }

  end(): void {
    this.over = true;
    this.wake();
  }

  /** @returns false when nobody woke it within so many milliseconds. */
  woken(ms: number): Promise<boolean> {
    if (this.toWake) return Promise.resolve(true);
    return new Promise((done) => {
      const timer = setTimeout(() => done(false), ms);
      this.resolve = () => {
        clearTimeout(timer);
        done(true);
      };
    });
  }
}
