import { Injectable, type OnApplicationBootstrap, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { EntityManager } from 'typeorm';
import {
  type ApiResult,
  type AppError,
  atMost,
  type Columns,
  Config,
  checkViolated,
  conflict,
  created,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  Hooks,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  OrgExports,
  type PageQuery,
  type Principal,
  randomLower,
  requireVersion,
  shapeA,
  TenantResolvers,
  windowIfAsked,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { type FullDomain, fullDomainOf, recordsFor } from './domain-names.js';
import type {
  CreateDomainBody,
  CreatedDomain,
  DnsRecordView,
  DomainList,
  DomainType,
  DomainView,
  Done,
  UpdateDomainBody,
  UpdatedDomain,
} from './domains.dto.js';
import { type DomainRow, DomainsRepository } from './domains.repository.js';

const ID_LENGTH = 15;
const CACHED = 10_000;

const COLUMNS: Columns<DomainView> = {
  domainId: true,
  baseDomain: true,
  configManaged: true,
  type: true,
  verified: true,
  failed: true,
  tries: true,
  certResolver: true,
  preferWildcardCert: true,
  errorMessage: true,
};

/** Domains that resources get their names from (docs/integration-api.md §3.8). */
@Injectable()
export class DomainsService implements OnModuleInit, OnApplicationBootstrap {
  /** Ones that were verified: neither name nor type of a domain ever changes. Whether they still are is asked when a name is written. */
  private readonly verified = new LRUCache<string, { orgId: string; type: DomainType; baseDomain: string }>({
    ...atMost(CACHED),
  });

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: DomainsRepository,
    private readonly audit: AuditService,
    private readonly hooks: Hooks,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('domains', 'listOrgDomains', ({ orgId }) => this.all(orgId));
    this.resolvers.register('domainId', async (domainId) => {
      const orgId = await this.repository.orgOf(this.db.manager, domainId);
      return orgId === null ? null : { orgId };
    });
    this.hooks.orgCreated.register((tx, orgId) =>
      this.repository.ensureConfigManaged(tx, this.config.domains.baseDomain, this.config.domains.serverIp, orgId),
    );
  }

  /** Organizations that are older than BASE_DOMAIN get it too. */
  async onApplicationBootstrap(): Promise<void> {
    await this.db.tx(async (tx) => {
      await this.repository.ensureConfigManaged(tx, this.config.domains.baseDomain, this.config.domains.serverIp, null);
      await this.repository.dropFormerConfigManaged(tx, this.config.domains.baseDomain);
    });
  }

  /**
   * The name that a resource gets, for services that make resources. The domain stays there until the end of the transaction.
   * @param has the name that the resource has already, and keeps even if its domain is no longer verified
   * @throws not_found when the domain is of another organization; validation when it is not verified or the subdomain is wrong.
   */
  async nameOn(
    tx: EntityManager,
    orgId: string,
    domainId: string,
    subdomain: string | null | undefined,
    has: string | null = null,
  ): Promise<FullDomain> {
    const domain = await this.repository.hold(tx, orgId, domainId);
    if (!domain) throw notFound('Domain');
    const full = fullDomainOf(domain, subdomain);
    if (!domain.verified && full.fullDomain !== has) throw notVerified();
    return full;
  }

  /**
   * Like `nameOn`, mostly without asking the database: for an insert whose foreign key on the domain says when it is gone (23503). Only such a
   * key keeps the domain from being deleted meanwhile.
   */
  async nameToInsert(
    tx: EntityManager,
    orgId: string,
    domainId: string,
    subdomain: string | null | undefined,
  ): Promise<FullDomain> {
    const known = this.verified.get(domainId);
    if (known?.orgId === orgId) return fullDomainOf(known, subdomain);
    const domain = await this.repository.find(tx, orgId, domainId);
    if (domain?.verified) this.verified.set(domainId, { orgId, type: domain.type, baseDomain: domain.baseDomain });
    return this.nameOn(tx, orgId, domainId, subdomain);
  }

  /**
   * @throws conflict when the organization has it or somebody else holds it; validation for a cname on two labels, and for a claim without a
   * proof above, below or within what somebody else holds (docs/adr/0019).
   */
  async create(principal: Principal, orgId: string, body: CreateDomainBody): Promise<ApiResult<CreatedDomain>> {
    const { type, certResolver = null, preferWildcardCert = null } = body;
    const baseDomain = body.baseDomain.toLowerCase();
    if (type === 'cname' && baseDomain.split('.').length < 3)
      throw invalid('baseDomain', 'a cname domain has at least three labels; DNS allows no CNAME at the top of a zone');
    const domain = { domainId: randomLower(ID_LENGTH), baseDomain, type, certResolver, preferWildcardCert };
    const records = recordsFor(domain, {
      nameservers: this.config.domains.nameservers,
      cnameSuffix: this.config.domains.cnameSuffix,
      serverIp: this.config.domains.serverIp,
    });
    try {
      return await this.db.tx(async (tx) => {
        await this.requireNew(tx, orgId, domain);
        await this.repository.insert(tx, orgId, domain);
        await this.repository.insertRecords(tx, domain.domainId, type === 'wildcard', records);
        await this.audit.record(tx, principal, {
          orgId,
          action: 'domain.create',
          target: { type: 'domain', id: domain.domainId },
          details: { baseDomain, type },
        });
        const named = records.map(({ baseDomain, value }) => ({ baseDomain, value }));
        return created({
          domainId: domain.domainId,
          ...(type === 'ns'
            ? { nsRecords: records.map((r) => r.value) }
            : type === 'cname'
              ? { cnameRecords: named }
              : { aRecords: named }),
          certResolver,
          preferWildcardCert,
        });
      });
    } catch (error) {
      throw refusedClaim(error) ?? (isUniqueViolation(error) ? conflict('This domain exists already') : error);
    }
  }

  /** What is to be proven and is proven already, or lies in one's own verified ns domain, says nothing new. Claims without a proof the database judges. */
  private async requireNew(
    tx: EntityManager,
    orgId: string,
    { baseDomain, type }: { baseDomain: string; type: DomainType },
  ): Promise<void> {
    if (type === 'wildcard') return;
    const proven = await this.repository.provenAbove(tx, baseDomain);
    if (proven.some((p) => p.shared)) throw shared();
    if (proven.some((p) => p.baseDomain === baseDomain)) throw taken();
    if (proven.some((p) => p.orgId === orgId && p.type === 'ns'))
      throw invalid('baseDomain', 'lies within a domain of yours that is verified');
  }

  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<DomainList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(page, 1000);
    const [rows, total] = await this.repository.list(this.db.manager, orgId, window);
    return { domains: rows.map(view), pagination: shapeA(total, window) };
  }

  private all(orgId: string): ExportSource<DomainView, string> {
    return {
      name: 'domains',
      columns: COLUMNS,
      page: async (after, limit) => (await this.repository.after(this.db.manager, orgId, after, limit)).map(view),
      keyOf: ({ domainId }) => domainId,
    };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, domainId: string): Promise<{ domain: DomainView; version: number }> {
    const row = await this.repository.find(this.db.manager, orgId, domainId);
    if (!row) throw notFound('Domain');
    return { domain: view(row), version: row.version };
  }

  /** @throws validation for another type than wildcard; precondition_failed */
  async update(
    principal: Principal,
    orgId: string,
    domainId: string,
    body: UpdateDomainBody,
    ifMatch: number | undefined,
  ): Promise<{ domain: UpdatedDomain; version: number }> {
    if (body.certResolver === undefined && body.preferWildcardCert === undefined) throw nothingToChange();
    return this.db.tx(async (tx) => {
      const before = await this.lock(tx, orgId, domainId);
      requireVersion('Domain', ifMatch, before.version);
      if (before.type !== 'wildcard')
        throw invalid('domainId', 'only domains of type wildcard have certificate settings');
      await this.repository.update(tx, orgId, domainId, body);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'domain.update',
        target: { type: 'domain', id: domainId },
        details: { ...body },
      });
      const { certResolver, preferWildcardCert, version } = (await this.repository.find(tx, orgId, domainId))!;
      return { domain: { domainId, certResolver, preferWildcardCert }, version };
    });
  }

  /** Resources on it lose their names. @throws validation for the domain of BASE_DOMAIN */
  async delete(principal: Principal, orgId: string, domainId: string, ifMatch: number | undefined): Promise<Done> {
    return this.db.tx(async (tx) => {
      const { configManaged, baseDomain, version } = await this.lock(tx, orgId, domainId);
      requireVersion('Domain', ifMatch, version);
      if (configManaged) throw invalid('domainId', 'this domain comes from the configuration of the server');
      await this.repository.delete(tx, orgId, domainId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'domain.delete',
        target: { type: 'domain', id: domainId },
        details: { baseDomain },
      });
      return { success: true };
    });
  }

  /** A records hold what DNS_SERVER_IP says now. */
  async records(_principal: Principal, orgId: string, domainId: string, page: PageQuery): Promise<DnsRecordView[]> {
    if (!(await this.repository.find(this.db.manager, orgId, domainId))) throw notFound('Domain');
    const rows = await this.repository.records(this.db.manager, domainId, windowIfAsked(page));
    return rows.map((row) => (row.recordType === 'A' ? { ...row, value: this.config.domains.serverIp } : row));
  }

  /**
   * Forgets failures and checks again at once; a verified domain stays so.
   * @throws as `create` for a wildcard that lost its name to somebody who still holds it
   */
  async restart(principal: Principal, orgId: string, domainId: string): Promise<Done> {
    return this.db
      .tx(async (tx) => {
        await this.lock(tx, orgId, domainId);
        await this.repository.restart(tx, orgId, domainId);
        await this.audit.record(tx, principal, {
          orgId,
          action: 'domain.restart',
          target: { type: 'domain', id: domainId },
        });
        return { success: true };
      })
      .catch((error: unknown) => {
        throw refusedClaim(error) ?? error;
      });
  }

  private async lock(tx: EntityManager, orgId: string, domainId: string): Promise<DomainRow> {
    const row = await this.repository.lock(tx, orgId, domainId);
    if (!row) throw notFound('Domain');
    return row;
  }
}

const taken = () => conflict('This domain is verified already');
const shared = () => conflict('This domain is shared by all organizations, or lies within one that is');
const notVerified = () => invalid('domainId', 'the domain is not verified');

/** What the database says of a claim (docs/adr/0019). */
function refusedClaim(error: unknown): AppError | undefined {
  switch (checkViolated(error)) {
    case 'domain_claim_same':
      return taken();
    case 'domain_claim_shared':
      return shared();
    case 'domain_claim_around':
      return invalid('baseDomain', 'lies above, below or within a domain that another organization has verified');
    default:
      return undefined;
  }
}

/** What the database says of a name that a resource was to get. */
export function refusedName(error: unknown): AppError | undefined {
  switch (checkViolated(error)) {
    case 'resource_domain_verified':
      return notVerified();
    case 'resource_name_held':
      return conflict('This full domain lies within a domain that another organization has verified');
    default:
      return undefined;
  }
}

function view(d: DomainRow): DomainView {
  const {
    domainId,
    baseDomain,
    configManaged,
    type,
    verified,
    failed,
    tries,
    certResolver,
    preferWildcardCert,
    errorMessage,
  } = d;
  return {
    domainId,
    baseDomain,
    configManaged,
    type,
    verified,
    failed,
    tries,
    certResolver,
    preferWildcardCert,
    errorMessage,
  };
}
