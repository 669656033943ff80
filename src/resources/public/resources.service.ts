import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type ApiResult,
  AppError,
  Config,
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
  nothingToChange,
  OrgExports,
  type PageQuery,
  type Principal,
  parseId,
  requireVersion,
  shapeB,
  TenantResolvers,
  windowIfAsked,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { makeNiceId, SiteLifecycleService } from '../../sites/index.js';
import type { FullDomain } from '../domains/domain-names.js';
import { DomainsService, refusedName } from '../domains/domains.service.js';
import { lockSites } from '../lock-sites.js';
import { type Evicted, StagedRows, type Wanted } from '../staged/staged-rows.js';
import { ResourceWriter } from '../writer/resource-writer.js';
import { HTTP_ONLY, kindOf, RAW_ONLY, requireKind, requireProxyProtocol } from './kind-fields.js';
import { lockName } from './name-locks.js';
import { RawPorts } from './raw-ports.js';
import { ResourceReads, type Scope } from './resource-reads.js';
import { urlOf } from './resource-url.js';
import type {
  CreateResourceBody,
  ListResourcesQuery,
  ResourceList,
  ResourceName,
  ResourceRow,
  ResourceView,
  TargetRights,
  UpdateResourceBody,
} from './resources.dto.js';
import { ResourcesRepository, type StoredResource, toRow, toView } from './resources.repository.js';

const PAGE_SIZE = 20;
const NICE_ID_TRIES = 5;

const domainTaken = () => conflict('This full domain is already in use');

/** Public resources (docs/integration-api.md §3.5). */
@Injectable()
export class ResourcesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: ResourcesRepository,
    private readonly reads: ResourceReads,
    private readonly domains: DomainsService,
    private readonly sites: SiteLifecycleService,
    private readonly staged: StagedRows,
    private readonly writer: ResourceWriter,
    private readonly rawPorts: RawPorts,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('publicResources', 'listResources', ({ orgId }) =>
      this.reads.whole(this.db.manager, { orgId }, {}),
    );
    this.resolvers.registerNumber('resourceId', (id) => this.repository.orgOf(this.db.manager, id));
    this.resolvers.register(
      'resourceNiceId',
      (value, _principal, orgId) => this.named(orgId, value),
      'Number of the resource, or its niceId',
    );
    this.hooks.siteDeleting.register((tx, orgId, siteId) => this.repository.forgetSite(tx, orgId, siteId));
  }

  /**
   * @throws validation for fields of the other kind, an unverified domain, a wrong subdomain or a port outside RAW_PORTS; not_found for another organization's
   * domain; conflict when the full domain or the port is taken, or a wildcard covers it.
   */
  async create(principal: Principal, orgId: string, body: CreateResourceBody): Promise<ApiResult<ResourceRow>> {
    const { http, protocol } = kindOf(body);
    const {
      name,
      siteId,
      proxyPort,
      domainId,
      stickySession = false,
      postAuthPath = null,
      sitesMayAddTargets = null,
      enableProxy = true,
    } = body;
    refuse(body, http ? ['proxyPort'] : ['domainId', 'subdomain', 'postAuthPath']);
    if (http && domainId === undefined) throw invalid('domainId', 'is required');
    if (!http) this.requirePort(proxyPort);
    checkTargetRights(sitesMayAddTargets);
    if (siteId !== undefined) await this.sites.require(this.db.manager, orgId, siteId);
    let blocked: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.tx(async (tx) => {
          const full = http ? await this.domains.nameToInsert(tx, orgId, domainId!, body.subdomain) : null;
          this.refuseOwnName(full);
          await lockSites(tx, orgId, sitesMayAddTargets?.siteIds ?? []);
          const evicted =
            blocked === undefined
              ? null
              : await this.evictStaged(tx, orgId, blocked, {
                  fullDomain: full?.fullDomain,
                  port: proxyPort === undefined ? null : { protocol, port: proxyPort },
                });
          const insert = {
            niceId: makeNiceId(),
            name,
            http,
            protocol,
            domainId: domainId ?? null,
            subdomain: full?.subdomain ?? null,
            fullDomain: full?.fullDomain ?? null,
            wildcard: full?.wildcard ?? false,
            proxyPort: proxyPort ?? null,
            ssl: http,
            sso: http,
            stickySession,
            postAuthPath,
            sitesMayAddTargets,
            enableProxy,
          };
          const [, row] = await this.db.commitWith(tx, [
            full && lockName(tx, full.fullDomain, full.wildcard),
            this.repository.insert(tx, orgId, insert),
            this.audit.record(tx, principal, {
              orgId,
              action: 'resource.create',
              target: { type: 'resource', drawnFrom: 'resource_resource_id_seq' },
              details: {
                name,
                http,
                fullDomain: insert.fullDomain,
                proxyPort: insert.proxyPort,
                ...(evicted ? { gaveWay: evicted } : {}),
              },
            }),
          ]);
          return created(toRow(row));
        });
      } catch (error) {
        if (isUniqueViolation(error, 'resource_org_id_nice_id_key') && attempt < NICE_ID_TRIES) continue;
        if (blocked !== undefined || !isTaken(error)) throw known(error);
        blocked = error;
      }
    }
  }

  /** @throws not_found for a site of another organization. */
  async list(
    _principal: Principal,
    scope: Scope,
    q: ListResourcesQuery,
    format?: ExportFormat,
  ): Promise<ResourceList | StreamableFile> {
    if (q.siteId !== undefined) await this.sites.require(this.db.manager, scope.orgId, q.siteId);
    if (format) return this.exports.start(scope.orgId, format, this.reads.whole(this.db.manager, scope, q));
    const window = windowOf(q, PAGE_SIZE);
    const [resources, total] = await Promise.all([
      this.reads.page(this.db.manager, scope, q, window),
      this.reads.total(this.db.manager, scope, q),
    ]);
    return { resources, pagination: shapeB(total, window) };
  }

  /** A number wins over a niceId of digits. */
  private async named(orgId: string | undefined, value: string): Promise<{ orgId: string; id: number } | null> {
    const resourceId = parseId(value);
    const owner = resourceId === null ? null : await this.repository.orgOf(this.db.manager, resourceId);
    if (resourceId !== null && owner !== null && owner === orgId) return { orgId: owner, id: resourceId };
    const named = orgId === undefined ? null : await this.repository.idOfNiceId(this.db.manager, orgId, value);
    return named === null ? null : { orgId: orgId!, id: named };
  }

  /** Every name, unless a page is asked for. */
  names(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<ResourceName[] | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.reads.allNames(this.db.manager, orgId));
    return this.reads.names(this.db.manager, orgId, windowIfAsked(page));
  }

  /** @throws not_found */
  async get(
    _principal: Principal,
    orgId: string,
    resourceId: number,
  ): Promise<{ resource: ResourceView; version: number }> {
    const row = await this.repository.find(this.db.manager, orgId, resourceId);
    if (!row) throw notFound('Resource');
    const portError = this.rawPorts.errorOf(row, row.portError);
    return { resource: { ...toView(row), portError, url: urlOf(this.config, row) }, version: row.version };
  }

  /** @throws as `create`; precondition_failed; conflict when the niceId is taken */
  async update(
    principal: Principal,
    orgId: string,
    resourceId: number,
    body: UpdateResourceBody,
    ifMatch: number | undefined,
  ): Promise<{ resource: ResourceRow; version: number }> {
    if (Object.values(body).every((value) => value === undefined)) throw nothingToChange();
    checkTargetRights(body.sitesMayAddTargets);
    for (let blocked: unknown; ; ) {
      try {
        return await this.db.tx((tx) => this.updateIn(tx, principal, orgId, resourceId, body, ifMatch, blocked));
      } catch (error) {
        if (blocked === undefined && isTaken(error)) blocked = error;
        else if (isUniqueViolation(error, 'resource_org_id_nice_id_key'))
          throw conflict('This niceId is already in use');
        else throw known(error);
      }
    }
  }

  /** @param blocked the conflict of the first attempt; staged rows in the way are deleted in the second */
  private async updateIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    resourceId: number,
    body: UpdateResourceBody,
    ifMatch: number | undefined,
    blocked: unknown,
  ): Promise<{ resource: ResourceRow; version: number }> {
    const before = await this.lock(tx, orgId, resourceId);
    requireVersion('Resource', ifMatch, before.version);
    refuse(body, before.http ? RAW_ONLY : HTTP_ONLY);
    requireKind(before, body);
    requireProxyProtocol(before, body);
    if (body.proxyPort !== undefined && body.proxyPort !== before.proxyPort) this.requirePort(body.proxyPort);
    if (body.skipToIdpId != null) throw notFound('Identity provider');
    await lockSites(tx, orgId, body.sitesMayAddTargets?.siteIds ?? []);
    const { subdomain, domainId, mode: _mode, http: _http, protocol: _protocol, ...plain } = body;
    const full =
      subdomain !== undefined || domainId !== undefined ? await this.nameFor(tx, before, domainId, subdomain) : null;
    const port = body.proxyPort === undefined ? null : { protocol: before.protocol, port: body.proxyPort };
    const evicted =
      blocked === undefined
        ? null
        : await this.evictStaged(tx, orgId, blocked, {
            of: resourceId,
            niceId: body.niceId,
            fullDomain: full?.fullDomain,
            port,
          });
    if (full) await this.requireFree(tx, before, full);
    const changes = { ...plain, ...full };
    const changed = Object.values(changes).some((value) => value !== undefined);
    const row = changed ? await this.repository.update(tx, orgId, resourceId, changes) : before;
    // Agents dial the targets of enabled resources only.
    if (row.enabled !== before.enabled)
      await this.sites.bumpDesired(tx, orgId, await this.writer.servingSites(tx, orgId, [resourceId]));
    const fields = Object.keys(body).filter((name) => body[name as keyof UpdateResourceBody] !== undefined);
    await this.audit.record(tx, principal, {
      orgId,
      action: 'resource.update',
      target: { type: 'resource', id: resourceId },
      details: { fields, ...(evicted ? { gaveWay: evicted } : {}) },
    });
    return { resource: toRow(row), version: row.version };
  }

  /** Deletes staged rows that hold what is wanted. @throws `blocked` when there are none */
  private async evictStaged(tx: EntityManager, orgId: string, blocked: unknown, wanted: Wanted): Promise<Evicted[]> {
    const gone = await this.staged.evictStaged(tx, orgId, 'resource', wanted);
    if (!gone) throw blocked;
    return gone;
  }

  /** With its targets, rules, grants and tokens. */
  async delete(principal: Principal, orgId: string, resourceId: number, ifMatch: number | undefined): Promise<void> {
    await this.db.tx(async (tx) => {
      const { name, version } = await this.lock(tx, orgId, resourceId);
      requireVersion('Resource', ifMatch, version);
      await this.sites.bumpDesired(tx, orgId, await this.writer.delete(tx, orgId, 'resource', [resourceId]));
      await this.audit.record(tx, principal, {
        orgId,
        action: 'resource.delete',
        target: { type: 'resource', id: resourceId },
        details: { name },
      });
    });
  }

  /** For what hangs on a resource: locks it. @throws not_found */
  async lock(tx: EntityManager, orgId: string, resourceId: number): Promise<StoredResource> {
    const row = await this.repository.lock(tx, orgId, resourceId);
    if (!row) throw notFound('Resource');
    return row;
  }

  /** Another subdomain on the same domain, another domain under the same subdomain, or both. */
  private async nameFor(
    tx: EntityManager,
    before: StoredResource,
    domainId = before.domainId,
    subdomain: string | null | undefined = before.subdomain,
  ): Promise<FullDomain & { domainId: string }> {
    if (domainId === null) throw invalid('domainId', 'the resource has no domain; give one');
    return { domainId, ...(await this.domains.nameOn(tx, before.orgId, domainId, subdomain, before.fullDomain)) };
  }

  /** @throws conflict when a wildcard covers the name, or the wildcard a name. */
  private async requireFree(tx: EntityManager, before: StoredResource, full: FullDomain): Promise<void> {
    if (full.fullDomain === before.fullDomain) return;
    this.refuseOwnName(full);
    await lockName(tx, full.fullDomain, full.wildcard);
    const clash = await this.repository.findClash(tx, before.resourceId, full.fullDomain, full.wildcard);
    if (clash) throw conflict(`This full domain conflicts with ${clash}`);
  }

  /** @throws validation for a port on which none can be served. */
  private requirePort(port: number | undefined): void {
    const problem = port === undefined ? 'is required' : this.rawPorts.problem(port);
    if (problem) throw invalid('proxyPort', problem);
  }

  /** The name under which the API itself is reached is no resource's. */
  private refuseOwnName(full: FullDomain | null): void {
    if (full?.fullDomain === this.config.http.publicUrl.hostname) throw domainTaken();
  }
}

/** @throws validation naming the first of these fields that is there. */
function refuse(body: object, names: readonly string[]): void {
  const wrong = names.find((name) => (body as Record<string, unknown>)[name] !== undefined);
  if (wrong) throw invalid(wrong, 'does not belong to this kind of resource');
}

/** @throws validation unless it is one of both, and says something: no labels would mean every site. */
function checkTargetRights(rights: TargetRights | null | undefined): void {
  if (!rights) return;
  if (!rights.siteIds === !rights.labels)
    throw invalid('sitesMayAddTargets', 'must have siteIds or labels, and not both');
  if (rights.labels && Object.keys(rights.labels).length === 0)
    throw invalid('sitesMayAddTargets.labels', 'must have at least one label');
}

/** Whether another resource has what only one may have. */
const isTaken = (error: unknown) =>
  isUniqueViolation(error) ||
  isNotNullViolation(error, 'org_id') ||
  (error instanceof AppError && error.code === 'conflict');

function known(error: unknown): unknown {
  const refused = refusedName(error);
  if (refused) return refused;
  if (isUniqueViolation(error, 'resource_full_domain')) return domainTaken();
  if (isNotNullViolation(error, 'org_id')) return conflict('This full domain conflicts with a wildcard');
  if (isUniqueViolation(error, 'resource_port')) return conflict('This port is already in use');
  return error;
}
