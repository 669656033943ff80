import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SiteState } from '#contracts';
import { prepared } from '#platform';
import { PORT_ERROR } from '../../resources/index.js';

/** A target of a resource, with the site that it is reached through. */
export interface TargetFacts {
  ip: string;
  port: number;
  enabled: boolean;
  checked: boolean;
  health: 'unknown' | 'healthy' | 'unhealthy';
  siteId: number;
  siteName: string;
  siteType: string;
  state: SiteState;
  /** When the site was last there, while it is away. */
  awaySince: string | null;
}

/** What is known of a resource, as its checks need it. */
export interface ResourceFacts {
  orgClosedAt: Date | null;
  orgClosedBy: string | null;
  enabled: boolean;
  createdAt: Date;
  /** The site whose approval it waits for. */
  waitsFor: string | null;
  http: boolean;
  protocol: string;
  proxyPort: number | null;
  /** Why the port is not served. */
  portError: string | null;
  fullDomain: string | null;
  maintenance: 'forced' | 'automatic' | null;
  domain: {
    baseDomain: string;
    verified: boolean;
    failed: boolean;
    errorMessage: string | null;
    nextTryAt: string | null;
    records: { type: string; name: string; value: string; verified: boolean }[];
  } | null;
  targetTotal: number;
  /** The first of them. */
  targets: TargetFacts[];
}

const TARGETS = 100;

const FACTS = `
  SELECT o.closed_at AS "orgClosedAt", o.closed_by AS "orgClosedBy", r.enabled, r.created_at AS "createdAt", w.name AS "waitsFor", r.http, r.protocol, r.proxy_port AS "proxyPort", ${PORT_ERROR} AS "portError", r.full_domain AS "fullDomain",
    CASE WHEN r.maintenance_mode_enabled THEN r.maintenance_mode_type END AS maintenance,
    (SELECT jsonb_build_object('baseDomain', d.base_domain, 'verified', d.verified, 'failed', d.failed, 'errorMessage', d.error_message, 'nextTryAt', d.next_try_at,
         'records', (SELECT coalesce(jsonb_agg(jsonb_build_object('type', e.record_type, 'name', e.base_domain, 'value', e.value, 'verified', e.verified) ORDER BY e.record_id), '[]')
                     FROM domain_record e WHERE e.domain_id = d.domain_id))
       FROM domain d WHERE d.domain_id = r.domain_id) AS domain,
    (SELECT count(*) FROM target t WHERE t.resource_id = r.resource_id) AS "targetTotal",
    (SELECT coalesce(jsonb_agg(jsonb_build_object('ip', t.ip, 'port', t.port, 'enabled', t.enabled, 'checked', t.hc_enabled, 'health', t.hc_health, 'siteId', t.site_id,
         'siteName', s.name, 'siteType', s.type, 'state', p.state, 'awaySince', CASE WHEN p.session_id IS NULL THEN p.last_seen_at END) ORDER BY t.target_id), '[]')
       FROM (SELECT * FROM target WHERE resource_id = r.resource_id ORDER BY enabled DESC, target_id LIMIT ${TARGETS}) t
       JOIN site s ON s.site_id = t.site_id JOIN site_presence p ON p.site_id = t.site_id) AS targets
  FROM resource r JOIN org o ON o.org_id = r.org_id LEFT JOIN site w ON w.site_id = r.staged_by
  WHERE r.org_id = $1 AND r.resource_id = $2`;

/** Reads everything that the checks of a resource are made from, in one statement: the facts are of one moment. */
@Injectable()
export class ResourceFactsRepository {
  async of(em: EntityManager, orgId: string, resourceId: number): Promise<ResourceFacts | undefined> {
    const [row] = await prepared<ResourceFacts>(em, 'diagnosis_resource', FACTS, [orgId, resourceId]);
    return row;
  }
}
