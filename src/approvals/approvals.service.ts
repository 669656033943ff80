import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { type EntityManager, MoreThan } from 'typeorm';
import {
  type Columns,
  Db,
  type ExportedOrg,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  notFound,
  nothingToChange,
  OrgExports,
  orgUidOf,
  type PageQuery,
  type Principal,
  shapeA,
  systemPrincipal,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../audit/index.js';
import { partOf } from '../jobs/index.js';
import { type SiteFields, SiteLifecycleService, SiteReads, SiteStatusService, type SiteView } from '../sites/index.js';
import type {
  DeleteSiteQuery,
  RejectionList,
  RejectionQuery,
  RejectionView,
  RevokeSiteBody,
  TombstoneList,
  TombstoneView,
  UpdateSiteBody,
} from './approvals.dto.js';
import { ApprovalsRepository } from './approvals.repository.js';
import { DecisionsService, NO_TOMBSTONE } from './decisions.service.js';
import { Tombstone } from './tombstone.entity.js';

const TOMBSTONE_COLUMNS: Columns<TombstoneView> = {
  hardwareId: true,
  siteName: true,
  reason: true,
  note: true,
  createdBy: true,
  createdAt: true,
};
const REJECTION_COLUMNS: Columns<RejectionView> = {
  siteId: true,
  niceId: true,
  name: true,
  hardwareId: true,
  by: true,
  note: true,
  rejectedAt: true,
  tombstone: true,
};

const viewOf = ({ hardwareId, siteName, reason, note, createdBy, createdAt }: Tombstone): TombstoneView => ({
  hardwareId,
  siteName,
  reason,
  note,
  createdBy,
  createdAt,
});

/** Decisions as operators ask for them: one transaction and one audit row per site (docs/claims.md "Pending sites"). */
@Injectable()
export class ApprovalsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: ApprovalsRepository,
    private readonly decisions: DecisionsService,
    private readonly standings: SiteStatusService,
    private readonly sites: SiteLifecycleService,
    private readonly reads: SiteReads,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    // A hardware id means something only within the organization that the path names before it.
    this.resolvers.register('hardwareId', async (_value, _principal, orgId) =>
      orgId === undefined ? null : { orgId },
    );
    this.whole.register('tombstones', 'listTombstones', ({ orgId }) => this.allTombstones(orgId));
    this.whole.register('rejections', 'listTombstones', (org) => this.allRejections(org, {}));
    this.hooks.credentialReused.register((tx, orgId, siteId) => this.suspendForReuse(tx, orgId, siteId));
  }

  /**
   * Changes plain fields and the profile, and decides where `status` is given; both or neither.
   * @throws not_found for a group and a profile too, permission_denied for a profile whose secrets the caller may not use, precondition_failed, conflict when the niceId is taken, validation when nothing is given.
   */
  async update(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: UpdateSiteBody,
    ifMatch?: number,
  ): Promise<{ site: SiteView; version: number }> {
    return this.db.tx(async (tx) => {
      if (ifMatch !== undefined) await this.sites.requireVersion(tx, orgId, siteId, ifMatch);
      await this.updateIn(tx, principal, orgId, siteId, body);
      return (await this.reads.find(tx, orgId, siteId))!;
    });
  }

  /** The same in the caller's transaction, as part of a job if one is named. */
  async updateIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    { status, note, ...rest }: UpdateSiteBody,
    jobId?: number,
  ): Promise<void> {
    const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as SiteFields;
    const names = Object.keys(fields);
    if (names.length === 0 && !status) throw nothingToChange();
    if (names.length > 0) await this.change(tx, principal, orgId, siteId, fields);
    const decide = { approved: 'approve', pending: 'suspend' } as const;
    const changed = status ? await this.decisions[decide[status]](tx, principal, orgId, siteId, { note }) : undefined;
    await this.audit.record(tx, principal, {
      orgId,
      action: status ? `site.${decide[status]}` : 'site.update',
      target: { type: 'site', id: siteId },
      details: {
        ...partOf(jobId),
        ...(names.length > 0 ? { fields: names } : {}),
        ...(status ? { changed } : {}),
        ...(note ? { note } : {}),
      },
    });
  }

  /** docs/credentials.md §3: somebody has a credential that the site gave up. */
  private async suspendForReuse(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const principal = systemPrincipal('credential reuse');
    const note = 'A superseded credential was used';
    if (!(await this.decisions.suspend(tx, principal, orgId, siteId, { note }))) return;
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.suspend',
      target: { type: 'site', id: siteId },
      details: { changed: true, note },
    });
  }

  private async change(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    fields: SiteFields,
  ): Promise<void> {
    const { profileId } = fields;
    if (profileId) await this.reads.requireProfile(tx, orgId, profileId);
    const before = profileId === undefined ? undefined : await this.sites.lockProfile(tx, orgId, siteId);
    await this.sites.update(tx, orgId, siteId, fields);
    if (profileId !== before) await this.hooks.siteProfileChanging.run(tx, principal, orgId, siteId, profileId ?? null);
  }

  /**
   * @returns what the caller hears who wanted a tombstone and got none.
   * @throws not_found, precondition_failed, conflict for a suspended site, or when somebody decided on it at the same moment.
   */
  async delete(
    principal: Principal,
    orgId: string,
    siteId: number,
    query: DeleteSiteQuery,
    ifMatch: number | undefined,
  ): Promise<string | undefined> {
    return this.db.tx(async (tx) => {
      if (ifMatch !== undefined) await this.sites.requireVersion(tx, orgId, siteId, ifMatch);
      return this.deleteIn(tx, principal, orgId, siteId, query);
    });
  }

  /** The same in the caller's transaction, as part of a job if one is named. */
  async deleteIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    reason: DeleteSiteQuery & RevokeSiteBody,
    jobId?: number,
  ): Promise<string | undefined> {
    const { was, ...left } = await this.decisions.delete(tx, principal, orgId, siteId, reason);
    await this.audit.record(tx, principal, {
      orgId,
      action: was === 'rejected' ? 'site.reject' : 'site.delete',
      target: { type: 'site', id: siteId },
      details: { ...partOf(jobId), ...left, ...(reason.note ? { note: reason.note } : {}) },
    });
    return 'tombstone' in left && !left.tombstone && reason.tombstone !== false ? NO_TOMBSTONE : undefined;
  }

  /** @returns also what the caller hears when no tombstone could be left. @throws not_found */
  async revoke(
    principal: Principal,
    orgId: string,
    siteId: number,
    body: RevokeSiteBody,
  ): Promise<{ site: SiteView; remark: string | undefined }> {
    return this.db.tx(async (tx) => {
      const remark = await this.revokeIn(tx, principal, orgId, siteId, body);
      const { site } = (await this.reads.find(tx, orgId, siteId))!;
      return { site, remark };
    });
  }

  /** The same in the caller's transaction, as part of a job if one is named. */
  async revokeIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteId: number,
    { note }: RevokeSiteBody,
    jobId?: number,
  ): Promise<string | undefined> {
    const done = await this.decisions.revoke(tx, principal, orgId, siteId, { note });
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.revoke',
      target: { type: 'site', id: siteId },
      details: { ...partOf(jobId), ...done, ...(note ? { note } : {}) },
    });
    return done.changed && !done.tombstone ? NO_TOMBSTONE : undefined;
  }

  /** Newest first; all of them in a format by hardware id. */
  async listTombstones(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<TombstoneList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.allTombstones(orgId));
    const window = windowOf(page, 1000);
    const [rows, total] = await this.db.manager.findAndCount(Tombstone, {
      where: { orgId },
      order: { createdAt: 'DESC', hardwareId: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    return { tombstones: rows.map(viewOf), pagination: shapeA(total, window) };
  }

  private allTombstones(orgId: string): ExportSource<TombstoneView, string> {
    return {
      name: 'tombstones',
      columns: TOMBSTONE_COLUMNS,
      page: async (after, limit) => {
        const where = { orgId, hardwareId: MoreThan(after ?? '') };
        const rows = await this.db.manager.find(Tombstone, { where, order: { hardwareId: 'ASC' }, take: limit });
        return rows.map(viewOf);
      },
      keyOf: ({ hardwareId }) => hardwareId,
    };
  }

  /** Read from the events, newest first, or all of it in a format: the sites are gone. */
  async listRejections(
    principal: Principal,
    orgId: string,
    filter: RejectionQuery,
    format?: ExportFormat,
  ): Promise<RejectionList | StreamableFile> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    if (format) return this.exports.start(orgId, format, this.allRejections({ orgId, orgUid }, filter));
    const window = windowOf(filter, 1000);
    const { rejections, total } = await this.repository.rejections(this.db.manager, orgId, orgUid, filter, window);
    return { rejections, pagination: shapeA(total, window) };
  }

  private allRejections({ orgId, orgUid }: ExportedOrg, filter: RejectionQuery): ExportSource<RejectionView, number> {
    return {
      name: 'rejections',
      columns: REJECTION_COLUMNS,
      page: (before, limit) => this.repository.rejectionsBefore(this.db.manager, orgId, orgUid, filter, before, limit),
      keyOf: ({ siteId }) => siteId,
    };
  }

  /**
   * Lifts a tombstone: the device may claim again; that of a revoked site gets the site back, with a new credential.
   * @throws not_found; permission_denied without `useSecret` when that site would receive secrets
   */
  async deleteTombstone(principal: Principal, orgId: string, hardwareId: string): Promise<void> {
    await this.db.tx(async (tx) => {
      const siteId = await this.repository.lift(tx, orgId, hardwareId);
      if (siteId === undefined) throw notFound('Tombstone');
      for (const id of await this.standings.rearm(tx, orgId, siteId, hardwareId))
        await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'site', id });
      await this.audit.record(tx, principal, {
        orgId,
        action: 'tombstone.delete',
        target: { type: 'tombstone', id: hardwareId },
      });
    });
  }
}
