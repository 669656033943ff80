import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorAnswers, Id, OrgId, type Principal, Returns } from '../../../libs/platform/index.js';
import { HeaderAuthBody, PasswordBody, PincodeBody, Whitelist, WhitelistBody, WhitelistEmailBody } from './auth.dto.js';
import { ResourceAuthService } from './auth.service.js';

@ApiTags('Resources')
@Controller('resource/:resourceId')
export class ResourceAuthController {
  constructor(private readonly auth: ResourceAuthService) {}

  /** Set or clear the password that visitors share */
  @Post('password')
  @Access('setResourcePassword')
  @Returns('empty', { status: 201, message: 'Resource password set successfully' })
  setResourcePassword(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: PasswordBody) {
    return this.auth.setPassword(principal, orgId, resourceId, body.password);
  }

  /** Set or clear the six-digit PIN that visitors share */
  @Post('pincode')
  @Access('setResourcePincode')
  @Returns('empty', { status: 201, message: 'Resource PIN code set successfully' })
  setResourcePincode(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: PincodeBody) {
    return this.auth.setPincode(principal, orgId, resourceId, body.pincode);
  }

  /** Set or clear the user and password that programs send in a header */
  @Post('header-auth')
  @Access('setResourceHeaderAuth')
  @Returns('empty', { status: 201, message: 'Header authentication set successfully' })
  setResourceHeaderAuth(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: HeaderAuthBody) {
    return this.auth.setHeaderAuth(principal, orgId, resourceId, body);
  }

  /** Read the e-mail whitelist */
  @Get('whitelist')
  @Access('getResourceWhitelist')
  @Returns(Whitelist, { message: 'Resource whitelist retrieved successfully' })
  getResourceWhitelist(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number) {
    return this.auth.whitelist(principal, orgId, resourceId);
  }

  /** Replace the e-mail whitelist */
  @Post('whitelist')
  @Access('setResourceWhitelist')
  @Returns('empty', { status: 201, message: 'Whitelist set for resource successfully' })
  setResourceWhitelist(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: WhitelistBody) {
    return this.auth.setWhitelist(principal, orgId, resourceId, body.emails);
  }

  /** Add one e-mail to the whitelist */
  @Post('whitelist/add')
  @Access('setResourceWhitelist')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'E-mail added to whitelist successfully' })
  addToResourceWhitelist(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: WhitelistEmailBody) {
    return this.auth.allow(principal, orgId, resourceId, body.email);
  }

  /** Remove one e-mail from the whitelist */
  @Post('whitelist/remove')
  @Access('setResourceWhitelist')
  @Returns('empty', { message: 'E-mail removed from whitelist successfully' })
  removeFromResourceWhitelist(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: WhitelistEmailBody) {
    return this.auth.disallow(principal, orgId, resourceId, body.email);
  }
}
