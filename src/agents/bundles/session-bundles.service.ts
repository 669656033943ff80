import { Injectable, Logger } from '@nestjs/common';
import { AGENT_MESSAGE, type AgentError, type BundleAck, type LeaseRequest } from '#contracts';
import { AppError, Db, unavailable } from '#platform';
import { AcknowledgementsService, LeasesService } from '../../instances/index.js';
import { SiteReads } from '../../sites/index.js';
import type { Session } from '../gateway/session.js';

/** Messages of one session that may wait for the one before. */
const MAX_WAITING = 8;

/**
 * What agents say of their bundles, and leases that they ask for, over their sessions: one after the other for each session, so that what was
 * said first counts first. Nothing is answered while the database is away: the agent asks again.
 */
@Injectable()
export class SessionBundles {
  private readonly logger = new Logger(SessionBundles.name);
  private readonly running = new WeakMap<Session, { last: Promise<void>; waiting: number }>();

  constructor(
    private readonly db: Db,
    private readonly acknowledgements: AcknowledgementsService,
    private readonly leases: LeasesService,
    private readonly sites: SiteReads,
  ) {}

  acknowledge(session: Session, said: BundleAck): void {
    this.enqueue(session, AGENT_MESSAGE.bundle, (orgId) => this.acknowledgements.take(orgId, session.siteId, said));
  }

  lease(session: Session, request: LeaseRequest): void {
    this.enqueue(session, AGENT_MESSAGE.lease, async (orgId) =>
      session.send(AGENT_MESSAGE.lease, await this.leases.take(orgId, session.siteId, request)),
    );
  }

  private enqueue(session: Session, type: string, work: (orgId: string) => Promise<void>): void {
    const queue = this.running.get(session) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING)
      return refuse(session, type, { message: 'Too many messages at once; the earlier ones are still being handled' });
    queue.waiting++;
    queue.last = queue.last.then(() => this.run(session, type, work)).finally(() => queue.waiting--);
    this.running.set(session, queue);
  }

  private async run(session: Session, type: string, work: (orgId: string) => Promise<void>): Promise<void> {
    if (session.ended) return;
    try {
      const orgId = await this.sites.orgOfSite(this.db.manager, session.siteId);
      if (orgId !== null) await work(orgId);
    } catch (error) {
      if (unavailable(error)) return;
      if (error instanceof AppError) return refuse(session, type, { message: error.message, code: error.code });
      this.logger.error({ err: error, siteId: session.siteId, type }, 'A message could not be handled');
      refuse(session, type, { message: 'An error occurred' });
    }
  }
}

function refuse(session: Session, type: string, error: Omit<AgentError, 'originalMessage'>): void {
  const told: AgentError = { ...error, originalMessage: type };
  session.send(AGENT_MESSAGE.error, told);
}
