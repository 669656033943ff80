import { Body, Controller, Delete, Get, Post, Put, Query, type StreamableFile } from '@nestjs/common';
import { ApiBody, ApiResponse, ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  IfMatch,
  OrgId,
  OwnAccess,
  type Principal,
  Returns,
  RootAccess,
} from '#platform';
import { OrgClosingService } from './org-closing.service.js';
import { OrgExportService } from './org-export.service.js';
import {
  CheckOrgIdQuery,
  CloseOrgBody,
  CreateOrgBody,
  DeleteOrgBody,
  ListOrgsQuery,
  OrgAnswer,
  OrgClosing,
  OrgList,
  OrgView,
  UpdateOrgBody,
} from './orgs.dto.js';
import { OrgsService } from './orgs.service.js';

/** Organizations (docs/integration-api.md §3.1). */
@ApiTags('Organizations')
@Controller()
export class OrgsController {
  constructor(
    private readonly orgs: OrgsService,
    private readonly closing: OrgClosingService,
    private readonly exporting: OrgExportService,
  ) {}

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

  /** List the caller's organizations, or all for a root key and a server administrator, with counts */
  @Get('orgs')
  @OwnAccess()
  @Returns(OrgList, { message: 'Organizations retrieved successfully', exports: true })
  listOrgs(
    @Caller() caller: Principal,
    @Query() query: ListOrgsQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<OrgList | StreamableFile> {
    return this.orgs.list(caller, query, format);
  }

  /** Read an organization */
  @Get('org/:orgId')
  @Access('getOrg')
  @Returns(OrgAnswer, { message: 'Organization retrieved successfully', versioned: true })
  async getOrg(@OrgId() orgId: string): Promise<ApiResult<OrgAnswer>> {
    const { org, version } = await this.orgs.read(orgId);
    return new ApiResult({ org }, { version });
  }

  /** Everything of an organization as one file, a line of JSON for each row of its lists; needs the action of each */
  @Get('org/:orgId/export')
  @Access('getOrg', { orgKeys: false })
  @ErrorResponses(429)
  @ApiResponse({
    status: 200,
    description: 'A line for each row, `{list, row}`; the last one, `{end}`, has the number of rows of each list',
    content: { 'application/x-ndjson': { schema: { type: 'string' } } },
  })
  exportOrg(@Caller() caller: Principal, @OrgId() orgId: string): Promise<StreamableFile> {
    return this.exporting.start(caller, orgId);
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

  /** Close an organization: sites, keys and claims are refused until it is reopened; with dryRun only say what there is */
  @Post('org/:orgId/close')
  @Access('deleteOrg', { orgKeys: false, whileClosed: true })
  @Returns(OrgClosing, { message: 'Organization closed successfully' })
  closeOrg(@Caller() caller: Principal, @OrgId() orgId: string, @Body() body: CloseOrgBody): Promise<OrgClosing> {
    return this.closing.close(caller, orgId, body.dryRun ?? false);
  }

  /** Reopen an organization that was closed: everything is as it was */
  @Post('org/:orgId/reopen')
  @Access('deleteOrg', { orgKeys: false, whileClosed: true })
  @Returns(OrgClosing, { message: 'Organization reopened successfully' })
  reopenOrg(@Caller() caller: Principal, @OrgId() orgId: string): Promise<OrgClosing> {
    return this.closing.reopen(caller, orgId);
  }

  /** Delete an organization with everything in it */
  @Delete('org/:orgId')
  @RootAccess('deleteOrg')
  @ChecksVersion()
  @ErrorResponses(409)
  @ApiBody({ type: DeleteOrgBody, required: false })
  @Returns(null, { message: 'Organization deleted successfully' })
  deleteOrg(
    @Caller() caller: Principal,
    @OrgId() orgId: string,
    @Body() body: DeleteOrgBody,
    @IfMatch() ifMatch: number | undefined,
  ): Promise<void> {
    return this.orgs.delete(caller, orgId, body.confirm, ifMatch);
  }
}
