import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import {
  CreateSiteResourceBody,
  DeletedSiteResource,
  ListSiteResourcesQuery,
  SiteResourceDetail,
  SiteResourceList,
  SiteResourcesOnSite,
  SiteResourceView,
  UpdateSiteResourceBody,
} from './private.dto.js';
import { PrivateResourcesService } from './private.service.js';

@ApiTags('Private resources')
@Controller()
export class PrivateResourcesController {
  constructor(private readonly resources: PrivateResourcesService) {}

  /** Create a private resource: a host, an address range, or a web service behind a site */
  @Put('org/:orgId/site-resource')
  @Access('createSiteResource')
  @ErrorResponses(409)
  @Returns(SiteResourceView, { status: 201, message: 'Site resource created successfully', versioned: true })
  createSiteResource(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateSiteResourceBody) {
    return this.resources.create(principal, orgId, body);
  }

  /** List private resources by name; all filters combine */
  @Get('org/:orgId/site-resources')
  @Access('listSiteResources')
  @Returns(SiteResourceList, { message: 'Site resources retrieved successfully', exports: true })
  listSiteResources(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListSiteResourcesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.resources.list(principal, orgId, query, format);
  }

  /** List private resources on a site, those that wait for its approval too */
  @Get('org/:orgId/site/:siteId/resources')
  @Access('listSiteResources')
  @Returns(SiteResourcesOnSite, { message: 'Site resources retrieved successfully' })
  listSiteResourcesOfSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() page: PageQuery,
  ) {
    return this.resources.listOfSite(principal, orgId, siteId, page);
  }

  /** Read a private resource */
  @Get('site-resource/:siteResourceId')
  @Access('getSiteResource')
  @Returns(SiteResourceDetail, { message: 'Site resource retrieved successfully', versioned: true })
  async getSiteResource(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
  ) {
    const { resource, version } = await this.resources.get(principal, orgId, siteResourceId);
    return new ApiResult(resource, { version });
  }

  /** Read a private resource on one of its sites */
  @Get('org/:orgId/site/:siteId/resource/:siteResourceId')
  @Access('getSiteResource')
  @Returns(SiteResourceDetail, { message: 'Site resource retrieved successfully', versioned: true })
  async getSiteResourceOfSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Id('siteResourceId') siteResourceId: number,
  ) {
    const { resource, version } = await this.resources.get(principal, orgId, siteResourceId, siteId);
    return new ApiResult(resource, { version });
  }

  /** Change a private resource */
  @Post('site-resource/:siteResourceId')
  @Access('updateSiteResource')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SiteResourceView, { message: 'Site resource updated successfully', versioned: true })
  async updateSiteResource(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: UpdateSiteResourceBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { resource, version } = await this.resources.update(principal, orgId, siteResourceId, body, ifMatch);
    return new ApiResult(resource, { version });
  }

  /** Delete a private resource with its grants */
  @Delete('site-resource/:siteResourceId')
  @Access('deleteSiteResource')
  @ChecksVersion()
  @Returns(DeletedSiteResource, { message: 'Site resource deleted successfully' })
  deleteSiteResource(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.resources.delete(principal, orgId, siteResourceId, ifMatch);
  }
}
