import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';

/** A health check in newt's form (docs/newt.md §2.6); what is left out is newt's default. */
export interface NewtHealthCheck {
  id: number;
  hcEnabled: true;
  hcMode: string;
  hcHostname: string;
  hcPort: number;
  [field: string]: unknown;
}

interface CheckRow {
  siteId: number;
  id: number;
  method: string | null;
  ip: string;
  port: number;
  headers: { name: string; value: string }[] | null;
  fields: Record<string, unknown>;
}

/** What newts are to check. */
@Injectable()
export class HealthChecksRepository {
  /** Enabled checks on enabled targets of sites that are approved, of resources in service; by site. */
  async ofSites(em: EntityManager, siteIds: number[]): Promise<Map<number, NewtHealthCheck[]>> {
    const rows = await prepared<CheckRow>(
      em,
      'newt_health_checks',
      `SELECT t.site_id AS "siteId", t.target_id AS id, t.method, t.ip, t.port, t.hc_headers AS headers,
         jsonb_strip_nulls(jsonb_build_object('hcPath', t.hc_path, 'hcScheme', t.hc_scheme, 'hcMode', t.hc_mode, 'hcHostname', t.hc_hostname, 'hcPort', t.hc_port,
           'hcInterval', t.hc_interval, 'hcUnhealthyInterval', t.hc_unhealthy_interval, 'hcTimeout', t.hc_timeout, 'hcFollowRedirects', t.hc_follow_redirects,
           'hcMethod', t.hc_method, 'hcStatus', t.hc_status, 'hcTlsServerName', t.hc_tls_server_name, 'hcHealthyThreshold', t.hc_healthy_threshold,
           'hcUnhealthyThreshold', t.hc_unhealthy_threshold)) AS fields
       FROM target t JOIN site s USING (site_id) JOIN resource r USING (resource_id)
       WHERE t.site_id = ANY ($1::bigint[]) AND t.enabled AND t.hc_enabled AND s.status = 'approved' AND r.enabled AND r.staged_by IS NULL ORDER BY t.target_id`,
      [siteIds],
    );
    const checks = new Map<number, NewtHealthCheck[]>();
    for (const { siteId, id, method, ip, port, headers, fields } of rows) {
      const check: NewtHealthCheck = {
        id,
        hcEnabled: true,
        hcMode: 'http',
        hcHostname: ip,
        hcPort: port,
        ...(method === 'https' ? { hcScheme: 'https' } : {}),
        ...fields,
        ...(headers ? { hcHeaders: Object.fromEntries(headers.map(({ name, value }) => [name, value])) } : {}),
      };
      const ofSite = checks.get(siteId);
      if (ofSite) ofSite.push(check);
      else checks.set(siteId, [check]);
    }
    return checks;
  }
}
