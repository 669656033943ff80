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
import { GrantedRoles, GrantedUsers, RoleIdBody, RoleIdsBody, UserIdBody, UserIdsBody } from '../grants/grants.dto.js';
import {
  AddedToClient,
  ClientIdBody,
  ClientIdsBody,
  GrantedClients,
  SiteResourceIdsBody,
} from './private-grants.dto.js';
import { PrivateGrantsService } from './private-grants.service.js';

@ApiTags('Private resources')
@Controller()
export class PrivateGrantsController {
  constructor(private readonly grants: PrivateGrantsService) {}

  /** List the roles that may use it; Admin always may */
  @Get('site-resource/:siteResourceId/roles')
  @Access('listResourceRoles')
  @Returns(GrantedRoles, { message: 'Site resource roles retrieved successfully', exports: true })
  listSiteResourceRoles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.grants.roles(principal, orgId, siteResourceId, page, format);
  }

  /** Replace the roles that may use it */
  @Post('site-resource/:siteResourceId/roles')
  @Access('setResourceRoles')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Roles set for site resource successfully', versioned: true })
  setSiteResourceRoles(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: RoleIdsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.setRoles(principal, orgId, siteResourceId, body.roleIds, ifMatch);
  }

  /** Let one more role use it */
  @Post('site-resource/:siteResourceId/roles/add')
  @Access('setResourceRoles')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'Role added to site resource successfully', versioned: true })
  addSiteResourceRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: RoleIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.addRole(principal, orgId, siteResourceId, body.roleId, ifMatch);
  }

  /** Let a role use it no more */
  @Post('site-resource/:siteResourceId/roles/remove')
  @Access('setResourceRoles')
  @ChecksVersion()
  @Returns('empty', { message: 'Role removed from site resource successfully', versioned: true })
  removeSiteResourceRole(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: RoleIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.removeRole(principal, orgId, siteResourceId, body.roleId, ifMatch);
  }

  /** List the users who may use it beside those of the roles */
  @Get('site-resource/:siteResourceId/users')
  @Access('listResourceUsers')
  @Returns(GrantedUsers, { message: 'Site resource users retrieved successfully', exports: true })
  listSiteResourceUsers(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.grants.users(principal, orgId, siteResourceId, page, format);
  }

  /** Replace the users that may use it */
  @Post('site-resource/:siteResourceId/users')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Users set for site resource successfully', versioned: true })
  setSiteResourceUsers(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: UserIdsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.setUsers(principal, orgId, siteResourceId, body.userIds, ifMatch);
  }

  /** Let one more user use it */
  @Post('site-resource/:siteResourceId/users/add')
  @Access('setResourceUsers')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'User added to site resource successfully', versioned: true })
  addSiteResourceUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: UserIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.addUser(principal, orgId, siteResourceId, body.userId, ifMatch);
  }

  /** Let a user use it no more */
  @Post('site-resource/:siteResourceId/users/remove')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { message: 'User removed from site resource successfully', versioned: true })
  removeSiteResourceUser(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: UserIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.removeUser(principal, orgId, siteResourceId, body.userId, ifMatch);
  }

  /** List the machine clients that may use it */
  @Get('site-resource/:siteResourceId/clients')
  @Access('listResourceUsers')
  @Returns(GrantedClients, { message: 'Site resource clients retrieved successfully', exports: true })
  listSiteResourceClients(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.grants.clients(principal, orgId, siteResourceId, page, format);
  }

  /** Replace the clients that may use it */
  @Post('site-resource/:siteResourceId/clients')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { status: 201, message: 'Clients set for site resource successfully', versioned: true })
  setSiteResourceClients(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: ClientIdsBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.setClients(principal, orgId, siteResourceId, body.clientIds, ifMatch);
  }

  /** Let one more client use it */
  @Post('site-resource/:siteResourceId/clients/add')
  @Access('setResourceUsers')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns('empty', { status: 201, message: 'Client added to site resource successfully', versioned: true })
  addSiteResourceClient(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: ClientIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.addClient(principal, orgId, siteResourceId, body.clientId, ifMatch);
  }

  /** Let a client use it no more */
  @Post('site-resource/:siteResourceId/clients/remove')
  @Access('setResourceUsers')
  @ChecksVersion()
  @Returns('empty', { message: 'Client removed from site resource successfully', versioned: true })
  removeSiteResourceClient(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('siteResourceId') siteResourceId: number,
    @Body() body: ClientIdBody,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.grants.removeClient(principal, orgId, siteResourceId, body.clientId, ifMatch);
  }

  /** Give one machine client access to many private resources */
  @Post('client/:clientId/site-resources')
  @Access('setResourceUsers')
  @ErrorResponses(409)
  @Returns(AddedToClient, { status: 201, message: 'Client added to site resources successfully' })
  addClientToSiteResources(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('clientId') clientId: number,
    @Body() body: SiteResourceIdsBody,
  ) {
    return this.grants.addToClient(principal, orgId, clientId, body.siteResourceIds);
  }
}
