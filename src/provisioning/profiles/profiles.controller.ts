import { Body, Controller, Delete, Get, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  DeletionQuery,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { ProfileUsers } from '../users.dto.js';
import { CreateProfileBody, ProfileList, ProfileView, UpdateProfileBody } from './profile.dto.js';
import { ProfilesService } from './profiles.service.js';

@ApiTags('Provisioning')
@Controller('org/:orgId')
export class ProfilesController {
  constructor(private readonly profiles: ProfilesService) {}

  /** Create a provisioning profile */
  @Put('provisioning-profile')
  @Access('createProvisioningProfile')
  @ErrorResponses(409)
  @Returns(ProfileView, { status: 201, message: 'Provisioning profile created successfully' })
  createProvisioningProfile(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateProfileBody) {
    return this.profiles.create(principal, orgId, body);
  }

  /** List provisioning profiles */
  @Get('provisioning-profiles')
  @Access('listProvisioningProfiles')
  @Returns(ProfileList, { message: 'Provisioning profiles retrieved successfully', exports: true })
  listProvisioningProfiles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.profiles.list(principal, orgId, page, format);
  }

  /** Read a provisioning profile */
  @Get('provisioning-profile/:profileId')
  @Access('getProvisioningProfile')
  @Returns(ProfileView, { message: 'Provisioning profile retrieved successfully' })
  getProvisioningProfile(@Caller() principal: Principal, @OrgId() orgId: string, @Id('profileId') profileId: number) {
    return this.profiles.get(principal, orgId, profileId);
  }

  /** Change a provisioning profile; sites that were already claimed keep what they inherited */
  @Post('provisioning-profile/:profileId')
  @Access('updateProvisioningProfile')
  @ErrorResponses(409)
  @Returns(ProfileView, { message: 'Provisioning profile updated successfully' })
  updateProvisioningProfile(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Body() body: UpdateProfileBody,
  ) {
    return this.profiles.update(principal, orgId, profileId, body);
  }

  /** Delete a provisioning profile; 409 with its users while it is in use */
  @Delete('provisioning-profile/:profileId')
  @Access('deleteProvisioningProfile')
  @ErrorResponses(409)
  @Returns(ProfileUsers, { message: 'Provisioning profile deleted successfully', nullable: true })
  deleteProvisioningProfile(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('profileId') profileId: number,
    @Query() query: DeletionQuery,
  ) {
    return this.profiles.delete(principal, orgId, profileId, query);
  }
}
