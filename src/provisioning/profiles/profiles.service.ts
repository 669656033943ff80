import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { type EntityManager, MoreThan } from 'typeorm';
import { describeProblem } from '#blueprint';
import {
  ApiResult,
  type Columns,
  conflict,
  Db,
  type DeletionQuery,
  type ExportFormat,
  type ExportSource,
  Exports,
  execute,
  foreseen,
  Hooks,
  inUse,
  invalidFields,
  isUniqueViolation,
  notFound,
  nothingToChange,
  notify,
  OrgExports,
  type PageQuery,
  type Principal,
  query,
  shapeA,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { Documents } from '../../blueprints/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import type { ProfileUsers } from '../users.dto.js';
import { UsersRepository } from '../users.repository.js';
import type { CreateProfileBody, ProfileList, ProfileView, UpdateProfileBody } from './profile.dto.js';
import { Profile } from './profile.entity.js';

const COLUMNS: Columns<ProfileView> = {
  profileId: true,
  orgId: true,
  name: true,
  description: true,
  labels: true,
  groupIds: true,
  config: true,
  attributes: true,
  blueprint: true,
  bootstrapRevision: true,
  sealed: true,
  onClone: true,
  createdAt: true,
};

/** Profiles: what a new site inherits (docs/claims.md "Words"). */
@Injectable()
export class ProfilesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly audit: AuditService,
    private readonly documents: Documents,
    private readonly users: UsersRepository,
    private readonly sites: SiteLifecycleService,
    private readonly hooks: Hooks,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('provisioningProfiles', 'listProvisioningProfiles', ({ orgId }) => this.all(orgId));
  }

  /** @throws conflict when the name is taken, not_found for a group of another organization. */
  async create(principal: Principal, orgId: string, body: CreateProfileBody): Promise<ProfileView> {
    const { groupIds = [], ...fields } = body;
    await this.checkBlueprint(orgId, fields.blueprint);
    return this.db.tx(async (tx) => {
      const row = {
        orgId,
        name: fields.name,
        description: fields.description ?? null,
        labels: fields.labels ?? {},
        config: fields.config ?? {},
        attributes: fields.attributes ?? {},
        blueprint: fields.blueprint ?? null,
        sealed: fields.sealed ?? 'required',
        onClone: fields.onClone ?? 'alert',
      };
      const profile = await named(() => tx.save(Profile, row));
      await replaceGroups(tx, 'profile', orgId, profile.profileId, groupIds);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_profile.create',
        target: { type: 'provisioning_profile', id: profile.profileId },
      });
      return view(profile, groupIds, null);
    });
  }

  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<ProfileList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(page, 1000);
    const [profiles, total] = await this.db.manager.findAndCount(Profile, {
      where: { orgId },
      order: { profileId: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    return { provisioningProfiles: await viewsOf(this.db.manager, profiles), pagination: shapeA(total, window) };
  }

  private all(orgId: string): ExportSource<ProfileView, number> {
    return {
      name: 'provisioning-profiles',
      columns: COLUMNS,
      page: async (after, limit) => {
        const where = { orgId, profileId: MoreThan(after ?? 0) };
        const found = await this.db.manager.find(Profile, { where, order: { profileId: 'ASC' }, take: limit });
        return viewsOf(this.db.manager, found);
      },
      keyOf: ({ profileId }) => profileId,
    };
  }

  async get(_principal: Principal, orgId: string, profileId: number): Promise<ProfileView> {
    return this.read(this.db.manager, orgId, profileId);
  }

  /** @throws conflict when the name is taken; not_found; permission_denied without `useSecret` when sites without a bundle key would receive secrets */
  async update(principal: Principal, orgId: string, profileId: number, body: UpdateProfileBody): Promise<ProfileView> {
    const { groupIds, ...fields } = body;
    await this.checkBlueprint(orgId, fields.blueprint);
    if (Object.keys(body).length === 0) throw nothingToChange();
    return this.db.tx(async (tx) => {
      const before = await this.read(tx, orgId, profileId);
      if (fields.sealed === 'when_possible' && before.sealed !== 'when_possible')
        await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'profile', id: profileId });
      if (Object.keys(fields).length > 0) await named(() => tx.update(Profile, { orgId, profileId }, fields as never));
      if (groupIds) await replaceGroups(tx, 'profile', orgId, profileId, groupIds);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_profile.update',
        target: { type: 'provisioning_profile', id: profileId },
        details: { fields: Object.keys(body) },
      });
      await notify(tx, 'access_changed', `org:${orgId}`);
      return this.read(tx, orgId, profileId);
    });
  }

  /**
   * By force templates and sites that have it have none from then on, and the bundles of the sites are empty.
   * @returns the users for `dryRun`, else null. @throws not_found; conflict with the users while templates name it, or its bootstrap starts sites
   */
  async delete(
    principal: Principal,
    orgId: string,
    profileId: number,
    { dryRun, force }: DeletionQuery,
  ): Promise<ApiResult<ProfileUsers | null>> {
    return this.db.tx(async (tx) => {
      // Claims hold the row until the sites are there that name it.
      await execute(tx, 'SELECT FROM provisioning_profile WHERE org_id = $1 AND profile_id = $2 FOR UPDATE', [
        orgId,
        profileId,
      ]);
      await this.read(tx, orgId, profileId);
      const templates = await this.users.templatesOf(tx, orgId, profileId);
      const users = { templates, sites: await this.users.sitesStartedBy(tx, orgId, profileId) };
      if (dryRun) return foreseen(users);
      if (!force && templates.total + users.sites.total > 0) throw inUse('This profile is in use', users);
      await execute(tx, 'UPDATE provisioning_template SET profile_id = NULL WHERE org_id = $1 AND profile_id = $2', [
        orgId,
        profileId,
      ]);
      await this.sites.dropProfile(tx, orgId, profileId);
      await this.hooks.profileDeleting.run(tx, orgId, profileId);
      await execute(tx, 'DELETE FROM provisioning_profile WHERE org_id = $1 AND profile_id = $2', [orgId, profileId]);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_profile.delete',
        target: { type: 'provisioning_profile', id: profileId },
        ...(force ? { details: { force, templates: templates.total, sites: users.sites.total } } : {}),
      });
      await notify(tx, 'access_changed', `org:${orgId}`);
      return new ApiResult(null);
    });
  }

  /** Its templates are filled in for each site; all else is looked at now. @throws validation with every problem and its place; capacity */
  private async checkBlueprint(orgId: string, text: string | null | undefined): Promise<void> {
    if (!text) return;
    const { problems } = await this.documents.read({ source: `org:${orgId}` }, text, { site: 'open', operators: true });
    if (problems.length > 0)
      throw invalidFields(problems.map((problem) => ({ path: 'blueprint', problem: describeProblem(problem) })));
  }

  private async read(em: EntityManager, orgId: string, profileId: number): Promise<ProfileView> {
    const profile = await em.findOneBy(Profile, { orgId, profileId });
    if (!profile) throw notFound('Provisioning profile');
    const groups = await groupsOf(em, 'profile', [profileId]);
    const revisions = await revisionsOf(em, [profileId]);
    return view(profile, groups.get(profileId) ?? [], revisions.get(profileId) ?? null);
  }
}

function view(p: Profile, groupIds: number[], bootstrapRevision: number | null): ProfileView {
  const { profileId, orgId, name, description, labels, config, attributes, blueprint, sealed, onClone, createdAt } = p;
  return {
    profileId,
    orgId,
    name,
    description,
    labels,
    groupIds,
    config,
    attributes,
    blueprint,
    bootstrapRevision,
    sealed,
    onClone,
    createdAt,
  };
}

/** Which revision their bootstraps have; those without one are left out. */
async function revisionsOf(em: EntityManager, profileIds: number[]): Promise<Map<number, number>> {
  const rows = await query<{ profileId: number; revision: number }>(
    em,
    'SELECT profile_id AS "profileId", revision FROM profile_bootstrap WHERE profile_id = ANY($1)',
    [profileIds],
  );
  return new Map(rows.map(({ profileId, revision }) => [profileId, revision]));
}

/** A taken name becomes a conflict. */
export async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isUniqueViolation(error) ? conflict('This name is already in use') : error;
  }
}

/** Sets the groups of a profile or template; groups of another organization do not exist here. */
export async function replaceGroups(
  tx: EntityManager,
  of: 'profile' | 'template',
  orgId: string,
  id: number,
  groupIds: number[],
): Promise<void> {
  await execute(tx, `DELETE FROM provisioning_${of}_group WHERE ${of}_id = $1`, [id]);
  if (groupIds.length === 0) return;
  const added = await execute(
    tx,
    `INSERT INTO provisioning_${of}_group (${of}_id, group_id) SELECT $1, group_id FROM site_group WHERE org_id = $2 AND group_id = ANY($3)`,
    [id, orgId, groupIds],
  );
  if (added !== groupIds.length) throw notFound('Group');
}

export async function groupsOf(
  em: EntityManager,
  of: 'profile' | 'template',
  ids: number[],
): Promise<Map<number, number[]>> {
  const rows = await query<{ id: number; groupIds: number[] }>(
    em,
    `SELECT ${of}_id AS id, array_agg(group_id ORDER BY group_id) AS "groupIds" FROM provisioning_${of}_group WHERE ${of}_id = ANY($1) GROUP BY 1`,
    [ids],
  );
  return new Map(rows.map((r) => [r.id, r.groupIds.map(Number)]));
}

async function viewsOf(em: EntityManager, profiles: Profile[]): Promise<ProfileView[]> {
  const ids = profiles.map((p) => p.profileId);
  const groups = await groupsOf(em, 'profile', ids);
  const revisions = await revisionsOf(em, ids);
  return profiles.map((p) => view(p, groups.get(p.profileId) ?? [], revisions.get(p.profileId) ?? null));
}
