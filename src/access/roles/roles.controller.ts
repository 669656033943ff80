import { Body, Controller, Delete, Get, Post, Put, Query, type StreamableFile } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
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
import { actionsHeld } from './granting.js';
import {
  CreateRoleBody,
  DeleteRoleBody,
  ListRolesQuery,
  MyActions,
  RoleActions,
  RoleList,
  RoleUserList,
  RoleView,
  SetRoleActionsBody,
  UpdateRoleBody,
} from './roles.dto.js';
import { RolesService } from './roles.service.js';

/** Roles, with the list of a role's users that a Terraform provider reads (docs/integration-api.md §3.9). */
@ApiTags('Roles')
@Controller()
export class RolesController {
  constructor(private readonly roles: RolesService) {}

  /** Create a role */
  @Put('org/:orgId/role')
  @Access('createRole')
  @ErrorResponses(409)
  @Returns(RoleView, { status: 201, message: 'Role created successfully', versioned: true })
  createRole(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateRoleBody) {
    return this.roles.create(principal, orgId, body);
  }

  /** List roles by name */
  @Get('org/:orgId/roles')
  @Access('listRoles')
  @Returns(RoleList, { message: 'Roles retrieved successfully', exports: true })
  listRoles(@OrgId() orgId: string, @Query() query: ListRolesQuery, @ExportAs() format?: ExportFormat) {
    return this.roles.list(orgId, query, format);
  }

  /** Read a role */
  @Get('role/:roleId')
  @Access('getRole')
  @Returns(RoleView, { message: 'Role retrieved successfully', versioned: true })
  async getRole(@Caller() principal: Principal, @OrgId() orgId: string, @Id('roleId') roleId: number) {
    const { role, version } = await this.roles.get(principal, orgId, roleId);
    return new ApiResult(role, { version });
  }

  /** Change a role */
  @Post('role/:roleId')
  @Access('updateRole')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns(RoleView, { message: 'Role updated successfully', versioned: true })
  async updateRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Body() body: UpdateRoleBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { role, version } = await this.roles.update(principal, orgId, roleId, body, ifMatch);
    return new ApiResult(role, { version });
  }

  /** Delete a role; its members and grants go over to another one, which is not needed while nobody holds it */
  @Delete('role/:roleId')
  @Access('deleteRole')
  @ChecksVersion()
  @ApiBody({ type: DeleteRoleBody, required: false })
  @Returns(null, { message: 'Role deleted successfully' })
  deleteRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Body() body: DeleteRoleBody,
    @IfMatch() ifMatch: number | undefined,
  ): Promise<void> {
    return this.roles.delete(principal, orgId, roleId, body.roleId, ifMatch);
  }

  /** Read what the caller may do in the organization */
  @Get('org/:orgId/my-actions')
  @Access(null)
  @Returns(MyActions, { message: 'Actions retrieved successfully' })
  listMyActions(@Caller() principal: Principal, @OrgId() orgId: string): MyActions {
    return { actionIds: actionsHeld(principal, orgId) };
  }

  /** Read what a role holds */
  @Get('role/:roleId/actions')
  @Access('getRole')
  @Returns(RoleActions, { message: 'Role actions retrieved successfully', versioned: true })
  async listRoleActions(@Caller() principal: Principal, @OrgId() orgId: string, @Id('roleId') roleId: number) {
    const { actions, version } = await this.roles.getActions(principal, orgId, roleId);
    return new ApiResult(actions, { version });
  }

  /** Replace what a role holds, for everybody who holds the role, at once */
  @Post('role/:roleId/actions')
  @Access('updateRole')
  @ChecksVersion()
  @Returns(RoleActions, { message: 'Role actions updated successfully', versioned: true })
  async setRoleActions(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Body() body: SetRoleActionsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    const { actions, version } = await this.roles.setActions(principal, orgId, roleId, body, ifMatch);
    return new ApiResult(actions, { version });
  }

  /** List the users that hold a role */
  @Get('role/:roleId/users')
  @Access('listUsers')
  @Returns(RoleUserList, { message: 'Role users retrieved successfully', exports: true })
  listRoleUsers(
    @OrgId() orgId: string,
    @Id('roleId') roleId: number,
    @Query() query: PageQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<RoleUserList | StreamableFile> {
    return this.roles.listUsers(orgId, roleId, query, format);
  }
}
