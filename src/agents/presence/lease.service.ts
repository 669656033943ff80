import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { CLOSE } from '#contracts';
import { Config, Db, isOutage } from '#platform';
import { EventsService } from '../../audit/index.js';
import type { Session } from '../gateway/session.js';
import { SessionRegistry } from '../gateway/session-registry.js';
import { PresenceRepository } from './presence.repository.js';
import { PresenceService } from './presence.service.js';

const RENEW_MS = 5000;
const LEASE_MS = 30_000;
const CHUNK = 500;
const DEAD_CHUNK = 5000;

/**
 * The lease of this server process, renewed every 5 s. Sessions of a lease 30 s old are put offline by any server, once, and so are
 * those of an earlier life of this instance (docs/agent-protocol.md rule 14).
 */
@Injectable()
export class LeaseService implements OnApplicationBootstrap {
  private readonly logger = new Logger(LeaseService.name);
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private ticking = false;
  private instance: string | null = null;
  /** Since when every renewal has succeeded: after an outage of the database all leases are old, and nobody may judge by them. */
  private steadySince: number | null = null;

  constructor(
    private readonly config: Config,
    private readonly host: HttpAdapterHost,
    private readonly db: Db,
    private readonly repository: PresenceRepository,
    private readonly presence: PresenceService,
    private readonly registry: SessionRegistry,
    private readonly events: EventsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.repository.enterServer(this.db.manager, this.presence.serverId, null);
    this.steadySince = performance.now();
    this.presence.leaseLost = () => void this.tick();
    const server = this.host.httpAdapter.getHttpServer() as Server;
    // Only a process that has the port may speak for the instance: a second start on a busy port must not end the first one's sessions.
    server.once('listening', () => {
      const address = server.address();
      if (address && typeof address === 'object')
        this.instance = `${hostname()}:${address.address}:${address.port}:${this.config.installation.dataDir}`;
      void this.tick();
    });
    this.schedule();
  }

  /** Puts every site of this process offline in one statement and gives the lease up. */
  async end(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.db.tx(async (tx) => {
      const gone = await this.repository.offlineOfServer(tx, this.presence.serverId, Number.MAX_SAFE_INTEGER);
      await this.events.emit(
        tx,
        ...this.presence.transitions('site.offline', gone, () => ({ reason: 'server_stopped' })),
      );
      await this.repository.deleteServer(tx, this.presence.serverId);
    });
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.tick(), RENEW_MS);
    this.timer.unref();
  }

  private async tick(): Promise<void> {
    if (this.ticking || this.stopped) return;
    this.ticking = true;
    try {
      if (!(await this.repository.renewLease(this.db.manager, this.presence.serverId))) {
        this.steadySince = null;
        await this.revive();
      }
      if (this.instance) await this.repository.enterServer(this.db.manager, this.presence.serverId, this.instance);
      this.steadySince ??= performance.now();
      await this.sweep(performance.now() - this.steadySince >= LEASE_MS);
    } catch (error) {
      this.steadySince = null;
      if (!isOutage(error)) this.logger.error({ err: error }, 'The lease of this server could not be renewed');
    }
    this.ticking = false;
    this.schedule();
  }

  /** The lease was old: others may have put our sessions offline. Those that still stand are registered again. */
  private async revive(): Promise<void> {
    await this.repository.enterServer(this.db.manager, this.presence.serverId, this.instance);
    const sessions = [...this.registry.open.values()].sort((a, b) => a.siteId - b.siteId);
    for (let i = 0; i < sessions.length; i += CHUNK) await this.restore(sessions.slice(i, i + CHUNK));
    if (sessions.length > 0)
      this.logger.warn({ sessions: sessions.length }, 'The lease had run out; the open sessions were registered again');
  }

  private async restore(sessions: Session[]): Promise<void> {
    const rows = await this.db.tx(async (tx) => {
      const locked = await this.repository.lock(
        tx,
        sessions.map((s) => s.siteId),
      );
      const back = await this.repository.restore(
        tx,
        this.presence.serverId,
        sessions.filter((s) => !s.ended),
      );
      await this.events.emit(
        tx,
        ...this.presence.transitions('site.online', back, () => ({ reason: 'server_returned' })),
      );
      return new Map(locked.map((row) => [row.siteId, row.sessionId]));
    });
    for (const session of sessions) {
      const registered = rows.get(session.siteId);
      if (session.ended) this.presence.depart(session, 'closed');
      else if (registered && registered !== session.id) this.registry.end(session, 'replaced', CLOSE.replaced);
    }
  }

  private async sweep(judgeOthers: boolean): Promise<void> {
    for (let more = true; more && !this.stopped; ) {
      more = await this.db.tx(async (tx) => {
        const dead = await this.repository.lockDeadLease(tx, this.presence.serverId, this.instance, judgeOthers);
        if (!dead) return false;
        const gone = await this.repository.offlineOfServer(tx, dead, DEAD_CHUNK);
        await this.events.emit(
          tx,
          ...this.presence.transitions('site.offline', gone, () => ({ reason: 'server_lost' })),
        );
        if (gone.length < DEAD_CHUNK) await this.repository.deleteServer(tx, dead);
        return true;
      });
    }
  }
}
