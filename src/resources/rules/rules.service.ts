import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { type RuleMatch, readRuleValue } from '#blueprint';
import {
  type ApiResult,
  AppError,
  conflict,
  created,
  Db,
  type ExportFormat,
  Exports,
  invalid,
  notFound,
  type PageQuery,
  type Principal,
  requireVersion,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { ResourcesService } from '../public/resources.service.js';
import type { CreateRuleBody, RuleList, RuleView, UpdateRuleBody } from './rules.dto.js';
import { RulesRepository } from './rules.repository.js';

/** Who is let in, refused or asked, by address, path or place (docs/integration-api.md §3.7). */
@Injectable()
export class RulesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: RulesRepository,
    private readonly resources: ResourcesService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
  ) {}

  onModuleInit(): void {
    this.resolvers.registerNumber('ruleId', (id) => this.repository.orgOf(this.db.manager, id));
  }

  /** @throws validation for a value that does not fit its match, or a resource that is not HTTP. */
  async create(
    principal: Principal,
    orgId: string,
    resourceId: number,
    body: CreateRuleBody,
  ): Promise<ApiResult<RuleView>> {
    const wanted = { ...body, value: normalValue(body.match, body.value) };
    return this.db.tx(async (tx) => {
      const { http } = await this.resources.lock(tx, orgId, resourceId);
      if (!http) throw invalid('resourceId', 'only an HTTP resource has rules');
      const { version: _, ...rule } = await this.repository.insert(tx, orgId, resourceId, wanted);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'rule.create',
        target: { type: 'rule', id: rule.ruleId },
        details: { ...rule },
      });
      return created(rule);
    });
  }

  async list(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<RuleList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.repository.all(this.db.manager, orgId, resourceId));
    const window = windowOf(page, 1000);
    const [rules, total] = await this.repository.list(this.db.manager, orgId, resourceId, window);
    return { rules, pagination: shapeA(total, window) };
  }

  /** @throws not_found for a rule of another resource */
  async get(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    ruleId: number,
  ): Promise<{ rule: RuleView; version: number }> {
    const found = await this.repository.find(this.db.manager, orgId, resourceId, ruleId);
    if (!found) throw notFound('Rule');
    const { version, ...rule } = found;
    return { rule, version };
  }

  /** @throws permission_denied for a rule of another resource (docs/integration-api.md §3.7); validation as `create`; precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    resourceId: number,
    ruleId: number,
    body: UpdateRuleBody,
    ifMatch: number | undefined,
  ): Promise<{ rule: RuleView; version: number }> {
    return this.db.tx(async (tx) => {
      await this.resources.lock(tx, orgId, resourceId);
      const before = await this.repository.lock(tx, orgId, resourceId, ruleId);
      if (!before)
        throw (await this.repository.orgOf(tx, ruleId)) === orgId
          ? new AppError('permission_denied', 'This rule belongs to another resource')
          : notFound('Rule');
      requireVersion('Rule', ifMatch, before.version);
      const wanted = {
        ...before,
        ...Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)),
      };
      // One that was stored before its form was asked for stays as it is.
      if (body.match !== undefined || body.value !== undefined) wanted.value = normalValue(wanted.match, wanted.value);
      const { version, ...rule } = await this.repository.update(tx, ruleId, wanted);
      if (await this.repository.isDeclaredTwice(tx, ruleId))
        throw conflict('The document of this rule has another one of the same priority');
      await this.audit.record(tx, principal, {
        orgId,
        action: 'rule.update',
        target: { type: 'rule', id: ruleId },
        details: { ...rule },
      });
      return { rule, version };
    });
  }

  /** @throws not_found for a rule of another resource, precondition_failed. */
  async delete(
    principal: Principal,
    orgId: string,
    resourceId: number,
    ruleId: number,
    ifMatch: number | undefined,
  ): Promise<void> {
    await this.db.tx(async (tx) => {
      const rule = await this.repository.lock(tx, orgId, resourceId, ruleId);
      if (!rule) throw notFound('Rule');
      requireVersion('Rule', ifMatch, rule.version);
      await this.repository.delete(tx, orgId, resourceId, ruleId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'rule.delete',
        target: { type: 'rule', id: ruleId },
        details: { resourceId },
      });
    });
  }
}

/** @returns the normal form. @throws validation */
function normalValue(match: RuleMatch, value: string): string {
  const read = readRuleValue(match, value);
  if ('problem' in read) throw invalid('value', read.problem);
  return read.value;
}
