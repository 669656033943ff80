import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  invalid,
  notFound,
  type PageQuery,
  type Principal,
  requireVersion,
  windowIfAsked,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { ResourcesService } from '../public/resources.service.js';
import { ResourceWriter } from '../writer/resource-writer.js';
import type { GrantedRoles, GrantedUsers } from './grants.dto.js';
import { GrantsRepository } from './grants.repository.js';

/** Nothing, and the version that the resource has now. */
type Changed = ApiResult<Record<string, never>>;

/** Which roles and users may pass a public resource (docs/integration-api.md §3.4 "Grants"). The Admin role always may: it is never stored. */
@Injectable()
export class GrantsService {
  constructor(
    private readonly db: Db,
    private readonly resources: ResourcesService,
    private readonly repository: GrantsRepository,
    private readonly writer: ResourceWriter,
    private readonly audit: AuditService,
    private readonly exports: Exports,
  ) {}

  async roles(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GrantedRoles | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.repository.allRoles(this.db.manager, orgId, resourceId));
    return { roles: await this.repository.roles(this.db.manager, orgId, resourceId, windowIfAsked(page)) };
  }

  async users(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GrantedUsers | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.repository.allUsers(this.db.manager, orgId, resourceId));
    return { users: await this.repository.users(this.db.manager, orgId, resourceId, windowIfAsked(page)) };
  }

  /** Replaces the roles. @throws not_found for a role of another organization, validation for Admin; so do the next two. */
  setRoles(
    principal: Principal,
    orgId: string,
    resourceId: number,
    roleIds: number[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.set_roles', { roleIds }, async (tx) => {
      await this.requireRoles(tx, orgId, roleIds, 'roleIds');
      await this.writer.setGrants(tx, orgId, 'resource_role', [{ id: resourceId, keys: roleIds }]);
    });
  }

  /** @throws conflict when it is granted. */
  addRole(
    principal: Principal,
    orgId: string,
    resourceId: number,
    roleId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.add_role', { roleId }, async (tx) => {
      await this.requireRoles(tx, orgId, [roleId], 'roleId');
      if ((await this.writer.addRoles(tx, 'resource', [{ id: resourceId, roleId }])) === 0)
        throw conflict('This role is assigned already');
    });
  }

  /** @throws not_found when it is not granted. */
  removeRole(
    principal: Principal,
    orgId: string,
    resourceId: number,
    roleId: number,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.remove_role', { roleId }, async (tx) => {
      await this.requireRoles(tx, orgId, [roleId], 'roleId');
      if ((await this.repository.removeRole(tx, resourceId, roleId)) === 0) throw notFound('Role');
    });
  }

  /** Replaces the users. @throws not_found for somebody who is no member of the organization; so do the next two. */
  setUsers(
    principal: Principal,
    orgId: string,
    resourceId: number,
    userIds: string[],
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.set_users', { userIds }, async (tx) => {
      await this.requireMembers(tx, orgId, userIds);
      await this.writer.setGrants(tx, orgId, 'resource_user', [{ id: resourceId, keys: userIds }]);
    });
  }

  /** @throws conflict when the user is granted access. */
  addUser(
    principal: Principal,
    orgId: string,
    resourceId: number,
    userId: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.add_user', { userId }, async (tx) => {
      await this.requireMembers(tx, orgId, [userId]);
      if ((await this.repository.addUsers(tx, orgId, resourceId, [userId])) === 0)
        throw conflict('This user is assigned already');
    });
  }

  /** @throws not_found when the user is not granted access. */
  removeUser(
    principal: Principal,
    orgId: string,
    resourceId: number,
    userId: string,
    ifMatch: number | undefined,
  ): Promise<Changed> {
    return this.change(principal, orgId, resourceId, ifMatch, 'resource.remove_user', { userId }, async (tx) => {
      await this.requireMembers(tx, orgId, [userId]);
      if ((await this.repository.removeUser(tx, resourceId, userId)) === 0) throw notFound('User');
    });
  }

  private change(
    principal: Principal,
    orgId: string,
    resourceId: number,
    ifMatch: number | undefined,
    action: string,
    details: Record<string, unknown>,
    work: (tx: EntityManager) => Promise<void>,
  ): Promise<Changed> {
    return this.db.tx(async (tx) => {
      const { version } = await this.resources.lock(tx, orgId, resourceId);
      requireVersion('Resource', ifMatch, version);
      await work(tx);
      await this.audit.record(tx, principal, { orgId, action, target: { type: 'resource', id: resourceId }, details });
      return new ApiResult({}, { version });
    });
  }

  private async requireRoles(tx: EntityManager, orgId: string, roleIds: number[], path: string): Promise<void> {
    const roles = await this.repository.rolesAmong(tx, orgId, roleIds);
    if (roles.length !== roleIds.length) throw notFound('Role');
    if (roles.some((role) => role.isAdmin))
      throw invalid(path, 'the Admin role reaches everything; it can be neither granted nor removed');
  }

  private async requireMembers(tx: EntityManager, orgId: string, userIds: string[]): Promise<void> {
    if ((await this.repository.membersAmong(tx, orgId, userIds)).length !== userIds.length) throw notFound('User');
  }
}
