import { Injectable } from '@nestjs/common';
import type { TargetStream } from '../dialing/target-stream.js';
import { TargetSession } from './target-session.js';

/** Without a request. */
const IDLE_MS = 60_000;

/** Sessions of HTTP/2 to targets, by a key that says for whom they are good. */
@Injectable()
export class SessionPool {
  private readonly sessions = new Map<string, Set<TargetSession>>();

  /**
   * @param idleMs for how long it may have carried no request
   * @returns one that takes another request, or undefined
   */
  take(key: string, idleMs = IDLE_MS): TargetSession | undefined {
    const now = performance.now();
    for (const session of this.sessions.get(key) ?? [])
      if (session.hasRoom && !(session.isIdle && now - session.idleSince > idleMs)) return session;
    return undefined;
  }

  /** A new session over a stream, for others too. */
  open(key: string, stream: TargetStream): TargetSession {
    const session = new TargetSession(stream, () => this.forget(key, session));
    const sessions = this.sessions.get(key);
    if (sessions) sessions.add(session);
    else this.sessions.set(key, new Set([session]));
    return session;
  }

  /** Ends sessions that carry nothing for long. */
  sweep(now = performance.now()): void {
    for (const sessions of this.sessions.values())
      for (const session of sessions) if (session.isIdle && now - session.idleSince >= IDLE_MS) session.drop();
  }

  /** Ends all. */
  clear(): void {
    for (const sessions of this.sessions.values()) for (const session of sessions) session.drop();
  }

  get size(): number {
    let size = 0;
    for (const sessions of this.sessions.values()) size += sessions.size;
    return size;
  }

  private forget(key: string, session: TargetSession): void {
    const sessions = this.sessions.get(key);
    if (sessions?.delete(session) && sessions.size === 0) this.sessions.delete(key);
  }
}
