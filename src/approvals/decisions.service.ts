import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { EventType } from '#contracts';
import { conflict, Hooks, notFound, type Principal } from '#platform';
import { SiteCredentialsService } from '../access/index.js';
import { EventsService } from '../audit/index.js';
import { type Decided, SiteLifecycleService, SiteStatusService, type Standing } from '../sites/index.js';
import { ApprovalsRepository } from './approvals.repository.js';

export interface Reason {
  note?: string | undefined;
  /** Whether a rejected device is refused from now on [true]. */
  tombstone?: boolean | undefined;
  /** Chosen by a filter, so that nobody named this very site: a suspended one is not meant. */
  byFilter?: boolean | undefined;
}

/** Why a suspended site is no new one to be turned away. The way out never brings it into service. */
const SUSPENDED = 'The site is suspended, not new; approve or revoke it before you delete it';

/** What an operator hears where a tombstone was wanted and none could be made. */
export const NO_TOMBSTONE =
  'The site has neither hardware id nor claim nonce: no tombstone was left, since its device could not be told from others';

/** @returns what stands against rejecting a site, if anything. */
export function whyNotRejected({ status, suspended }: Standing): string | undefined {
  if (status !== 'pending') return 'The site is approved; delete or suspend it instead';
  return suspended ? SUSPENDED : undefined;
}

/** @returns what stands against approving a pending site, if anything. */
export function whyNotApproved({ status, suspended, revoked }: Standing, byFilter: boolean): string | undefined {
  if (revoked) return 'The site is revoked';
  return status === 'pending' && suspended && byFilter
    ? 'The site is suspended; it is decided on by siteIds only'
    : undefined;
}

/**
 * Each decision about one site, inside the caller's transaction: what it changes, causes and tells (docs/claims.md "Pending sites"). A decision that
 * was taken already changes nothing and emits nothing. Audit is the caller's.
 */
@Injectable()
export class DecisionsService {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly standings: SiteStatusService,
    private readonly sites: SiteLifecycleService,
    private readonly credentials: SiteCredentialsService,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
  ) {}

  /**
   * @returns whether this call approved it.
   * @throws not_found; conflict for a revoked site, and for a suspended one that a filter chose; permission_denied without `useSecret` when it would receive secrets
   */
  async approve(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: Reason,
  ): Promise<boolean> {
    const site = await this.standings.approve(
      tx,
      orgId,
      siteId,
      principal.name,
      reason.note ?? null,
      reason.byFilter === true,
    );
    if (!site) return this.undecided(tx, orgId, siteId, reason);
    await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'site', id: siteId });
    await this.hooks.siteApproved.run(tx, orgId, siteId);
    await this.emit(tx, orgId, 'site.approved', site, principal, reason);
    return true;
  }

  /** @returns whether this call suspended it. @throws not_found, conflict for a revoked site */
  async suspend(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: Reason,
  ): Promise<boolean> {
    const site = await this.standings.suspend(tx, orgId, siteId, principal.name, reason.note ?? null);
    if (!site) return this.undecided(tx, orgId, siteId, {});
    await this.hooks.siteSuspended.run(tx, orgId, siteId);
    await this.emit(tx, orgId, 'site.suspended', site, principal, reason);
    return true;
  }

  /**
   * Rejects a pending site: site deleted with its credential, session closed; a tombstone unless told not to.
   * @returns whether it left a tombstone. @throws not_found, conflict when it was approved, also when it is suspended now.
   */
  async reject(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: Reason,
  ): Promise<boolean> {
    const site = await this.standings.lock(tx, orgId, siteId);
    if (!site) throw notFound('Site');
    const against = whyNotRejected(site);
    if (against) throw conflict(against);
    const tombstone =
      reason.tombstone !== false &&
      (await this.repository.bury(tx, orgId, site, 'rejected', principal.name, reason.note ?? null));
    await this.sites.remove(tx, orgId, siteId, 'rejected');
    await this.emit(tx, orgId, 'site.rejected', site, principal, reason);
    return tombstone;
  }

  /**
   * DELETE of a site: rejects a pending one, removes an approved one without a tombstone. A suspended one is neither: who works off the list of
   * pending sites must not lose it. Revoked it may be removed, and keeps the tombstone of that.
   * @returns which of the two it was, and whether a rejection left a tombstone. @throws not_found, conflict for a suspended one, or when somebody decided on it at the same moment.
   */
  async delete(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: Reason,
  ): Promise<{ was: 'rejected'; tombstone: boolean } | { was: 'removed' }> {
    // The caller means the site as it was when asking: an approval that commits while this waits must not turn a reject into a deletion.
    const meant = (await this.standings.of(tx, orgId, [siteId])).get(siteId);
    const site = await this.standings.lock(tx, orgId, siteId);
    if (!meant || !site) throw notFound('Site');
    if (site.status !== meant.status) throw conflict(`The site has just been set to ${site.status}`);
    if (site.status === 'approved' || (site.suspended && site.revoked)) {
      await this.sites.remove(tx, orgId, siteId, 'deleted');
      return { was: 'removed' };
    }
    return { was: 'rejected', tombstone: await this.reject(tx, principal, orgId, siteId, reason) };
  }

  /** Leaked or stolen: revokes, closes the session, leaves a tombstone; the site stays. @returns whether this call revoked it, and left a tombstone. @throws not_found */
  async revoke(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: Reason,
  ): Promise<{ changed: false } | { changed: true; tombstone: boolean }> {
    const site = await this.standings.revoke(tx, orgId, siteId);
    if (!site) return { changed: await this.unchanged(tx, orgId, siteId) };
    await this.hooks.siteRevoking.run(tx, orgId, siteId);
    await this.credentials.revokeOfSite(tx, orgId, siteId);
    const tombstone = await this.repository.bury(tx, orgId, site, 'revoked', principal.name, reason.note ?? null);
    await this.emit(tx, orgId, 'site.revoked', site, principal, reason);
    return { changed: true, tombstone };
  }

  /**
   * Another machine takes the site over (docs/replacements.md): the credentials of the one that it has are over, its session too, and it may not claim.
   * The site is locked. @returns whether it left a tombstone
   */
  async retire(tx: EntityManager, principal: Principal, orgId: string, site: Decided): Promise<boolean> {
    await this.hooks.siteRevoking.run(tx, orgId, site.siteId);
    await this.credentials.revokeOfSite(tx, orgId, site.siteId);
    return this.repository.bury(tx, orgId, site, 'replaced', principal.name, null);
  }

  private async unchanged(tx: EntityManager, orgId: string, siteId: number): Promise<false> {
    if (!(await this.standings.of(tx, orgId, [siteId])).has(siteId)) throw notFound('Site');
    return false;
  }

  private async undecided(tx: EntityManager, orgId: string, siteId: number, reason: Reason): Promise<false> {
    const site = await this.standings.lock(tx, orgId, siteId);
    if (!site) throw notFound('Site');
    const against = whyNotApproved(site, reason.byFilter === true);
    if (against) throw conflict(against);
    return false;
  }

  private async emit(
    tx: EntityManager,
    orgId: string,
    type: EventType,
    site: Decided,
    principal: Principal,
    { note }: Reason,
  ): Promise<void> {
    const { niceId, name, hardwareId } = site;
    const state = type === 'site.rejected' ? {} : { state: await this.standings.stateOf(tx, site.siteId) };
    await this.events.emit(tx, {
      orgId,
      type,
      siteId: site.siteId,
      data: { niceId, name, hardwareId, ...state, by: principal.name, ...(note ? { note } : {}) },
    });
  }
}
