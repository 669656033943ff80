import { Body, Controller, Post } from '@nestjs/common';
import { ApiExtraModels, ApiTags } from '@nestjs/swagger';
import { type ApiResult, Caller, ErrorResponses, type Principal, Returns, SiteAccess } from '#platform';
import { RenewAnswer, RenewBody } from './credentials.dto.js';
import { RenewalsService } from './renewals.service.js';

/** How a site gets its next credential (docs/credentials.md §2): bare JSON, as the claim of devices. */
@ApiTags('Credentials')
@ApiExtraModels(RenewAnswer)
@Controller('device/credential')
export class RenewalsController {
  constructor(private readonly renewals: RenewalsService) {}

  /** Get the next credential, also with one that has expired; it takes the place of the present one when it is first used */
  @Post('renew')
  @SiteAccess({ direct: true, renewing: true })
  @ErrorResponses(400)
  @Returns(RenewAnswer, { status: 201, bare: true, message: 'Renewed' })
  renewCredential(@Caller() principal: Principal, @Body() body: RenewBody): Promise<ApiResult<RenewAnswer>> {
    return this.renewals.renew(principal, body);
  }
}
