import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { grants } from '#contracts';
import { ApiResult, AppError, Db, Hooks, invalid, mayUseSecrets, type Principal } from '#platform';
import { JobsService, type JobView } from '../../jobs/index.js';
import { SiteReads } from '../../sites/index.js';
import { ACTS, PARAMETERS, type SiteAct, whyNotDone } from './site-action.js';
import { SITE_ACTION, type SiteActionInput } from './site-action-jobs.js';
import type { SiteActionBody, SiteActionPreview, SiteActionRefusal } from './site-actions.dto.js';
import { SiteFactsRepository } from './site-facts.repository.js';

/** Looked at by one statement of a dry run. */
const SITES_PER_LOOK = 10_000;
/** Sites that a dry run names of each reason, and reasons. */
const NAMED_SITES = 20;
const NAMED_REASONS = 50;

/** One act on many sites: foreseen, or started as a job, which `SiteActionJobs` does (docs/integration-api.md §3.18). */
@Injectable()
export class SiteActionsService {
  constructor(
    private readonly db: Db,
    private readonly jobs: JobsService,
    private readonly reads: SiteReads,
    private readonly facts: SiteFactsRepository,
    private readonly hooks: Hooks,
  ) {}

  /** @throws permission_denied without the action of the act; not_found for what the filter or the act names; conflict when too many jobs are not finished */
  async start(principal: Principal, orgId: string, body: SiteActionBody): Promise<ApiResult<JobView>> {
    const act = actOf(principal, orgId, body);
    // The whole answer out of the transaction, which stores it for an Idempotency-Key.
    return this.db.tx(async (tx) => {
      await this.requireNamed(tx, principal, orgId, act);
      const { total, ...chosen } = await this.chosen(tx, orgId, body);
      const input: SiteActionInput = { ...act, ...chosen };
      const job = await this.jobs.start(tx, principal, orgId, {
        kind: SITE_ACTION,
        input,
        total,
        pace: body.pace ?? null,
      });
      return new ApiResult(job, { status: 202, message: 'The sites will be acted on by a job' });
    });
  }

  /** What it would do, by what is known of the sites now. @throws what `start` does, but for conflict */
  async foresee(principal: Principal, orgId: string, body: SiteActionBody): Promise<ApiResult<SiteActionPreview>> {
    const act = actOf(principal, orgId, body);
    const em = this.db.manager;
    await this.requireNamed(em, principal, orgId, act);
    const { total, ...chosen } = await this.chosen(em, orgId, body);
    const preview = { dryRun: true, action: body.action, total, unchanged: 0, refused: 0 } as const;
    const refusals = new Map<string, SiteActionRefusal>();
    const counts = { unchanged: 0, refused: 0, connected: 0, resources: 0 };
    const secrets = mayUseSecrets(principal, orgId);
    for await (const siteIds of this.portions(em, orgId, chosen)) {
      const known = await this.facts.of(em, orgId, siteIds, body.action);
      const touched: number[] = [];
      for (const siteId of siteIds) {
        const not = whyNotDone(act, known.get(siteId), secrets);
        if (!not) touched.push(siteId);
        else if (not.outcome === 'unchanged') counts.unchanged++;
        else {
          counts.refused++;
          note(refusals, { outcome: not.outcome, message: not.message! }, siteId);
        }
      }
      const { connected, resources } = await this.facts.touched(em, orgId, touched);
      counts.connected += connected;
      counts.resources += resources;
    }
    const { unchanged, refused, ...touches } = counts;
    const answer: SiteActionPreview = {
      ...preview,
      unchanged,
      refused,
      refusals: [...refusals.values()],
      touches: { sites: total - unchanged - refused, ...touches },
    };
    return new ApiResult(answer, { status: 200, message: 'Nothing was changed; this is what it would do' });
  }

  /** What the act names must be there, and be the caller's to give. @throws not_found, permission_denied */
  private async requireNamed(em: EntityManager, principal: Principal, orgId: string, act: SiteAct): Promise<void> {
    for (const groupId of act.groupIds ?? []) await this.reads.requireNamed(em, orgId, { group: String(groupId) });
    if (typeof act.profileId !== 'number') return;
    await this.reads.requireProfile(em, orgId, act.profileId);
    await this.hooks.deliversSecrets.run(em, principal, orgId, { kind: 'profile', id: act.profileId });
  }

  private async chosen(em: EntityManager, orgId: string, { siteIds, filter, upToSiteId }: SiteActionBody) {
    if (siteIds) return { siteIds: [...siteIds].sort((a, b) => a - b), total: siteIds.length };
    await this.reads.requireNamed(em, orgId, filter!);
    const seen = upToSiteId === undefined ? {} : { upTo: upToSiteId };
    const { total, last } = await this.reads.extent(em, orgId, { ...filter, ...seen });
    return { filter: filter!, upToSiteId: last, total };
  }

  private async *portions(
    em: EntityManager,
    orgId: string,
    { siteIds, filter, upToSiteId }: Pick<SiteActionBody, 'siteIds' | 'filter' | 'upToSiteId'>,
  ): AsyncGenerator<number[]> {
    if (siteIds) return yield siteIds;
    for (let after = 0; ; ) {
      const found = await this.reads.ids(em, orgId, { ...filter, after, upTo: upToSiteId! }, SITES_PER_LOOK);
      if (found.length > 0) yield found;
      if (found.length < SITES_PER_LOOK) return;
      after = found.at(-1)!;
    }
  }
}

/** What is asked for, without its sites. @throws validation for what is missing or has nothing to do with the act; permission_denied */
function actOf(principal: Principal, orgId: string, body: SiteActionBody): SiteAct {
  const { action, siteIds, filter, upToSiteId } = body;
  if (!siteIds === !filter) throw invalid('siteIds', 'give siteIds or filter, and not both');
  if (siteIds && upToSiteId !== undefined) throw invalid('upToSiteId', 'goes with a filter');
  const { permission, needs, takes = [] } = ACTS[action];
  if (needs && body[needs] === undefined) throw invalid(needs, `is required for ${action}`);
  const given = PARAMETERS.filter((name) => body[name] !== undefined);
  const odd = given.find((name) => name !== needs && !takes.includes(name));
  if (odd) throw invalid(odd, `has nothing to do with ${action}`);
  if (grants(principal.authority, { kind: 'org', action: permission, orgId }) !== 'granted')
    throw new AppError('permission_denied', `To ${action.replace('_', ' ')} needs the action ${permission}`);
  return Object.fromEntries([['action', action], ...given.map((name) => [name, body[name]])]) as SiteAct;
}

function note(
  refusals: Map<string, SiteActionRefusal>,
  reason: Pick<SiteActionRefusal, 'outcome' | 'message'>,
  siteId: number,
): void {
  const known = refusals.get(reason.message);
  if (known) {
    known.sites++;
    if (known.siteIds.length < NAMED_SITES) known.siteIds.push(siteId);
  } else if (refusals.size < NAMED_REASONS) refusals.set(reason.message, { ...reason, sites: 1, siteIds: [siteId] });
}
