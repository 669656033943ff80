import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Access, Caller, ErrorAnswers, Id, OrgId, type Principal, Returns } from '../../../libs/platform/index.js';
import { GrantedRoles, GrantedUsers, RoleIdBody, RoleIdsBody, UserIdBody, UserIdsBody } from '../grants/grants.dto.js';
import { AddedToClient, ClientIdBody, ClientIdsBody, GrantedClients, SiteResourceIdsBody } from './private-grants.dto.js';
import { PrivateGrantsService } from './private-grants.service.js';

@ApiTags('Private resources')
@Controller()
export class PrivateGrantsController {
  constructor(private readonly grants: PrivateGrantsService) {}

  /** List the roles that may use it; Admin always may */
  @Get('site-resource/:siteResourceId/roles')
  @Access('listResourceRoles')
  @Returns(GrantedRoles, { message: 'Site resource roles retrieved successfully' })
  listSiteResourceRoles(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number) {
    return this.grants.roles(principal, orgId, siteResourceId);
  }

  /** Replace the roles that may use it */
  @Post('site-resource/:siteResourceId/roles')
  @Access('setResourceRoles')
  @Returns('empty', { status: 201, message: 'Roles set for site resource successfully' })
  setSiteResourceRoles(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: RoleIdsBody) {
    return this.grants.setRoles(principal, orgId, siteResourceId, body.roleIds);
  }

  /** Let one more role use it */
  @Post('site-resource/:siteResourceId/roles/add')
  @Access('setResourceRoles')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'Role added to site resource successfully' })
  addSiteResourceRole(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: RoleIdBody) {
    return this.grants.addRole(principal, orgId, siteResourceId, body.roleId);
  }

  /** Let a role use it no more */
  @Post('site-resource/:siteResourceId/roles/remove')
  @Access('setResourceRoles')
  @Returns('empty', { message: 'Role removed from site resource successfully' })
  removeSiteResourceRole(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: RoleIdBody) {
    return this.grants.removeRole(principal, orgId, siteResourceId, body.roleId);
  }

  /** List the users who may use it beside those of the roles */
  @Get('site-resource/:siteResourceId/users')
  @Access('listResourceUsers')
  @Returns(GrantedUsers, { message: 'Site resource users retrieved successfully' })
  listSiteResourceUsers(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number) {
    return this.grants.users(principal, orgId, siteResourceId);
  }

  /** Replace the users that may use it */
  @Post('site-resource/:siteResourceId/users')
  @Access('setResourceUsers')
  @Returns('empty', { status: 201, message: 'Users set for site resource successfully' })
  setSiteResourceUsers(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: UserIdsBody) {
    return this.grants.setUsers(principal, orgId, siteResourceId, body.userIds);
  }

  /** Let one more user use it */
  @Post('site-resource/:siteResourceId/users/add')
  @Access('setResourceUsers')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'User added to site resource successfully' })
  addSiteResourceUser(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: UserIdBody) {
    return this.grants.addUser(principal, orgId, siteResourceId, body.userId);
  }

  /** Let a user use it no more */
  @Post('site-resource/:siteResourceId/users/remove')
  @Access('setResourceUsers')
  @Returns('empty', { message: 'User removed from site resource successfully' })
  removeSiteResourceUser(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: UserIdBody) {
    return this.grants.removeUser(principal, orgId, siteResourceId, body.userId);
  }

  /** List the machine clients that may use it */
  @Get('site-resource/:siteResourceId/clients')
  @Access('listResourceUsers')
  @Returns(GrantedClients, { message: 'Site resource clients retrieved successfully' })
  listSiteResourceClients(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number) {
    return this.grants.clients(principal, orgId, siteResourceId);
  }

  /** Replace the clients that may use it */
  @Post('site-resource/:siteResourceId/clients')
  @Access('setResourceUsers')
  @Returns('empty', { status: 201, message: 'Clients set for site resource successfully' })
  setSiteResourceClients(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: ClientIdsBody) {
    return this.grants.setClients(principal, orgId, siteResourceId, body.clientIds);
  }

  /** Let one more client use it */
  @Post('site-resource/:siteResourceId/clients/add')
  @Access('setResourceUsers')
  @ErrorAnswers(409)
  @Returns('empty', { status: 201, message: 'Client added to site resource successfully' })
  addSiteResourceClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: ClientIdBody) {
    return this.grants.addClient(principal, orgId, siteResourceId, body.clientId);
  }

  /** Let a client use it no more */
  @Post('site-resource/:siteResourceId/clients/remove')
  @Access('setResourceUsers')
  @Returns('empty', { message: 'Client removed from site resource successfully' })
  removeSiteResourceClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('siteResourceId') siteResourceId: number, @Body() body: ClientIdBody) {
    return this.grants.removeClient(principal, orgId, siteResourceId, body.clientId);
  }

  /** Give one machine client access to many private resources */
  @Post('client/:clientId/site-resources')
  @Access('setResourceUsers')
  @ErrorAnswers(409)
  @Returns(AddedToClient, { status: 201, message: 'Client added to site resources successfully' })
  addClientToSiteResources(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number, @Body() body: SiteResourceIdsBody) {
    return this.grants.addToClient(principal, orgId, clientId, body.siteResourceIds);
  }
}
