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
  CreateResourceBody,
  ListResourcesQuery,
  ListSitePublicResourcesQuery,
  ResourceList,
  ResourceName,
  ResourceRow,
  ResourceView,
  UpdateResourceBody,
} from './resources.dto.js';
import { ResourcesService } from './resources.service.js';

const HTTP_CREATED = { status: 201, message: 'Http resource created successfully', versioned: true };

const named = (made: ApiResult<ResourceRow>) =>
  made.data.http ? made : new ApiResult(made.data, { ...made.options, message: 'Raw resource created successfully' });

@ApiTags('Resources')
@Controller()
export class ResourcesController {
  constructor(private readonly resources: ResourcesService) {}

  /** Create a public resource: of `mode` http (or `http: true`) on a domain, of tcp or udp on a port */
  @Put('org/:orgId/resource')
  @Access('createResource')
  @ErrorResponses(409)
  @Returns(ResourceRow, HTTP_CREATED)
  async createResource(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateResourceBody) {
    return named(await this.resources.create(principal, orgId, body));
  }

  /** Create a public resource under the path of a site; targets are added by their own route */
  @Put('org/:orgId/site/:siteId/resource')
  @Access('createResource')
  @ErrorResponses(409)
  @Returns(ResourceRow, HTTP_CREATED)
  async createResourceOfSite(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateResourceBody) {
    return named(await this.resources.create(principal, orgId, body));
  }

  /** List public resources by name; all filters combine */
  @Get('org/:orgId/resources')
  @Access('listResources')
  @Returns(ResourceList, { message: 'Resources retrieved successfully', exports: true })
  listResources(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListResourcesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.resources.list(principal, { orgId }, query, format);
  }

  /** List public resources with a target on a site, those that wait for its approval too */
  @Get('site/:siteId/resources')
  @Access('listResources')
  @Returns(ResourceList, { message: 'Resources retrieved successfully', exports: true })
  listResourcesOfSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() query: ListSitePublicResourcesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.resources.list(principal, { orgId, siteId }, query, format);
  }

  /** Name every public resource */
  @Get('org/:orgId/resource-names')
  @Access('listResources')
  @Returns([ResourceName], { message: 'Resource names retrieved successfully', exports: true })
  listResourceNames(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.resources.names(principal, orgId, page, format);
  }

  /** Read a public resource */
  @Get('resource/:resourceId')
  @Access('getResource')
  @Returns(ResourceView, { message: 'Resource retrieved successfully', versioned: true })
  async getResource(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number) {
    const { resource, version } = await this.resources.get(principal, orgId, resourceId);
    return new ApiResult(resource, { version });
  }

  /** Read a public resource by its niceId or number */
  @Get('org/:orgId/resource/:resourceNiceId')
  @Access('getResource')
  @Returns(ResourceView, { message: 'Resource retrieved successfully', versioned: true })
  getResourceOfOrg(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceNiceId') resourceId: number) {
    return this.getResource(principal, orgId, resourceId);
  }

  /** Change a public resource */
  @Post('resource/:resourceId')
  @Access('updateResource')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(ResourceRow, { message: 'Resource updated successfully', versioned: true })
  async updateResource(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: UpdateResourceBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { resource, version } = await this.resources.update(principal, orgId, resourceId, body, ifMatch);
    return new ApiResult(resource, { version });
  }

  /** Delete a public resource with its targets, rules, grants and tokens */
  @Delete('resource/:resourceId')
  @Access('deleteResource')
  @ChecksVersion()
  @Returns(null, { message: 'Resource deleted successfully' })
  deleteResource(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.resources.delete(principal, orgId, resourceId, ifMatch);
  }
}
