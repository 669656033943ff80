import { Injectable } from '@nestjs/common';
import { type Action, grants } from '#contracts';
import { Db, type Principal, query } from '#platform';
import type { OrgCounts } from './orgs.dto.js';

/** Keys that end within this are told of. */
const SOON = `interval '7 days'`;

interface Row {
  orgId: string;
  sites: Record<string, number>;
  keysEnding: number;
  lastClaimAt: string | null;
}

/** @returns the organizations that a caller belongs to and may read; undefined for who may read all there are. */
export function ownOrgs({ authority }: Principal): string[] | undefined {
  switch (authority.kind) {
    case 'rootKey':
      return undefined;
    case 'user':
      return authority.serverAdmin
        ? undefined
        : [...authority.memberships.keys()].filter((orgId) => may(authority, orgId, 'getOrg'));
    case 'orgKey':
      return may(authority, authority.orgId, 'getOrg') ? [authority.orgId] : [];
    default:
      return [];
  }
}

const may = (authority: Principal['authority'], orgId: string, action: Action): boolean =>
  grants(authority, { kind: 'org', action, orgId }) === 'granted';

/** What somebody sees of many organizations at once. */
@Injectable()
export class OrgOverview {
  constructor(private readonly db: Db) {}

  /** One statement for all. What the caller may not read of an organization is null. */
  async counts({ authority }: Principal, orgIds: string[]): Promise<Map<string, OrgCounts>> {
    if (orgIds.length === 0) return new Map();
    const rows = await query<Row>(
      this.db.manager,
      // Together: for each organization by itself the planner may read all sites of all.
      `WITH s AS (SELECT org_id, jsonb_object_agg(state, sites) AS sites FROM org_site_state WHERE org_id = ANY ($1) GROUP BY org_id)
       SELECT o.org_id AS "orgId", coalesce(s.sites, '{}') AS sites,
         (SELECT count(*) FROM org_key_ending k WHERE k.org_id = o.org_id AND k.expires_at <= now() + ${SOON}) AS "keysEnding",
         (SELECT c.created_at FROM org_claim c WHERE c.org_uid = o.org_uid ORDER BY c.claim_id DESC LIMIT 1) AS "lastClaimAt"
       FROM org o LEFT JOIN s USING (org_id) WHERE o.org_id = ANY ($1)`,
      [orgIds],
    );
    return new Map(
      rows.map(({ orgId, sites, keysEnding, lastClaimAt }) => {
        const reads = (action: Action) => may(authority, orgId, action);
        return [
          orgId,
          {
            sites: reads('listSites') ? states(sites) : null,
            keysEnding: reads('listSiteProvisioningKeys') ? keysEnding : null,
            lastClaimAt: reads('listClaims') && lastClaimAt !== null ? new Date(lastClaimAt) : null,
          },
        ];
      }),
    );
  }
}

function states(found: Record<string, number>): NonNullable<OrgCounts['sites']> {
  const of = (state: string) => found[state] ?? 0;
  return {
    total: Object.values(found).reduce((sum, n) => sum + n, 0),
    pending: of('pending'),
    neverConnected: of('never_connected'),
    online: of('online'),
    offline: of('offline'),
    suspended: of('suspended'),
    revoked: of('revoked'),
  };
}
