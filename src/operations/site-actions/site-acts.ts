import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, mayUseSecrets, type Principal, savepoint, unavailable } from '#platform';
import { SessionRestarts } from '../../agents/index.js';
import { ApprovalsService } from '../../approvals/index.js';
import { CredentialAdministration } from '../../instances/index.js';
import type { ItemResult } from '../../jobs/index.js';
import { ClaimAdministrationService } from '../../provisioning/index.js';
import { groupsAfter, labelsAfter, type SiteAct, whyNotDone } from './site-action.js';
import { type SiteFacts, SiteFactsRepository } from './site-facts.repository.js';

/** Acts on some sites within a step of a job, each by the service that does it with one site, with its audit row and events. */
@Injectable()
export class SiteActs {
  private readonly logger = new Logger(SiteActs.name);

  constructor(
    private readonly facts: SiteFactsRepository,
    private readonly approvals: ApprovalsService,
    private readonly claims: ClaimAdministrationService,
    private readonly credentials: CredentialAdministration,
    private readonly restarts: SessionRestarts,
  ) {}

  /** Each at a savepoint: what cannot be done to one site is its result. @throws what concerns more than one site: the database is away or busy */
  async do(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteIds: number[],
    act: SiteAct,
    jobId: number,
  ): Promise<ItemResult[]> {
    await this.facts.lock(tx, orgId, siteIds, act.action);
    const known = await this.facts.of(tx, orgId, siteIds, act.action);
    const secrets = mayUseSecrets(principal, orgId);
    const results: ItemResult[] = [];
    for (const siteId of siteIds) {
      const item = String(siteId);
      const site = known.get(siteId);
      const not = whyNotDone(act, site, secrets);
      if (!site || not) results.push({ item, ...not!, failed: not!.outcome !== 'unchanged' });
      else results.push({ item, ...(await this.tried(tx, principal, orgId, site, act, jobId)) });
    }
    return results;
  }

  private async tried(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: SiteFacts,
    act: SiteAct,
    jobId: number,
  ): Promise<Omit<ItemResult, 'item'>> {
    try {
      const remark = await savepoint(tx, () => this.doOne(tx, principal, orgId, site, act, jobId));
      return { outcome: 'done', failed: false, message: remark ?? null };
    } catch (error) {
      if (unavailable(error)) throw error;
      if (error instanceof AppError) return { outcome: error.code, failed: true, message: error.message };
      this.logger.error({ err: error, siteId: site.siteId }, 'An act on one of many sites failed');
      return { outcome: 'failed', failed: true, message: 'An error occurred; this site was left as it is' };
    }
  }

  /** @returns what an operator is to hear of it */
  private async doOne(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: SiteFacts,
    act: SiteAct,
    jobId: number,
  ): Promise<string | undefined> {
    const { siteId } = site;
    const update = (body: Parameters<ApprovalsService['updateIn']>[4]) =>
      this.approvals.updateIn(tx, principal, orgId, siteId, body, jobId);
    const told = {
      ...(act.note === undefined ? {} : { note: act.note }),
      ...(act.tombstone === undefined ? {} : { tombstone: act.tombstone }),
    };
    switch (act.action) {
      case 'suspend':
        await update({ status: 'pending', ...told });
        break;
      case 'resume':
        await update({ status: 'approved', ...told });
        break;
      case 'revoke':
        return this.approvals.revokeIn(tx, principal, orgId, siteId, told, jobId);
      case 'delete':
        return this.approvals.deleteIn(tx, principal, orgId, siteId, told, jobId);
      case 'add_labels':
      case 'remove_labels':
        await update({ labels: labelsAfter(act, site.labels) });
        break;
      case 'add_groups':
      case 'remove_groups':
        await update({ groupIds: groupsAfter(act, site.groupIds) });
        break;
      case 'set_profile':
        await update({ profileId: act.profileId! });
        break;
      case 'restart':
        await this.restarts.askIn(tx, principal, orgId, siteId, jobId);
        break;
      case 'allow_reclaim':
        await this.claims.allowReclaimIn(tx, principal, orgId, siteId, act, jobId);
        break;
      case 'rotate_credential':
        await this.credentials.rotateIn(tx, principal, orgId, siteId, act, jobId);
        break;
    }
    return undefined;
  }
}
