import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  ApiResult,
  conflict,
  Db,
  type ExportFormat,
  Exports,
  Hooks,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  OrgExports,
  type PageQuery,
  type Principal,
  requireVersion,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { makeNiceId, SiteLifecycleService } from '../../sites/index.js';
import { DomainsService, refusedName } from '../domains/domains.service.js';
import { lockSites } from '../lock-sites.js';
import { type Evicted, StagedRows, type Wanted } from '../staged/staged-rows.js';
import { noAliasAddress, ResourceWriter } from '../writer/resource-writer.js';
import { checkDestination, checkName, routeOf, WEB_PORTS } from './destinations.js';
import type {
  CreateSiteResourceBody,
  DeletedSiteResource,
  ListSiteResourcesQuery,
  SiteResourceDetail,
  SiteResourceList,
  SiteResourcesOnSite,
  SiteResourceView,
  UpdateSiteResourceBody,
} from './private.dto.js';
import { type Links, type PrivateColumns, PrivateRepository, type StoredSiteResource } from './private.repository.js';
import { PrivateLinks } from './private-links.js';
import { PrivateReads } from './private-reads.js';

const PAGE_SIZE = 20;
const PAGE_SIZE_OF_SITE = 100;
const TRIES = 5;
const AUTH_DAEMON_PORT = 22123;
const NICE_ID_INDEX = 'site_resource_org_id_nice_id_key';
const ALIAS_ADDRESS_INDEX = 'site_resource_alias_address';

/** Private ("site") resources (docs/integration-api.md §3.4). */
@Injectable()
export class PrivateResourcesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: PrivateRepository,
    private readonly links: PrivateLinks,
    private readonly reads: PrivateReads,
    private readonly domains: DomainsService,
    private readonly sites: SiteLifecycleService,
    private readonly staged: StagedRows,
    private readonly writer: ResourceWriter,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.hooks.siteDeleting.register((tx, orgId, siteId) => this.repository.touchOnSite(tx, orgId, siteId));
    this.whole.register('privateResources', 'listSiteResources', ({ orgId }) =>
      this.reads.whole(this.db.manager, orgId, {}),
    );
    this.resolvers.registerNumber('siteResourceId', (id) => this.repository.orgOf(this.db.manager, id));
  }

  /**
   * @throws validation for a destination, name or port that does not fit the mode, or an address of the organization itself; not_found for a site,
   * role, user, client or domain of another organization; conflict when niceId, alias or full domain is taken; capacity without a free alias address.
   */
  async create(
    principal: Principal,
    orgId: string,
    body: CreateSiteResourceBody,
  ): Promise<ApiResult<SiteResourceView>> {
    const siteIds = mergedSites(body);
    if (!siteIds || siteIds.length === 0) throw invalid('siteIds', 'at least one site is required');
    const columns = newColumns(body);
    checkName(columns, body.subdomain);
    checkDestination(columns);
    const links = {
      siteIds,
      roleIds: body.roleIds ?? [],
      userIds: body.userIds ?? [],
      clientIds: body.clientIds ?? [],
    };
    let blocked: unknown;
    for (let attempt = 1; ; attempt++) {
      const niceId = body.niceId ?? makeNiceId();
      try {
        return await this.db.tx((tx) =>
          this.createIn(tx, principal, orgId, { ...columns, niceId }, links, body, blocked),
        );
      } catch (error) {
        const again =
          isUniqueViolation(error, ALIAS_ADDRESS_INDEX) || (!body.niceId && isUniqueViolation(error, NICE_ID_INDEX));
        if (again && attempt < TRIES) continue;
        if (blocked !== undefined || !isTaken(error)) throw known(error);
        blocked = error;
      }
    }
  }

  /** @throws not_found for a site of another organization. */
  async list(
    _principal: Principal,
    orgId: string,
    q: ListSiteResourcesQuery,
    format?: ExportFormat,
  ): Promise<SiteResourceList | StreamableFile> {
    if (q.siteId !== undefined) await this.sites.require(this.db.manager, orgId, q.siteId);
    if (format) return this.exports.start(orgId, format, this.reads.whole(this.db.manager, orgId, q));
    const window = windowOf(q, PAGE_SIZE);
    const [siteResources, total] = await Promise.all([
      this.reads.page(this.db.manager, orgId, q, window),
      this.reads.total(this.db.manager, orgId, q),
    ]);
    return { siteResources, pagination: shapeB(total, window) };
  }

  async listOfSite(
    _principal: Principal,
    orgId: string,
    siteId: number,
    page: PageQuery,
  ): Promise<SiteResourcesOnSite> {
    return {
      siteResources: await this.reads.onSite(this.db.manager, orgId, siteId, windowOf(page, PAGE_SIZE_OF_SITE)),
    };
  }

  /** `on`: a site that it must be on. @throws not_found */
  async get(
    _principal: Principal,
    orgId: string,
    siteResourceId: number,
    on?: number,
  ): Promise<{ resource: SiteResourceDetail; version: number }> {
    const [row, drift] = await Promise.all([
      this.repository.find(this.db.manager, orgId, siteResourceId),
      this.repository.drift(this.db.manager, siteResourceId),
    ]);
    const { resource, version } = versioned(row);
    if (on !== undefined && !resource.siteIds.includes(on)) throw notFound('Site resource');
    return { resource: { ...resource, drift }, version };
  }

  /** Sites and grants that are given replace those that are there. @throws as `create`; precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    siteResourceId: number,
    body: UpdateSiteResourceBody,
    ifMatch: number | undefined,
  ): Promise<{ resource: SiteResourceView; version: number }> {
    if (Object.values(body).every((value) => value === undefined)) throw nothingToChange();
    if (mergedSites(body)?.length === 0) throw invalid('siteIds', 'at least one site is required');
    let blocked: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.tx((tx) => this.updateIn(tx, principal, orgId, siteResourceId, body, ifMatch, blocked));
      } catch (error) {
        if (isUniqueViolation(error, ALIAS_ADDRESS_INDEX) && attempt < TRIES) continue;
        if (blocked !== undefined || !isTaken(error)) throw known(error);
        blocked = error;
      }
    }
  }

  /** With its grants; its alias address is free again. */
  async delete(
    principal: Principal,
    orgId: string,
    siteResourceId: number,
    ifMatch: number | undefined,
  ): Promise<DeletedSiteResource> {
    await this.db.tx(async (tx) => {
      const { name, version } = await this.lock(tx, orgId, siteResourceId);
      requireVersion('Site resource', ifMatch, version);
      await this.sites.bumpDesired(tx, orgId, await this.writer.delete(tx, orgId, 'site_resource', [siteResourceId]));
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site_resource.delete',
        target: { type: 'site_resource', id: siteResourceId },
        details: { name },
      });
    });
    return { message: 'Site resource deleted successfully' };
  }

  /** For what hangs on a resource: locks it. @throws not_found */
  async lock(tx: EntityManager, orgId: string, siteResourceId: number): Promise<StoredSiteResource> {
    const row = await this.repository.lock(tx, orgId, siteResourceId);
    if (!row) throw notFound('Site resource');
    return row;
  }

  /** Sends the insert and all that belongs to it in one packet, and looks afterwards at what the insert found. */
  private async createIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    columns: PrivateColumns,
    links: Links,
    { subdomain }: CreateSiteResourceBody,
    blocked: unknown,
  ): Promise<ApiResult<SiteResourceView>> {
    const full =
      columns.domainId === null ? null : await this.domains.nameToInsert(tx, orgId, columns.domainId, subdomain);
    const named = { ...columns, subdomain: full?.subdomain ?? null, fullDomain: full?.fullDomain ?? null };
    const { name, mode, destination, alias } = columns;
    const evicted = blocked === undefined ? null : await this.evictStaged(tx, orgId, blocked, named);
    const [inserted] = await Promise.all([
      this.repository.insert(tx, orgId, named, links, routeOf(destination)),
      this.audit.record(tx, principal, {
        orgId,
        action: 'site_resource.create',
        target: { type: 'site_resource', drawnFrom: 'site_resource_site_resource_id_seq' },
        details: { name, mode, destination, alias, siteIds: links.siteIds, ...(evicted ? { gaveWay: evicted } : {}) },
      }),
      this.sites.bumpDesired(tx, orgId, links.siteIds),
    ]);
    const { version, sites, roles, users, clients, own, ...row } = inserted;
    if (own) throw ownAddress();
    if (sites !== links.siteIds.length) throw notFound('Site');
    if (roles !== links.roleIds.length) await this.links.grantable(tx, orgId, links.roleIds);
    if (users !== links.userIds.length) throw notFound('User');
    if (clients !== links.clientIds.length) await this.links.requireMachines(tx, orgId, links.clientIds, 'clientIds');
    if (mode !== 'cidr' && row.aliasAddress === null) throw noAliasAddress();
    return new ApiResult({ ...row, siteId: links.siteIds[0]!, siteIds: links.siteIds }, { version });
  }

  private async updateIn(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    siteResourceId: number,
    body: UpdateSiteResourceBody,
    ifMatch: number | undefined,
    blocked: unknown,
  ): Promise<{ resource: SiteResourceView; version: number }> {
    const before = await this.lock(tx, orgId, siteResourceId);
    requireVersion('Site resource', ifMatch, before.version);
    const wanted = withKept(before, body);
    const columns = changedColumns(before, wanted);
    checkName(columns, wanted.subdomain);
    if (joinedDiffer(before, columns)) checkDestination(columns);
    const route = body.destination === undefined ? null : routeOf(body.destination);
    if (route !== null && (await this.repository.isOwn(tx, orgId, route))) throw ownAddress();
    const full =
      columns.domainId === null
        ? null
        : await this.domains.nameOn(tx, orgId, columns.domainId, wanted.subdomain, before.fullDomain);
    const siteIds = mergedSites(body) ?? before.siteIds;
    const moved = siteIds.join() !== before.siteIds.join();
    if (moved) {
      await lockSites(tx, orgId, siteIds);
      await this.writer.setSites(tx, orgId, [{ id: siteResourceId, keys: siteIds }]);
    }
    if (body.roleIds)
      await this.links.setRoles(tx, orgId, siteResourceId, await this.links.grantable(tx, orgId, body.roleIds));
    if (body.userIds) await this.links.setUsers(tx, orgId, siteResourceId, body.userIds);
    if (body.clientIds) await this.links.setClients(tx, orgId, siteResourceId, body.clientIds);
    const named = { ...columns, subdomain: full?.subdomain ?? null, fullDomain: full?.fullDomain ?? null };
    const evicted =
      blocked === undefined ? null : await this.evictStaged(tx, orgId, blocked, { ...named, of: siteResourceId });
    const row = await this.repository.update(tx, orgId, siteResourceId, named);
    if (row.mode !== 'cidr' && row.aliasAddress === null) throw noAliasAddress();
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site_resource.update',
      target: { type: 'site_resource', id: siteResourceId },
      details: {
        fields: Object.keys(body).filter((name) => body[name as keyof UpdateSiteResourceBody] !== undefined),
        ...(evicted ? { gaveWay: evicted } : {}),
      },
    });
    await this.sites.bumpDesired(tx, orgId, [...new Set([...before.siteIds, ...siteIds])]);
    return versioned(row);
  }

  /** Deletes staged rows that hold what is wanted. @throws `blocked` when there are none */
  private async evictStaged(tx: EntityManager, orgId: string, blocked: unknown, wanted: Wanted): Promise<Evicted[]> {
    const gone = await this.staged.evictStaged(tx, orgId, 'site_resource', wanted);
    if (!gone) throw blocked;
    return gone;
  }
}

/** Whether another resource has what only one may have. */
const isTaken = (error: unknown) =>
  [NICE_ID_INDEX, 'site_resource_alias', 'site_resource_full_domain'].some((index) => isUniqueViolation(error, index));

const ownAddress = () => invalid('destination', "is an address of the organization's own subnets");

/** `siteId` first, then `siteIds`; undefined when neither is given. */
function mergedSites({ siteId, siteIds }: { siteId?: number; siteIds?: number[] }): number[] | undefined {
  if (siteId === undefined && siteIds === undefined) return undefined;
  return [...new Set([...(siteId === undefined ? [] : [siteId]), ...(siteIds ?? [])])];
}

function newColumns(body: CreateSiteResourceBody): Omit<PrivateColumns, 'niceId'> {
  const http = body.mode === 'http';
  return {
    name: body.name,
    ssl: body.ssl ?? false,
    mode: body.mode,
    scheme: body.scheme ?? null,
    destinationPort: body.destinationPort ?? null,
    destination: body.destination,
    enabled: body.enabled ?? true,
    alias: body.alias ?? null,
    tcpPortRangeString: body.tcpPortRangeString ?? '*',
    udpPortRangeString: body.udpPortRangeString ?? '*',
    ...(http ? WEB_PORTS : {}),
    disableIcmp: body.disableIcmp ?? http,
    authDaemonPort: body.authDaemonPort ?? AUTH_DAEMON_PORT,
    authDaemonMode: body.authDaemonMode ?? 'site',
    domainId: body.domainId ?? null,
    subdomain: null,
    fullDomain: null,
  };
}

/** A switch is no description of the resource: who sends `enabled` alone says nothing about alias and domain, and takes nothing away. */
function withKept(
  { alias, domainId, subdomain }: StoredSiteResource,
  body: UpdateSiteResourceBody,
): UpdateSiteResourceBody {
  const isSwitch = Object.entries(body).every(([name, value]) => name === 'enabled' || value === undefined);
  return isSwitch ? { ...body, alias, domainId, subdomain } : body;
}

/** docs/integration-api.md §3.4: what is left out stays, but for the alias and the domain, which it clears. */
function changedColumns(before: StoredSiteResource, body: UpdateSiteResourceBody): PrivateColumns {
  const mode = body.mode ?? before.mode;
  return {
    niceId: body.niceId ?? before.niceId,
    name: body.name ?? before.name,
    ssl: body.ssl ?? before.ssl,
    mode,
    scheme: body.scheme === undefined ? before.scheme : body.scheme,
    destinationPort: body.destinationPort === undefined ? before.destinationPort : body.destinationPort,
    destination: body.destination ?? before.destination,
    enabled: body.enabled ?? before.enabled,
    alias: body.alias ?? null,
    tcpPortRangeString: body.tcpPortRangeString ?? before.tcpPortRangeString,
    udpPortRangeString: body.udpPortRangeString ?? before.udpPortRangeString,
    ...(mode === 'http' ? WEB_PORTS : {}),
    disableIcmp: body.disableIcmp ?? before.disableIcmp,
    authDaemonPort: body.authDaemonPort === null ? AUTH_DAEMON_PORT : (body.authDaemonPort ?? before.authDaemonPort),
    authDaemonMode: body.authDaemonMode ?? before.authDaemonMode,
    domainId: body.domainId ?? null,
    subdomain: null,
    fullDomain: null,
  };
}

/**
 * Whether something changes that the rules about several fields look at. What was stored before there was such a rule stays as it is, and a
 * domain that is left out is cleared.
 */
const joinedDiffer = (before: PrivateColumns, columns: PrivateColumns): boolean =>
  (['mode', 'destination', 'destinationPort', 'scheme', 'alias'] as const).some(
    (name) => before[name] !== columns[name],
  ) ||
  (columns.domainId !== null && columns.domainId !== before.domainId);

function versioned(row: StoredSiteResource | null): { resource: SiteResourceView; version: number } {
  if (!row) throw notFound('Site resource');
  const { version, ...resource } = row;
  return { resource, version };
}

function known(error: unknown): unknown {
  const refused = refusedName(error);
  if (refused) return refused;
  if (isUniqueViolation(error, NICE_ID_INDEX)) return conflict('This niceId is already in use');
  if (isUniqueViolation(error, 'site_resource_alias')) return conflict('This alias is already in use');
  if (isUniqueViolation(error, 'site_resource_full_domain')) return conflict('This full domain is already in use');
  return error;
}
