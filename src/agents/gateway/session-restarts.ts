import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AGENT_MESSAGE, CLOSE } from '#contracts';
import { Db, notify, PgNotifications, type Principal } from '#platform';
import { AuditService } from '../../audit/index.js';
import { partOf } from '../../jobs/index.js';
import { SessionRegistry } from './session-registry.js';

/** Lets an operator have a site's agent connect again, whichever server process holds its session. */
@Injectable()
export class SessionRestarts implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly audit: AuditService,
    private readonly registry: SessionRegistry,
    private readonly notifications: PgNotifications,
  ) {}

  onModuleInit(): void {
    this.notifications.on('site_restart', (payload) => this.close(Number(payload)));
  }

  /** POST /site/{siteId}/restart. An agent that is away is trying to connect as it is: then nothing happens. */
  async ask(principal: Principal, orgId: string, siteId: number): Promise<Record<string, never>> {
    await this.db.tx((tx) => this.askIn(tx, principal, orgId, siteId));
    return {};
  }

  /** The same in the caller's transaction, as part of a job if one is named; the site is the organization's. */
  async askIn(tx: EntityManager, principal: Principal, orgId: string, siteId: number, jobId?: number): Promise<void> {
    await notify(tx, 'site_restart', String(siteId));
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.restart',
      target: { type: 'site', id: siteId },
      details: partOf(jobId),
    });
  }

  /** A newt comes back at once after any close, Gatehouse's agent after a hint (docs/agent-protocol.md rule 24). */
  private close(siteId: number): void {
    const session = this.registry.open.get(siteId);
    if (!session) return;
    if (session.greeted) session.send(AGENT_MESSAGE.reconnect, { afterMs: 0 });
    this.registry.end(session, 'restart', CLOSE.restart);
  }
}
