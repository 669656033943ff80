import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  AppError,
  type Columns,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  invalid,
  notFound,
  notify,
  OrgExports,
  type Principal,
  requireVersion,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { RolesService } from '../roles/roles.service.js';
import type {
  CreateOrgUserBody,
  ListUsersQuery,
  MemberList,
  MemberView,
  OrgUserCheck,
  OrgUserView,
  RolesBody,
  UserByUsernameQuery,
} from './members.dto.js';
import { type MemberFilter, type MemberRow, MembersRepository } from './members.repository.js';

const COLUMNS: Columns<MemberView> = {
  id: true,
  orgId: true,
  email: true,
  emailVerified: true,
  username: true,
  name: true,
  isOwner: true,
  roles: true,
  twoFactorEnabled: true,
  dateCreated: true,
  type: true,
  idpId: true,
  idpName: true,
  idpType: true,
  idpVariant: true,
};

const memberView = (
  orgId: string,
  { userId, email, emailVerified, dateCreated, username, name, isOwner, roles }: MemberRow,
): MemberView => ({
  id: userId,
  email,
  emailVerified,
  dateCreated,
  orgId,
  username,
  name,
  ...WITHOUT_PROVIDER,
  isOwner,
  roles: roles.map((role) => ({ roleId: role.roleId, roleName: role.name })),
});

export interface VersionedMember {
  user: OrgUserView;
  version: number;
}

/** What identity providers will fill; until then every user has a password. */
const WITHOUT_PROVIDER = {
  type: 'internal',
  idpName: null,
  idpId: null,
  idpType: null,
  idpVariant: null,
  twoFactorEnabled: false,
};

/** The users of an organization and their roles (docs/integration-api.md §3.10). */
@Injectable()
export class MembersService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: MembersRepository,
    private readonly roles: RolesService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('users', 'listUsers', ({ orgId }) => this.all(orgId, {}));
    // Whoever it is: somebody who is no member here, or nobody at all, is the same answer.
    this.resolvers.register(
      'candidateId',
      async (_value, _principal, orgId) => (orgId === undefined ? null : { orgId }),
      'Id of a user, a member or not',
    );
  }

  /** GET /org/{orgId}/users, shape B, or all of them in a format. @throws not_found for a role or identity provider that is not there */
  async list(orgId: string, query: ListUsersQuery, format?: ExportFormat): Promise<MemberList | StreamableFile> {
    // There are no identity providers yet.
    if (query.idp_id !== undefined && query.idp_id !== 'internal') throw notFound('Identity provider');
    if (query.role_id) await this.roles.requireAll(this.db.manager, orgId, query.role_id);
    const filter = { search: query.query, roleIds: query.role_id };
    if (format) return this.exports.start(orgId, format, this.all(orgId, filter));
    const window = windowOf(query, 20);
    const order = {
      by: query.sort_by === 'username' ? ('username' as const) : ('list_name' as const),
      descending: query.order === 'desc',
    };
    const rows = await this.repository.list(this.db.manager, orgId, filter, order, window);
    const total = await this.repository.count(this.db.manager, orgId, filter);
    return { users: rows.map((row) => memberView(orgId, row)), pagination: shapeB(total, window) };
  }

  private all(orgId: string, filter: MemberFilter): ExportSource<MemberView, string> {
    return {
      name: 'people',
      columns: COLUMNS,
      page: async (after, limit) =>
        (await this.repository.after(this.db.manager, orgId, filter, after, limit)).map((row) =>
          memberView(orgId, row),
        ),
      keyOf: (user) => user.id,
    };
  }

  /** GET /org/{orgId}/user/{userId}. @throws not_found */
  async get(_principal: Principal, orgId: string, userId: string): Promise<VersionedMember> {
    return this.read(this.db.manager, orgId, userId);
  }

  /** GET /org/{orgId}/user/{userId}/check. */
  async check(_principal: Principal, orgId: string, userId: string): Promise<OrgUserCheck> {
    const member = await this.repository.find(this.db.manager, orgId, userId);
    return member ? { allowed: true } : { allowed: false, error: 'The user is not a member of this organization' };
  }

  /** GET /org/{orgId}/user-by-username. @throws not_found */
  async getByUsername(
    _principal: Principal,
    orgId: string,
    { username, idpId }: UserByUsernameQuery,
  ): Promise<VersionedMember> {
    const row =
      idpId === undefined ? await this.repository.findByUsername(this.db.manager, orgId, username.toLowerCase()) : null;
    if (!row) throw notFound('User');
    return { user: view(orgId, row), version: row.version };
  }

  /** PUT /org/{orgId}/user: a user of an identity provider, of which there are none yet. @throws not_found, validation */
  async create(_principal: Principal, orgId: string, body: CreateOrgUserBody): Promise<object> {
    const roleIds = roleIdsOf(body);
    return this.db.tx(async (tx) => {
      await this.roles.require(tx, orgId, roleIds);
      throw notFound('Identity provider');
    });
  }

  /** POST /org/{orgId}/user/{userId}. @throws not_found, precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    userId: string,
    autoProvisioned: boolean,
    ifMatch: number | undefined,
  ): Promise<VersionedMember> {
    return this.db.tx(async (tx) => {
      const held = await this.held(tx, orgId, userId);
      requireVersion('User', ifMatch, held.version);
      await this.repository.setAutoProvisioned(tx, orgId, userId, autoProvisioned);
      await this.record(tx, principal, orgId, 'org_user.update', userId, { autoProvisioned });
      return this.read(tx, orgId, userId);
    });
  }

  /** DELETE /org/{orgId}/user/{userId}: their roles and grants go with the membership. @throws validation for the owner, not_found, precondition_failed */
  async remove(principal: Principal, orgId: string, userId: string, ifMatch: number | undefined): Promise<void> {
    await this.db.tx(async (tx) => {
      const { isOwner, version } = await this.held(tx, orgId, userId);
      requireVersion('User', ifMatch, version);
      if (isOwner) throw new AppError('validation', 'The owner of an organization cannot be removed from it');
      await this.repository.delete(tx, orgId, userId);
      await notify(tx, 'access_changed', `user:${userId}`);
      await this.record(tx, principal, orgId, 'org_user.remove', userId);
    });
  }

  /** POST /role/{roleId}/add/{userId}: from now on the user's only role. @throws permission_denied when the owner would lose Admin */
  async setRole(principal: Principal, orgId: string, userId: string, roleId: number): Promise<object> {
    return this.change(principal, orgId, userId, roleId, 'org_user.set_role', (_held, { isOwner }, role) => {
      if (isOwner && !role.isAdmin) throw ownerKeepsAdmin();
      return [roleId];
    });
  }

  /** POST /user/{userId}/add-role/{roleId}; a role that the user has already stays. */
  async addRole(principal: Principal, orgId: string, userId: string, roleId: number): Promise<object> {
    return this.change(principal, orgId, userId, roleId, 'org_user.add_role', (held) => [
      ...new Set([...held, roleId]),
    ]);
  }

  /** DELETE /user/{userId}/remove-role/{roleId}. @throws not_found when the user lacks it; permission_denied for the last role and the owner's Admin */
  async removeRole(principal: Principal, orgId: string, userId: string, roleId: number): Promise<object> {
    return this.change(principal, orgId, userId, roleId, 'org_user.remove_role', (held, { isOwner }, role) => {
      if (!held.includes(roleId)) throw new AppError('not_found', 'The user does not have this role');
      if (isOwner && role.isAdmin) throw ownerKeepsAdmin();
      if (held.length === 1) throw new AppError('permission_denied', 'The last role of a user cannot be removed');
      return held.filter((id) => id !== roleId);
    });
  }

  /** `decide` takes the roles that the user has and answers those that the user shall have. */
  private async change(
    principal: Principal,
    orgId: string,
    userId: string,
    roleId: number,
    action: string,
    decide: (held: number[], member: { isOwner: boolean }, role: { isAdmin: boolean }) => number[],
  ): Promise<object> {
    return this.db.tx(async (tx) => {
      const granting = action !== 'org_user.remove_role';
      const [role] = await (granting
        ? this.roles.requireGrantable(tx, principal, orgId, [roleId])
        : this.roles.require(tx, orgId, [roleId]));
      const member = await this.held(tx, orgId, userId);
      const before = await this.repository.roleIdsOf(tx, orgId, userId);
      const after = decide(before, member, role!);
      if (after.length !== before.length || after.some((id) => !before.includes(id))) {
        await this.repository.setRoles(tx, orgId, userId, after);
        await notify(tx, 'access_changed', `user:${userId}`);
      }
      await this.record(tx, principal, orgId, action, userId, { roleId });
      return {};
    });
  }

  private async held(tx: EntityManager, orgId: string, userId: string): Promise<{ isOwner: boolean; version: number }> {
    const member = await this.repository.lock(tx, orgId, userId);
    if (!member) throw notFound('User');
    return member;
  }

  private async read(em: EntityManager, orgId: string, userId: string): Promise<VersionedMember> {
    const row = await this.repository.find(em, orgId, userId);
    if (!row) throw notFound('User');
    return { user: view(orgId, row), version: row.version };
  }

  private async record(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    action: string,
    userId: string,
    details?: Record<string, unknown>,
  ): Promise<void> {
    await this.audit.record(tx, principal, {
      orgId,
      action,
      target: { type: 'user', id: userId },
      ...(details ? { details } : {}),
    });
  }
}

const ownerKeepsAdmin = () => new AppError('permission_denied', 'The owner of an organization keeps the Admin role');

/** `roleIds` and `roleId` as one list without duplicates. @throws validation when neither was given */
export function roleIdsOf({ roleIds = [], roleId }: RolesBody): number[] {
  const wanted = [...new Set(roleId === undefined ? roleIds : [...roleIds, roleId])];
  if (wanted.length === 0) throw invalid('roleIds', 'give roleIds or roleId');
  return wanted;
}

function view(
  orgId: string,
  { userId, email, username, name, isOwner, autoProvisioned, roles }: MemberRow,
): OrgUserView {
  const { type, twoFactorEnabled, ...provider } = WITHOUT_PROVIDER;
  return {
    orgId,
    userId,
    email,
    username,
    name,
    type,
    isOwner,
    twoFactorEnabled,
    autoProvisioned,
    ...provider,
    idpAutoProvision: null,
    isAdmin: roles.some((role) => role.isAdmin),
    roleIds: roles.map((role) => role.roleId),
    roles,
  };
}
