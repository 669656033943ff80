import { Injectable } from '@nestjs/common';
import type { SessionEnd } from '#contracts';
import type { Session } from './session.js';

/** The sessions of this server process: at most one per site is open, and at most one is being opened. */
@Injectable()
export class SessionRegistry {
  readonly open = new Map<number, Session>();
  /** Entered before the site is looked at, so that a notice in between finds the session. */
  readonly opening = new Map<number, Session>();
  /** Those of the open ones whose credential has an end. */
  readonly ending = new Set<Session>();
  /** No new sessions: the server is stopping. */
  draining = false;
  private readonly endListeners: ((session: Session, reason: SessionEnd) => void)[] = [];

  /** Registers what happens to presence when the registered session of a site ends. */
  onEnd(listener: (session: Session, reason: SessionEnd) => void): void {
    this.endListeners.push(listener);
  }

  /** The newcomer is registered in the database: it takes the place, and an older session of this process is closed. */
  enter(session: Session): Session | undefined {
    const older = this.open.get(session.siteId);
    this.open.set(session.siteId, session);
    this.watch(session);
    return older;
  }

  /** After it was learned when the credential of a session ends. */
  watch(session: Session): void {
    if (session.endsAt === Infinity || session.ended) this.ending.delete(session);
    else this.ending.add(session);
  }

  /**
   * Ends a session once, whatever asks for it first. Its site goes offline only if this session is still the registered one.
   * With a code the websocket is closed; without, it is closed already.
   */
  end(session: Session, reason: SessionEnd, code?: number): void {
    if (!session.ended) {
      session.ended = true;
      this.ending.delete(session);
      if (this.open.get(session.siteId) === session) {
        this.open.delete(session.siteId);
        for (const listener of this.endListeners) listener(session, reason);
      }
    }
    if (code !== undefined && session.ws) session.ws.close(code, reason);
  }

  /** Calls `visit` for every open session, a few per turn of the event loop, so that requests are answered in between. */
  async eachInSlices(visit: (session: Session) => void, perTurn = 250): Promise<void> {
    let n = 0;
    for (const session of [...this.open.values()]) {
      if (!session.ended) visit(session);
      if (++n % perTurn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}
