import { EVENT_TYPES } from '../../../contracts/index.js';
import type { LiveEvent } from './invalidations';
import { lead } from './leadership';

const CHANNEL = 'gatehouse-events';
/** Streams of one browser: over HTTP/1.1 it has six connections to the server, for everything. */
const MAX_STREAMS = 3;
/** Background tabs are woken once a minute. */
const FORGET_MS = 150_000;
const TELL_MS = 30_000;

type Message =
  | { kind: 'event'; event: LiveEvent }
  /** Events may have been missed. */
  | { kind: 'gap'; orgId: string }
  /** Which organizations a tab shows; an empty list when it goes. */
  | { kind: 'shows'; tab: string; orgIds: string[] }
  /** A new leader asks. */
  | { kind: 'who' };

export interface LiveListener {
  event(event: LiveEvent): void;
  gap(): void;
}

/**
 * What happens in the organizations that this browser shows: one tab of all holds the streams and tells the others. A tab that begins to show an
 * organization tells the leader; a new leader asks who shows what.
 */
export class LiveEvents {
  private readonly channel = new BroadcastChannel(CHANNEL);
  private readonly tab = String(Math.random());
  private shown: string[] = [];
  private leader: Leader | undefined;

  constructor(private readonly listener: LiveListener) {
    this.channel.onmessage = ({ data }: MessageEvent<Message>) => this.hear(data);
    addEventListener('pagehide', () => this.tell({ kind: 'shows', tab: this.tab, orgIds: [] }));
    addEventListener('pageshow', ({ persisted }) => persisted && this.show(this.shown));
    setInterval(() => this.tellShown(), TELL_MS);
    lead({
      onLead: () => {
        this.leader = new Leader((message) => this.tell(message));
        this.tell({ kind: 'who' });
      },
      onLose: () => {
        this.leader?.close();
        this.leader = undefined;
      },
    });
  }

  /** The organizations that this tab shows from now on. */
  show(orgIds: string[]): void {
    this.shown = orgIds;
    this.tellShown();
  }

  private tellShown(): void {
    this.tell({ kind: 'shows', tab: this.tab, orgIds: this.shown });
  }

  /** To the other tabs, and, as these are told nothing of their own, to this one. */
  private tell(message: Message): void {
    this.channel.postMessage(message);
    this.hear(message);
  }

  private hear(message: Message): void {
    if (message.kind === 'event' && message.event.orgId !== null && this.shown.includes(message.event.orgId))
      this.listener.event(message.event);
    else if (message.kind === 'gap' && this.shown.includes(message.orgId)) this.listener.gap();
    else if (message.kind === 'who') this.tellShown();
    else if (message.kind === 'shows') this.leader?.shows(message.tab, message.orgIds);
  }
}

/** Holds a stream for each organization that some tab shows. */
class Leader {
  private readonly tabs = new Map<string, { orgIds: string[]; at: number }>();
  private readonly streams = new Map<string, Stream>();

  constructor(private readonly tell: (message: Message) => void) {}

  close(): void {
    for (const stream of this.streams.values()) stream.close();
  }

  shows(tab: string, orgIds: string[]): void {
    this.tabs.delete(tab);
    if (orgIds.length > 0) this.tabs.set(tab, { orgIds, at: Date.now() });
    for (const [name, { at }] of this.tabs) if (at < Date.now() - FORGET_MS) this.tabs.delete(name);
    // Those that were shown last, when there are too many: the others are read again when they come into sight.
    const wanted = new Set(
      [...new Set([...this.tabs.values()].reverse().flatMap((one) => one.orgIds))].slice(0, MAX_STREAMS),
    );
    for (const [orgId, stream] of this.streams)
      if (!wanted.has(orgId)) {
        stream.close();
        this.streams.delete(orgId);
      }
    for (const orgId of wanted) if (!this.streams.has(orgId)) this.streams.set(orgId, new Stream(orgId, this.tell));
  }
}

const AGAIN_MS = 5000;

/** An EventSource that is opened again also after a refusal, which ends one for good: the session was renewed, the server has room again. */
class Stream {
  private source: EventSource | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last: string | undefined;

  constructor(
    private readonly orgId: string,
    private readonly tell: (message: Message) => void,
  ) {
    this.open();
  }

  close(): void {
    clearTimeout(this.timer);
    this.source?.close();
  }

  private open(): void {
    const path = `/api/v1/org/${encodeURIComponent(this.orgId)}/events/stream?after=${encodeURIComponent(this.last ?? 'now')}`;
    const source = (this.source = new EventSource(path));
    let begun = false;
    source.onopen = () => {
      // What happened before the stream began, or while nobody held one, was told to nobody.
      if (!begun && this.last === undefined) this.tell({ kind: 'gap', orgId: this.orgId });
      begun = true;
    };
    const onEvent = (message: MessageEvent<string>) => {
      this.last = message.lastEventId;
      this.tell({ kind: 'event', event: JSON.parse(message.data) as LiveEvent });
    };
    for (const type of EVENT_TYPES) source.addEventListener(type, onEvent);
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      this.timer = setTimeout(() => this.open(), AGAIN_MS);
    };
  }
}
