import { Injectable } from '@nestjs/common';
import { ApiResult, Db, invalid, mayUseSecrets, type Principal, refuseSecrets } from '#platform';
import type { JobView } from '../jobs/index.js';
import { SiteReads, SiteStatusService, type Standing } from '../sites/index.js';
import type { DecideBody, DecisionResult, DecisionResults } from './approvals.dto.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { BulkDecisionRunner } from './bulk-decision-runner.js';
import { awaited, DecisionJobs } from './decision-jobs.js';
import { NO_TOMBSTONE, whyNotApproved, whyNotRejected } from './decisions.service.js';

const MAX_AT_ONCE = 1000;
/** Decisions of one bulk call that run side by side; the pool has other callers. */
const LANES = 4;

/** Decisions about many sites: at once, foreseen, or as a job (docs/claims.md rule 27). */
@Injectable()
export class BulkDecisionsService {
  constructor(
    private readonly db: Db,
    private readonly decisionOfMany: BulkDecisionRunner,
    private readonly jobs: DecisionJobs,
    private readonly repository: ApprovalsRepository,
    private readonly standings: SiteStatusService,
    private readonly reads: SiteReads,
  ) {}

  /** Decides on many sites, each in a transaction of its own: one that cannot be decided does not stop the others. */
  async decide(principal: Principal, orgId: string, body: DecideBody): Promise<DecisionResults> {
    requireSelection(body);
    if (body.pace !== undefined) throw invalid('pace', 'is the pace of a job; give asJob too');
    const { siteIds, remaining, upToSiteId } = await this.chosen(orgId, body);
    const results = body.dryRun
      ? await this.foresee(principal, orgId, siteIds, body)
      : await this.decideAll(principal, orgId, siteIds, body);
    return { dryRun: body.dryRun ?? false, decision: body.decision, results, remaining, upToSiteId };
  }

  /** The same as a job, for any number of sites. @throws not_found for what the filter names, conflict when too many jobs are not finished */
  async decideLater(principal: Principal, orgId: string, body: DecideBody): Promise<ApiResult<JobView>> {
    requireSelection(body);
    if (body.dryRun) throw invalid('asJob', 'a dry run is answered at once');
    // The whole answer out of the transaction, which stores it for an Idempotency-Key.
    return this.db.tx(
      async (tx) =>
        new ApiResult(await this.jobs.start(tx, principal, orgId, body), {
          status: 202,
          message: 'Decisions will be applied by a job',
        }),
    );
  }

  /** A filter stands for new sites only: decided ones would fill the 1,000 again and again, and suspended ones wait for nobody's approval. */
  private async chosen(orgId: string, body: DecideBody): Promise<Chosen> {
    if (body.siteIds) return { siteIds: body.siteIds, remaining: 0, upToSiteId: null };
    const filter = awaited(body);
    await this.reads.requireNamed(this.db.manager, orgId, filter);
    const limit = Math.min(body.limit ?? MAX_AT_ONCE, MAX_AT_ONCE);
    const siteIds = await this.reads.ids(this.db.manager, orgId, filter, limit);
    if (siteIds.length < limit) return { siteIds, remaining: 0, upToSiteId: siteIds.at(-1) ?? null };
    const { total, last } = await this.reads.extent(this.db.manager, orgId, filter);
    const upToSiteId = Math.max(last, siteIds.at(-1)!);
    return { siteIds, remaining: Math.max(0, total - siteIds.length), upToSiteId };
  }

  private async foresee(
    principal: Principal,
    orgId: string,
    siteIds: number[],
    { decision, filter, tombstone }: DecideBody,
  ): Promise<DecisionResult[]> {
    const standings = await this.standings.of(this.db.manager, orgId, siteIds);
    const buried =
      decision === 'reject' ? await this.repository.buried(this.db.manager, orgId, siteIds) : new Set<number>();
    const names =
      decision === 'reject' && tombstone !== false
        ? await this.repository.namesOf(this.db.manager, orgId, siteIds)
        : undefined;
    const denied =
      decision === 'approve' && !mayUseSecrets(principal, orgId)
        ? await this.repository.receiving(this.db.manager, orgId, siteIds)
        : new Set<number>();
    return siteIds.map((siteId) => {
      const known = { buried: buried.has(siteId), denied: denied.has(siteId), byFilter: filter !== undefined };
      const result = foreseen(decision, standings.get(siteId), known);
      const missed = result.outcome === 'rejected' && names?.has(siteId) === false;
      const oddities = standings.get(siteId)?.oddities ?? [];
      return { siteId, ...result, ...(missed ? { message: NO_TOMBSTONE } : {}), oddities };
    });
  }

  private async decideAll(
    principal: Principal,
    orgId: string,
    siteIds: number[],
    { decision, note, tombstone, filter }: DecideBody,
  ): Promise<DecisionResult[]> {
    const bulk = { decision, note, tombstone, byFilter: filter !== undefined };
    const results: DecisionResult[] = new Array(siteIds.length);
    let next = 0;
    const lane = async () => {
      for (let i = next++; i < siteIds.length; i = next++)
        results[i] = await this.decisionOfMany.decide(
          this.db.manager,
          (decide) => this.db.tx(decide),
          principal,
          orgId,
          siteIds[i]!,
          bulk,
        );
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return results;
  }
}

interface Chosen {
  siteIds: number[];
  remaining: number;
  upToSiteId: number | null;
}

function requireSelection({ siteIds, filter, ...bounds }: DecideBody): void {
  if (!siteIds === !filter) throw invalid('siteIds', 'give siteIds or filter, and not both');
  for (const bound of ['upToSiteId', 'limit'] as const)
    if (!filter && bounds[bound] !== undefined)
      throw invalid(bound, 'bounds what a filter chooses; siteIds are all meant');
  if (filter?.status === 'approved') throw invalid('filter.status', 'only pending sites are decided on by filter');
}

function foreseen(
  decision: DecideBody['decision'],
  site: Standing | undefined,
  { buried, denied, byFilter }: { buried: boolean; denied: boolean; byFilter: boolean },
): Omit<DecisionResult, 'siteId'> {
  if (!site && buried) return { outcome: 'unchanged', message: null };
  if (!site) return { outcome: 'not_found', message: 'Site not found' };
  const against = decision === 'approve' ? whyNotApproved(site, byFilter) : whyNotRejected(site);
  if (against) return { outcome: 'conflict', message: against };
  if (denied && site.status === 'pending') return { outcome: 'permission_denied', message: refuseSecrets().message };
  if (decision === 'approve') return { outcome: site.status === 'pending' ? 'approved' : 'unchanged', message: null };
  return { outcome: 'rejected', message: null };
}
