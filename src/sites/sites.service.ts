import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type ApiResult,
  AppError,
  conflict,
  created,
  Db,
  type ExportFormat,
  Exports,
  invalid,
  isUniqueViolation,
  notFound,
  OrgExports,
  type Principal,
  parseId,
  randomLower,
  sha256,
  shapeB,
  TenantResolvers,
  windowOf,
} from '#platform';
import { SiteCredentialsService } from '../access/index.js';
import { AuditService } from '../audit/index.js';
import { AddressPoolService } from '../orgs/index.js';
import { parseCursor } from './site-cursor.js';
import { SiteLifecycleService } from './site-lifecycle.service.js';
import { SiteReads } from './site-reads.js';
import { newSiteRow } from './site-rows.js';
import { SiteStatusService } from './site-status.service.js';
import type { CreatedSiteView, CreateSiteBody, ListSitesQuery, SiteDefaults, SiteList, SiteView } from './sites.dto.js';
import { SitesRepository } from './sites.repository.js';

const PAGE_SIZE = 20;
const NEWT_ID_LENGTH = 15;
const SECRET_LENGTH = 48;
/** docs/integration-api.md §3.3: what a site of type local has instead of a tunnel network. */
const LOCAL_SUBNET = '0.0.0.0/32';

/** What operators do with sites by hand: making and reading them (docs/integration-api.md §3.2, §3.3). */
@Injectable()
export class SitesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly sites: SiteLifecycleService,
    private readonly repository: SitesRepository,
    private readonly reads: SiteReads,
    private readonly standings: SiteStatusService,
    private readonly pool: AddressPoolService,
    private readonly credentials: SiteCredentialsService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('sites', 'listSites', ({ orgId }) => this.reads.whole(this.db.manager, orgId, {}));
    const resolve = async (value: string, principal: Principal, orgId: string | undefined) => {
      const siteId = parseId(value);
      const owner = siteId === null ? null : await this.reads.orgOfSite(this.db.manager, siteId);
      if (siteId !== null && owner !== null) return { orgId: owner, id: siteId };
      // Without an organization in the path a niceId means something only to a key of one organization.
      const home = orgId ?? (principal.authority.kind === 'orgKey' ? principal.authority.orgId : undefined);
      const named = home === undefined ? null : await this.reads.idOfNiceId(this.db.manager, home, value);
      return named === null ? null : { orgId: home!, id: named };
    };
    this.resolvers.register('siteId', resolve, 'Number of the site, or its niceId with a key of one organization');
    this.resolvers.register('niceId', resolve, 'Number of the site, or its niceId');
  }

  /** @throws capacity when the address pool is exhausted. */
  async defaults(_principal: Principal, orgId: string): Promise<SiteDefaults> {
    const { address, newtId } = await this.db.tx((tx) => this.pool.reserve(tx, orgId));
    return {
      exitNodeId: null,
      address: null,
      publicKey: null,
      name: null,
      listenPort: null,
      endpoint: null,
      subnet: null,
      newtId,
      newtSecret: randomLower(SECRET_LENGTH),
      clientAddress: address,
    };
  }

  /**
   * Makes a site by hand, approved at once.
   * @throws conflict when niceId, address or newtId is taken; validation when the address is outside the ranges; capacity when there is none.
   */
  async create(principal: Principal, orgId: string, body: CreateSiteBody): Promise<ApiResult<CreatedSiteView>> {
    if (body.type === 'wireguard')
      throw new AppError('not_available', 'A WireGuard site needs an exit node, and this server has none');
    if (body.exitNodeId != null) throw invalid('exitNodeId', 'there is no such exit node');
    const newt =
      body.type === 'newt'
        ? { newtId: body.newtId ?? randomLower(NEWT_ID_LENGTH), secret: body.secret ?? randomLower(SECRET_LENGTH) }
        : null;
    const secretHash = newt && sha256(newt.secret);
    try {
      return await this.db.tx(async (tx) => {
        const address = body.address
          ? await this.pool.take(tx, orgId, body.address)
          : await this.nextAddress(tx, orgId);
        const site = {
          name: body.name,
          description: body.description ?? null,
          ...(body.niceId ? { niceId: body.niceId } : {}),
          status: 'approved' as const,
          hardwareId: null,
          address,
          type: body.type,
          subnet: newt ? null : LOCAL_SUBNET,
          dockerSocketEnabled: body.dockerSocketEnabled ?? newt !== null,
          autoUpdateEnabled: body.autoUpdateEnabled ?? false,
          autoUpdateOverrideOrg: body.autoUpdateOverrideOrg ?? false,
          remoteSubnets: body.remoteSubnets ?? null,
        };
        const [made] = await this.sites.insertMany(tx, orgId, [site]);
        const { siteId } = made!;
        const state = await this.standings.stateOf(tx, siteId);
        await this.db.commitWith(tx, [
          newt &&
            this.credentials.insertMany(tx, [
              { siteId, orgId, kind: 'newt', newtId: newt.newtId, secretHash: secretHash! },
            ]),
          body.newtId && this.credentials.announce(tx, body.newtId),
          this.audit.record(tx, principal, {
            orgId,
            action: 'site.create',
            target: { type: 'site', id: siteId },
            details: { name: body.name, type: body.type },
          }),
        ]);
        const row = newSiteRow({ ...site, ...made!, orgId, state });
        return created(Object.assign(row.contract, newt, row.origin));
      });
    } catch (error) {
      if (isUniqueViolation(error, 'site_credential_newt')) throw conflict('This newtId is already in use');
      throw error;
    }
  }

  /** @throws not_found for a group or key that the organization has not. */
  async list(
    _principal: Principal,
    orgId: string,
    q: ListSitesQuery,
    format?: ExportFormat,
  ): Promise<SiteList | StreamableFile> {
    const em = this.db.manager;
    await this.reads.requireNamed(em, orgId, q);
    if (format) return this.exports.start(orgId, format, this.reads.whole(em, orgId, q));
    const window = windowOf(q, PAGE_SIZE);
    if (q.cursor !== undefined) {
      if (q.page !== undefined || q.offset !== undefined) throw invalid('cursor', 'give page, offset or cursor');
      const cursor = parseCursor(q, q.cursor);
      const { total, how } = await this.reads.extentOf(em, orgId, q);
      const page = await this.reads.page(em, orgId, q, { ...window, cursor, how });
      return { ...page, pagination: shapeB(total, window) };
    }
    const { limit, offset } = window;
    const { total, how } = await this.reads.extentOf(em, orgId, q);
    if (offset === 0) {
      const page = await this.reads.page(em, orgId, q, { ...window, how });
      // Of a list that a page holds the page counts: both are of one moment.
      return { ...page, pagination: shapeB(page.sites.length < limit ? page.sites.length : total, window) };
    }
    // What stands behind the middle is counted from the end: the last page is as near as the first.
    const behind = total - offset;
    const cut =
      offset < total / 2
        ? window
        : { limit: Math.max(0, Math.min(limit, behind)), offset: Math.max(0, behind - limit), fromEnd: true };
    const { sites, next } = await this.reads.page(em, orgId, q, { ...cut, how });
    return { sites, next: behind > limit ? next : null, pagination: shapeB(total, window) };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, siteId: number): Promise<{ site: SiteView; version: number }> {
    const found = await this.reads.find(this.db.manager, orgId, siteId);
    if (!found) throw notFound('Site');
    return found;
  }

  async resetBandwidth(principal: Principal, orgId: string): Promise<Record<string, never>> {
    await this.db.tx(async (tx) => {
      const sites = await this.repository.resetBandwidth(tx, orgId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'site.reset_bandwidth',
        target: { type: 'org', id: orgId },
        details: { sites },
      });
    });
    return {};
  }

  private async nextAddress(tx: EntityManager, orgId: string): Promise<string> {
    const [address] = await this.pool.allocate(tx, orgId, 1);
    if (!address)
      throw new AppError('capacity', 'The address pool of the organization is exhausted', { retryAfter: 60 });
    return address;
  }
}
