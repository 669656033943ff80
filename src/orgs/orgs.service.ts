import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type ApiResult,
  AppError,
  type Columns,
  Config,
  conflict,
  created,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  InvalidatedCache,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  notify,
  PgNotifications,
  type Principal,
  rangesOverlap,
  requireVersion,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { RolesService, UsersService } from '../access/index.js';
import { AuditService } from '../audit/index.js';
import type { Org } from './org.entity.js';
import { OrgOverview } from './org-overview.js';
import type { CreateOrgBody, ListOrgsQuery, OrgList, OrgListItem, OrgView, UpdateOrgBody } from './orgs.dto.js';
import { OrgsRepository } from './orgs.repository.js';

const COLUMNS: Columns<OrgListItem> = {
  orgId: true,
  name: true,
  subnet: true,
  utilitySubnet: true,
  createdAt: true,
  claimsPausedAt: true,
  claimsPausedBy: true,
  closedAt: true,
  closedBy: true,
  requireTwoFactor: true,
  maxSessionLengthHours: true,
  passwordExpiryDays: true,
  settingsLogRetentionDaysRequest: true,
  settingsLogRetentionDaysAccess: true,
  settingsLogRetentionDaysAction: true,
  settingsLogRetentionDaysConnection: true,
  sshCaPrivateKey: true,
  sshCaPublicKey: true,
  isBillingOrg: true,
  billingOrgId: true,
  counts: true,
};

const DEFAULT_UTILITY_SUBNET = '100.96.128.0/20';

export interface VersionedOrg {
  org: OrgView;
  version: number;
}

/** Organizations (docs/integration-api.md §3.1). */
@Injectable()
export class OrgsService implements OnModuleInit {
  private readonly existing: InvalidatedCache<{ orgId: string }>;

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: OrgsRepository,
    private readonly roles: RolesService,
    private readonly users: UsersService,
    private readonly overview: OrgOverview,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    notifications: PgNotifications,
    private readonly exports: Exports,
  ) {
    this.existing = new InvalidatedCache(notifications, {
      max: 10_000,
      channels: { access_changed: (name) => [name] },
      tags: (orgId) => [`org:${orgId}`],
    });
  }

  onModuleInit(): void {
    this.resolvers.register('orgId', async (orgId, { authority }) => {
      // A key or a membership of an organization proves that it exists; another one is hidden anyway.
      if (authority.kind === 'orgKey' || (authority.kind === 'user' && authority.memberships.has(orgId)))
        return { orgId };
      return this.existing.get(orgId, async () =>
        (await this.repository.exists(this.db.manager, orgId)) ? { orgId } : null,
      );
    });
  }

  /** PUT /org. @throws conflict when the id is taken, validation when the two ranges overlap */
  async createOrg(principal: Principal, body: CreateOrgBody): Promise<ApiResult<OrgView>> {
    return this.db.tx(async (tx) => created(await this.create(tx, principal, body)));
  }

  /**
   * An organization with its two roles, its owner and whatever modules add to it (default template, address range). The owner is the
   * user who creates it; for a key, the first server administrator.
   */
  async create(tx: EntityManager, principal: Principal, wanted: CreateOrgBody): Promise<OrgView> {
    const { orgId, name, subnet = this.config.orgs.subnet, utilitySubnet = DEFAULT_UTILITY_SUBNET } = wanted;
    if (rangesOverlap(subnet, utilitySubnet)) throw invalid('utilitySubnet', 'overlaps subnet');
    try {
      await this.repository.insert(tx, { orgId, name, subnet, utilitySubnet });
    } catch (error) {
      throw isUniqueViolation(error) ? conflict('An organization with this id exists') : error;
    }
    const admin = await this.roles.createDefaults(tx, orgId);
    const owner = principal.kind === 'user' ? principal.id : await this.users.firstServerAdmin(tx);
    if (owner !== null) await this.users.addMember(tx, orgId, owner, { isOwner: true, roleIds: [admin] });
    await this.hooks.orgCreated.run(tx, orgId);
    await notify(tx, 'access_changed', `org:${orgId}`);
    await this.audit.record(tx, principal, {
      orgId,
      action: 'org.create',
      target: { type: 'org', id: orgId },
      details: { name, subnet },
    });
    return view((await this.repository.find(tx, orgId))!);
  }

  /** @throws not_found */
  async read(orgId: string): Promise<VersionedOrg> {
    const org = await this.repository.find(this.db.manager, orgId);
    if (!org) throw notFound('Organization');
    return { org: view(org), version: org.version };
  }

  /** @throws not_found */
  async nameOf(tx: EntityManager, orgId: string): Promise<string> {
    const org = await this.repository.find(tx, orgId);
    if (!org) throw notFound('Organization');
    return org.name;
  }

  /** GET /orgs: every organization of the installation for who may do everything, else those that the caller belongs to, each with what they may know of it. */
  async list(principal: Principal, query: ListOrgsQuery, format?: ExportFormat): Promise<OrgList | StreamableFile> {
    if (format) return this.exports.start(null, format, this.all(principal, query.query));
    const window = windowOf(query, 1000);
    const { orgIds, total } = await this.overview.page(principal, query, window);
    return { orgs: await this.counted(principal, orgIds), pagination: shapeA(total, window) };
  }

  private all(principal: Principal, text: string | undefined): ExportSource<OrgListItem, string> {
    return {
      name: 'organizations',
      columns: COLUMNS,
      page: async (after, limit) => this.counted(principal, await this.overview.after(principal, text, after, limit)),
      keyOf: ({ orgId }) => orgId,
      caller: `${principal.kind} ${principal.id}`,
    };
  }

  private async counted(principal: Principal, orgIds: string[]): Promise<OrgListItem[]> {
    const [orgs, counts] = await Promise.all([
      this.repository.those(this.db.manager, orgIds),
      this.overview.counts(principal, orgIds),
    ]);
    return orgs.map((org) => ({ ...view(org), counts: counts.get(org.orgId) ?? null }));
  }

  /** GET /org/checkId: whether the id is taken. */
  isTaken(orgId: string): Promise<boolean> {
    return this.repository.exists(this.db.manager, orgId);
  }

  /** POST /org/{orgId}. @throws validation for an empty body, not_available for a setting that nothing enforces yet, precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    body: UpdateOrgBody,
    ifMatch: number | undefined,
  ): Promise<VersionedOrg> {
    for (const field of ['requireTwoFactor', 'maxSessionLengthHours', 'passwordExpiryDays'] as const) {
      if (body[field])
        throw new AppError('not_available', `${field} is not available yet`, {
          fields: [{ path: field, problem: 'is not available yet' }],
        });
    }
    const given = Object.entries(body).filter(([, value]) => value !== undefined && value !== null);
    if (Object.values(body).every((value) => value === undefined)) throw nothingToChange();
    const changes = Object.fromEntries(
      given.map(([name, value]) => [name.replace(/^settingsL/, 'l'), value]),
    ) as Partial<Org>;
    return this.db.tx(async (tx) => {
      const version = await this.repository.lockForUpdate(tx, orgId);
      if (version === null) throw notFound('Organization');
      requireVersion('Organization', ifMatch, version);
      if (given.length > 0) await this.repository.update(tx, orgId, changes);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'org.update',
        target: { type: 'org', id: orgId },
        details: body as Record<string, unknown>,
      });
      const org = (await this.repository.find(tx, orgId))!;
      return { org: view(org), version: org.version };
    });
  }

  /** Gives an organization another name, if one is given. @returns whether there is such an organization */
  async rename(tx: EntityManager, principal: Principal, orgId: string, name: string | undefined): Promise<boolean> {
    if ((await this.repository.lockForUpdate(tx, orgId)) === null) return false;
    if (name === undefined) return true;
    await this.repository.update(tx, orgId, { name });
    await this.audit.record(tx, principal, {
      orgId,
      action: 'org.update',
      target: { type: 'org', id: orgId },
      details: { name },
    });
    return true;
  }

  /** Stops or resumes every claim of the organization; telling key caches is the caller's. @returns whether this changed it */
  pauseClaims(tx: EntityManager, principal: Principal, orgId: string, paused: boolean): Promise<boolean> {
    return this.repository.setClaimsPaused(tx, orgId, paused ? principal.name : null);
  }

  /**
   * DELETE /org/{orgId}, with everything that belongs to it; its agents are disconnected, its keys end. What stays of it, claims, audit and
   * events, is root's to read by the identity that this act's own row names (ADR 0021). A person types its id, and has closed it before.
   * @throws not_found, precondition_failed, validation, conflict for a person while it is open
   */
  async delete(
    principal: Principal,
    orgId: string,
    confirm: string | undefined,
    ifMatch: number | undefined,
  ): Promise<void> {
    if (confirm !== undefined ? confirm !== orgId : principal.kind === 'user')
      throw invalid('confirm', 'must be the id of the organization that is to be deleted');
    await this.db.tx(async (tx) => {
      const org = await this.repository.lockForDeletion(tx, orgId);
      if (org === null) throw notFound('Organization');
      requireVersion('Organization', ifMatch, org.version);
      if (principal.kind === 'user' && !org.closed)
        throw conflict('Close the organization first: that can be undone, and its export is still there');
      await this.hooks.orgEnding.run(tx, orgId);
      await this.hooks.orgDeleting.run(tx, orgId);
      await this.repository.delete(tx, orgId);
      await notify(tx, 'access_changed', `org:${orgId}`);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'org.delete',
        target: { type: 'org', id: orgId },
        details: { orgUid: org.orgUid },
      });
    });
  }
}

export function view(org: Org): OrgView {
  return {
    orgId: org.orgId,
    name: org.name,
    subnet: org.subnet,
    utilitySubnet: org.utilitySubnet,
    createdAt: org.createdAt,
    claimsPausedAt: org.claimsPausedAt,
    claimsPausedBy: org.claimsPausedBy,
    closedAt: org.closedAt,
    closedBy: org.closedBy,
    requireTwoFactor: org.requireTwoFactor,
    maxSessionLengthHours: org.maxSessionLengthHours,
    passwordExpiryDays: org.passwordExpiryDays,
    settingsLogRetentionDaysRequest: org.logRetentionDaysRequest,
    settingsLogRetentionDaysAccess: org.logRetentionDaysAccess,
    settingsLogRetentionDaysAction: org.logRetentionDaysAction,
    settingsLogRetentionDaysConnection: org.logRetentionDaysConnection,
    sshCaPrivateKey: null,
    sshCaPublicKey: null,
    isBillingOrg: null,
    billingOrgId: null,
  };
}
