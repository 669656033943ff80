import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  type Principal,
  Returns,
} from '#platform';
import { ListReplacementsQuery, ReplacementList, ReplacementView, ReplaceSiteBody } from './replacements.dto.js';
import { ReplacementsService } from './replacements.service.js';

/** A site that lives on with another device (docs/replacements.md). */
@ApiTags('Sites')
@Controller()
export class ReplacementsController {
  constructor(private readonly replacements: ReplacementsService) {}

  /** Have another device take a site over, which keeps everything but the device; needs updateSite too */
  @Post('site/:siteId/replace')
  @Access('revokeSite')
  @ChecksVersion()
  @ErrorResponses(409)
  @HttpCode(200)
  @Returns(ReplacementView, { message: 'Site replaced successfully', creates: () => true })
  replaceSite(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Body() body: ReplaceSiteBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.replacements.replace(principal, orgId, siteId, body, ifMatch);
  }

  /** Withdraw a replacement that waits for the claim of its device; 404 when the site waits for none */
  @Delete('site/:siteId/replace')
  @Access('updateSite')
  @Returns(null, { message: 'Replacement withdrawn successfully' })
  withdrawReplacement(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    return this.replacements.withdraw(principal, orgId, siteId);
  }

  /** List the replacements that wait for the claim of a device, those that end first before others */
  @Get('org/:orgId/site-replacements')
  @Access('listSites')
  @Returns(ReplacementList, { message: 'Replacements retrieved successfully', exports: true })
  listReplacements(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListReplacementsQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.replacements.list(principal, orgId, query, format);
  }
}
