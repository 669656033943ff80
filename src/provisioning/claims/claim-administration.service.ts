import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  notFound,
  notify,
  OrgExports,
  orgUidOf,
  type Principal,
  query,
  shapeA,
  windowOf,
} from '#platform';
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

const CLAIM = `
  SELECT claim_id AS "claimId", org_id AS "orgId", key_id AS "keyId", generation, template_id AS "templateId", site_id AS "siteId", door,
    hardware_id AS "hardwareId", sent_hardware_id AS "sentHardwareId", host(address) AS address, outcome, reason, count, last_seen_at AS "lastSeenAt", created_at AS "createdAt"
  FROM claim`;

const CLAIM_COLUMNS: Columns<ClaimView> = {
  claimId: true,
  createdAt: true,
  orgId: true,
  outcome: true,
  reason: true,
  hardwareId: true,
  sentHardwareId: true,
  address: true,
  siteId: true,
  keyId: true,
  generation: true,
  templateId: true,
  door: true,
  count: true,
  lastSeenAt: true,
};

function claimConditions(orgUid: string | null, filter: ClaimQuery): { where: string; values: unknown[] } {
  const values: unknown[] = [];
  const where: string[] = [];
  const add = (sql: string, value: unknown) => where.push(sql.replace('?', `$${values.push(value)}`));
  if (orgUid === null) where.push('org_uid IS NULL');
  else add('org_uid = ?', orgUid);
  if (filter.keyId !== undefined) add('key_id = ?', filter.keyId);
  if (filter.siteId !== undefined) add('site_id = ?', filter.siteId);
  if (filter.address !== undefined)
    add(filter.address.includes('/') ? 'address <<= ?::inet' : 'address = ?::inet', filter.address);
  if (filter.outcome !== undefined) add('outcome = ?', filter.outcome);
  if (filter.hardwareId !== undefined)
    add('hardware_id = ANY (?::text[])', [filter.hardwareId, inForm('mac', filter.hardwareId)]);
  if (filter.from !== undefined) add('created_at >= ?', filter.from);
  if (filter.to !== undefined) add('created_at < ?', filter.to);
  return { where: where.join(' AND '), values };
}

/** What operators do about claims: look at them, stop them, let one happen again. */
@Injectable()
export class ClaimAdministrationService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly orgs: OrgsService,
    private readonly sites: SiteReads,
    private readonly standings: SiteStatusService,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('claims', 'listClaims', ({ orgUid }) => this.all(orgUid, {}));
  }

  /** Newest first, or all of it in a format. @throws not_found for a key that never was there */
  async listOfOrg(
    principal: Principal,
    orgId: string,
    filter: ClaimQuery,
    format: ExportFormat | undefined,
  ): Promise<ClaimList | StreamableFile> {
    if (filter.keyId !== undefined) await this.sites.requireKey(this.db.manager, orgId, filter.keyId);
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    return format ? this.exports.start(orgId, format, this.all(orgUid, filter)) : this.list(orgUid, filter);
  }

  /** Likewise of the organization with this identity, deleted or not; null: of none, as refusals that named no existing key. For root. */
  listOfUid(
    orgUid: string | null,
    filter: ClaimQuery,
    format: ExportFormat | undefined,
  ): Promise<ClaimList | StreamableFile> {
    return format ? this.exports.start(null, format, this.all(orgUid, filter)) : this.list(orgUid, filter);
  }

  private async list(orgUid: string | null, filter: ClaimQuery): Promise<ClaimList> {
    const window = windowOf(filter, 1000);
    const { where, values } = claimConditions(orgUid, filter);
    const claims = await query<ClaimView>(
      this.db.manager,
      `${CLAIM} WHERE ${where} ORDER BY org_uid DESC, claim_id DESC LIMIT ${window.limit} OFFSET ${window.offset}`,
      values,
    );
    const [count] = await query<{ total: number }>(
      this.db.manager,
      `SELECT count(*) AS total FROM claim WHERE ${where}`,
      values,
    );
    return { claims, pagination: shapeA(count!.total, window) };
  }

  private all(orgUid: string | null, filter: ClaimQuery): ExportSource<ClaimView, number> {
    const { where, values } = claimConditions(orgUid, filter);
    const [before, limit] = [`$${values.length + 1}`, `$${values.length + 2}`];
    const text = `${CLAIM} WHERE ${where} AND claim_id < ${before} ORDER BY org_uid DESC, claim_id DESC LIMIT ${limit}`;
    return {
      name: 'claims',
      columns: CLAIM_COLUMNS,
      page: (after, n) => query(this.db.manager, text, [...values, after ?? Number.MAX_SAFE_INTEGER, n]),
      keyOf: (row) => row.claimId,
    };
  }

  /** Stops or resumes every claim of the organization at once. Repeating it changes nothing. */
  async setPaused(principal: Principal, orgId: string, paused: boolean): Promise<ClaimsPausedView> {
    return this.db.tx(async (tx) => {
      const changed = await this.setPausedIn(tx, principal, orgId, paused);
      await this.audit.record(tx, principal, {
        orgId,
        action: paused ? 'claims.pause' : 'claims.resume',
        target: { type: 'org', id: orgId },
        details: { changed },
      });
      return { claimsPaused: paused };
    });
  }

  /** The same in the caller's transaction, which audits it. @returns whether it was otherwise before */
  async setPausedIn(tx: EntityManager, principal: Principal, orgId: string, paused: boolean): Promise<boolean> {
    const changed = await this.orgs.pauseClaims(tx, principal, orgId, paused);
    await notify(tx, 'access_changed', `org:${orgId}`);
    return changed;
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
