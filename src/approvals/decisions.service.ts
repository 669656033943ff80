import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '../../libs/contracts/index.js';
import { conflict, Hooks, notFound, type Principal } from '../../libs/platform/index.js';
import { SiteCredentialsService } from '../access/index.js';
import { EventsService } from '../audit/index.js';
import { SitesService, type SiteStatus } from '../sites/index.js';
import { ApprovalsRepository, type Decided } from './approvals.repository.js';

export interface Reason {
  note?: string | undefined;
  /** Whether a rejected hardware id is refused from now on [true]. */
  tombstone?: boolean | undefined;
}

/**
 * Each decision about one site, inside the caller's transaction: what it changes, causes and tells (claims.md, Pending sites). A decision that
 * was taken already changes nothing and emits nothing. Audit is the caller's.
 */
@Injectable()
export class DecisionsService {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly sites: SitesService,
    private readonly credentials: SiteCredentialsService,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
  ) {}

  /** @returns whether this call approved it. @throws not_found, conflict for a revoked site */
  async approve(tx: EntityManager, principal: Principal, orgId: string, siteId: number, reason: Reason): Promise<boolean> {
    const site = await this.repository.approve(tx, orgId, siteId, principal.name, reason.note ?? null);
    if (!site) return this.undecided(tx, orgId, siteId);
    await this.hooks.siteApproved.run(tx, orgId, siteId);
    await this.emit(tx, orgId, 'site.approved', site, principal, reason);
    return true;
  }

  /** @returns whether this call suspended it. @throws not_found, conflict for a revoked site */
  async suspend(tx: EntityManager, principal: Principal, orgId: string, siteId: number, reason: Reason): Promise<boolean> {
    const site = await this.repository.suspend(tx, orgId, siteId, principal.name, reason.note ?? null);
    if (!site) return this.undecided(tx, orgId, siteId);
    await this.hooks.siteSuspended.run(tx, orgId, siteId);
    await this.emit(tx, orgId, 'site.suspended', site, principal, reason);
    return true;
  }

  /**
   * Rejects a pending site: credential revoked, session closed, site deleted; a tombstone unless told not to.
   * @throws not_found, conflict when it was approved.
   */
  async reject(tx: EntityManager, principal: Principal, orgId: string, siteId: number, reason: Reason): Promise<void> {
    const site = await this.repository.lock(tx, orgId, siteId);
    if (!site) throw notFound('Site');
    if (site.status !== 'pending') throw conflict('The site is approved; delete or suspend it instead');
    await this.credentials.revokeOfSite(tx, orgId, siteId);
    await this.sites.remove(tx, orgId, siteId);
    if (reason.tombstone !== false) await this.repository.bury(tx, orgId, site, 'rejected', principal.name, reason.note ?? null);
    await this.emit(tx, orgId, 'site.rejected', site, principal, reason);
  }

  /**
   * DELETE of a site: rejects a pending one, removes an approved one without a tombstone.
   * @returns what it was. @throws not_found, conflict when somebody decided on it at the same moment.
   */
  async delete(tx: EntityManager, principal: Principal, orgId: string, siteId: number, reason: Reason): Promise<SiteStatus> {
    // The caller means the site as it was when he asked: an approval that commits while this waits must not turn a reject into a deletion.
    const meant = (await this.repository.statusOf(tx, orgId, [siteId])).get(siteId);
    const site = await this.repository.lock(tx, orgId, siteId);
    if (!meant || !site) throw notFound('Site');
    if (site.status !== meant) throw conflict(`The site has just been set to ${site.status}`);
    if (meant === 'pending') await this.reject(tx, principal, orgId, siteId, reason);
    else await this.sites.remove(tx, orgId, siteId);
    return meant;
  }

  /** Leaked or stolen: revokes, closes the session, leaves a tombstone; the site stays. @returns whether this call revoked it. @throws not_found */
  async revoke(tx: EntityManager, principal: Principal, orgId: string, siteId: number, reason: Reason): Promise<boolean> {
    const site = await this.repository.revoke(tx, orgId, siteId);
    if (!site) return this.unchanged(tx, orgId, siteId);
    await this.credentials.revokeOfSite(tx, orgId, siteId);
    await this.repository.bury(tx, orgId, site, 'revoked', principal.name, reason.note ?? null);
    await this.emit(tx, orgId, 'site.revoked', site, principal, reason);
    return true;
  }

  private async unchanged(tx: EntityManager, orgId: string, siteId: number): Promise<false> {
    if (!(await this.repository.statusOf(tx, orgId, [siteId])).has(siteId)) throw notFound('Site');
    return false;
  }

  private async undecided(tx: EntityManager, orgId: string, siteId: number): Promise<false> {
    const site = await this.repository.lock(tx, orgId, siteId);
    if (!site) throw notFound('Site');
    if (site.revoked) throw conflict('The site is revoked');
    return false;
  }

  private async emit(tx: EntityManager, orgId: string, type: EventType, site: Decided, principal: Principal, { note }: Reason): Promise<void> {
    const { niceId, name, hardwareId } = site;
    await this.events.emit(tx, { orgId, type, siteId: site.siteId, data: { niceId, name, hardwareId, by: principal.name, ...(note ? { note } : {}) } });
  }
}
