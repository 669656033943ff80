import { Body, Controller, Delete, Get, Post, Put, Query, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  ApiResult,
  Caller,
  ChecksVersion,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  type GatehouseRequest,
  Id,
  IfMatch,
  OrgId,
  type Principal,
  Returns,
} from '#platform';
import {
  ClientDefaults,
  ClientList,
  ClientView,
  CreateClientBody,
  ListClientsQuery,
  ListUserDevicesQuery,
  UpdateClientBody,
  UserDeviceList,
} from './clients.dto.js';
import { ClientsService } from './clients.service.js';

@ApiTags('Clients')
@Controller()
export class ClientsController {
  constructor(private readonly clients: ClientsService) {}

  /** Choose values for a new machine client; the address is reserved for ten minutes */
  @Get('org/:orgId/pick-client-defaults')
  @Access('createClient')
  @Returns(ClientDefaults, { message: 'Client defaults chosen successfully' })
  pickClientDefaults(@Caller() principal: Principal, @OrgId() orgId: string) {
    return this.clients.defaults(principal, orgId);
  }

  /** Create a machine client */
  @Put('org/:orgId/client')
  @Access('createClient')
  @ErrorResponses(409)
  // The sentence is what clients know (docs/integration-api.md §3.12).
  @Returns(ClientView, { status: 201, message: 'Site created successfully', versioned: true })
  createClient(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: CreateClientBody) {
    return this.clients.create(principal, orgId, body);
  }

  /** List machine clients; those that are neither blocked nor archived unless `status` says otherwise */
  @Get('org/:orgId/clients')
  @Access('listClients')
  @Returns(ClientList, { message: 'Clients retrieved successfully', exports: true })
  listClients(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListClientsQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.clients.list(principal, orgId, query, format);
  }

  /** List the devices of people */
  @Get('org/:orgId/user-devices')
  @Access('listClients')
  @Returns(UserDeviceList, { message: 'User devices retrieved successfully', exports: true })
  listUserDevices(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() query: ListUserDevicesQuery,
    @ExportAs() format?: ExportFormat,
  ) {
    return this.clients.listDevices(principal, orgId, query, format);
  }

  /** Read a client */
  @Get('client/:clientId')
  @Access('getClient')
  @Returns(ClientView, { message: 'Client retrieved successfully', versioned: true })
  async getClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number) {
    const { client, version } = await this.clients.get(principal, orgId, clientId);
    return new ApiResult(client, { version });
  }

  /** Rename a client, or change its niceId; answers a list of the one row */
  @Post('client/:clientId')
  @Access('updateClient')
  @ChecksVersion()
  @ErrorResponses(409)
  @Returns([ClientView], { message: 'Client updated successfully', versioned: true })
  async updateClient(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('clientId') clientId: number,
    @Body() body: UpdateClientBody,
    @IfMatch() ifMatch: number | undefined,
    @Req() request: GatehouseRequest,
  ) {
    const { client, version } = await this.clients.update(principal, orgId, clientId, body, ifMatch);
    // ADR 0036: those who rename by `/v1` read an object, and the document's readers a list.
    const renames = request.viaIntegration === true && body.niceId === undefined;
    return new ApiResult(renames ? client : [client], { version });
  }

  /** Delete a machine client; its address is free again */
  @Delete('client/:clientId')
  @Access('deleteClient')
  @ChecksVersion()
  @Returns(null, { message: 'Client deleted successfully' })
  deleteClient(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Id('clientId') clientId: number,
    @IfMatch() ifMatch: number | undefined,
  ) {
    return this.clients.delete(principal, orgId, clientId, ifMatch);
  }

  /** Put a client out of the way */
  @Post('client/:clientId/archive')
  @Access('archiveClient')
  @Returns(null, { message: 'Client archived successfully' })
  archiveClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number) {
    return this.clients.archive(principal, orgId, clientId, true);
  }

  /** Take a client back from the archive */
  @Post('client/:clientId/unarchive')
  @Access('unarchiveClient')
  @Returns(null, { message: 'Client unarchived successfully' })
  unarchiveClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number) {
    return this.clients.archive(principal, orgId, clientId, false);
  }

  /** Refuse a client from now on */
  @Post('client/:clientId/block')
  @Access('blockClient')
  @Returns(null, { message: 'Client blocked successfully' })
  blockClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number) {
    return this.clients.block(principal, orgId, clientId, true);
  }

  /** Let a blocked client in again */
  @Post('client/:clientId/unblock')
  @Access('unblockClient')
  @Returns(null, { message: 'Client unblocked successfully' })
  unblockClient(@Caller() principal: Principal, @OrgId() orgId: string, @Id('clientId') clientId: number) {
    return this.clients.block(principal, orgId, clientId, false);
  }
}
