import type { EntityManager } from 'typeorm';
import type { EventType } from '#contracts';
import { PeriodicTask, unavailable } from '#platform';
import { formatCursor, isAfter, type Position, parseCursor } from './event-cursor.js';
import type { EventView } from './events.dto.js';
import type { EventsRepository } from './events.repository.js';

export const PAGE = 100;
/** Notices may be missed. */
const POLL_MS = 5000;
/** Events kept for followers that have not taken them yet. */
const KEPT = 2 * PAGE;

/** An event as every stream sends it: serialized once for all of them. */
export interface FeedEntry {
  position: Position;
  type: EventType;
  text: string;
}

export const entryOf = (event: EventView): FeedEntry => ({
  position: parseCursor(event.cursor),
  type: event.type,
  text: `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
});

export interface Follower {
  /** There are entries that it has not taken. */
  wake(): void;
  /** There will be none any more. */
  end(): void;
}

/**
 * The end of one organization's feed in this process, read once for all who follow it: on a notice, and, as these may be missed, by a slow
 * poll. It remembers the last entries; who lags behind them reads pages of their own.
 */
export class LiveFeed {
  readonly followers = new Set<Follower>();
  /** Resolves when the feed's end is known; rejects when it could not be read. */
  readonly opened: Promise<void>;
  private entries: FeedEntry[] = [];
  /** `entries` has everything after `start` and up to `last`. */
  private start!: Position;
  private last!: Position;
  private readonly task = new PeriodicTask(LiveFeed.name, {
    failure: 'An event feed could not be read',
    everyMs: POLL_MS,
    run: () => this.read(),
  });
  private stopped = false;

  constructor(
    readonly orgId: string,
    private readonly orgUid: string,
    private readonly em: EntityManager,
    private readonly repository: EventsRepository,
  ) {
    this.opened = this.open();
  }

  /** Up to where it has read. */
  get end(): Position {
    return this.last;
  }

  /** @returns what lies after a position, in order; undefined when not all of it is remembered. */
  after(position: Position): FeedEntry[] | undefined {
    if (isAfter(this.start, position)) return undefined;
    return this.entries.slice(this.entries.findLastIndex((entry) => !isAfter(entry.position, position)) + 1);
  }

  /** Reads what is new; once more, when woken during a read that may not have seen it. */
  wake(): void {
    if (this.last !== undefined) this.task.wake();
  }

  stop(): void {
    this.stopped = true;
    void this.task.stop();
  }

  private async open(): Promise<void> {
    this.last = await this.repository.end(this.em, this.orgUid);
    this.start = this.last;
    this.task.wake(POLL_MS);
  }

  private async read(): Promise<void> {
    try {
      for (let full = true; full && !this.stopped; ) {
        const page = await this.repository.after(this.em, this.orgUid, formatCursor(this.last), PAGE);
        full = page.length === PAGE;
        if (page.length > 0) this.add(page.map(entryOf));
      }
    } catch (error) {
      if (unavailable(error)) return;
      for (const follower of this.followers) follower.end();
      throw error;
    }
  }

  private add(page: FeedEntry[]): void {
    this.entries.push(...page);
    this.last = page.at(-1)!.position;
    const dropped = this.entries.splice(0, Math.max(0, this.entries.length - KEPT));
    this.start = dropped.at(-1)?.position ?? this.start;
    for (const follower of this.followers) follower.wake();
  }
}
