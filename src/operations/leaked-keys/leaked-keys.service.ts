import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Action, grants } from '#contracts';
import { AppError, conflict, Db, invalid, orgUidOf, type Principal } from '#platform';
import { JobsService, type JobView } from '../../jobs/index.js';
import { ClaimAdministrationService, KeysService } from '../../provisioning/index.js';
import { SITE_ACTION, type SiteActionInput } from '../site-actions/site-action-jobs.js';
import type { LeakedKeyBody, LeakedKeyView } from './leaked-keys.dto.js';
import { type Leak, LeakedKeysRepository } from './leaked-keys.repository.js';

/** Sites that one job suspends: it holds their ids. */
const MAX_SUSPENDED = 100_000;

/** What is done about a key that others have (docs/integration-api.md §3.21). */
@Injectable()
export class LeakedKeysService {
  constructor(
    private readonly db: Db,
    private readonly repository: LeakedKeysRepository,
    private readonly keys: KeysService,
    private readonly claims: ClaimAdministrationService,
    private readonly jobs: JobsService,
  ) {}

  /** What the key made, and how many sites would be suspended. @throws not_found, permission_denied */
  async foresee(principal: Principal, orgId: string, keyId: string, body: LeakedKeyBody): Promise<LeakedKeyView> {
    requireAllowed(principal, orgId, body);
    const em = this.db.manager;
    const key = await this.keys.get(principal, orgId, keyId);
    const leak = await this.leakOf(em, principal, orgId, keyId, body);
    const suspends = (await this.toSuspend(em, leak, body)).length;
    return { ...(await this.told(em, leak)), dryRun: true, suspends, key, siteProvisioningKey: null, job: null };
  }

  /**
   * In one transaction, which holds the key: claims that wait for it find it stopped, so nothing is made behind what is suspended.
   * @throws not_found; permission_denied; conflict for a revoked key that is to rotate, for too many sites, and when too many jobs are not finished
   */
  async stop(principal: Principal, orgId: string, keyId: string, body: LeakedKeyBody): Promise<LeakedKeyView> {
    const { disable = false, rotate = false, pauseClaims = false, suspend = 'none' } = body;
    if (disable === rotate) throw invalid('disable', 'give disable or rotate, and not both');
    requireAllowed(principal, orgId, body);
    return this.keys.stopLeaked(principal, orgId, keyId, disable ? 'disable' : 'rotate', async (tx, stopped) => {
      const leak = await this.leakOf(tx, principal, orgId, keyId, body);
      const siteIds = await this.toSuspend(tx, leak, body);
      if (pauseClaims) await this.claims.setPausedIn(tx, principal, orgId, true);
      const job = await this.suspend(tx, principal, orgId, keyId, siteIds);
      const told = await this.told(tx, leak);
      return {
        details: {
          measure: disable ? 'disable' : 'rotate',
          since: leak.since,
          pauseClaims,
          suspend,
          sites: siteIds.length,
          suspendedBy: job?.jobId ?? null,
        },
        answer: { ...told, dryRun: false, suspends: siteIds.length, ...stopped, job },
      };
    });
  }

  private async leakOf(
    em: EntityManager,
    principal: Principal,
    orgId: string,
    keyId: string,
    { since, networks }: LeakedKeyBody,
  ): Promise<Leak> {
    const orgUid = await orgUidOf(em, principal, orgId);
    return { orgId, orgUid, keyId, since: since ?? null, networks: networks ?? [] };
  }

  private async told(
    em: EntityManager,
    leak: Leak,
  ): Promise<Pick<LeakedKeyView, 'since' | 'known' | 'new' | 'networks'>> {
    const since = leak.since === null ? null : new Date(leak.since);
    return { since, ...(await this.repository.made(em, leak)), networks: await this.repository.networks(em, leak) };
  }

  private async toSuspend(em: EntityManager, leak: Leak, { suspend = 'none' }: LeakedKeyBody): Promise<number[]> {
    if (suspend === 'none') return [];
    const siteIds = await this.repository.approved(em, leak, suspend, MAX_SUSPENDED + 1);
    if (siteIds.length > MAX_SUSPENDED)
      throw conflict(`More than ${MAX_SUSPENDED} sites would be suspended; use …/site-actions with the filter keyId`);
    return siteIds;
  }

  private async suspend(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    keyId: string,
    siteIds: number[],
  ): Promise<JobView | null> {
    if (siteIds.length === 0) return null;
    const input: SiteActionInput = { action: 'suspend', note: `The provisioning key ${keyId} leaked`, siteIds };
    return this.jobs.start(tx, principal, orgId, { kind: SITE_ACTION, input, total: siteIds.length, pace: null });
  }
}

/** The action of each measure, as for the route that takes it alone. @throws permission_denied */
function requireAllowed(
  { authority }: Principal,
  orgId: string,
  { disable, rotate, pauseClaims, suspend = 'none' }: LeakedKeyBody,
): void {
  const needed: Action[] = ['listSites'];
  if (disable) needed.push('updateSiteProvisioningKey');
  if (rotate) needed.push('rotateSiteProvisioningKey');
  if (pauseClaims) needed.push('pauseClaims');
  if (suspend !== 'none') needed.push('updateSite');
  const missing = needed.find((action) => grants(authority, { kind: 'org', action, orgId }) !== 'granted');
  if (missing) throw new AppError('permission_denied', `This needs the action ${missing}`);
}
