import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isPathPattern, type patternProblem } from '#blueprint';
import {
  type ApiResult,
  conflict,
  created,
  Db,
  type ExportFormat,
  Exports,
  Hooks,
  invalid,
  isNotNullViolation,
  isUniqueViolation,
  notFound,
  type PageQuery,
  type Principal,
  requireVersion,
  shapeA,
  TenantResolvers,
  Workers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { SiteLifecycleService } from '../../sites/index.js';
import type { ResourceMode } from '../public/resources.dto.js';
import { freePorts, noPort } from '../writer/internal-ports.js';
import type { ColumnValues } from '../writer/resource-rows.js';
import { ResourceWriter } from '../writer/resource-writer.js';
import { TargetHealth } from '../writer/target-health.js';
import { type Dialed, LocalTargets } from './local-targets.js';
import type { CreateTargetBody, TargetList, TargetRow, TargetView, UpdateTargetBody } from './targets.dto.js';
import {
  PORTS_TO_TRY,
  type StoredTarget,
  somePorts,
  type TargetColumns,
  TargetsRepository,
} from './targets.repository.js';

const DEFAULT_PRIORITY = 100;
const TRIES = 5;

/** Backends of public resources, each on a site (docs/integration-api.md §3.6). */
@Injectable()
export class TargetsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: TargetsRepository,
    private readonly writer: ResourceWriter,
    private readonly health: TargetHealth,
    private readonly local: LocalTargets,
    private readonly sites: SiteLifecycleService,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly workers: Workers,
    private readonly exports: Exports,
  ) {}

  onModuleInit(): void {
    this.hooks.siteDeleting.register((tx, orgId, siteId) => this.leaveSite(tx, orgId, siteId));
    this.hooks.siteSuspended.register((tx, orgId, siteId) => this.health.forgetSite(tx, orgId, siteId));
    this.resolvers.registerNumber('targetId', (id) => this.repository.orgOf(this.db.manager, id));
  }

  /** @throws validation for a path that is no pattern; not_found for a site of another organization; conflict when the site has no internal port left. */
  async create(
    principal: Principal,
    orgId: string,
    resourceId: number,
    body: CreateTargetBody,
  ): Promise<ApiResult<TargetRow>> {
    const { mode, ...given } = body;
    const { siteId, ip, port, hcEnabled = false } = given;
    if (mode !== undefined) requireMode(mode, await this.repository.modeOf(this.db.manager, orgId, resourceId));
    await this.requirePattern(orgId, body);
    if ((await this.repository.siteType(this.db.manager, orgId, siteId)) === 'local')
      this.requireListed(orgId, { ...given, hcEnabled });
    const columns: TargetColumns = {
      ...given,
      rewritePath: rewriteOf(given),
      enabled: body.enabled ?? true,
      insecureTls: body.insecureTls ?? false,
      priority: body.priority ?? DEFAULT_PRIORITY,
      hcEnabled,
      hcHealth: 'unknown',
    };
    for (let attempt = 1, ports = somePorts(); ; attempt++) {
      try {
        return await this.db.tx(async (tx) => {
          const [row] = await this.db.commitWith(tx, [
            this.repository.insert(tx, orgId, resourceId, siteId, ports, columns),
            this.audit.record(tx, principal, {
              orgId,
              action: 'target.create',
              target: { type: 'target', drawnFrom: 'target_target_id_seq' },
              details: { resourceId, siteId, ip, port },
            }),
            this.sites.bumpDesired(tx, orgId, [siteId]),
          ]);
          return created(toRow(row));
        });
      } catch (error) {
        if (!isNotNullViolation(error, 'site_id') && !isUniqueViolation(error, 'target_internal_port')) throw error;
      }
      // The site is not there, or none of the ports that were tried is free.
      if ((await this.repository.siteType(this.db.manager, orgId, siteId)) === null) throw notFound('Site');
      const free = await freePorts(this.db.manager, new Map([[siteId, PORTS_TO_TRY]]));
      ports = free.get(siteId) ?? [];
      if (ports.length === 0 || attempt === TRIES) throw noPort();
    }
  }

  async list(
    _principal: Principal,
    orgId: string,
    resourceId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<TargetList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.repository.all(this.db.manager, orgId, resourceId));
    const window = windowOf(page, 1000);
    const [targets, total] = await this.repository.list(this.db.manager, orgId, resourceId, window);
    return { targets, pagination: shapeA(total, window) };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, targetId: number): Promise<{ target: TargetView; version: number }> {
    const row = await this.repository.find(this.db.manager, orgId, targetId);
    if (!row) throw notFound('Target');
    const { version, ...target } = row;
    return { target, version };
  }

  /** The internal port stays while the site does. @throws as `create`; precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    targetId: number,
    body: UpdateTargetBody,
    ifMatch: number | undefined,
  ): Promise<{ target: TargetRow; version: number }> {
    // A pattern is compiled before the transaction, which then finds the one that was checked.
    const before = await this.repository.find(this.db.manager, orgId, targetId);
    const checked = before && (await this.requirePattern(orgId, changedPaths(before, cleared(body))));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.tx((tx) => this.updateIn(tx, principal, orgId, targetId, body, ifMatch, checked ?? null));
      } catch (error) {
        // Somebody took the very port that was free a moment ago.
        if (!isUniqueViolation(error, 'target_internal_port') || attempt === TRIES) throw error;
      }
    }
  }

  /** `of`: the resource that it must belong to. @throws not_found, precondition_failed */
  async delete(
    principal: Principal,
    orgId: string,
    targetId: number,
    ifMatch: number | undefined,
    of?: number,
  ): Promise<void> {
    await this.db.tx(async (tx) => {
      const { resourceId, siteId, version } = await this.lock(tx, orgId, targetId);
      if (of !== undefined && of !== resourceId) throw notFound('Target');
      requireVersion('Target', ifMatch, version);
      const siteIds = await this.writer.writeTargets(tx, orgId, { removed: [targetId] });
      await this.audit.record(tx, principal, {
        orgId,
        action: 'target.delete',
        target: { type: 'target', id: targetId },
        details: { resourceId, siteId },
      });
      await this.sites.bumpDesired(tx, orgId, siteIds);
    });
  }

  /** The targets of a site go before it does, because the health of their resources may change. */
  private async leaveSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    const removed = await this.repository.onSite(tx, orgId, siteId);
    await this.writer.writeTargets(tx, orgId, { removed });
  }

  private async updateIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    targetId: number,
    body: UpdateTargetBody,
    ifMatch: number | undefined,
    checked: string | null,
  ): Promise<{ target: TargetRow; version: number }> {
    const before = await this.lock(tx, orgId, targetId);
    requireVersion('Target', ifMatch, before.version);
    const siteType = await this.repository.siteType(tx, orgId, body.siteId);
    if (siteType === null) throw notFound('Site');
    if (body.mode !== undefined) requireMode(body.mode, before.mode);
    const { hcEnabled = false, hcHeaders = null } = body;
    const { mode: _, ...columns } = cleared(body);
    const changes: TargetColumns = { ...columns, hcEnabled, hcHeaders };
    const paths = changedPaths(before, changes);
    if (rewriteOf(paths) !== (paths.rewritePath ?? null)) changes.rewritePath = rewriteOf(paths);
    const pattern = patternOf(paths);
    if (pattern !== null && pattern !== checked)
      throw conflict('The path was changed by others at the same moment; try again');
    if (siteType === 'local') {
      this.requireListed(orgId, { ...before, ...definedOf(changes), hcEnabled });
      changes.internalPort = null;
    } else if (body.siteId !== before.siteId || before.internalPort === null)
      changes.internalPort = await this.freePort(tx, body.siteId);
    const changed = [{ id: targetId, columns: columnsOf(changes) }];
    const siteIds = await this.writer.writeTargets(tx, orgId, { changed });
    if (await this.repository.isDeclaredTwice(tx, targetId))
      throw conflict('The document of this target has another one of the same site, host, port and path');
    const row = (await this.repository.find(tx, orgId, targetId))!;
    await this.audit.record(tx, principal, {
      orgId,
      action: 'target.update',
      target: { type: 'target', id: targetId },
      details: { fields: Object.keys(body).filter((name) => body[name as keyof UpdateTargetBody] !== undefined) },
    });
    await this.sites.bumpDesired(tx, orgId, siteIds);
    return { target: toRow(row), version: row.version };
  }

  /** @throws validation that names the field */
  private requireListed(orgId: string, target: Dialed): void {
    const problem = this.local.problem(orgId, target);
    if (problem) throw invalid(problem.field, problem.message);
  }

  private async freePort(tx: EntityManager, siteId: number): Promise<number> {
    const [port] = (await freePorts(tx, new Map([[siteId, 1]]))).get(siteId) ?? [];
    if (port === undefined) throw noPort();
    return port;
  }

  /** @returns the pattern that was checked, if there is one. @throws validation when it is none; capacity */
  private async requirePattern(orgId: string, paths: Paths): Promise<string | null> {
    const pattern = patternOf(paths);
    const problem =
      pattern === null
        ? undefined
        : await this.workers.check<typeof patternProblem>({ source: `org:${orgId}` }, 'patternProblem', pattern);
    if (problem !== undefined) throw invalid('path', problem);
    return pattern;
  }

  private async lock(tx: EntityManager, orgId: string, targetId: number): Promise<StoredTarget> {
    const row = await this.repository.lock(tx, orgId, targetId);
    if (!row) throw notFound('Target');
    return row;
  }
}

/** @throws validation for another mode than that of the resource, which is null when it is gone. */
function requireMode(mode: ResourceMode, of: ResourceMode | null): void {
  if (of !== null && mode !== of) throw invalid('mode', `is ${mode}, and the resource is ${of}`);
}

type Paths = Pick<CreateTargetBody, 'path' | 'pathMatchType' | 'rewritePath' | 'rewritePathType'>;

/** The path that is matched or rewritten as a pattern. */
const patternOf = ({ path, pathMatchType, rewritePathType }: Paths): string | null =>
  path && isPathPattern(pathMatchType, rewritePathType) ? path : null;

/** Stripping a prefix leaves the root. */
const rewriteOf = ({ rewritePath = null, rewritePathType }: Paths): string | null =>
  rewritePath ?? (rewritePathType === 'stripPrefix' ? '/' : null);

/** Without a match there is nothing to rewrite. */
const cleared = (body: UpdateTargetBody): UpdateTargetBody =>
  body.pathMatchType === null ? { ...body, rewritePath: null, rewritePathType: null } : body;

/** How the paths of a target will be; what is left out stays. */
const changedPaths = (before: Paths, changes: Partial<Paths>): Paths => ({ ...before, ...definedOf(changes) });

const definedOf = <Fields extends object>(fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields;

/** Those that are given, by their names in the database. */
const columnsOf = (changes: TargetColumns): ColumnValues =>
  Object.fromEntries(
    Object.entries(changes).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]],
    ),
  );

/** A change answers headers as text, a read as a list. */
function toRow({ version: _, hcHeaders, ...rest }: StoredTarget): TargetRow {
  return { ...rest, hcHeaders: hcHeaders === null ? null : JSON.stringify(hcHeaders) };
}
