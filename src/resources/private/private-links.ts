import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { invalid, notFound } from '#platform';
import { ClientsService } from '../../clients/index.js';
import { GrantsRepository } from '../grants/grants.repository.js';
import { ResourceWriter } from '../writer/resource-writer.js';

/**
 * What may be granted: roles but Admin, members and machine clients, all of the organization; `path` is the field that the ids came in. Methods
 * throw not_found for another organization's id.
 */
@Injectable()
export class PrivateLinks {
  constructor(
    private readonly known: GrantsRepository,
    private readonly writer: ResourceWriter,
    private readonly clients: ClientsService,
  ) {}

  /** What is granted of a resource's `roleIds`: reads list Admin, so clients send it back, and it has everything without a grant. */
  async grantable(tx: EntityManager, orgId: string, roleIds: number[]): Promise<number[]> {
    const roles = await this.known.rolesAmong(tx, orgId, roleIds);
    if (roles.length !== roleIds.length) throw notFound('Role');
    return roles.filter((role) => !role.isAdmin).map((role) => role.roleId);
  }

  /** @throws validation for Admin */
  async requireRoles(tx: EntityManager, orgId: string, roleIds: number[], path: string): Promise<void> {
    const roles = await this.known.rolesAmong(tx, orgId, roleIds);
    if (roles.length !== roleIds.length) throw notFound('Role');
    if (roles.some((role) => role.isAdmin))
      throw invalid(path, 'the Admin role reaches everything; it can be neither granted nor removed');
  }

  async requireMembers(tx: EntityManager, orgId: string, userIds: string[]): Promise<void> {
    if ((await this.known.membersAmong(tx, orgId, userIds)).length !== userIds.length) throw notFound('User');
  }

  /** @throws validation for the device of a person */
  requireMachines(tx: EntityManager, orgId: string, clientIds: number[], path: string): Promise<void> {
    return this.clients.requireMachines(tx, orgId, clientIds, path);
  }

  async setRoles(tx: EntityManager, orgId: string, siteResourceId: number, roleIds: number[]): Promise<void> {
    await this.requireRoles(tx, orgId, roleIds, 'roleIds');
    await this.writer.setGrants(tx, orgId, 'site_resource_role', [{ id: siteResourceId, keys: roleIds }]);
  }

  async setUsers(tx: EntityManager, orgId: string, siteResourceId: number, userIds: string[]): Promise<void> {
    await this.requireMembers(tx, orgId, userIds);
    await this.writer.setGrants(tx, orgId, 'site_resource_user', [{ id: siteResourceId, keys: userIds }]);
  }

  async setClients(tx: EntityManager, orgId: string, siteResourceId: number, clientIds: number[]): Promise<void> {
    await this.requireMachines(tx, orgId, clientIds, 'clientIds');
    await this.writer.setGrants(tx, orgId, 'site_resource_client', [{ id: siteResourceId, keys: clientIds }]);
  }
}
