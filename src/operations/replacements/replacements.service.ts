import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { grants } from '#contracts';
import {
  ApiResult,
  AppError,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  Hooks,
  invalid,
  notFound,
  notify,
  type Principal,
  shapeA,
  windowOf,
} from '#platform';
import { SiteCredentialsService } from '../../access/index.js';
import { DecisionsService } from '../../approvals/index.js';
import { AuditService } from '../../audit/index.js';
import { BundleMoves } from '../../instances/index.js';
import { Replacements } from '../../provisioning/index.js';
import { type LockedDevice, SiteDevices, SiteLifecycleService } from '../../sites/index.js';
import {
  DEFAULT_WAIT_SECONDS,
  type ListReplacementsQuery,
  type ReplacementList,
  type ReplacementView,
  type ReplaceSiteBody,
} from './replacements.dto.js';
import { ReplacementsRepository } from './replacements.repository.js';

type Answer = ApiResult<ReplacementView>;

/** Replaces the device of a site by that of another site, or by one that is to come (docs/replacements.md). */
@Injectable()
export class ReplacementsService {
  constructor(
    private readonly db: Db,
    private readonly repository: ReplacementsRepository,
    private readonly devices: SiteDevices,
    private readonly sites: SiteLifecycleService,
    private readonly credentials: SiteCredentialsService,
    private readonly bundles: BundleMoves,
    private readonly replacements: Replacements,
    private readonly decisions: DecisionsService,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly exports: Exports,
  ) {}

  /**
   * All of it in one transaction. Asked again, it answers that it is done.
   * @throws not_found; precondition_failed; permission_denied without `updateSite`, and without `useSecret` for a site that receives secrets;
   * conflict for what cannot take over, and when the site got another device while this waited
   */
  async replace(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: ReplaceSiteBody,
    ifMatch: number | undefined,
  ): Promise<Answer> {
    const { bySiteId, hardwareId, expiresInSeconds } = body;
    if ((bySiteId === undefined) === (hardwareId === undefined))
      throw invalid('bySiteId', 'give bySiteId or hardwareId, and not both');
    if (bySiteId === siteId) throw invalid('bySiteId', 'is the site itself');
    if (bySiteId !== undefined && expiresInSeconds !== undefined)
      throw invalid('expiresInSeconds', 'goes with a hardwareId');
    if (grants(principal.authority, { kind: 'org', action: 'updateSite', orgId }) !== 'granted')
      throw new AppError('permission_denied', 'To replace a site needs the action updateSite');
    // The caller means the device that the site has now, and not one that takes it over while this waits.
    const meant = await this.devices.find(this.db.manager, orgId, siteId);
    return this.db.tx(async (tx) => {
      const locked = await this.devices.lock(tx, orgId, [siteId, ...(bySiteId === undefined ? [] : [bySiteId])]);
      const site = locked.get(siteId);
      if (!site || !meant) throw notFound('Site');
      const other = bySiteId === undefined ? undefined : locked.get(bySiteId);
      if (bySiteId !== undefined && !other) {
        if (!(await this.replacements.wasBy(tx, orgId, siteId, bySiteId))) throw notFound('Replacing site');
        return done(site, 'The site has the device of that site already');
      }
      if (ifMatch !== undefined) await this.sites.requireVersion(tx, orgId, siteId, ifMatch);
      if (site.deviceId !== meant.deviceId) throw conflict('Another device has just taken the site over');
      if (site.type !== 'newt') throw conflict(`A site of the type ${site.type} has no device`);
      await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'site', id: siteId });
      if (other) return this.takeOver(tx, principal, orgId, site, other);
      return this.prepare(tx, principal, orgId, site, hardwareId!, expiresInSeconds ?? DEFAULT_WAIT_SECONDS);
    });
  }

  /** GET /org/{orgId}/site-replacements, shape A. @throws not_found for a site that is not there */
  async list(
    _principal: Principal,
    orgId: string,
    { siteId, ...page }: ListReplacementsQuery,
    format?: ExportFormat,
  ): Promise<ReplacementList | StreamableFile> {
    const em = this.db.manager;
    if (siteId !== undefined && !(await this.devices.find(em, orgId, siteId))) throw notFound('Site');
    if (format) return this.exports.start(orgId, format, this.replacements.allWaiting(em, orgId, siteId));
    const window = windowOf(page, 1000);
    const { rows, total } = await this.replacements.waiting(em, orgId, siteId, window);
    return { replacements: rows, pagination: shapeA(total, window) };
  }

  /** DELETE /site/{siteId}/replace. A claim of the device at the same moment has taken the site over, or makes one of its own. @throws not_found */
  async withdraw(principal: Principal, orgId: string, siteId: number): Promise<void> {
    await this.db.tx(async (tx) => {
      const hardwareId = await this.replacements.withdraw(tx, orgId, siteId);
      if (hardwareId === undefined) throw notFound('Replacement');
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site.withdraw_replacement',
        target: { type: 'site', id: siteId },
        details: { hardwareId },
      });
    });
  }

  private async prepare(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: LockedDevice,
    hardwareId: string,
    seconds: number,
  ): Promise<Answer> {
    const expiresAt = await this.replacements.prepare(tx, principal, orgId, site, hardwareId, seconds);
    if (!expiresAt) return done(site, 'The site has this device already');
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.prepare_replacement',
      target: { type: 'site', id: site.siteId },
      details: { hardwareId, expiresAt },
    });
    const view = { siteId: site.siteId, state: 'waiting' as const, hardwareId, expiresAt };
    return new ApiResult(view, { message: 'The device takes the site over with its next claim' });
  }

  /** Both are locked. What ends the old device comes first, so that nothing of it is moved; then what is the new one's goes over, and its row is empty when it goes. */
  private async takeOver(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: LockedDevice,
    other: LockedDevice,
  ): Promise<Answer> {
    const { siteId } = site;
    await this.requireFit(tx, other);
    const tombstone = await this.decisions.retire(tx, principal, orgId, site);
    await this.credentials.move(tx, other.siteId, siteId);
    await this.bundles.move(tx, orgId, other.siteId, siteId);
    await this.replacements.moved(tx, principal, orgId, other.siteId, siteId);
    // Before its site is gone for its session: the program is to connect again, as what it is now.
    await notify(tx, 'site_restart', String(other.siteId));
    await this.sites.remove(tx, orgId, other.siteId, 'deleted');
    await this.devices.give(tx, orgId, siteId, other, other.desiredVersion);
    await this.hooks.sitesChanged.run(tx, orgId, [siteId]);
    await this.replacements.tell(tx, principal, orgId, site, other, { bySiteId: other.siteId, tombstone });
    return done({ ...site, hardwareId: other.hardwareId }, 'Site replaced successfully');
  }

  /** @throws conflict */
  private async requireFit(tx: EntityManager, other: LockedDevice): Promise<void> {
    const { enrolled, resources } = await this.repository.fitness(tx, other.siteId);
    if (other.revoked) throw conflict('The replacing site is revoked');
    if (other.suspended) throw conflict('The replacing site is suspended');
    if (other.type !== 'newt' || !enrolled) throw conflict('The replacing site has no device: it has no credential');
    if (other.status === 'approved' && resources > 0)
      throw conflict('The replacing site has resources of its own, which would go; delete them first');
  }
}

const done = ({ siteId, hardwareId }: LockedDevice, message: string): Answer =>
  new ApiResult({ siteId, state: 'done' as const, hardwareId, expiresAt: null }, { message });
