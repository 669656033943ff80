import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  notFound,
  type PageQuery,
  type Principal,
  requireVersion,
  windowIfAsked,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import type { GrantedRoles, GrantedUsers } from '../grants/grants.dto.js';
import { ResourceWriter } from '../writer/resource-writer.js';
import { PrivateResourcesService } from './private.service.js';
import type { AddedToClient, GrantedClients } from './private-grants.dto.js';
import { PrivateGrantsRepository } from './private-grants.repository.js';
import { PrivateLinks } from './private-links.js';

/** Nothing, and the version that the resource has now. */
type Changed = ApiResult<Record<string, never>>;

/** Which roles, users and machine clients may use a private resource (docs/integration-api.md §3.4 "Grants"). The Admin role always may. */
@Injectable()
export class PrivateGrantsService {
  constructor(
    private readonly db: Db,
    private readonly resources: PrivateResourcesService,
    private readonly links: PrivateLinks,
    private readonly repository: PrivateGrantsRepository,
    private readonly writer: ResourceWriter,
    private readonly audit: AuditService,
    private readonly exports: Exports,
  ) {}

  async roles(
    _principal: Principal,
    orgId: string,
    siteResourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GrantedRoles | StreamableFile> {
    if (format)
      return this.exports.start(orgId, format, this.repository.allRoles(this.db.manager, orgId, siteResourceId));
    return { roles: await this.repository.roles(this.db.manager, orgId, siteResourceId, windowIfAsked(page)) };
  }

  async users(
    _principal: Principal,
    orgId: string,
    siteResourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GrantedUsers | StreamableFile> {
    if (format)
      return this.exports.start(orgId, format, this.repository.allUsers(this.db.manager, orgId, siteResourceId));
    return { users: await this.repository.users(this.db.manager, orgId, siteResourceId, windowIfAsked(page)) };
  }

  async clients(
    _principal: Principal,
    orgId: string,
    siteResourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GrantedClients | StreamableFile> {
    if (format)
      return this.exports.start(orgId, format, this.repository.allClients(this.db.manager, orgId, siteResourceId));
    return { clients: await this.repository.clients(this.db.manager, orgId, siteResourceId, windowIfAsked(page)) };
  }

  /** Replaces the roles. @throws not_found for a role of another organization, validation for Admin; so do the next two. */
  setRoles(
    principal: Principal,
    orgId: string,
    id: number,
    roleIds: number[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'set_roles', { roleIds }, (tx) =>
      this.links.setRoles(tx, orgId, id, roleIds),
    );
  }

  /** @throws conflict when it is granted. */
  addRole(
    principal: Principal,
    orgId: string,
    id: number,
    roleId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'add_role', { roleId }, async (tx) => {
      await this.links.requireRoles(tx, orgId, [roleId], 'roleId');
      if ((await this.writer.addRoles(tx, 'site_resource', [{ id, roleId }])) === 0)
        throw conflict('This role is assigned already');
    });
  }

  /** @throws not_found when it is not granted. */
  removeRole(
    principal: Principal,
    orgId: string,
    id: number,
    roleId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'remove_role', { roleId }, async (tx) => {
      await this.links.requireRoles(tx, orgId, [roleId], 'roleId');
      if ((await this.repository.removeRole(tx, id, roleId)) === 0) throw notFound('Role');
    });
  }

  /** Replaces the users. @throws not_found for somebody who is no member of the organization; so do the next two. */
  setUsers(
    principal: Principal,
    orgId: string,
    id: number,
    userIds: string[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'set_users', { userIds }, (tx) =>
      this.links.setUsers(tx, orgId, id, userIds),
    );
  }

  /** @throws conflict when the user is granted access. */
  addUser(
    principal: Principal,
    orgId: string,
    id: number,
    userId: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'add_user', { userId }, async (tx) => {
      await this.links.requireMembers(tx, orgId, [userId]);
      if ((await this.repository.addUsers(tx, orgId, id, [userId])) === 0)
        throw conflict('This user is assigned already');
    });
  }

  /** @throws not_found when the user is not granted access. */
  removeUser(
    principal: Principal,
    orgId: string,
    id: number,
    userId: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'remove_user', { userId }, async (tx) => {
      await this.links.requireMembers(tx, orgId, [userId]);
      if ((await this.repository.removeUser(tx, id, userId)) === 0) throw notFound('User');
    });
  }

  /** Replaces the machine clients. @throws not_found for a client of another organization, validation for a person's device; so do the next three. */
  setClients(
    principal: Principal,
    orgId: string,
    id: number,
    clientIds: number[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'set_clients', { clientIds }, (tx) =>
      this.links.setClients(tx, orgId, id, clientIds),
    );
  }

  /** @throws conflict when it is granted. */
  addClient(
    principal: Principal,
    orgId: string,
    id: number,
    clientId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'add_client', { clientId }, async (tx) => {
      await this.links.requireMachines(tx, orgId, [clientId], 'clientId');
      if ((await this.repository.addClients(tx, id, [clientId])) === 0)
        throw conflict('This client is assigned already');
    });
  }

  /** @throws not_found when it is not granted. */
  removeClient(
    principal: Principal,
    orgId: string,
    id: number,
    clientId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, id, ifMatch, 'remove_client', { clientId }, async (tx) => {
      await this.links.requireMachines(tx, orgId, [clientId], 'clientId');
      if ((await this.repository.removeClient(tx, id, clientId)) === 0) throw notFound('Client');
    });
  }

  /** Gives one machine many resources; those that it has are passed by. @throws not_found for one of another organization, conflict when it has them all. */
  addToClient(
    principal: Principal,
    orgId: string,
    clientId: number,
    siteResourceIds: number[],
  ): Promise<AddedToClient> {
    return this.db.tx(async (tx) => {
      await this.links.requireMachines(tx, orgId, [clientId], 'clientId');
      if ((await this.repository.countAmong(tx, orgId, siteResourceIds)) !== siteResourceIds.length)
        throw notFound('Site resource');
      const fresh = new Set(await this.repository.addToClient(tx, clientId, siteResourceIds));
      if (fresh.size === 0) throw conflict('The client has all of these already');
      const added = siteResourceIds.filter((id) => fresh.has(id));
      await this.audit.record(tx, principal, {
        orgId,
        action: 'client.add_site_resources',
        target: { type: 'client', id: clientId },
        details: { siteResourceIds: added },
      });
      return { addedCount: added.length, skippedCount: siteResourceIds.length - added.length, siteResourceIds: added };
    });
  }

  private change(
    principal: Principal,
    orgId: string,
    siteResourceId: number,
    ifMatch: number | undefined,
    verb: string,
    details: Record<string, unknown>,
    work: (tx: EntityManager) => Promise<void>,
  ): Promise<Changed> {
    return this.db.tx(async (tx) => {
      const { version } = await this.resources.lock(tx, orgId, siteResourceId);
      requireVersion('Site resource', ifMatch, version);
      await work(tx);
      await this.audit.record(tx, principal, {
        orgId,
        action: `site_resource.${verb}`,
        target: { type: 'site_resource', id: siteResourceId },
        details,
      });
      return new ApiResult({}, { version });
    });
  }
}
