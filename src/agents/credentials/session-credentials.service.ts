import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { AGENT_MESSAGE } from '#contracts';
import { AppError, PeriodicTask, unavailable } from '#platform';
import { CredentialOffers } from '../../instances/index.js';
import type { Session } from '../gateway/session.js';

/** Offers that are made at the same time; each takes a connection to the database for moments. */
const AT_ONCE = 4;
const RETRY_MS = 1_000;

/** Hands next credentials to sessions of this process whose sites are to take one (docs/agent-protocol.md rule 47): once for each request and session. */
@Injectable()
export class SessionCredentials implements OnApplicationShutdown {
  private readonly logger = new Logger(SessionCredentials.name);
  private readonly due = new Map<Session, string>();
  private readonly task = new PeriodicTask(SessionCredentials.name, {
    failure: 'Next credentials could not be offered; trying again',
    retryMs: RETRY_MS,
    run: async () => {
      while (this.due.size > 0) await Promise.all([...this.due].slice(0, AT_ONCE).map((due) => this.offer(...due)));
    },
  });

  constructor(private readonly offers: CredentialOffers) {}

  /** @param requested when the rotation was asked for: what tells one request from the next */
  soon(session: Session, orgId: string, requested: number): void {
    if (!session.takesCredentials || session.offered === requested) return;
    session.offered = requested;
    this.due.set(session, orgId);
    this.task.wake();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** @throws what says that the database cannot be asked now; the session then stays due */
  private async offer(session: Session, orgId: string): Promise<void> {
    const { siteId, credentialId, niceId, address } = session;
    try {
      const offer = session.ended ? null : await this.offers.make({ siteId, orgId, credentialId, niceId, address });
      if (offer) session.send(AGENT_MESSAGE.credential, offer);
    } catch (error) {
      if (unavailable(error)) throw error;
      // Ended meanwhile, or too many wait to be used: said to who asks next.
      if (!(error instanceof AppError)) this.logger.error({ err: error, siteId }, 'A credential could not be offered');
    }
    this.due.delete(session);
  }
}
