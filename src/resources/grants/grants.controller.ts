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
import { GrantedRoles, GrantedUsers, RoleIdBody, RoleIdsBody, UserIdBody, UserIdsBody } from './grants.dto.js';
import { GrantsService } from './grants.service.js';

@ApiTags('Resources')
@Controller('resource/:resourceId')
export class GrantsController {
  constructor(private readonly grants: GrantsService) {}

  /** List the roles that may pass; Admin always may */
  @Get('roles')
  @Access('listResourceRoles')
  @Returns(GrantedRoles, { message: 'Resource roles retrieved successfully', exports: true })
  listResourceRoles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.grants.roles(principal, orgId, resourceId, page, format);
  }

  /** List the users who may pass beside those of the roles */
  @Get('users')
  @Access('listResourceUsers')
  @Returns(GrantedUsers, { message: 'Resource users retrieved successfully', exports: true })
  listResourceUsers(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.grants.users(principal, orgId, resourceId, page, format);
  }

  /** Replace the roles that may pass */
  @Post('roles')
  @Access('setResourceRoles')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Roles set for resource successfully', versioned: true })
  setResourceRoles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: RoleIdsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.setRoles(principal, orgId, resourceId, body.roleIds, ifMatch);
  }

  /** Replace the users who may pass */
  @Post('users')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Users set for resource successfully', versioned: true })
  setResourceUsers(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: UserIdsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.setUsers(principal, orgId, resourceId, body.userIds, ifMatch);
  }

  /** Let a role pass */
  @Post('roles/add')
  @Access('setResourceRoles')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'Role added to resource successfully', versioned: true })
  addResourceRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: RoleIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.addRole(principal, orgId, resourceId, body.roleId, ifMatch);
  }

  /** Let a role pass no more */
  @Post('roles/remove')
  @Access('setResourceRoles')
  @ChecksVersion()
  @Returns('empty', { message: 'Role removed from resource successfully', versioned: true })
  removeResourceRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: RoleIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.removeRole(principal, orgId, resourceId, body.roleId, ifMatch);
  }

  /** Let a user pass */
  @Post('users/add')
  @Access('setResourceUsers')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'User added to resource successfully', versioned: true })
  addResourceUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: UserIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.addUser(principal, orgId, resourceId, body.userId, ifMatch);
  }

  /** Let a user pass no more */
  @Post('users/remove')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { message: 'User removed from resource successfully', versioned: true })
  removeResourceUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('resourceId') resourceId: number,
    @Body() body: UserIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.removeUser(principal, orgId, resourceId, body.userId, ifMatch);
  }
}
