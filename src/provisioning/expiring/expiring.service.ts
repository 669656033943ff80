import { X509Certificate } from 'node:crypto';
import { Injectable, type StreamableFile } from '@nestjs/common';
import { type Action, grants } from '#contracts';
import {
  type Columns,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  invalid,
  orgUidOf,
  type Principal,
  shapeA,
  type Window,
  windowOf,
} from '#platform';
import {
  DEFAULT_WITHIN,
  EXPIRING_KINDS,
  type ExpiringItem,
  type ExpiringKind,
  type ExpiringList,
  type ExpiringQuery,
  WITHIN,
} from './expiring.dto.js';
import { ExpiringRepository, type ExpiringRow } from './expiring.repository.js';

const MOST_SECONDS = 315_360_000;
const SECONDS: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** Who may read a thing may know when it ends. */
const READ_BY: Record<ExpiringKind, Action> = {
  site_provisioning_key: 'listSiteProvisioningKeys',
  api_key: 'listApiKeys',
  site_credential: 'getSite',
  certificate_authority: 'getOrg',
  invitation: 'listInvitations',
  access_token: 'listAccessTokens',
};

const COLUMNS: Columns<ExpiringItem> = { kind: true, id: true, name: true, endsAt: true, siteId: true };

/** What in an organization ends before long (docs/integration-api.md §3.1). */
@Injectable()
export class ExpiringService {
  constructor(
    private readonly db: Db,
    private readonly repository: ExpiringRepository,
    private readonly exports: Exports,
  ) {}

  /** @throws validation for a page beyond the first without a kind */
  async list(
    principal: Principal,
    orgId: string,
    { within = DEFAULT_WITHIN, kind, ...page }: ExpiringQuery,
    format?: ExportFormat,
  ): Promise<ExpiringList | StreamableFile> {
    const until = new Date(Date.now() + secondsOf(within) * 1000);
    const kinds = EXPIRING_KINDS.filter((one) => one === (kind ?? one) && mayRead(principal, orgId, one));
    if (format) return this.exports.start(orgId, format, this.all(principal, orgId, kinds, until));
    const window = windowOf(page, 1000);
    if (kind === undefined && window.offset > 0) throw invalid('offset', 'a page beyond the first is of one kind');
    const items: ExpiringItem[] = [];
    const counts: ExpiringList['counts'] = [];
    for (const wanted of kinds) {
      const { total, rows } = await this.ofKind(principal, orgId, wanted, until, window);
      counts.push({ kind: wanted, total });
      items.push(...rows.map((row) => ({ kind: wanted, ...row })));
    }
    items.sort((a, b) => a.endsAt.getTime() - b.endsAt.getTime());
    const total = counts.reduce((sum, count) => sum + count.total, 0);
    return { until, items, counts, pagination: shapeA(total, window) };
  }

  /** Kind by kind, each by id. */
  private all(
    principal: Principal,
    orgId: string,
    kinds: ExpiringKind[],
    until: Date,
  ): ExportSource<ExpiringItem, ExpiringItem> {
    return {
      name: 'expiring',
      columns: COLUMNS,
      page: async (after, limit) => {
        const items: ExpiringItem[] = [];
        for (const kind of kinds.slice(after ? kinds.indexOf(after.kind) : 0)) {
          const behind = kind === after?.kind ? after.id : '';
          const rows = await this.behind(principal, orgId, kind, until, behind, limit - items.length);
          items.push(...rows.map((row) => ({ kind, ...row })));
          if (items.length === limit) break;
        }
        return items;
      },
      keyOf: (item) => item,
    };
  }

  private async behind(
    principal: Principal,
    orgId: string,
    kind: ExpiringKind,
    until: Date,
    id: string,
    limit: number,
  ): Promise<ExpiringRow[]> {
    if (kind !== 'certificate_authority') return this.repository.behind(this.db.manager, orgId, kind, until, id, limit);
    const authorities = await this.authorities(principal, orgId, until);
    return authorities
      .filter((authority) => authority.id > id)
      .sort((one, other) => (one.id < other.id ? -1 : 1))
      .slice(0, limit);
  }

  private async ofKind(
    principal: Principal,
    orgId: string,
    kind: ExpiringKind,
    until: Date,
    window: Window,
  ): Promise<{ total: number; rows: ExpiringRow[] }> {
    if (kind !== 'certificate_authority') return this.repository.page(this.db.manager, orgId, kind, until, window);
    const rows = await this.authorities(principal, orgId, until);
    return { total: rows.length, rows: rows.slice(window.offset, window.offset + window.limit) };
  }

  /** The earliest first. */
  private async authorities(principal: Principal, orgId: string, until: Date): Promise<ExpiringRow[]> {
    const authorities = await this.repository.authorities(
      this.db.manager,
      await orgUidOf(this.db.manager, principal, orgId),
    );
    return authorities
      .map(({ caId, certificate, trustedUntil }) => {
        const own = new Date(new X509Certificate(certificate).validTo);
        return { id: caId, name: caId, endsAt: trustedUntil && trustedUntil < own ? trustedUntil : own, siteId: null };
      })
      .filter(({ endsAt }) => endsAt <= until && endsAt.getTime() > Date.now())
      .sort((a, b) => a.endsAt.getTime() - b.endsAt.getTime());
  }
}

/** Keys of an organization read no API keys, whatever they hold (docs/integration-api.md §1.5). */
function mayRead({ authority }: Principal, orgId: string, kind: ExpiringKind): boolean {
  if (kind === 'api_key' && authority.kind === 'orgKey') return false;
  return grants(authority, { kind: 'org', action: READ_BY[kind], orgId }) === 'granted';
}

/** @throws validation beyond ten years */
function secondsOf(within: string): number {
  const [, n, unit] = WITHIN.exec(within)!;
  const seconds = Number(n) * SECONDS[unit!]!;
  if (seconds > MOST_SECONDS) throw invalid('within', 'must be at most ten years');
  return seconds;
}
