import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { MEMBER_ACTIONS } from '../../../libs/contracts/index.js';
import { Db, parseId, type SearchQuery, shapeB, TenantResolvers, windowOf } from '../../../libs/platform/index.js';
import type { RoleList } from './roles.dto.js';
import { RolesRepository } from './roles.repository.js';

const SSH_DEFAULTS = {
  requireDeviceApproval: false, allowSsh: false, sshSudoMode: 'none', sshSudoCommands: '[]', sshCreateHomeDir: true, sshUnixGroups: '[]',
};

@Injectable()
export class RolesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: RolesRepository,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    this.resolvers.register('roleId', async (value) => {
      const roleId = parseId(value);
      const orgId = roleId === null ? null : await this.repository.orgOf(this.db.manager, roleId);
      return orgId === null ? null : { orgId };
    });
  }

  /** The roles that every organization begins with (integration-api.md §3.1). @returns the id of Admin. */
  async createDefaults(tx: EntityManager, orgId: string): Promise<number> {
    const admin = await this.repository.insert(tx, { orgId, name: 'Admin', description: 'Holds every action', isAdmin: true, actions: [] });
    await this.repository.insert(tx, { orgId, name: 'Member', description: 'Sees the organization and its resources', isAdmin: false, actions: [...MEMBER_ACTIONS] });
    return admin;
  }

  /** GET /org/{orgId}/roles, shape B. */
  async list(orgId: string, query: SearchQuery): Promise<RoleList> {
    const window = windowOf(query, 20);
    const rows = await this.repository.list(this.db.manager, orgId, query.query, query.order === 'desc', window);
    const total = await this.repository.count(this.db.manager, orgId, query.query);
    return { roles: rows.map((row) => ({ ...row, orgId, ...SSH_DEFAULTS })), pagination: shapeB(total, window) };
  }
}
