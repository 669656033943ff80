import { Injectable, type StreamableFile } from '@nestjs/common';
import { Db, type ExportFormat, Exports, type Principal, shapeB, windowOf } from '#platform';
import { AuditService } from '../../audit/index.js';
import { SiteLifecycleService, SiteReads } from '../../sites/index.js';
import { LeasesService } from '../leases/leases.service.js';
import { BundleReads } from './bundle-reads.js';
import type { BundleList, BundleView, ListBundlesQuery } from './bundles.dto.js';
import { BundlesService } from './bundles.service.js';

const PAGE_SIZE = 20;

/** What operators see of bundles, and what they do with one (docs/instances.md §4). */
@Injectable()
export class SiteBundlesService {
  constructor(
    private readonly db: Db,
    private readonly reads: BundleReads,
    private readonly bundles: BundlesService,
    private readonly leases: LeasesService,
    private readonly sites: SiteLifecycleService,
    private readonly siteReads: SiteReads,
    private readonly audit: AuditService,
    private readonly exports: Exports,
  ) {}

  /** @throws not_found for a profile that the organization has not. */
  async list(
    _principal: Principal,
    orgId: string,
    q: ListBundlesQuery,
    format?: ExportFormat,
  ): Promise<BundleList | StreamableFile> {
    const em = this.db.manager;
    if (q.profileId !== undefined) await this.siteReads.requireProfile(em, orgId, q.profileId);
    if (format) return this.exports.start(orgId, format, this.reads.whole(em, orgId, q));
    const window = windowOf(q, PAGE_SIZE);
    const [bundles, total] = [await this.reads.page(em, orgId, q, window), await this.reads.total(em, orgId, q)];
    return { bundles, pagination: shapeB(total, window) };
  }

  /** @throws not_found */
  get(_principal: Principal, orgId: string, siteId: number): Promise<BundleView> {
    return this.reads.view(this.db.manager, orgId, siteId);
  }

  /** Offers the bundle as a new version and begins a new chain of leases, which lifts what a clone has held back. @throws not_found */
  async resend(principal: Principal, orgId: string, siteId: number): Promise<BundleView> {
    return this.db.tx(async (tx) => {
      await this.sites.require(tx, orgId, siteId);
      await this.bundles.resend(tx, orgId, siteId);
      await this.leases.begin(tx, orgId, [siteId]);
      const view = await this.reads.view(tx, orgId, siteId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site.resend_bundle',
        target: { type: 'site', id: siteId },
        details: { version: view.version },
      });
      return view;
    });
  }
}
