import { Body, Controller, Delete, Get, Param, Post, Put, Query, type StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ExportAs,
  type ExportFormat,
  Id,
  IfMatch,
  OrgId,
  type Principal,
  Returns,
} from '#platform';
import {
  CreateOrgUserBody,
  ListUsersQuery,
  MemberList,
  OrgUserCheck,
  OrgUserView,
  UpdateOrgUserBody,
  UserByUsernameQuery,
} from './members.dto.js';
import { MembersService } from './members.service.js';

/** Members of an organization, with the removal that a Terraform provider calls (docs/integration-api.md §3.10). */
@ApiTags('Users')
@Controller()
export class MembersController {
  constructor(private readonly members: MembersService) {}

  /** List users by name */
  @Get('org/:orgId/users')
  @Access('listUsers')
  @Returns(MemberList, { message: 'Users retrieved successfully', exports: true })
  listUsers(
    @OrgId() orgId: string,
    @Query() query: ListUsersQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<MemberList | StreamableFile> {
    return this.members.list(orgId, query, format);
  }

  /** Find a user by username */
  @Get('org/:orgId/user-by-username')
  @Access('getOrgUser')
  @Returns(OrgUserView, { message: 'User retrieved successfully', versioned: true })
  async getOrgUserByUsername(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: UserByUsernameQuery,
  ) {
    const { user, version } = await this.members.getByUsername(principal, orgId, query);
    return new ApiResult(user, { version });
  }

  /** Make a user of an identity provider a member; there are no identity providers yet */
  @Put('org/:orgId/user')
  @Access('createOrgUser')
  @Returns('empty', { status: 201, message: 'User created successfully' })
  createOrgUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Body() body: CreateOrgUserBody,
  ): Promise<object> {
    return this.members.create(principal, orgId, body);
  }

  /** Read a user of an organization */
  @Get('org/:orgId/user/:userId')
  @Access('getOrgUser')
  @Returns(OrgUserView, { message: 'User retrieved successfully', versioned: true })
  async getOrgUser(@Caller() principal: Principal, @OrgId() orgId: string, @Param('userId') userId: string) {
    const { user, version } = await this.members.get(principal, orgId, userId);
    return new ApiResult(user, { version });
  }

  /** Ask whether a user is a member of an organization */
  @Get('org/:orgId/user/:candidateId/check')
  @Access('getOrgUser')
  @Returns(OrgUserCheck, { message: 'User access checked successfully' })
  checkOrgUser(@Caller() principal: Principal, @OrgId() orgId: string, @Param('candidateId') userId: string) {
    return this.members.check(principal, orgId, userId);
  }

  /** Say whether the identity provider decides a user's roles */
  @Post('org/:orgId/user/:userId')
  @Access('updateOrgUser')
  @ChecksVersion()
  @Returns(OrgUserView, { message: 'User updated successfully', versioned: true })
  async updateOrgUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('userId') userId: string,
    @Body() body: UpdateOrgUserBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { user, version } = await this.members.update(principal, orgId, userId, body.autoProvisioned, ifMatch);
    return new ApiResult(user, { version });
  }

  /** Remove a user from an organization; their access ends at once */
  @Delete('org/:orgId/user/:userId')
  @Access('removeUser')
  @ChecksVersion()
  @Returns(null, { message: 'User removed from the organization successfully' })
  removeUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('userId') userId: string,
    @IfMatch() ifMatch: number | undefined,
  ): Promise<void> {
    return this.members.remove(principal, orgId, userId, ifMatch);
  }

  /** Make a role the only role of a user */
  @Post('role/:roleId/add/:userId')
  @Access('addUserRole')
  @Returns('empty', { status: 201, message: 'Role added to user successfully' })
  setUserRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Param('userId') userId: string,
  ): Promise<object> {
    return this.members.setRole(principal, orgId, userId, roleId);
  }

  /** Take a role from a user */
  @Delete('role/:roleId/remove/:userId')
  @Access('removeUserRole')
  @Returns('empty', { message: 'Role removed from user successfully' })
  removeRoleFromUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Param('userId') userId: string,
  ): Promise<object> {
    return this.members.removeRole(principal, orgId, userId, roleId);
  }

  /** Give a user a further role */
  @Post('user/:userId/add-role/:roleId')
  @Access('addUserRole')
  @Returns('empty', { status: 201, message: 'Role added to user successfully' })
  addUserRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('userId') userId: string,
    @Id('roleId') roleId: number,
  ): Promise<object> {
    return this.members.addRole(principal, orgId, userId, roleId);
  }

  /** Take a role from a user */
  @Delete('user/:userId/remove-role/:roleId')
  @Access('removeUserRole')
  @Returns('empty', { message: 'Role removed from user successfully' })
  removeUserRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Param('userId') userId: string,
    @Id('roleId') roleId: number,
  ): Promise<object> {
    return this.members.removeRole(principal, orgId, userId, roleId);
  }
}
