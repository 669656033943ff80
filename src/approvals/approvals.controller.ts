import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  AlsoReturns,
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
import { JobView } from '../jobs/index.js';
import { SiteView } from '../sites/index.js';
import {
  DecideBody,
  DecisionResults,
  DeleteSiteQuery,
  RejectionList,
  RejectionQuery,
  RevokeSiteBody,
  TombstoneList,
  UpdateSiteBody,
} from './approvals.dto.js';
import { ApprovalsService } from './approvals.service.js';
import { BulkDecisionsService } from './bulk-decisions.service.js';

/** Routes that decide about sites, and those that can mean a decision. */
@ApiTags('Sites')
@Controller()
export class ApprovalsController {
  constructor(
    private readonly approvals: ApprovalsService,
    private readonly bulk: BulkDecisionsService,
  ) {}

  /** Change a site; `status` approved approves it, pending suspends it */
  @Post('site/:siteId')
  @Access('updateSite')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(SiteView, { message: 'Site updated successfully', versioned: true })
  async updateSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Body() body: UpdateSiteBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { site, version } = await this.approvals.update(principal, orgId, siteId, body, ifMatch);
    return new ApiResult(site, { version });
  }

  /** Delete a site; a pending one is rejected and leaves a tombstone, a suspended one must be approved or revoked first */
  @Delete('site/:siteId')
  @Access('deleteSite')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(null, { message: 'Site deleted successfully' })
  async deleteSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Query() query: DeleteSiteQuery,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const remark = await this.approvals.delete(principal, orgId, siteId, query, ifMatch);
    return new ApiResult(null, remark === undefined ? {} : { message: remark });
  }

  /** Revoke the credentials of a leaked or stolen site and refuse its hardware id; the site stays */
  @Post('site/:siteId/revoke')
  @Access('revokeSite')
  @Returns(SiteView, { message: 'Site revoked successfully' })
  async revokeSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Body() body: RevokeSiteBody,
  ) {
    const { site, remark } = await this.approvals.revoke(principal, orgId, siteId, body);
    return new ApiResult(site, remark === undefined ? {} : { message: remark });
  }

  /** Approve or reject many sites, each in a transaction of its own, or any number of them as a job (`asJob`) */
  @Post('org/:orgId/approvals')
  @Access('updateApprovals')
  @ErrorResponses(409)
  @AlsoReturns(202, JobView, 'The job that decides, with asJob')
  @Returns(DecisionResults, {
    message: 'Decisions applied',
    creates: (body) => (body as Partial<DecideBody> | null)?.asJob === true,
  })
  async updateApprovals(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: DecideBody) {
    if (body.asJob) return this.bulk.decideLater(principal, orgId, body);
    const results = await this.bulk.decide(principal, orgId, body);
    return new ApiResult(
      results,
      results.dryRun ? { message: 'Nothing was changed; these would be the decisions' } : {},
    );
  }

  /** List devices that may claim nothing */
  @Get('org/:orgId/tombstones')
  @Access('listTombstones')
  @Returns(TombstoneList, { message: 'Tombstones retrieved successfully', exports: true })
  listTombstones(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.approvals.listTombstones(principal, orgId, page, format);
  }

  /** List sites that were rejected, newest first, with the tombstones that they left */
  @Get('org/:orgId/rejections')
  @Access('listTombstones')
  @Returns(RejectionList, { message: 'Rejections retrieved successfully', exports: true })
  listRejections(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: RejectionQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.approvals.listRejections(principal, orgId, filter, format);
  }

  /** Lift a tombstone; the hardware id, as the list names it, is percent-encoded */
  @Delete('org/:orgId/tombstone/:hardwareId')
  @Access('deleteTombstone')
  @Returns(null, { message: 'Tombstone deleted successfully' })
  deleteTombstone(@Caller() principal: Principal, @OrgId() orgId: string, @Param('hardwareId') hardwareId: string) {
    return this.approvals.deleteTombstone(principal, orgId, hardwareId);
  }
}
