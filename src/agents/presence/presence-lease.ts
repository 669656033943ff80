import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CLOSE } from '#contracts';
import { Db } from '#platform';
import { EventsService } from '../../audit/index.js';
import { type ServerEnd, ServerLease } from '../../cluster/index.js';
import type { Session } from '../gateway/session.js';
import { SessionRegistry } from '../gateway/session-registry.js';
import { PresenceRepository } from './presence.repository.js';
import { PresenceService } from './presence.service.js';

const CHUNK = 500;
const END_CHUNK = 5000;

/**
 * Sessions hang on the lease of their server: with a server that ended their sites go offline, and with a lease that is whole again the
 * sessions that still stand are registered again (docs/agent-protocol.md rule 14).
 */
@Injectable()
export class PresenceLease {
  constructor(
    private readonly db: Db,
    private readonly repository: PresenceRepository,
    private readonly presence: PresenceService,
    private readonly registry: SessionRegistry,
    private readonly events: EventsService,
    private readonly lease: ServerLease,
  ) {
    lease.onEnd((tx, serverId, end) => this.putOffline(tx, serverId, end));
    lease.onRegained(() => this.restoreAll());
  }

  private async putOffline(tx: EntityManager, serverId: string, end: ServerEnd): Promise<boolean> {
    const reason = `server_${end}` as const;
    const gone = await this.repository.offlineOfServer(tx, serverId, END_CHUNK, reason);
    await this.events.emit(tx, ...this.presence.transitions('site.offline', gone, () => ({ reason })));
    return gone.length < END_CHUNK;
  }

  private async restoreAll(): Promise<void> {
    const sessions = [...this.registry.open.values()].sort((a, b) => a.siteId - b.siteId);
    for (let i = 0; i < sessions.length; i += CHUNK) await this.restore(sessions.slice(i, i + CHUNK));
  }

  private async restore(sessions: Session[]): Promise<void> {
    const rows = await this.db.tx(async (tx) => {
      const locked = await this.repository.lock(
        tx,
        sessions.map((s) => s.siteId),
      );
      const back = await this.repository.restore(
        tx,
        this.lease.serverId,
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
}
