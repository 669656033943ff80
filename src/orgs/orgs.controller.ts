import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  IfMatch,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
  RootAccess,
} from '#platform';
import { CheckOrgIdQuery, CreateOrgBody, OrgAnswer, OrgList, OrgView, UpdateOrgBody } from './orgs.dto.js';
import { OrgsService } from './orgs.service.js';

/** Organizations (docs/integration-api.md §3.1). */
@ApiTags('Organizations')
@Controller()
export class OrgsController {
  constructor(private readonly orgs: OrgsService) {}

  /** Look whether an organization's id is taken: 404, a success too, when it is free */
  @Get('org/checkId')
  @Returns('empty', { message: 'Organization ID is taken', also: { 404: 'Organization ID is available' } })
  @RootAccess('checkOrgId')
  async checkOrgId(@Query() query: CheckOrgIdQuery): Promise<ApiResult<object>> {
    const taken = await this.orgs.isTaken(query.orgId);
    return new ApiResult({}, taken ? {} : { status: 404, message: 'Organization ID is available' });
  }

  /** Create an organization */
  @Put('org')
  @RootAccess('createOrg')
  @ErrorResponses(409)
  @Returns(OrgView, { status: 201, message: 'Organization created successfully', versioned: true })
  createOrg(@Caller() caller: Principal, @Body() body: CreateOrgBody): Promise<ApiResult<OrgView>> {
    return this.orgs.createOrg(caller, body);
  }

  /** List the organizations */
  @Get('orgs')
  @RootAccess('listOrgs')
  @Returns(OrgList, { message: 'Organizations retrieved successfully' })
  listOrgs(@Query() query: PageQuery): Promise<OrgList> {
    return this.orgs.list(query);
  }

  /** Read an organization */
  @Get('org/:orgId')
  @Access('getOrg')
  @Returns(OrgAnswer, { message: 'Organization retrieved successfully', versioned: true })
  async getOrg(@OrgId() orgId: string): Promise<ApiResult<OrgAnswer>> {
    const { org, version } = await this.orgs.read(orgId);
    return new ApiResult({ org }, { version });
  }

  /** Change an organization */
  @Post('org/:orgId')
  @Access('updateOrg')
  @ChecksVersion()
  @Returns(OrgView, { message: 'Organization updated successfully', versioned: true })
  async updateOrg(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Body() body: UpdateOrgBody,
    @IfMatch() ifMatch: number | undefined,
  ): Promise<ApiResult<OrgView>> {
    const { org, version } = await this.orgs.update(caller, orgId, body, ifMatch);
    return new ApiResult(org, { version });
  }

  /** Delete an organization with everything in it */
  @Delete('org/:orgId')
  @RootAccess('deleteOrg')
  @ChecksVersion()
  @Returns(null, { message: 'Organization deleted successfully' })
  deleteOrg(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @IfMatch() ifMatch: number | undefined,
  ): Promise<void> {
    return this.orgs.delete(caller, orgId, ifMatch);
  }
}
