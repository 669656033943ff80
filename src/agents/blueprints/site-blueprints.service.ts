import { Injectable, Logger } from '@nestjs/common';
import type { LabelledContainer } from '#blueprint';
import { AGENT_MESSAGE, type AgentBlueprintResult } from '#contracts';
import { AppError, Db, unavailable } from '#platform';
import { LabelDocuments, type Outcome, SiteDocumentsService, type SiteKind } from '../../blueprints/index.js';
import { ProfileBlueprints } from '../../provisioning/index.js';
import { SiteReads } from '../../sites/index.js';
import type { Session } from '../gateway/session.js';

/** Documents of one session that may wait for the one before. An agent has three: file, bootstrap, labels. */
const MAX_WAITING = 4;

/** Blueprints that agents send over their sessions: one after the other for each session, answered on it. */
@Injectable()
export class SiteBlueprints {
  private readonly logger = new Logger(SiteBlueprints.name);
  private readonly running = new WeakMap<Session, { last: Promise<void>; waiting: number }>();

  constructor(
    private readonly db: Db,
    private readonly blueprints: SiteDocumentsService,
    private readonly labels: LabelDocuments,
    private readonly profiles: ProfileBlueprints,
    private readonly sites: SiteReads,
  ) {}

  /** From a Gatehouse agent. No answer while the database is away or too many documents wait to be read: the agent sends it again. */
  fromAgent(
    session: Session,
    id: string,
    kind: SiteKind,
    document: string,
    containers: LabelledContainer[] | undefined,
  ): void {
    const answer = ({ ok, message, problems }: Outcome) => {
      // The text is made here, of what the agent sent: only the agent knows the places in its file.
      const told = problems.slice(0, 100).map((problem) => ({ path: problem.path, message: problem.message }));
      const result: AgentBlueprintResult = { id, ok, message, ...(told.length > 0 ? { problems: told } : {}) };
      session.send(AGENT_MESSAGE.blueprintResult, result);
    };
    if (kind === 'labels' && containers) this.fromContainers(session, containers, answer);
    else this.enqueue(session, this.said(session, kind, document), answer);
  }

  /** Containers that run beside an agent; `answer` is told what became of their labels. */
  fromContainers(session: Session, containers: LabelledContainer[], answer: (outcome: Outcome) => void): void {
    this.enqueue(session, (orgId) => this.labels.applyContainers(orgId, session.siteId, containers), answer);
  }

  /** From an unmodified newt, which logs what it is told. */
  fromNewt(session: Session, document: string): void {
    this.enqueue(session, this.said(session, 'newt', document), ({ ok, message }) =>
      session.send('newt/blueprint/results', { success: ok, message }),
    );
  }

  private said(session: Session, kind: SiteKind, document: string): Apply {
    return (orgId) =>
      this.blueprints.applyFromSite(orgId, session.siteId, kind, document, kind === 'newt' && session.claiming);
  }

  private enqueue(session: Session, apply: Apply, answer: (outcome: Outcome) => void): void {
    const queue = this.running.get(session) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING)
      return answer({
        ok: false,
        message: 'Too many blueprints at once; the earlier ones are still being applied',
        problems: [],
      });
    queue.waiting++;
    queue.last = queue.last.then(() => this.run(session, apply, answer)).finally(() => queue.waiting--);
    this.running.set(session, queue);
  }

  private async run(session: Session, apply: Apply, answer: (outcome: Outcome) => void): Promise<void> {
    if (session.ended) return;
    try {
      const orgId = await this.sites.orgOfSite(this.db.manager, session.siteId);
      if (orgId === null) return;
      await this.profiles.ensure(session.siteId);
      answer(await apply(orgId));
    } catch (error) {
      if (unavailable(error) || (error instanceof AppError && error.code === 'capacity')) return;
      this.logger.error({ err: error, siteId: session.siteId }, 'A blueprint could not be applied');
      answer({ ok: false, message: 'An error occurred', problems: [] });
    }
  }
}

type Apply = (orgId: string) => Promise<Outcome>;
