import { X509Certificate } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Action, grants } from '#contracts';
import { Db, invalid, orgUidOf, type Principal, shapeA, type Window, windowOf } from '#platform';
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

/** What in an organization ends before long (docs/integration-api.md §3.1). */
@Injectable()
export class ExpiringService {
  constructor(
    private readonly db: Db,
    private readonly repository: ExpiringRepository,
  ) {}

  /** @throws validation for a page beyond the first without a kind */
  async list(
    principal: Principal,
    orgId: string,
    { within = DEFAULT_WITHIN, kind, ...page }: ExpiringQuery,
  ): Promise<ExpiringList> {
    const window = windowOf(page, 1000);
    if (kind === undefined && window.offset > 0) throw invalid('offset', 'a page beyond the first is of one kind');
    const until = new Date(Date.now() + secondsOf(within) * 1000);
    const items: ExpiringItem[] = [];
    const counts: ExpiringList['counts'] = [];
    for (const wanted of kind === undefined ? EXPIRING_KINDS : [kind]) {
      if (!mayRead(principal, orgId, wanted)) continue;
      const { total, rows } = await this.ofKind(principal, orgId, wanted, until, window);
      counts.push({ kind: wanted, total });
      items.push(...rows.map((row) => ({ kind: wanted, ...row })));
    }
    items.sort((a, b) => a.endsAt.getTime() - b.endsAt.getTime());
    const total = counts.reduce((sum, count) => sum + count.total, 0);
    return { until, items, counts, pagination: shapeA(total, window) };
  }

  private async ofKind(
    principal: Principal,
    orgId: string,
    kind: ExpiringKind,
    until: Date,
    window: Window,
  ): Promise<{ total: number; rows: ExpiringRow[] }> {
    if (kind !== 'certificate_authority') return this.repository.page(this.db.manager, orgId, kind, until, window);
    const authorities = await this.repository.authorities(
      this.db.manager,
      await orgUidOf(this.db.manager, principal, orgId),
    );
    const rows = authorities
      .map(({ caId, certificate, trustedUntil }) => {
        const own = new Date(new X509Certificate(certificate).validTo);
        return { id: caId, name: caId, endsAt: trustedUntil && trustedUntil < own ? trustedUntil : own, siteId: null };
      })
      .filter(({ endsAt }) => endsAt <= until && endsAt.getTime() > Date.now())
      .sort((a, b) => a.endsAt.getTime() - b.endsAt.getTime());
    return { total: rows.length, rows: rows.slice(window.offset, window.offset + window.limit) };
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
