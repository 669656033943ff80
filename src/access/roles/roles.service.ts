import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Action, actionsOfRole, MEMBER_ACTIONS, type RolePreset } from '#contracts';
import {
  type ApiResult,
  AppError,
  type Columns,
  conflict,
  created,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  notify,
  OrgExports,
  type PageQuery,
  type Principal,
  requireVersion,
  shapeA,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { requireHeld } from './granting.js';
import type { Role } from './role.entity.js';
import type {
  CreateRoleBody,
  ListRolesQuery,
  RoleActions,
  RoleList,
  RoleListItem,
  RoleUserList,
  RoleView,
  SetRoleActionsBody,
  UpdateRoleBody,
} from './roles.dto.js';
import { type RoleRow, RolesRepository } from './roles.repository.js';

export interface VersionedRole {
  role: RoleView;
  version: number;
}

/** What an organization begins with beside Admin and Member (docs/integration-api.md §3.9). */
const BUILT_IN: readonly { preset: RolePreset; name: string; description: string }[] = [
  { preset: 'operator', name: 'Operator', description: 'Runs everything, but for who has access and for deleting' },
  { preset: 'approver', name: 'Approver', description: 'Decides on sites that wait for approval' },
  { preset: 'viewer', name: 'Viewer', description: 'Sees everything and changes nothing' },
];

export interface VersionedRoleActions {
  actions: RoleActions;
  version: number;
}

const COLUMNS: Columns<RoleListItem> = {
  roleId: true,
  orgId: true,
  isAdmin: true,
  name: true,
  description: true,
  requireDeviceApproval: true,
  allowSsh: true,
  sshSudoMode: true,
  sshSudoCommands: true,
  sshCreateHomeDir: true,
  sshUnixGroups: true,
  orgName: true,
};

/** Roles of an organization and what they hold (docs/integration-api.md §3.9). */
@Injectable()
export class RolesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: RolesRepository,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('roles', 'listRoles', ({ orgId }) => this.all(orgId));
    this.resolvers.registerNumber('roleId', (id) => this.repository.orgOf(this.db.manager, id));
  }

  /** The roles that every organization begins with (docs/integration-api.md §3.1). @returns the id of Admin. */
  async createDefaults(tx: EntityManager, orgId: string): Promise<number> {
    const admin = await this.repository.insert(tx, {
      orgId,
      name: 'Admin',
      description: 'Holds every action',
      isAdmin: true,
    });
    await this.repository.insert(tx, {
      orgId,
      name: 'Member',
      description: 'Sees the organization and its resources',
      actions: [...MEMBER_ACTIONS],
    });
    for (const role of BUILT_IN) await this.repository.insert(tx, { ...role, orgId });
    return admin;
  }

  /**
   * The roles of these ids, which until the transaction ends nobody deletes. Duplicates count once.
   * @throws not_found when the organization lacks one of them
   */
  async require(tx: EntityManager, orgId: string, roleIds: number[]): Promise<Role[]> {
    const wanted = [...new Set(roleIds)];
    const roles = await this.repository.lock(tx, orgId, wanted, 'KEY SHARE');
    if (roles.length < wanted.length) throw notFound('Role');
    return roles;
  }

  /** Without a lock, for reads. @throws not_found */
  async requireAll(em: EntityManager, orgId: string, roleIds: number[]): Promise<void> {
    if ((await this.repository.countOf(em, orgId, roleIds)) < new Set(roleIds).size) throw notFound('Role');
  }

  /**
   * The same for a caller who is about to give them to somebody.
   * @throws permission_denied for a role that holds what the caller lacks (docs/integration-api.md §1.5)
   */
  async requireGrantable(tx: EntityManager, principal: Principal, orgId: string, roleIds: number[]): Promise<Role[]> {
    const roles = await this.require(tx, orgId, roleIds);
    for (const role of roles) requireHeld(principal, orgId, actionsOfRole(role));
    return roles;
  }

  /** Ids of the roles of these names that are there, but for Admin's. */
  async named(tx: EntityManager, orgId: string, names: string[]): Promise<Map<string, number>> {
    return new Map([...(await this.repository.named(tx, orgId, names))].map(([name, role]) => [name, role.id]));
  }

  /** How these names are written where the roles are there: case and width do not count. */
  async asMade(tx: EntityManager, orgId: string, names: string[]): Promise<Map<string, string>> {
    return new Map([...(await this.repository.named(tx, orgId, names))].map(([name, role]) => [name, role.name]));
  }

  /** The same, with those that are missing made as Member is (docs/blueprints.md "Who owns what"). Part of a larger act, which is audited by its own name. */
  async ensure(tx: EntityManager, orgId: string, names: string[]): Promise<Map<string, number>> {
    await this.repository.insertMissing(tx, orgId, names, [...MEMBER_ACTIONS]);
    return this.named(tx, orgId, names);
  }

  /** PUT /org/{orgId}/role. @throws conflict when the name is taken */
  async create(principal: Principal, orgId: string, body: CreateRoleBody): Promise<ApiResult<RoleView>> {
    return this.db.tx(async (tx) => {
      const roleId = await named(() => this.repository.insert(tx, { ...body, orgId, actions: [...MEMBER_ACTIONS] }));
      await this.record(tx, principal, orgId, 'role.create', roleId, { name: body.name });
      return created(view((await this.repository.find(tx, orgId, roleId))!));
    });
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, roleId: number): Promise<VersionedRole> {
    const role = await this.repository.find(this.db.manager, orgId, roleId);
    if (!role) throw notFound('Role');
    return { role: view(role), version: role.version };
  }

  /** POST /role/{roleId}. @throws validation for an empty body, conflict when the name is taken, precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    roleId: number,
    body: UpdateRoleBody,
    ifMatch: number | undefined,
  ): Promise<VersionedRole> {
    const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Partial<Role>;
    if (Object.keys(given).length === 0) throw nothingToChange();
    return this.db.tx(async (tx) => {
      const [held] = await this.repository.lock(tx, orgId, [roleId], 'UPDATE');
      if (!held) throw notFound('Role');
      requireVersion('Role', ifMatch, held.version);
      const { name: _name, description: _description, ...rest } = given;
      const changes = held.isAdmin ? rest : given;
      if (Object.keys(changes).length > 0) await named(() => this.repository.update(tx, orgId, roleId, changes));
      await notify(tx, 'access_changed', `org:${orgId}`);
      await this.record(tx, principal, orgId, 'role.update', roleId, { fields: Object.keys(changes) });
      const role = (await this.repository.find(tx, orgId, roleId))!;
      return { role: view(role), version: role.version };
    });
  }

  /** GET /role/{roleId}/actions. @throws not_found */
  async getActions(_principal: Principal, orgId: string, roleId: number): Promise<VersionedRoleActions> {
    const role = await this.repository.find(this.db.manager, orgId, roleId);
    if (!role) throw notFound('Role');
    return { actions: actionsView(role), version: role.version };
  }

  /**
   * POST /role/{roleId}/actions: who holds the role may that, at once. Only what is new to the role must be the caller's own.
   * @throws validation unless one of the two is given; permission_denied for Admin and for what the caller lacks; not_found, precondition_failed
   */
  async setActions(
    principal: Principal,
    orgId: string,
    roleId: number,
    { actionIds, preset }: SetRoleActionsBody,
    ifMatch: number | undefined,
  ): Promise<VersionedRoleActions> {
    if ((actionIds === undefined) === (preset === undefined))
      throw invalid('actionIds', 'give either actionIds or preset');
    const wanted = { preset: preset ?? null, actions: [...(actionIds ?? [])].sort() };
    return this.db.tx(async (tx) => {
      const [held] = await this.repository.lock(tx, orgId, [roleId], 'UPDATE');
      if (!held) throw notFound('Role');
      requireVersion('Role', ifMatch, held.version);
      if (held.isAdmin) throw new AppError('permission_denied', 'The Admin role holds every action, always');
      const before = new Set<Action>(actionsOfRole(held));
      const after = actionsOfRole({ isAdmin: false, ...wanted });
      const given = after.filter((action) => !before.has(action));
      requireHeld(principal, orgId, given);
      await this.repository.update(tx, orgId, roleId, wanted);
      await notify(tx, 'access_changed', `org:${orgId}`);
      const taken = [...before].filter((action) => !after.includes(action));
      await this.record(tx, principal, orgId, 'role.set_actions', roleId, { preset: wanted.preset, given, taken });
      const role = (await this.repository.find(tx, orgId, roleId))!;
      return { actions: actionsView(role), version: role.version };
    });
  }

  /**
   * DELETE /role/{roleId}: members, invitations and grants go over to the replacement, which must be of the same organization.
   * @throws validation for the same role, and for none while somebody holds the role; permission_denied for Admin, not_found, precondition_failed
   */
  async delete(
    principal: Principal,
    orgId: string,
    roleId: number,
    replacementId: number | undefined,
    ifMatch: number | undefined,
  ): Promise<void> {
    if (roleId === replacementId) throw invalid('roleId', 'must be another role than the one to delete');
    await this.db.tx(async (tx) => {
      const roles = await this.repository.lock(tx, orgId, [roleId, replacementId ?? roleId], 'UPDATE');
      const [role, replacement] = [roleId, replacementId].map((id) => roles.find((r) => r.roleId === id));
      if (!role) throw notFound('Role');
      requireVersion('Role', ifMatch, role.version);
      if (role.isAdmin) throw new AppError('permission_denied', 'The Admin role cannot be deleted');
      if (replacementId === undefined) {
        // Nobody comes to hold a role that is locked.
        if ((await this.repository.countUsers(tx, orgId, roleId)) > 0) throw needsReplacement('members hold');
      } else {
        if (!replacement) throw notFound('Replacement role');
        requireHeld(principal, orgId, actionsOfRole(replacement));
        await this.repository.moveMembers(tx, orgId, roleId, replacementId);
      }
      await this.hooks.roleReplacing.run(tx, orgId, roleId, replacement ?? null);
      await this.repository.delete(tx, orgId, roleId);
      await notify(tx, 'access_changed', `org:${orgId}`);
      await this.record(tx, principal, orgId, 'role.delete', roleId, {
        name: role.name,
        replacement: replacementId ?? null,
      });
    });
  }

  /** GET /org/{orgId}/roles, shape B. */
  async list(orgId: string, query: ListRolesQuery, format?: ExportFormat): Promise<RoleList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId, query.query));
    const window = windowOf(query, 20);
    const rows = await this.repository.list(this.db.manager, orgId, query.query, query.order === 'desc', window);
    const total = await this.repository.count(this.db.manager, orgId, query.query);
    return { roles: rows.map(itemOf), pagination: shapeB(total, window) };
  }

  private all(orgId: string, search?: string): ExportSource<RoleListItem, number> {
    return {
      name: 'roles',
      columns: COLUMNS,
      page: async (after, limit) =>
        (await this.repository.after(this.db.manager, orgId, search, after, limit)).map(itemOf),
      keyOf: ({ roleId }) => roleId,
    };
  }

  /** GET /role/{roleId}/users, shape A: the members that hold the role. */
  async listUsers(
    orgId: string,
    roleId: number,
    query: PageQuery,
    format?: ExportFormat,
  ): Promise<RoleUserList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.repository.allUsers(this.db.manager, orgId, roleId));
    const window = windowOf(query, 1000);
    const users = await this.repository.users(this.db.manager, orgId, roleId, window);
    return { users, pagination: shapeA(await this.repository.countUsers(this.db.manager, orgId, roleId), window) };
  }

  private async record(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    action: string,
    roleId: number,
    details: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, principal, { orgId, action, target: { type: 'role', id: roleId }, details });
  }
}

/** Of a role that cannot simply go; `who` has it. */
export const needsReplacement = (who: string): AppError =>
  invalid('roleId', `is required, for ${who} this role: name the one that takes its place`);

/** A taken name becomes a conflict. */
async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isUniqueViolation(error) ? conflict('A role with this name exists') : error;
  }
}

const itemOf = (row: RoleRow): RoleListItem => ({ ...view(row), orgName: row.orgName });

function view(role: Role): RoleView {
  const {
    roleId,
    orgId,
    isAdmin,
    name,
    description,
    requireDeviceApproval,
    allowSsh,
    sshSudoMode,
    sshSudoCommands,
    sshCreateHomeDir,
    sshUnixGroups,
  } = role;
  return {
    roleId,
    orgId,
    isAdmin,
    name,
    description,
    requireDeviceApproval,
    allowSsh,
    sshSudoMode,
    sshSudoCommands: JSON.stringify(sshSudoCommands),
    sshCreateHomeDir,
    sshUnixGroups: JSON.stringify(sshUnixGroups),
  };
}

const actionsView = (role: Role): RoleActions => ({
  roleId: role.roleId,
  isAdmin: role.isAdmin,
  preset: role.preset,
  actionIds: [...actionsOfRole(role)].sort(),
});
