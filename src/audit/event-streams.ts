import { Readable } from 'node:stream';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { EventType } from '#contracts';
import { AppError, Db, orgUidOf, PgNotifications, type Principal, unavailable } from '#platform';
import type { EventView } from './events.dto.js';
import { EventsRepository } from './events.repository.js';

const PAGE = 100;
/** Also the rhythm of comments that keep proxies from closing an idle stream. */
const POLL_MS = 5000;
const PER_PRINCIPAL = 20;
const IN_ALL = 2000;

interface Open {
  orgId: string;
  orgUid: string;
  /** `access_changed` notices that may concern the reader. */
  owner: string;
  wake: () => void;
  ended: boolean;
}

/**
 * Server-sent event streams of this process. A stream reads the feed page by page as its client takes them, so a slow client costs one page;
 * it is woken by notices and, as these may be missed, by a slow poll. It ends when its reader's access changes: the client comes back with
 * `Last-Event-ID` and is judged anew.
 */
@Injectable()
export class EventStreams implements BeforeApplicationShutdown {
  private readonly streams = new Set<Open>();

  constructor(
    private readonly db: Db,
    private readonly repository: EventsRepository,
    notifications: PgNotifications,
  ) {
    notifications.on('event_added', (orgId) =>
      this.each(
        (s) => s.orgId === orgId,
        (s) => s.wake(),
      ),
    );
    notifications.on('access_changed', (payload) =>
      this.each((s) => s.owner === payload || `org:${s.orgId}` === payload, end),
    );
    notifications.onReconnected(() => this.each(() => true, end));
  }

  /** @throws validation for a bad cursor, `rate_limited` when the reader holds too many streams. */
  async open(
    principal: Principal,
    orgId: string,
    after: string | undefined,
    type: EventType | undefined,
  ): Promise<Readable> {
    const owner = `${principal.kind === 'user' ? 'user' : 'key'}:${principal.id}`;
    const held = [...this.streams].filter((s) => s.owner === owner).length;
    if (held >= PER_PRINCIPAL || this.streams.size >= IN_ALL)
      throw new AppError('rate_limited', 'Too many open event streams', { retryAfter: 30 });
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    const first = await this.repository.after(this.db.manager, orgUid, after, PAGE, type);
    const stream: Open = { orgId, orgUid, owner, wake: () => undefined, ended: false };
    this.streams.add(stream);
    const readable = Readable.from(this.read(stream, first, after, type), { objectMode: false });
    readable.once('close', () => {
      end(stream);
      this.streams.delete(stream);
    });
    return readable;
  }

  beforeApplicationShutdown(): void {
    this.each(() => true, end);
  }

  private async *read(
    stream: Open,
    first: EventView[],
    after: string | undefined,
    type: EventType | undefined,
  ): AsyncGenerator<string> {
    let page = first;
    let cursor = after;
    yield ': open\n\n';
    while (!stream.ended) {
      for (const event of page) {
        yield `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
        cursor = event.cursor;
      }
      if (page.length < PAGE && !(await woken(stream))) yield ': idle\n\n';
      if (stream.ended) return;
      try {
        page = await this.repository.after(this.db.manager, stream.orgUid, cursor, PAGE, type);
      } catch (error) {
        if (!unavailable(error)) throw error;
        page = [];
      }
    }
  }

  private each(which: (s: Open) => boolean, act: (s: Open) => void): void {
    for (const stream of this.streams) if (which(stream)) act(stream);
  }
}

function end(stream: Open): void {
  stream.ended = true;
  stream.wake();
}

/** @returns false when nobody woke the stream within the poll's time. */
function woken(stream: Open): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), POLL_MS);
    stream.wake = () => {
      clearTimeout(timer);
      resolve(true);
    };
    if (stream.ended) stream.wake();
  });
}
