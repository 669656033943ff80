import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { ErrorCode } from '#contracts';
import { AppError, type Principal, unavailable } from '#platform';
import { AuditService } from '../audit/index.js';
import type { DecideBody, DecisionResult } from './approvals.dto.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { DecisionsService, NO_TOMBSTONE } from './decisions.service.js';

/** What is decided about each of many sites. */
export interface BulkDecision extends Pick<DecideBody, 'decision' | 'note' | 'tombstone'> {
  /** Nobody named the very sites: suspended ones are not meant. */
  byFilter: boolean;
  /** The job that it is part of. */
  jobId?: number;
}

/** What concerns the one site, and is its outcome. */
const OF_SITE = ['not_found', 'conflict', 'permission_denied'] as const;
const isOfSite = (code: ErrorCode): code is (typeof OF_SITE)[number] => OF_SITE.some((one) => one === code);

/** Runs one decision so that nothing of it stays when it throws: in a transaction of its own, or at a savepoint of a larger one. */
type Undoable = <T>(decide: (tx: EntityManager) => Promise<T>) => Promise<T>;

/** One decision of many (docs/claims.md rule 27): its audit row, and a result in place of an error that concerns this site alone. */
@Injectable()
export class BulkDecisionRunner {
  private readonly logger = new Logger(BulkDecisionRunner.name);

  constructor(
    private readonly decisions: DecisionsService,
    private readonly repository: ApprovalsRepository,
    private readonly audit: AuditService,
  ) {}

  /** @param em reads after a decision that was undone. @throws what concerns more than this site: the database is away or busy */
  async decide(
    em: EntityManager,
    undoable: Undoable,
    principal: Principal,
    orgId: string,
    siteId: number,
    bulk: BulkDecision,
  ): Promise<DecisionResult> {
    try {
      return await undoable((tx) => this.decideIn(tx, principal, orgId, siteId, bulk));
    } catch (error) {
      if (unavailable(error)) throw error;
      if (error instanceof AppError && isOfSite(error.code)) {
        const was = error.code === 'not_found' && bulk.decision === 'reject';
        if (was && (await this.repository.buried(em, orgId, [siteId])).has(siteId))
          return { siteId, outcome: 'unchanged', message: null };
        return { siteId, outcome: error.code as (typeof OF_SITE)[number], message: error.message };
      }
      this.logger.error({ err: error, siteId }, 'A decision of many failed');
      return { siteId, outcome: 'failed', message: 'An error occurred; this site was left as it is' };
    }
  }

  private async decideIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    { decision, jobId, ...reason }: BulkDecision,
  ): Promise<DecisionResult> {
    const approve = decision === 'approve';
    const changed = approve ? await this.decisions.approve(tx, principal, orgId, siteId, reason) : true;
    const tombstone = approve ? undefined : await this.decisions.reject(tx, principal, orgId, siteId, reason);
    await this.audit.record(tx, principal, {
      orgId,
      action: `site.${decision}`,
      target: { type: 'site', id: siteId },
      details: {
        bulk: true,
        changed,
        ...(jobId === undefined ? {} : { jobId }),
        ...(reason.note ? { note: reason.note } : {}),
        ...(tombstone === undefined ? {} : { tombstone }),
      },
    });
    if (approve) return { siteId, outcome: changed ? 'approved' : 'unchanged', message: null };
    const missed = !tombstone && reason.tombstone !== false;
    return { siteId, outcome: 'rejected', message: missed ? NO_TOMBSTONE : null };
  }
}
