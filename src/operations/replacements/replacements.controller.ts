import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ChecksVersion, ErrorResponses, Id, IfMatch, OrgId, type Principal, Returns } from '#platform';
import { ReplacementView, ReplaceSiteBody } from './replacements.dto.js';
import { ReplacementsService } from './replacements.service.js';

/** A site that lives on with another device (docs/replacements.md). */
@ApiTags('Sites')
@Controller('site/:siteId/replace')
export class ReplacementsController {
  constructor(private readonly replacements: ReplacementsService) {}

  /** Have another device take a site over, which keeps everything but the device; needs updateSite too */
  @Post()
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
}
