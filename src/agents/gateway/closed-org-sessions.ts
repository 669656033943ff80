import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CLOSE } from '#contracts';
import { Db, PeriodicTask, PgNotifications } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { PresenceRepository } from '../presence/presence.repository.js';
import { SessionRegistry } from './session-registry.js';

/** A session that was being registered as its organization was closed is there by then. */
const AGAIN_MS = 2_000;
const ROUNDS = 2;
const PER_TURN = 250;

/** Ends the sessions of organizations that were closed (docs/adr/0077). Their agents try again, and are told to come back later. */
@Injectable()
export class ClosedOrgSessions implements OnModuleInit {
  private rounds = 0;
  private readonly task = new PeriodicTask(ClosedOrgSessions.name, {
    failure: 'Sessions of closed organizations could not be ended',
    retryMs: AGAIN_MS,
    run: () => this.end(),
  });

  constructor(
    private readonly db: Db,
    private readonly notifications: PgNotifications,
    private readonly presence: PresenceRepository,
    private readonly lease: ServerLease,
    private readonly registry: SessionRegistry,
  ) {}

  onModuleInit(): void {
    this.notifications.on('access_changed', (name) => name.startsWith('org:') && this.look());
    this.notifications.onReconnected(() => this.look());
  }

  private look(): void {
    if (this.registry.open.size === 0 && this.registry.opening.size === 0) return;
    this.rounds = ROUNDS;
    this.task.wake();
  }

  private async end(): Promise<void> {
    const found = await this.presence.ofClosedOrgs(this.db.manager, this.lease.serverId);
    for (const [i, { siteId, sessionId }] of found.entries()) {
      const session = this.registry.open.get(siteId);
      if (session?.id === sessionId) this.registry.end(session, 'org_closed', CLOSE.restart);
      if (i % PER_TURN === PER_TURN - 1) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (found.length > 0) this.rounds = ROUNDS;
    if (--this.rounds > 0) this.task.wake(AGAIN_MS);
  }
}
