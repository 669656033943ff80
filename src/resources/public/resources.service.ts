import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  Config, conflict, Db, invalid, isUniqueViolation, notFound, type PageQuery, parseId, type Principal, requireVersion, shapeB, sqlState, TenantResolvers, windowOf,
} from '../../../libs/platform/index.js';
import { AuditService } from '../../audit/index.js';
import { makeNiceId, NICE_ID, SitesService } from '../../sites/index.js';
import { DomainsService } from '../domains/domains.service.js';
import type { FullDomain } from '../domains/domain-names.js';
import { together } from '../together.js';
import { ResourceReads, type Scope } from './resource-reads.js';
import type { CreateResourceBody, ListResourcesQuery, ResourceList, ResourceName, ResourceRow, ResourceView, UpdateResourceBody } from './resources.dto.js';
import { type ResourceChanges, ResourcesRepository, type StoredResource, toRow, toView } from './resources.repository.js';

const PAGE_SIZE = 20;
const NICE_ID_TRIES = 5;
const NICE_ID_OF_HTTP = /^[A-Za-z0-9-]+$/;
/** Fields of one kind of resource only (integration-api.md §3.5). */
const HTTP_ONLY = [
  'subdomain', 'domainId', 'ssl', 'sso', 'blockAccess', 'emailWhitelistEnabled', 'applyRules', 'tlsServerName', 'setHostHeader', 'skipToIdpId', 'headers',
  'maintenanceModeEnabled', 'maintenanceModeType', 'maintenanceTitle', 'maintenanceMessage', 'maintenanceEstimatedTime', 'postAuthPath',
] as const;
const RAW_ONLY = ['proxyPort', 'proxyProtocol', 'proxyProtocolVersion'] as const;

const domainTaken = () => conflict('This full domain is already in use');

/** Public resources (integration-api.md §3.5). */
@Injectable()
export class ResourcesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: ResourcesRepository,
    private readonly reads: ResourceReads,
    private readonly domains: DomainsService,
    private readonly sites: SitesService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    this.resolvers.register('resourceId', async (value) => {
      const resourceId = parseId(value);
      const orgId = resourceId === null ? null : await this.repository.orgOf(this.db.manager, resourceId);
      return orgId === null ? null : { orgId };
    });
  }

  /**
   * @throws validation for fields of the other kind, an unverified domain or a wrong subdomain; not_found for another organization's
   * domain; conflict when the full domain or the port is taken, or a wildcard covers it.
   */
  async create(principal: Principal, orgId: string, body: CreateResourceBody): Promise<ResourceRow> {
    const { name, http, proxyPort, domainId, stickySession = false, postAuthPath = null } = body;
    refuse(body, http ? ['proxyPort'] : ['domainId', 'subdomain', 'postAuthPath']);
    if (http && domainId === undefined) throw invalid('domainId', 'is required');
    if (!http && proxyPort === undefined) throw invalid('proxyPort', 'is required');
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.tx(async (tx) => {
          const full = http ? await this.domains.nameToInsert(tx, orgId, domainId!, body.subdomain) : null;
          this.refuseOwnName(full);
          const insert = {
            niceId: makeNiceId(), name, http, protocol: http ? ('tcp' as const) : body.protocol, domainId: domainId ?? null, subdomain: full?.subdomain ?? null,
            fullDomain: full?.fullDomain ?? null, wildcard: full?.wildcard ?? false, proxyPort: proxyPort ?? null, ssl: http, sso: http, stickySession, postAuthPath,
          };
          const guarded = full && this.repository.guardName(tx, full.fullDomain, full.wildcard);
          const inserting = this.repository.insert(tx, orgId, insert);
          const audited = this.audit.record(tx, principal, {
            orgId, action: 'resource.create', target: { type: 'resource', drawnFrom: 'resource_resource_id_seq' },
            details: { name, http, fullDomain: insert.fullDomain, proxyPort: insert.proxyPort },
          });
          const row = await together(inserting, [guarded ?? Promise.resolve(), audited], () => conflict('This full domain conflicts with a wildcard'));
          return toRow(row);
        });
      } catch (error) {
        if (isUniqueViolation(error, 'resource_org_id_nice_id_key') && attempt < NICE_ID_TRIES) continue;
        throw known(error);
      }
    }
  }

  /** @throws not_found for a site of another organization. */
  async list(_principal: Principal, scope: Scope, q: ListResourcesQuery): Promise<ResourceList> {
    const window = windowOf(q, PAGE_SIZE);
    if (q.siteId !== undefined) await this.sites.require(this.db.manager, scope.orgId, q.siteId);
    const [resources, total] = await Promise.all([this.reads.page(this.db.manager, scope, q, window), this.reads.total(this.db.manager, scope, q)]);
    return { resources, pagination: shapeB(total, window) };
  }

  /** Every name, unless a page is asked for. */
  names(_principal: Principal, orgId: string, page: PageQuery): Promise<ResourceName[]> {
    const asked = Object.values(page).some((value) => value !== undefined);
    return this.reads.names(this.db.manager, orgId, asked ? windowOf(page, 1000) : null);
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, resourceId: number): Promise<{ resource: ResourceView; version: number }> {
    const row = await this.repository.find(this.db.manager, orgId, resourceId);
    if (!row) throw notFound('Resource');
    return { resource: toView(row), version: row.version };
  }

  /** @throws as `create`; precondition_failed; conflict when the niceId is taken */
  async update(principal: Principal, orgId: string, resourceId: number, body: UpdateResourceBody, ifMatch: number | undefined): Promise<{ resource: ResourceRow; version: number }> {
    const given = Object.keys(body).filter((name) => body[name as keyof UpdateResourceBody] !== undefined);
    if (given.length === 0) throw invalid('body', 'at least one field is required');
    try {
      return await this.db.tx(async (tx) => {
        const before = await this.lock(tx, orgId, resourceId);
        requireVersion('Resource', ifMatch, before.version);
        refuse(body, before.http ? RAW_ONLY : HTTP_ONLY);
        if (body.niceId !== undefined && !(before.http ? NICE_ID_OF_HTTP : NICE_ID).test(body.niceId)) throw invalid('niceId', 'must be letters, digits and hyphens');
        if (body.skipToIdpId != null) throw notFound('Identity provider');
        const { subdomain, domainId, ...plain } = body;
        const changes: ResourceChanges = subdomain !== undefined || domainId !== undefined ? { ...plain, ...(await this.rename(tx, before, domainId, subdomain)) } : plain;
        const row = await this.repository.update(tx, orgId, resourceId, changes);
        await this.audit.record(tx, principal, { orgId, action: 'resource.update', target: { type: 'resource', id: resourceId }, details: { fields: given } });
        return { resource: toRow(row), version: row.version };
      });
    } catch (error) {
      if (isUniqueViolation(error, 'resource_org_id_nice_id_key')) throw conflict('This niceId is already in use');
      throw known(error);
    }
  }

  /** With its targets, rules, grants and tokens. */
  async delete(principal: Principal, orgId: string, resourceId: number): Promise<void> {
    await this.db.tx(async (tx) => {
      const { name } = await this.lock(tx, orgId, resourceId);
      const siteIds = await this.repository.sitesOf(tx, resourceId);
      await this.repository.delete(tx, orgId, resourceId);
      await this.sites.bumpDesired(tx, orgId, siteIds);
      await this.audit.record(tx, principal, { orgId, action: 'resource.delete', target: { type: 'resource', id: resourceId }, details: { name } });
    });
  }

  /** For what hangs on a resource: locks it. @throws not_found */
  async lock(tx: EntityManager, orgId: string, resourceId: number): Promise<StoredResource> {
    const row = await this.repository.lock(tx, orgId, resourceId);
    if (!row) throw notFound('Resource');
    return row;
  }

  /** Another subdomain on the same domain, another domain under the same subdomain, or both. */
  private async rename(tx: EntityManager, before: StoredResource, domainId = before.domainId, subdomain: string | null | undefined = before.subdomain): Promise<ResourceChanges> {
    if (domainId === null) throw invalid('domainId', 'the resource has no domain; give one');
    const full = await this.domains.nameOn(tx, before.orgId, domainId, subdomain);
    if (full.fullDomain !== before.fullDomain) {
      this.refuseOwnName(full);
      await this.repository.guardName(tx, full.fullDomain, full.wildcard);
      const clash = await this.repository.findClash(tx, before.resourceId, full.fullDomain, full.wildcard);
      if (clash) throw conflict(`This full domain conflicts with ${clash}`);
    }
    return { domainId, ...full };
  }

  /** The name under which the API itself is reached is no resource's. */
  private refuseOwnName(full: FullDomain | null): void {
    if (full?.fullDomain === this.config.publicUrl.hostname) throw domainTaken();
  }
}

/** @throws validation naming the first of these fields that is there. */
function refuse(body: object, names: readonly string[]): void {
  const wrong = names.find((name) => (body as Record<string, unknown>)[name] !== undefined);
  if (wrong) throw invalid(wrong, `Unrecognized key "${wrong}" for this kind of resource`);
}

function known(error: unknown): unknown {
  if (isUniqueViolation(error, 'resource_full_domain')) return domainTaken();
  if (isUniqueViolation(error, 'resource_port')) return conflict('This port is already in use');
  // The domain or, named by a root key, the organization was deleted a moment ago.
  return sqlState(error) === '23503' ? notFound('Domain') : error;
}
