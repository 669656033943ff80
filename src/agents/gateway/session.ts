import type { Socket } from 'node:net';
import { type RawData, WebSocket } from 'ws';

/** Bytes that may wait for an agent that does not read, before its session is closed. */
export const MAX_BUFFERED = 1024 * 1024;

/** What the sockets of sessions do with their events. */
export interface SocketEvents {
  message(ws: SessionSocket, data: RawData, isBinary: boolean): void;
  ping(ws: SessionSocket, data: Buffer): void;
  error(ws: SessionSocket): void;
  /** With the code of RFC 6455 §7.4; 1006: the connection broke. */
  close(ws: SessionSocket, code: number): void;
}

/** The websocket of a session, with the session as a field. */
export class SessionSocket extends WebSocket {
  session: Session | undefined;
}

/** @returns a websocket class whose events go to `events`: listeners on each socket would be a tenth of what an idle session costs. */
export function socketClass(events: SocketEvents): typeof SessionSocket {
  return class extends SessionSocket {
    override emit(event: string | symbol, ...args: unknown[]): boolean {
      if (event === 'message') events.message(this, args[0] as RawData, args[1] as boolean);
      else if (event === 'ping') events.ping(this, args[0] as Buffer);
      else if (event === 'close') events.close(this, args[0] as number);
      else if (event === 'error') events.error(this);
      return true;
    }
  };
}

/** Seconds on a clock that never jumps; small numbers stay out of the heap. */
export const seconds = (): number => Math.floor(performance.now() / 1000);

/** What the database knows about a site when a session begins or its site changed. */
export interface SiteAtHand {
  status: 'pending' | 'approved';
  version: number;
  /** Its dockerSocketEnabled: the labels of its containers are a blueprint. */
  takesLabels: boolean;
  /** Milliseconds until the credential of the session ends; null: it does not. */
  endsIn: number | null;
}

/**
 * One agent's session. There may be many thousand: it holds no timer, no closure and nothing that can be loaded when it is needed.
 */
export class Session {
  ws: SessionSocket | null = null;
  /** It said agent/hello: a Gatehouse agent. Until then it is spoken to as a newt, which never says hello. */
  greeted = false;
  /** It said newt/wg/register, which a newt says on every connection. */
  isNewt = false;
  status: SiteAtHand['status'] = 'pending';
  takesLabels = true;
  /** When it began, the blueprint of the site's profile was not applied yet. */
  profileDue = false;
  /** It is the first since the site's claim, as far as anybody knows. */
  claiming = false;
  /** A message has arrived. */
  heard = false;
  /** It said in its hello that it opens tunnels. */
  opensTunnels = false;
  /** It said in its hello that it takes `agent/credential`. */
  takesCredentials = false;
  /** The request for another credential that it was last offered one for. */
  offered = 0;
  version = 1;
  /** When its credential ends, by `performance.now()`. */
  endsAt = Infinity;
  /** Version of the last agent/state that was sent, or of what a newt was told; 0: none yet. */
  sentVersion = 0;
  sentStatus: SiteAtHand['status'] | null = null;
  niceId = '';
  name = '';
  /** The registry has let go of it: nothing more is sent, presence is settled. */
  ended = false;
  /** It did not read what it was sent and was cut off. */
  unread = false;
  bytesRead = 0;
  lastSeen = seconds();
  lastPing = 0;
  /** Something arrived since last-seen was last written. */
  seen = false;

  constructor(
    readonly id: string,
    readonly siteId: number,
    readonly credentialId: number,
    /** Source address as PostgreSQL's inet reads it, or null. */
    readonly address: string | null,
    readonly socket: Socket,
  ) {}

  /**
   * Sends one message in the envelope of docs/newt.md §2.4. configVersion is in every message, since a newt takes its absence for 0.
   * An agent that does not read is cut off rather than buffered for.
   */
  send(type: string, data: unknown): void {
    const { ws } = this;
    if (!ws || ws.readyState !== WebSocket.OPEN) return;
    if (ws.bufferedAmount > MAX_BUFFERED) return this.cutOff();
    ws.send(JSON.stringify({ type, data, configVersion: this.version }));
  }

  /** Closes without a word: nothing that it is sent arrives. */
  cutOff(): void {
    this.unread = true;
    this.ws?.terminate();
  }

  learn(site: SiteAtHand): void {
    this.status = site.status;
    this.takesLabels = site.takesLabels;
    this.endsAt = site.endsIn === null ? Infinity : performance.now() + site.endsIn;
    if (site.version > this.version) this.version = site.version;
  }
}
