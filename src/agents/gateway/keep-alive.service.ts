import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AGENT_LIMITS } from '#contracts';
import { Db, PeriodicTask } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { PresenceRepository } from '../presence/presence.repository.js';
import { MAX_BUFFERED, type Session, seconds } from './session.js';
import { SessionRegistry } from './session-registry.js';

const SWEEP_SECONDS = 5;
const PING_AFTER_SECONDS = 25;
const SILENT_SECONDS = AGENT_LIMITS.silenceSeconds;
/** Going away (RFC 6455): the agent may come back. */
const SILENT_CODE = 1001;
const TOUCH_CHUNK = 1000;

/**
 * One sweep over all sessions instead of a timer in each: pings the quiet, closes those silent for 90 s or that do not read,
 * and writes last-seen in batches every 10 s (docs/agent-protocol.md rules 12 and 13).
 */
@Injectable()
export class KeepAliveService implements OnApplicationBootstrap {
  private readonly task = new PeriodicTask(KeepAliveService.name, {
    failure: 'Last-seen could not be written',
    everyMs: SWEEP_SECONDS * 1000,
    run: () => this.sweep(),
  });
  private sweptAt = seconds();
  private touchNext = false;

  constructor(
    private readonly db: Db,
    private readonly repository: PresenceRepository,
    private readonly lease: ServerLease,
    private readonly registry: SessionRegistry,
  ) {}

  onApplicationBootstrap(): void {
    this.task.wake(SWEEP_SECONDS * 1000);
  }

  async stop(): Promise<void> {
    await this.task.stop();
  }

  private async sweep(): Promise<void> {
    const now = seconds();
    // A process that was stopped for a while has not read what agents sent meanwhile: they were not silent.
    const stalled = Math.max(0, now - this.sweptAt - 2 * SWEEP_SECONDS);
    this.sweptAt = now;
    await this.registry.eachInSlices((session) => this.look(session, now, stalled));
    this.touchNext = !this.touchNext;
    if (!this.touchNext) await this.touch();
  }

  private look(session: Session, now: number, stalled: number): void {
    const { ws, socket } = session;
    if (!ws) return;
    session.lastSeen += stalled;
    const { bytesRead } = socket;
    if (bytesRead !== session.bytesRead) {
      session.bytesRead = bytesRead;
      session.lastSeen = now;
      session.seen = true;
    }
    if (ws.bufferedAmount > MAX_BUFFERED) return session.cutOff();
    const silent = now - session.lastSeen;
    if (silent >= SILENT_SECONDS) return this.registry.end(session, 'silent', SILENT_CODE);
    if (silent >= PING_AFTER_SECONDS && now - session.lastPing >= PING_AFTER_SECONDS) {
      session.lastPing = now;
      ws.ping();
    }
  }

  /** @throws what PostgreSQL says; the sessions stay marked and are written with the next round. */
  private async touch(): Promise<void> {
    const seen: Session[] = [];
    for (const session of this.registry.open.values()) if (session.seen) seen.push(session);
    seen.sort((a, b) => a.siteId - b.siteId);
    for (let i = 0; i < seen.length; i += TOUCH_CHUNK) {
      const chunk = seen.slice(i, i + TOUCH_CHUNK);
      await this.db.tx((tx) =>
        this.repository.touch(
          tx,
          this.lease.serverId,
          chunk.map((s) => s.siteId),
        ),
      );
      for (const session of chunk) session.seen = false;
    }
  }
}
