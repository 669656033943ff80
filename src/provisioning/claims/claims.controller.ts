import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  type Principal,
  Returns,
  RootAccess,
} from '#platform';
import {
  AllowReclaimBody,
  AllowReclaimView,
  ClaimList,
  ClaimQuery,
  ClaimsPausedView,
  InstallationClaimQuery,
  KeyRefusalList,
  KeyRefusalQuery,
} from './claim.dto.js';
import { ClaimAdministrationService } from './claim-administration.service.js';
import { KeyRefusals } from './key-refusals.service.js';

@ApiTags('Claims')
@Controller()
export class ClaimsController {
  constructor(
    private readonly claims: ClaimAdministrationService,
    private readonly refusals: KeyRefusals,
  ) {}

  /** List claims, accepted and refused, newest first */
  @Get('org/:orgId/claims')
  @Access('listClaims')
  @Returns(ClaimList, { message: 'Claims retrieved successfully', exports: true })
  listClaims(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: ClaimQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.claims.listOfOrg(principal, orgId, filter, format);
  }

  /** Sum up refused claims by key and reason, latest first */
  @Get('org/:orgId/claims/refusals')
  @Access('listClaims')
  @Returns(KeyRefusalList, { message: 'Refusals retrieved successfully', exports: true })
  listKeyRefusals(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() filter: KeyRefusalQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.refusals.list(principal, orgId, filter, format);
  }

  /** List refused claims that named no existing key, or the claims of one organization by its identity */
  @Get('claims')
  @RootAccess('listClaims')
  @Returns(ClaimList, { message: 'Claims retrieved successfully', exports: true })
  listUnattributedClaims(@Query() { orgUid, ...filter }: InstallationClaimQuery, @ExportAs() format?: ExportFormat) {
    return this.claims.listOfUid(orgUid ?? null, filter, format);
  }

  /** Stop every claim of the organization */
  @Post('org/:orgId/claims/pause')
  @Access('pauseClaims')
  @Returns(ClaimsPausedView, { message: 'Claims paused successfully' })
  pauseClaims(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.claims.setPaused(principal, orgId, true);
  }

  /** Let claims happen again */
  @Post('org/:orgId/claims/resume')
  @Access('pauseClaims')
  @Returns(ClaimsPausedView, { message: 'Claims resumed successfully' })
  resumeClaims(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.claims.setPaused(principal, orgId, false);
  }

  /** Let the next claim of this site's hardware id re-issue its credential, once */
  @Post('site/:siteId/allow-reclaim')
  @Access('allowReclaim')
  @ErrorResponses(409)
  @Returns(AllowReclaimView, { message: 'Re-claim allowed successfully' })
  allowReclaim(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Body() body: AllowReclaimBody,
  ) {
    return this.claims.allowReclaim(principal, orgId, siteId, body);
  }
}
