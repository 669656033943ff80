import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorResponses, ExportAs, type ExportFormat, OrgId, type Principal, Returns } from '#platform';
import { KeyUsers } from '../users.dto.js';
import {
  CreatedKeyView,
  CreateKeyBody,
  KeyList,
  KeyView,
  ListKeysQuery,
  RotatedKeyView,
  RotateKeyBody,
  UpdateKeyBody,
} from './key.dto.js';
import { KeysService } from './keys.service.js';

@ApiTags('Provisioning')
@Controller('org/:orgId')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  /** Create a provisioning key; the answer holds the whole key, once */
  @Put('site-provisioning-key')
  @Access('createSiteProvisioningKey')
  @Returns(CreatedKeyView, { status: 201, message: 'Site provisioning key created successfully' })
  createSiteProvisioningKey(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateKeyBody) {
    return this.keys.create(principal, orgId, body);
  }

  /** List provisioning keys, all or those in one state */
  @Get('site-provisioning-keys')
  @Access('listSiteProvisioningKeys')
  @Returns(KeyList, { message: 'Site provisioning keys retrieved successfully', exports: true })
  listSiteProvisioningKeys(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListKeysQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.keys.list(principal, orgId, query, format);
  }

  /** Read a provisioning key with uses, last use and last address per generation */
  @Get('site-provisioning-key/:siteProvisioningKeyId')
  @Access('listSiteProvisioningKeys')
  @Returns(KeyView, { message: 'Site provisioning key retrieved successfully' })
  getSiteProvisioningKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
  ) {
    return this.keys.get(principal, orgId, keyId);
  }

  /** Change a provisioning key */
  @Patch('site-provisioning-key/:siteProvisioningKeyId')
  @Access('updateSiteProvisioningKey')
  @ErrorResponses(409)
  @Returns(KeyView, { message: 'Site provisioning key updated successfully' })
  updateSiteProvisioningKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Body() body: UpdateKeyBody,
  ) {
    return this.keys.update(principal, orgId, keyId, body);
  }

  /** Delete a provisioning key; sites already made stay, and are named in the answer */
  @Delete('site-provisioning-key/:siteProvisioningKeyId')
  @Access('deleteSiteProvisioningKey')
  @Returns(KeyUsers, { message: 'Site provisioning key deleted successfully' })
  deleteSiteProvisioningKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
  ) {
    return this.keys.delete(principal, orgId, keyId);
  }

  /** Revoke a provisioning key for good */
  @Post('site-provisioning-key/:siteProvisioningKeyId/revoke')
  @Access('revokeSiteProvisioningKey')
  @Returns(KeyView, { message: 'Site provisioning key revoked successfully' })
  revokeSiteProvisioningKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
  ) {
    return this.keys.revoke(principal, orgId, keyId);
  }

  /** Issue a new secret for the same key; the answer holds the whole key, once */
  @Post('site-provisioning-key/:siteProvisioningKeyId/rotate')
  @Access('rotateSiteProvisioningKey')
  @ErrorResponses(409)
  @Returns(RotatedKeyView, { message: 'Site provisioning key rotated successfully' })
  rotateSiteProvisioningKey(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('siteProvisioningKeyId') keyId: string,
    @Body() body: RotateKeyBody,
  ) {
    return this.keys.rotate(principal, orgId, keyId, body);
  }
}
