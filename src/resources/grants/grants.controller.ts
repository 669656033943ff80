import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorAnswers, Id, OrgId, type Principal, Returns } from '../../../libs/platform/index.js';
import { GrantedRoles, GrantedUsers, RoleIdBody, RoleIdsBody, UserIdBody, UserIdsBody } from './grants.dto.js';
import { GrantsService } from './grants.service.js';

@ApiTags('Resources')
@Controller('resource/:resourceId')
export class GrantsController {
  constructor(private readonly grants: GrantsService) {}

  /** List the roles that may pass; Admin always may */
  @Get('roles')
  @Access('listResourceRoles')
  @Returns(GrantedRoles, { message: 'Resource roles retrieved successfully' })
  listResourceRoles(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number) {
    return this.grants.roles(principal, orgId, resourceId);
  }

  /** List the users who may pass beside those of the roles */
  @Get('users')
  @Access('listResourceUsers')
  @Returns(GrantedUsers, { message: 'Resource users retrieved successfully' })
  listResourceUsers(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number) {
    return this.grants.users(principal, orgId, resourceId);
  }

  /** Replace the roles that may pass */
  @Post('roles')
  @Access('setResourceRoles')
  @Returns('empty', { status: 201, message: 'Roles set for resource successfully' })
  setResourceRoles(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: RoleIdsBody) {
    return this.grants.setRoles(principal, orgId, resourceId, body.roleIds);
  }

  /** Replace the users who may pass */
  @Post('users')
  @Access('setResourceUsers')
  @Returns('empty', { status: 201, message: 'Users set for resource successfully' })
  setResourceUsers(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: UserIdsBody) {
    return this.grants.setUsers(principal, orgId, resourceId, body.userIds);
  }

  /** Let a role pass */
  @Post('roles/add')
  @Access('setResourceRoles')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'Role added to resource successfully' })
  addResourceRole(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: RoleIdBody) {
    return this.grants.addRole(principal, orgId, resourceId, body.roleId);
  }

  /** Let a role pass no more */
  @Post('roles/remove')
  @Access('setResourceRoles')
  @Returns('empty', { message: 'Role removed from resource successfully' })
  removeResourceRole(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: RoleIdBody) {
    return this.grants.removeRole(principal, orgId, resourceId, body.roleId);
  }

  /** Let a user pass */
  @Post('users/add')
  @Access('setResourceUsers')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'User added to resource successfully' })
  addResourceUser(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: UserIdBody) {
    return this.grants.addUser(principal, orgId, resourceId, body.userId);
  }

  /** Let a user pass no more */
  @Post('users/remove')
  @Access('setResourceUsers')
  @Returns('empty', { message: 'User removed from resource successfully' })
  removeResourceUser(@Caller() principal: Principal, @OrgId() orgId: string, @Id('resourceId') resourceId: number, @Body() body: UserIdBody) {
    return this.grants.removeUser(principal, orgId, resourceId, body.userId);
  }
}
