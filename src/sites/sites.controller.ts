import { Body, Controller, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  type Principal,
  Returns,
} from '#platform';
import { SiteFacets } from './site-facets.dto.js';
import { SiteFacetsService } from './site-facets.js';
import { CreatedSiteView, CreateSiteBody, ListSitesQuery, SiteDefaults, SiteList, SiteView } from './sites.dto.js';
import { SitesService } from './sites.service.js';

/** Sites. Changing and deleting one can mean a decision: those routes are in approvals. */
@ApiTags('Sites')
@Controller()
export class SitesController {
  constructor(
    private readonly desk: SitesService,
    private readonly counting: SiteFacetsService,
  ) {}

  /** Choose values for a new site; address and newt id are reserved for ten minutes */
  @Get('org/:orgId/pick-site-defaults')
  @Access('createSite')
  @Returns(SiteDefaults, { message: 'Site defaults chosen successfully' })
  pickSiteDefaults(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.desk.defaults(principal, orgId);
  }

  /** Create a site by hand; the answer holds its secret, once */
  @Put('org/:orgId/site')
  @Access('createSite')
  @ErrorResponses(409)
  @Returns(CreatedSiteView, { status: 201, message: 'Site created successfully', versioned: true })
  createSite(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateSiteBody) {
    return this.desk.create(principal, orgId, body);
  }

  /** List sites; all filters combine */
  @Get('org/:orgId/sites')
  @Access('listSites')
  @Returns(SiteList, { message: 'Sites retrieved successfully', exports: true })
  listSites(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListSitesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.desk.list(principal, orgId, query, format);
  }

  /** Count the sites of an organization by state, group, label, agent version, template and profile */
  @Get('org/:orgId/sites/facets')
  @Access('listSites')
  @Returns(SiteFacets, { message: 'Facets retrieved successfully' })
  getSiteFacets(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.counting.facets(principal, orgId);
  }

  /** Read a site by its number or niceId */
  @Get('org/:orgId/site/:niceId')
  @Access('getSite')
  @Returns(SiteView, { message: 'Site retrieved successfully', versioned: true })
  async getSiteOfOrg(@Caller() principal: Principal, @OrgId() orgId: string, @Id('niceId') siteId: number) {
    const { site, version } = await this.desk.get(principal, orgId, siteId);
    return new ApiResult(site, { version });
  }

  /** Read a site by its number, or by its niceId with a key of one organization */
  @Get('site/:siteId')
  @Access('getSite')
  @Returns(SiteView, { message: 'Site retrieved successfully', versioned: true })
  async getSite(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    const { site, version } = await this.desk.get(principal, orgId, siteId);
    return new ApiResult(site, { version });
  }

  /** Set the traffic counters of all sites to zero */
  @Post('org/:orgId/reset-bandwidth')
  @Access('resetSiteBandwidth')
  @Returns('empty', { message: 'Sites bandwidth reset successfully' })
  resetSiteBandwidth(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.desk.resetBandwidth(principal, orgId);
  }
}
