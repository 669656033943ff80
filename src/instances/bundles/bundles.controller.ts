import { Controller, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, Id, OrgId, type Principal, Returns } from '#platform';
import { BundleList, BundleView, ListBundlesQuery } from './bundles.dto.js';
import { SiteBundlesService } from './site-bundles.service.js';

/** What sites are started with (docs/instances.md §4). */
@ApiTags('Instances')
@Controller()
export class BundlesController {
  constructor(private readonly bundles: SiteBundlesService) {}

  /** List the bundles of sites; all filters combine */
  @Get('org/:orgId/bundles')
  @Access('listSites')
  @Returns(BundleList, { message: 'Bundles retrieved successfully', exports: true })
  listBundles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListBundlesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.bundles.list(principal, orgId, query, format);
  }

  /** Read which bundle a site is to have, and which it runs with: names and versions, never a value */
  @Get('site/:siteId/bundle')
  @Access('getSite')
  @Returns(BundleView, { message: 'Bundle retrieved successfully' })
  getSiteBundle(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    return this.bundles.get(principal, orgId, siteId);
  }

  /** Send a site its bundle again, as a new version, and begin a new chain of leases */
  @Post('site/:siteId/bundle/resend')
  @Access('updateSite')
  @Returns(BundleView, { message: 'Bundle offered again successfully', creates: true })
  resendBundle(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    return this.bundles.resend(principal, orgId, siteId);
  }
}
