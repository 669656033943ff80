import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorResponses, Id, OrgId, type Principal, Returns } from '#platform';
import { CredentialAdministration } from './credential-administration.service.js';
import { CredentialList, RotateCredentialBody, RotationView } from './credentials.dto.js';

/** What operators see of the credentials of a site, and do with them (docs/credentials.md §3). */
@ApiTags('Credentials')
@Controller('site/:siteId')
export class SiteCredentialsController {
  constructor(private readonly administration: CredentialAdministration) {}

  /** List the credentials of a site, without what they prove it with */
  @Get('credentials')
  @Access('getSite')
  @Returns(CredentialList, { message: 'Credentials retrieved successfully' })
  listSiteCredentials(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteId') siteId: number) {
    return this.administration.list(principal, orgId, siteId);
  }

  /** Have a site take another credential; the present one ends when the next one was used and the overlap is over */
  @Post('rotate-credential')
  @Access('updateSite')
  @ErrorResponses(409)
  @HttpCode(202)
  @Returns(RotationView, { status: 202, message: 'The site is to take another credential' })
  rotateSiteCredential(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteId') siteId: number,
    @Body() body: RotateCredentialBody,
  ) {
    return this.administration.rotate(principal, orgId, siteId, body);
  }
}
