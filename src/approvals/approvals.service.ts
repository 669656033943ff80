import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import {
  AppError,
  Db,
  invalid,
  notFound,
  nothingToChange,
  type PageQuery,
  type Principal,
  shapeA,
  TenantResolvers,
  unavailable,
  windowOf,
} from '#platform';
import { AuditService } from '../audit/index.js';
import {
  type SiteFields,
  SiteLifecycleService,
  SiteReads,
  SiteStandings,
  type SiteView,
  type Standing,
} from '../sites/index.js';
import type {
  DecideBody,
  DecisionResult,
  DecisionResults,
  DeleteSiteQuery,
  RevokeSiteBody,
  TombstoneList,
  UpdateSiteBody,
} from './approvals.dto.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { DecisionsService, whyNotApproved, whyNotRejected } from './decisions.service.js';
import { Tombstone } from './tombstone.entity.js';

const MAX_AT_ONCE = 1000;
/** Decisions of one bulk call that run side by side; the pool has other callers. */
const LANES = 4;

/** Decisions as operators ask for them: one transaction and one audit row per site (docs/claims.md "Pending sites"). */
@Injectable()
export class ApprovalsService implements OnModuleInit {
  private readonly logger = new Logger(ApprovalsService.name);

  constructor(
    private readonly db: Db,
    private readonly decisions: DecisionsService,
    private readonly repository: ApprovalsRepository,
    private readonly standings: SiteStandings,
    private readonly sites: SiteLifecycleService,
    private readonly reads: SiteReads,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    // A hardware id means something only within the organization that the path names before it.
    this.resolvers.register('hardwareId', async (_value, _principal, orgId) =>
      orgId === undefined ? null : { orgId },
    );
  }

  /**
   * Changes plain fields, and decides where `status` is given; both or neither.
   * @throws not_found for a group too, precondition_failed, conflict when the niceId is taken, validation when nothing is given.
   */
  async update(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: UpdateSiteBody,
    ifMatch?: number,
  ): Promise<{ site: SiteView; version: number }> {
    const { status, note, ...rest } = body;
    const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value != null)) as SiteFields;
    const names = Object.keys(fields);
    if (names.length === 0 && !status) throw nothingToChange();
    return this.db.tx(async (tx) => {
      if (ifMatch !== undefined) await this.sites.requireVersion(tx, orgId, siteId, ifMatch);
      if (names.length > 0) await this.sites.update(tx, orgId, siteId, fields);
      const decide = { approved: 'approve', pending: 'suspend' } as const;
      const changed = status ? await this.decisions[decide[status]](tx, principal, orgId, siteId, { note }) : undefined;
      await this.audit.record(tx, principal, {
        orgId,
        action: status ? `site.${decide[status]}` : 'site.update',
        target: { type: 'site', id: siteId },
        details: {
          ...(names.length > 0 ? { fields: names } : {}),
          ...(status ? { changed } : {}),
          ...(note ? { note } : {}),
        },
      });
      return (await this.reads.find(tx, orgId, siteId))!;
    });
  }

  /** @throws not_found, precondition_failed, conflict for a suspended site, or when somebody decided on it at the same moment. */
  async delete(
    principal: Principal,
    orgId: string,
    siteId: number,
    query: DeleteSiteQuery,
    ifMatch: number | undefined,
  ): Promise<void> {
    await this.db.tx(async (tx) => {
      if (ifMatch !== undefined) await this.sites.requireVersion(tx, orgId, siteId, ifMatch);
      const was = await this.decisions.delete(tx, principal, orgId, siteId, { tombstone: query.tombstone });
      await this.audit.record(tx, principal, {
        orgId,
        action: was === 'rejected' ? 'site.reject' : 'site.delete',
        target: { type: 'site', id: siteId },
        details: was === 'rejected' ? { tombstone: query.tombstone !== false } : {},
      });
    });
  }

  /** @throws not_found */
  async revoke(principal: Principal, orgId: string, siteId: number, body: RevokeSiteBody): Promise<SiteView> {
    return this.db.tx(async (tx) => {
      const changed = await this.decisions.revoke(tx, principal, orgId, siteId, body);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site.revoke',
        target: { type: 'site', id: siteId },
        details: { changed, ...(body.note ? { note: body.note } : {}) },
      });
      return (await this.reads.find(tx, orgId, siteId))!.site;
    });
  }

  /** Decides on many sites, each in a transaction of its own: one that cannot be decided does not stop the others. */
  async decide(principal: Principal, orgId: string, body: DecideBody): Promise<DecisionResults> {
    const { siteIds, remaining } = await this.chosen(orgId, body);
    const results = body.dryRun
      ? await this.foresee(orgId, siteIds, body)
      : await this.decideAll(principal, orgId, siteIds, body);
    return { dryRun: body.dryRun ?? false, decision: body.decision, results, remaining };
  }

  async listTombstones(_principal: Principal, orgId: string, page: PageQuery): Promise<TombstoneList> {
    const window = windowOf(page, 1000);
    const [rows, total] = await this.db.manager.findAndCount(Tombstone, {
      where: { orgId },
      order: { createdAt: 'DESC', hardwareId: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    const tombstones = rows.map(({ hardwareId, siteName, reason, note, createdBy, createdAt }) => ({
      hardwareId,
      siteName,
      reason,
      note,
      createdBy,
      createdAt,
    }));
    return { tombstones, pagination: shapeA(total, window) };
  }

  /** Lifts a tombstone: the hardware id may claim again; that of a revoked site gets the site back, with a new credential. @throws not_found */
  async deleteTombstone(principal: Principal, orgId: string, hardwareId: string): Promise<void> {
    await this.db.tx(async (tx) => {
      const { affected } = await tx.delete(Tombstone, { orgId, hardwareId });
      if (!affected) throw notFound('Tombstone');
      await this.standings.rearm(tx, orgId, hardwareId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'tombstone.delete',
        target: { type: 'tombstone', id: hardwareId },
      });
    });
  }

  /** A filter stands for new sites only: decided ones would fill the 1,000 again and again, and suspended ones wait for nobody's approval. */
  private async chosen(orgId: string, body: DecideBody): Promise<{ siteIds: number[]; remaining: number }> {
    if (!body.siteIds === !body.filter) throw invalid('siteIds', 'give siteIds or filter, and not both');
    if (body.siteIds) return { siteIds: body.siteIds, remaining: 0 };
    if (body.filter!.status === 'approved')
      throw invalid('filter.status', 'only pending sites are decided on by filter');
    const filter = { ...body.filter!, awaiting: true as const };
    await this.reads.requireNamed(this.db.manager, orgId, filter);
    const siteIds = await this.reads.ids(this.db.manager, orgId, filter, MAX_AT_ONCE);
    const total =
      siteIds.length < MAX_AT_ONCE ? siteIds.length : await this.reads.total(this.db.manager, orgId, filter);
    return { siteIds, remaining: Math.max(0, total - siteIds.length) };
  }

  private async foresee(orgId: string, siteIds: number[], { decision, filter }: DecideBody): Promise<DecisionResult[]> {
    const standings = await this.standings.of(this.db.manager, orgId, siteIds);
    const buried =
      decision === 'reject' ? await this.repository.buried(this.db.manager, orgId, siteIds) : new Set<number>();
    return siteIds.map((siteId) => ({
      siteId,
      ...foreseen(decision, standings.get(siteId), buried.has(siteId), filter !== undefined),
    }));
  }

  private async decideAll(
    principal: Principal,
    orgId: string,
    siteIds: number[],
    body: DecideBody,
  ): Promise<DecisionResult[]> {
    const results: DecisionResult[] = new Array(siteIds.length);
    let next = 0;
    const lane = async () => {
      for (let i = next++; i < siteIds.length; i = next++)
        results[i] = await this.decideOne(principal, orgId, siteIds[i]!, body);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return results;
  }

  private async decideOne(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: DecideBody,
  ): Promise<DecisionResult> {
    const reason = { note: body.note, tombstone: body.tombstone, byFilter: body.filter !== undefined };
    try {
      const outcome = await this.db.tx(async (tx) => {
        const changed =
          body.decision === 'approve' ? await this.decisions.approve(tx, principal, orgId, siteId, reason) : true;
        if (body.decision === 'reject') await this.decisions.reject(tx, principal, orgId, siteId, reason);
        await this.audit.record(tx, principal, {
          orgId,
          action: `site.${body.decision}`,
          target: { type: 'site', id: siteId },
          details: {
            bulk: true,
            changed,
            ...(body.note ? { note: body.note } : {}),
            ...(body.decision === 'reject' ? { tombstone: body.tombstone !== false } : {}),
          },
        });
        return changed ? (`${body.decision === 'approve' ? 'approved' : 'rejected'}` as const) : ('unchanged' as const);
      });
      return { siteId, outcome, message: null };
    } catch (error) {
      if (
        error instanceof AppError &&
        error.code === 'not_found' &&
        body.decision === 'reject' &&
        (await this.repository.buried(this.db.manager, orgId, [siteId])).has(siteId)
      ) {
        return { siteId, outcome: 'unchanged', message: null };
      }
      if (error instanceof AppError && (error.code === 'not_found' || error.code === 'conflict'))
        return { siteId, outcome: error.code, message: error.message };
      if (unavailable(error)) throw error;
      this.logger.error({ err: error, siteId }, 'A decision of a bulk call failed');
      return { siteId, outcome: 'failed', message: 'An error occurred; this site was left as it is' };
    }
  }
}

function foreseen(
  decision: DecideBody['decision'],
  site: Standing | undefined,
  buried: boolean,
  byFilter: boolean,
): Omit<DecisionResult, 'siteId'> {
  if (!site && buried) return { outcome: 'unchanged', message: null };
  if (!site) return { outcome: 'not_found', message: 'Site not found' };
  const against = decision === 'approve' ? whyNotApproved(site, byFilter) : whyNotRejected(site);
  if (against) return { outcome: 'conflict', message: against };
  if (decision === 'approve') return { outcome: site.status === 'pending' ? 'approved' : 'unchanged', message: null };
  return { outcome: 'rejected', message: null };
}
