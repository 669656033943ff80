import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Principal, savepoint } from '#platform';
import { JobHandlers, type JobInHand, JobsService, type JobView, type StepResult } from '../jobs/index.js';
import { SiteReads, type SiteSelection } from '../sites/index.js';
import type { DecideBody, DecisionResult } from './approvals.dto.js';
import { BulkDecisionRunner } from './bulk-decision-runner.js';

const KIND = 'sites.decide';

type Input = Pick<DecideBody, 'decision' | 'note' | 'tombstone' | 'siteIds' | 'filter'> & {
  /** The newest site that a filter meant when the job was started: what is claimed later is nobody's decision yet. */
  upTo?: number;
};

interface Progress {
  /** Sites are decided in the order of their ids, up to this one so far. */
  after: number;
}

/** The sites that a filter stands for in a decision. */
export const awaited = ({ filter, upToSiteId }: DecideBody): SiteSelection => ({
  ...filter!,
  awaiting: true,
  ...(upToSiteId === undefined ? {} : { upTo: upToSiteId }),
});

const SUCCESS: readonly DecisionResult['outcome'][] = ['approved', 'rejected', 'unchanged'];

/** Decisions about any number of sites, as a job: some sites per step, each at a savepoint (docs/claims.md rule 27). */
@Injectable()
export class DecisionJobs implements OnModuleInit {
  constructor(
    private readonly jobs: JobsService,
    private readonly handlers: JobHandlers,
    private readonly decisionOfMany: BulkDecisionRunner,
    private readonly reads: SiteReads,
  ) {}

  onModuleInit(): void {
    this.handlers.register<Input, Progress>(KIND, {
      action: 'updateApprovals',
      step: (tx, job, items) => this.step(tx, job, items),
    });
  }

  /** @throws not_found for what the filter names, conflict when too many jobs are not finished */
  async start(tx: EntityManager, principal: Principal, orgId: string, body: DecideBody): Promise<JobView> {
    const { decision, note, tombstone, siteIds, filter, pace = null } = body;
    const input: Input = { decision, ...(note ? { note } : {}), ...(tombstone === undefined ? {} : { tombstone }) };
    if (siteIds)
      return this.jobs.start(tx, principal, orgId, {
        kind: KIND,
        input: { ...input, siteIds: [...siteIds].sort((a, b) => a - b) },
        total: siteIds.length,
        pace,
      });
    await this.reads.requireNamed(tx, orgId, filter!);
    const { total, last } = await this.reads.extent(tx, orgId, awaited(body), body.limit);
    return this.jobs.start(tx, principal, orgId, { kind: KIND, input: { ...input, filter, upTo: last }, total, pace });
  }

  private async step(
    tx: EntityManager,
    { jobId, orgId, input, progress, principal }: JobInHand<Input, Progress>,
    items: number,
  ): Promise<StepResult<Progress>> {
    const { siteIds, filter, upTo, ...decision } = input;
    const after = progress?.after ?? 0;
    const chosen = siteIds
      ? siteIds.filter((siteId) => siteId > after).slice(0, items)
      : await this.reads.ids(tx, orgId, { ...filter, awaiting: true, after, upTo: upTo! }, items);
    const bulk = { ...decision, byFilter: filter !== undefined, jobId };
    const results: DecisionResult[] = [];
    for (const siteId of chosen)
      results.push(
        await this.decisionOfMany.decide(
          tx,
          (decide) => savepoint(tx, () => decide(tx)),
          principal,
          orgId,
          siteId,
          bulk,
        ),
      );
    return {
      progress: { after: chosen.at(-1) ?? after },
      results: results.map(({ siteId, outcome, message }) => ({
        item: String(siteId),
        outcome,
        failed: !SUCCESS.includes(outcome),
        message,
      })),
      done: chosen.length < items,
    };
  }
}
