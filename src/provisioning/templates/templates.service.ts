import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { type EntityManager, MoreThan } from 'typeorm';
import { CREDENTIAL_LIMITS } from '#contracts';
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
import { TEMPLATE_LIMIT } from '../approval-limit.js';
import { mayApprove, refuseApproval } from '../approval-permission.js';
import { HardwareIdPatterns } from '../hardware-id-patterns.js';
import { KeysRepository } from '../keys/keys.repository.js';
import { assertNameTemplate } from '../name-template.js';
import { Profile } from '../profiles/profile.entity.js';
import { groupsOf, named, replaceGroups } from '../profiles/profiles.service.js';
import type { TemplateUsers } from '../users.dto.js';
import { UsersRepository } from '../users.repository.js';
import type { CreateTemplateBody, TemplateList, TemplateView, UpdateTemplateBody } from './template.dto.js';
import { Template } from './template.entity.js';

/** Name of the template that every organization has (docs/claims.md rule 19). It approves at once. */
export const DEFAULT_TEMPLATE = 'default';

const COLUMNS: Columns<TemplateView> = {
  templateId: true,
  orgId: true,
  name: true,
  description: true,
  profileId: true,
  hardwareIdPattern: true,
  hardwareIdForm: true,
  credentialType: true,
  newtDoor: true,
  approveNewSites: true,
  approvalLimit: true,
  groupIds: true,
  nameTemplate: true,
  reclaimPolicy: true,
  ephemeralSeconds: true,
  credentialTtlSeconds: true,
  renewGraceSeconds: true,
  onReuse: true,
  createdAt: true,
};

/** Templates: policy for claims. */
@Injectable()
export class TemplatesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly audit: AuditService,
    private readonly patterns: HardwareIdPatterns,
    private readonly hooks: Hooks,
    private readonly users: UsersRepository,
    private readonly keys: KeysRepository,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('provisioningTemplates', 'listProvisioningTemplates', ({ orgId }) => this.all(orgId));
  }

  /** The template `default` of a new organization. */
  async createDefault(tx: EntityManager, orgId: string): Promise<void> {
    await tx.save(Template, row(orgId, { name: DEFAULT_TEMPLATE, description: 'Approves new sites at once' }));
  }

  /**
   * A template that approves at once takes `updateSite` to make (docs/claims.md rule 18); without it the new one does not. One with a profile
   * that delivers secrets takes `useSecret` (docs/instances.md §2).
   * @throws permission_denied for `approveNewSites: true` and for secrets; conflict when the name is taken; validation when the pattern does not compile; not_found for an id of another organization.
   */
  async create(principal: Principal, orgId: string, body: CreateTemplateBody): Promise<TemplateView> {
    const may = mayApprove(principal, orgId);
    if (body.approveNewSites && !may) throw refuseApproval();
    await this.check(orgId, body);
    return this.db.tx(async (tx) => {
      await assertProfile(tx, orgId, body.profileId);
      const template = await named(() =>
        tx.save(Template, row(orgId, { ...body, approveNewSites: body.approveNewSites ?? may })),
      );
      await replaceGroups(tx, 'template', orgId, template.templateId, body.groupIds ?? []);
      await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'template', id: template.templateId });
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_template.create',
        target: { type: 'provisioning_template', id: template.templateId },
      });
      return this.read(tx, orgId, template.templateId);
    });
  }

  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<TemplateList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(page, 1000);
    const [templates, total] = await this.db.manager.findAndCount(Template, {
      where: { orgId },
      order: { templateId: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    return { provisioningTemplates: await viewsOf(this.db.manager, templates), pagination: shapeA(total, window) };
  }

  private all(orgId: string): ExportSource<TemplateView, number> {
    return {
      name: 'provisioning-templates',
      columns: COLUMNS,
      page: async (after, limit) => {
        const where = { orgId, templateId: MoreThan(after ?? 0) };
        const found = await this.db.manager.find(Template, { where, order: { templateId: 'ASC' }, take: limit });
        return viewsOf(this.db.manager, found);
      },
      keyOf: ({ templateId }) => templateId,
    };
  }

  async get(_principal: Principal, orgId: string, templateId: number): Promise<TemplateView> {
    return this.read(this.db.manager, orgId, templateId);
  }

  /**
   * @throws permission_denied for `approveNewSites: true` without `updateSite`, and without `useSecret` when sites would receive secrets that
   * would not have, or not so easily; otherwise like `create`.
   */
  async update(
    principal: Principal,
    orgId: string,
    templateId: number,
    body: UpdateTemplateBody,
  ): Promise<TemplateView> {
    const { groupIds, ...fields } = body;
    if (Object.keys(body).length === 0) throw nothingToChange();
    if (body.approveNewSites && !mayApprove(principal, orgId)) throw refuseApproval();
    await this.check(orgId, body);
    return this.db.tx(async (tx) => {
      const before = await this.read(tx, orgId, templateId);
      if (before.name === DEFAULT_TEMPLATE && body.name !== undefined && body.name !== DEFAULT_TEMPLATE)
        throw conflict('The default template keeps its name');
      await assertProfile(tx, orgId, body.profileId);
      if (Object.keys(fields).length > 0) await named(() => tx.update(Template, { orgId, templateId }, fields));
      if (groupIds) await replaceGroups(tx, 'template', orgId, templateId, groupIds);
      if (letsMoreIn(before, body))
        await this.hooks.deliversSecrets.run(tx, principal, orgId, { kind: 'template', id: templateId });
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_template.update',
        target: { type: 'provisioning_template', id: templateId },
        details: { fields: Object.keys(body) },
      });
      await notify(tx, 'access_changed', `org:${orgId}`);
      return this.read(tx, orgId, templateId);
    });
  }

  /**
   * By force its keys are deleted with it; their sites stay.
   * @returns the users for `dryRun`, else null. @throws not_found; conflict for the default template, and with the users while keys are issued under it
   */
  async delete(
    principal: Principal,
    orgId: string,
    templateId: number,
    { dryRun, force }: DeletionQuery,
  ): Promise<ApiResult<TemplateUsers | null>> {
    const change = async (tx: EntityManager): Promise<ApiResult<TemplateUsers | null>> => {
      const before = await this.read(tx, orgId, templateId);
      if (before.name === DEFAULT_TEMPLATE) throw conflict('The default template stays');
      if (dryRun) return foreseen({ keys: await this.users.keysOf(tx, orgId, templateId) });
      const keyIds = force ? await this.keys.deleteOfTemplate(tx, orgId, templateId) : [];
      const gone = await execute(
        tx,
        'DELETE FROM provisioning_template t WHERE org_id = $1 AND template_id = $2 AND NOT EXISTS (SELECT FROM provisioning_key k WHERE k.template_id = t.template_id)',
        [orgId, templateId],
      );
      if (gone === 0) throw inUse('This template is in use', { keys: await this.users.keysOf(tx, orgId, templateId) });
      await this.audit.record(tx, principal, {
        orgId,
        action: 'provisioning_template.delete',
        target: { type: 'provisioning_template', id: templateId },
        ...(force ? { details: { force, keys: keyIds } } : {}),
      });
      for (const keyId of keyIds) await notify(tx, 'access_changed', `provisioning:${keyId}`);
      return new ApiResult(null);
    };
    return force ? this.db.txFirst(change) : this.db.tx(change);
  }

  private async check(orgId: string, body: Partial<CreateTemplateBody>): Promise<void> {
    if (body.hardwareIdPattern) await this.patterns.assert(orgId, body.hardwareIdPattern);
    if (body.nameTemplate) assertNameTemplate(body.nameTemplate);
  }

  private async read(em: EntityManager, orgId: string, templateId: number): Promise<TemplateView> {
    const template = await em.findOneBy(Template, { orgId, templateId });
    if (!template) throw notFound('Provisioning template');
    const groups = (await groupsOf(em, 'template', [templateId])).get(templateId) ?? [];
    return view(template, groups, await deliveringAmong(em, [template]));
  }
}

async function assertProfile(tx: EntityManager, orgId: string, profileId: number | null | undefined): Promise<void> {
  if (profileId && !(await tx.existsBy(Profile, { orgId, profileId }))) throw notFound('Provisioning profile');
}

/** Whether sites come by a template that would not have come, or not approved; also a first pattern, as keys under one may approve at once. */
const letsMoreIn = (before: TemplateView, { reclaimPolicy, ...to }: UpdateTemplateBody): boolean =>
  (['profileId', 'hardwareIdPattern', 'hardwareIdForm', 'credentialType'] as const).some(
    (field) => to[field] !== undefined && to[field] !== before[field],
  ) ||
  (['approveNewSites', 'newtDoor'] as const).some((field) => to[field] === true && !before[field]) ||
  (reclaimPolicy === 'reissue' && before.reclaimPolicy !== 'reissue');

/** Profiles of these templates that deliver secrets. */
async function deliveringAmong(em: EntityManager, templates: Template[]): Promise<ReadonlySet<number>> {
  const profileIds = templates.flatMap(({ profileId }) => (profileId === null ? [] : [profileId]));
  if (profileIds.length === 0) return new Set();
  const rows = await query<{ profileId: number }>(
    em,
    'SELECT profile_id AS "profileId" FROM profile_with_secrets WHERE profile_id = ANY($1::bigint[])',
    [profileIds],
  );
  return new Set(rows.map((one) => one.profileId));
}

function row(orgId: string, body: CreateTemplateBody): Partial<Template> {
  return {
    orgId,
    name: body.name,
    description: body.description ?? null,
    profileId: body.profileId ?? null,
    hardwareIdPattern: body.hardwareIdPattern ?? null,
    hardwareIdForm: body.hardwareIdForm ?? null,
    credentialType: body.credentialType ?? 'api_key',
    newtDoor: body.newtDoor ?? true,
    approveNewSites: body.approveNewSites ?? true,
    nameTemplate: body.nameTemplate ?? null,
    reclaimPolicy: body.reclaimPolicy ?? 'recognise',
    ephemeralSeconds: body.ephemeralSeconds ?? null,
    credentialTtlSeconds: body.credentialTtlSeconds ?? null,
    renewGraceSeconds: body.renewGraceSeconds ?? CREDENTIAL_LIMITS.renewGraceSeconds,
    onReuse: body.onReuse ?? 'alert',
  };
}

function view(t: Template, groupIds: number[], delivering: ReadonlySet<number>): TemplateView {
  const {
    templateId,
    orgId,
    name,
    description,
    profileId,
    hardwareIdPattern,
    hardwareIdForm,
    credentialType,
    newtDoor,
    approveNewSites,
    nameTemplate,
    reclaimPolicy,
    ephemeralSeconds,
    credentialTtlSeconds,
    renewGraceSeconds,
    onReuse,
    createdAt,
  } = t;
  return {
    templateId,
    orgId,
    name,
    description,
    profileId,
    hardwareIdPattern,
    hardwareIdForm,
    credentialType,
    newtDoor,
    approveNewSites,
    approvalLimit: approveNewSites && profileId !== null && delivering.has(profileId) ? TEMPLATE_LIMIT : null,
    groupIds,
    nameTemplate,
    reclaimPolicy,
    ephemeralSeconds,
    credentialTtlSeconds,
    renewGraceSeconds,
    onReuse,
    createdAt,
  };
}

async function viewsOf(em: EntityManager, templates: Template[]): Promise<TemplateView[]> {
  const ids = templates.map((t) => t.templateId);
  const groups = await groupsOf(em, 'template', ids);
  const delivering = await deliveringAmong(em, templates);
  return templates.map((t) => view(t, groups.get(t.templateId) ?? [], delivering));
}
