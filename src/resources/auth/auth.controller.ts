import { Body, Controller, Get, Post, Query } from '@nestjs/common';
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
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { HeaderAuthBody, PasswordBody, PincodeBody, Whitelist, WhitelistBody, WhitelistEmailBody } from './auth.dto.js';
import { ResourceAuthService } from './auth.service.js';

@ApiTags('Resources')
@Controller('resource/:resourceId')
export class ResourceAuthController {
  constructor(private readonly auth: ResourceAuthService) {}

  /** Set or clear the password that visitors share */
  @Post('password')
  @Access('setResourcePassword')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Resource password set successfully', versioned: true })
  setResourcePassword(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: PasswordBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.setPassword(principal, orgId, resourceId, body.password, ifMatch);
  }

  /** Set or clear the six-digit PIN that visitors share */
  @Post('pincode')
  @Access('setResourcePincode')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Resource PIN code set successfully', versioned: true })
  setResourcePincode(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: PincodeBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.setPincode(principal, orgId, resourceId, body.pincode, ifMatch);
  }

  /** Set or clear the user and password that programs send in a header */
  @Post('header-auth')
  @Access('setResourceHeaderAuth')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Header authentication set successfully', versioned: true })
  setResourceHeaderAuth(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: HeaderAuthBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.setHeaderAuth(principal, orgId, resourceId, body, ifMatch);
  }

  /** Read the e-mail whitelist */
  @Get('whitelist')
  @Access('getResourceWhitelist')
  @Returns(Whitelist, { message: 'Resource whitelist retrieved successfully', exports: true })
  getResourceWhitelist(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.auth.whitelist(principal, orgId, resourceId, page, format);
  }

  /** Replace the e-mail whitelist */
  @Post('whitelist')
  @Access('setResourceWhitelist')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Whitelist set for resource successfully', versioned: true })
  setResourceWhitelist(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: WhitelistBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.setWhitelist(principal, orgId, resourceId, body.emails, ifMatch);
  }

  /** Add one e-mail to the whitelist */
  @Post('whitelist/add')
  @Access('setResourceWhitelist')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'E-mail added to whitelist successfully', versioned: true })
  addToResourceWhitelist(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: WhitelistEmailBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.allow(principal, orgId, resourceId, body.email, ifMatch);
  }

  /** Remove one e-mail from the whitelist */
  @Post('whitelist/remove')
  @Access('setResourceWhitelist')
  @ChecksVersion()
  @Returns('empty', { message: 'E-mail removed from whitelist successfully', versioned: true })
  removeFromResourceWhitelist(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: WhitelistEmailBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.auth.disallow(principal, orgId, resourceId, body.email, ifMatch);
  }
}
