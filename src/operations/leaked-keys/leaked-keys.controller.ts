import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorResponses, OrgId, type Principal, Returns } from '#platform';
import { LeakedKeyBody, LeakedKeyView } from './leaked-keys.dto.js';
import { LeakedKeysService } from './leaked-keys.service.js';

/** A provisioning key that others have got hold of (docs/integration-api.md §3.21). */
@ApiTags('Provisioning')
@Controller('org/:orgId/site-provisioning-key/:siteProvisioningKeyId/leaked')
export class LeakedKeysController {
  constructor(private readonly keys: LeakedKeysService) {}

  /** Stop a key that others have, and suspend what it made; with dryRun only say what that is; each measure needs its action */
  @Post()
  @Access('listSiteProvisioningKeys')
  @ErrorResponses(409)
  @HttpCode(200)
  @Returns(LeakedKeyView, {
    message: 'What the key made',
    creates: (body) => (body as Partial<LeakedKeyBody> | null)?.dryRun !== true,
  })
  reportLeakedKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Body() body: LeakedKeyBody,
  ) {
    return body.dryRun
      ? this.keys.foresee(principal, orgId, keyId, body)
      : this.keys.stop(principal, orgId, keyId, body);
  }
}
