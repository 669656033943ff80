import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { conflict, Db, Hooks, notFound, notify, orgUidOf, type Principal, query, shapeA, windowOf } from '#platform';
import { AuditService } from '../../audit/index.js';
import { partOf } from '../../jobs/index.js';
import { OrgsService } from '../../orgs/index.js';
import { SiteReads, SiteStatusService } from '../../sites/index.js';
import { inForm } from '../hardware-id-form.js';
import {
  type AllowReclaimBody,
  type AllowReclaimView,
  type ClaimList,
  type ClaimQuery,
  type ClaimsPausedView,
  type ClaimView,
  DEFAULT_RECLAIM_SECONDS,
} from './claim.dto.js';
import { ClaimsRepository } from './claims.repository.js';

/** @returns what stands against letting the device of a site claim again, if anything. */
export function whyNotReclaimed({
  buried,
  recognisable,
}: {
  buried: boolean;
  recognisable: boolean;
}): string | undefined {
  if (!recognisable) return 'The site has neither hardware id nor claim nonce: no claim would be known to be its own';
  return buried ? 'The device is tombstoned; delete the tombstone first' : undefined;
}

/** What operators do about claims: look at them, stop them, let one happen again. */
@Injectable()
export class ClaimAdministrationService {
  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly orgs: OrgsService,
    private readonly sites: SiteReads,
    private readonly standings: SiteStatusService,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
  ) {}

  /** Newest first. @throws not_found for a key that never was there */
  async listOfOrg(principal: Principal, orgId: string, filter: ClaimQuery): Promise<ClaimList> {
    if (filter.keyId !== undefined) await this.sites.requireKey(this.db.manager, orgId, filter.keyId);
    return this.list(await orgUidOf(this.db.manager, principal, orgId), filter);
  }

  /** Newest first, of the organization with this identity, deleted or not; null: of none, as refusals that named no existing key. For root. */
  async list(orgUid: string | null, filter: ClaimQuery): Promise<ClaimList> {
    const window = windowOf(filter, 1000);
    const values: unknown[] = [];
    const where: string[] = [];
    const add = (sql: string, value: unknown) => {
      values.push(value);
      where.push(sql.replace('?', `$${values.length}`));
    };
    if (orgUid === null) where.push('org_uid IS NULL');
    else add('org_uid = ?', orgUid);
    if (filter.keyId !== undefined) add('key_id = ?', filter.keyId);
    if (filter.outcome !== undefined) add('outcome = ?', filter.outcome);
    if (filter.hardwareId !== undefined)
      add('hardware_id = ANY (?::text[])', [filter.hardwareId, inForm('mac', filter.hardwareId)]);
    if (filter.from !== undefined) add('created_at >= ?', filter.from);
    if (filter.to !== undefined) add('created_at < ?', filter.to);
    const condition = where.join(' AND ');
    const claims = await query<ClaimView>(
      this.db.manager,
      `SELECT claim_id AS "claimId", org_id AS "orgId", key_id AS "keyId", generation, template_id AS "templateId", site_id AS "siteId", door,
         hardware_id AS "hardwareId", sent_hardware_id AS "sentHardwareId", host(address) AS address, outcome, reason, count, last_seen_at AS "lastSeenAt", created_at AS "createdAt"
       FROM claim WHERE ${condition} ORDER BY org_uid DESC, claim_id DESC LIMIT ${window.limit} OFFSET ${window.offset}`,
      values,
    );
    const [count] = await query<{ total: number }>(
      this.db.manager,
      `SELECT count(*) AS total FROM claim WHERE ${condition}`,
      values,
    );
    return { claims, pagination: shapeA(count!.total, window) };
  }

  /** Stops or resumes every claim of the organization at once. Repeating it changes nothing. */
  async setPaused(principal: Principal, orgId: string, paused: boolean): Promise<ClaimsPausedView> {
    return this.db.tx(async (tx) => {
      const changed = await this.orgs.pauseClaims(tx, orgId, paused);
      await this.audit.record(tx, principal, {
        orgId,
        action: paused ? 'claims.pause' : 'claims.resume',
        target: { type: 'org', id: orgId },
        details: { changed },
      });
      await notify(tx, 'access_changed', `org:${orgId}`);
      return { claimsPaused: paused };
    });
  }

  /**
   * docs/claims.md rule 13: the next claim of this site's device re-issues once.
   * @throws not_found, permission_denied without `useSecret` when the site receives secrets, conflict while a tombstone refuses the device, and for one that no claim could show to be the same.
   */
  async allowReclaim(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: AllowReclaimBody,
  ): Promise<AllowReclaimView> {
    return this.db.tx((tx) => this.allowReclaimIn(tx, principal, orgId, siteId, body));
  }

  /** The same in the caller's transaction, as part of a job if one is named. */
  async allowReclaimIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    { expiresInSeconds = DEFAULT_RECLAIM_SECONDS }: AllowReclaimBody,
    jobId?: number,
  ): Promise<AllowReclaimView> {
    const allowedUntil = await this.standings.allowReclaim(tx, orgId, siteId, expiresInSeconds);
    if (!allowedUntil) throw notFound('Site');
    await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'site', id: siteId });
    const against = whyNotReclaimed(await this.repository.deviceOf(tx, orgId, siteId));
    if (against) throw conflict(against);
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.allow_reclaim',
      target: { type: 'site', id: siteId },
      details: { ...partOf(jobId), allowedUntil },
    });
    return { siteId, allowedUntil };
  }
}
