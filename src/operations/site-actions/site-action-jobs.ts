import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { JobHandlers, type JobInHand, type StepResult } from '../../jobs/index.js';
import { type SiteFilter, SiteReads } from '../../sites/index.js';
import { ACTS, type SiteAct } from './site-action.js';
import { SiteActs } from './site-acts.js';

/** The kind of job. */
export const SITE_ACTION = 'sites.act';

export type SiteActionInput = SiteAct &
  (
    | { siteIds: number[]; filter?: undefined }
    | {
        siteIds?: undefined;
        filter: SiteFilter;
        /** The newest site that is meant: what is claimed later is not. */
        upToSiteId: number;
      }
  );

interface Progress {
  /** Sites are acted on in the order of their ids, up to this one so far. */
  after: number;
}

/** Acts on many sites: some per step, together with the memory of it, so that none is done twice (ADR 0072). */
@Injectable()
export class SiteActionJobs implements OnModuleInit {
  constructor(
    private readonly handlers: JobHandlers,
    private readonly acts: SiteActs,
    private readonly reads: SiteReads,
  ) {}

  onModuleInit(): void {
    this.handlers.register<SiteActionInput, Progress>(SITE_ACTION, {
      action: ({ action }) => ACTS[action].permission,
      step: (tx, job, items) => this.step(tx, job, items),
    });
  }

  private async step(
    tx: EntityManager,
    { jobId, orgId, input, progress, principal }: JobInHand<SiteActionInput, Progress>,
    items: number,
  ): Promise<StepResult<Progress>> {
    const after = progress?.after ?? 0;
    const chosen = input.siteIds
      ? input.siteIds.filter((siteId) => siteId > after).slice(0, items)
      : await this.reads.ids(tx, orgId, { ...input.filter, after, upTo: input.upToSiteId }, items);
    return {
      results: await this.acts.do(tx, principal, orgId, chosen, input, jobId),
      progress: { after: chosen.at(-1) ?? after },
      done: chosen.length < items,
    };
  }
}
