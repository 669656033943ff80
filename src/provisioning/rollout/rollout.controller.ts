import { Body, Controller, Delete, Get, Param, Post, Put, Query, type StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ExportAs, type ExportFormat, OrgId, PageQuery, type Principal, Returns } from '#platform';
import {
  ExpectedBody,
  ExpectedList,
  ExpectedView,
  KeyRolloutView,
  RolloutQuery,
  SiteLookupBody,
  SiteLookupView,
} from './rollout.dto.js';
import { RolloutService } from './rollout.service.js';

@ApiTags('Provisioning')
@Controller('org/:orgId')
export class RolloutController {
  constructor(private readonly rollouts: RolloutService) {}

  /** Read how far the sites of a key have come, what was refused, and what of its list is missing */
  @Get('site-provisioning-key/:siteProvisioningKeyId/rollout')
  @Access('listSiteProvisioningKeys')
  @Returns(KeyRolloutView, { message: 'Rollout retrieved successfully', exports: true })
  getSiteProvisioningKeyRollout(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Query() query: RolloutQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.rollouts.rollout(principal, orgId, keyId, query, format);
  }

  /** Read which devices are to come by a key */
  @Get('site-provisioning-key/:siteProvisioningKeyId/expected')
  @Access('listSiteProvisioningKeys')
  @Returns(ExpectedList, { message: 'Expected devices retrieved successfully', exports: true })
  getExpectedDevices(
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<ExpectedList | StreamableFile> {
    return this.rollouts.expected(orgId, keyId, page, format);
  }

  /** Say which devices, or how many, are to come by a key, in place of what was said before */
  @Put('site-provisioning-key/:siteProvisioningKeyId/expected')
  @Access('updateSiteProvisioningKey')
  @Returns(ExpectedView, { message: 'Expected devices set successfully' })
  setExpectedDevices(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Body() body: ExpectedBody,
  ) {
    return this.rollouts.expect(principal, orgId, keyId, body);
  }

  /** Expect again as many devices as the key has uses */
  @Delete('site-provisioning-key/:siteProvisioningKeyId/expected')
  @Access('updateSiteProvisioningKey')
  @Returns(ExpectedView, { message: 'Expected devices deleted successfully' })
  deleteExpectedDevices(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
  ) {
    return this.rollouts.expect(principal, orgId, keyId, null);
  }

  /** Look devices up by their hardware ids: their sites, refusals and tombstones */
  @Post('site-lookup')
  @Access('listClaims')
  @Returns(SiteLookupView, { message: 'Devices looked up successfully' })
  lookUpSites(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: SiteLookupBody) {
    return this.rollouts.lookUp(principal, orgId, body);
  }
}
