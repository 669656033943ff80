import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { AgentHealthCheck, AgentLists, AgentResource, AgentTarget } from '#contracts';
import { prepared } from '#platform';

interface ListsRow {
  siteId: number;
  targets: AgentTarget[];
  healthChecks: AgentHealthCheck[];
  resources: AgentResource[];
}

/** What the agents of sites may dial (docs/tunnel.md rule 8). */
@Injectable()
export class DesiredLists {
  /** Of each of these sites, also of one that has nothing or is not approved. What counts is enabled, and not staged. */
  async ofSites(em: EntityManager, siteIds: number[]): Promise<Map<number, AgentLists>> {
    const rows = await prepared<ListsRow>(
      em,
      'desired_lists',
      `SELECT i.site_id AS "siteId", t.targets, t.checks AS "healthChecks", p.resources
       FROM unnest($1::bigint[]) AS i(site_id)
       JOIN site s ON s.site_id = i.site_id AND s.status = 'approved'
       CROSS JOIN LATERAL (
         SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.target_id, 'protocol', r.protocol, 'host', t.ip, 'port', t.port) ORDER BY t.target_id), '[]') AS targets,
                coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('targetId', t.target_id, 'revision', t.version, 'mode', coalesce(t.hc_mode, 'http'), 'host', coalesce(t.hc_hostname, t.ip),
                    'port', coalesce(t.hc_port, t.port), 'scheme', coalesce(t.hc_scheme, CASE WHEN t.method = 'https' THEN t.method END), 'path', t.hc_path,
                    'method', t.hc_method, 'headers', t.hc_headers, 'status', t.hc_status, 'interval', t.hc_interval, 'unhealthyInterval', t.hc_unhealthy_interval,
                    'timeout', t.hc_timeout, 'followRedirects', t.hc_follow_redirects, 'tlsServerName', t.hc_tls_server_name,
                    'healthyThreshold', t.hc_healthy_threshold, 'unhealthyThreshold', t.hc_unhealthy_threshold)) ORDER BY t.target_id) FILTER (WHERE t.hc_enabled), '[]') AS checks
         FROM target t JOIN resource r USING (resource_id)
         WHERE t.site_id = i.site_id AND t.enabled AND r.enabled AND r.staged_by IS NULL) t
       CROSS JOIN LATERAL (
         SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.site_resource_id, 'mode', r.mode, 'destination', r.destination,
                    'tcpPorts', CASE r.mode WHEN 'http' THEN r.destination_port::text ELSE r.tcp_ports END,
                    'udpPorts', CASE r.mode WHEN 'http' THEN '' ELSE r.udp_ports END) ORDER BY r.site_resource_id), '[]') AS resources
         FROM site_resource_site l JOIN site_resource r USING (site_resource_id)
         WHERE l.site_id = i.site_id AND r.enabled AND r.staged_by IS NULL) p`,
      [siteIds],
    );
    const found = new Map(rows.map(({ siteId, ...lists }) => [siteId, lists]));
    return new Map(
      siteIds.map((siteId) => [siteId, found.get(siteId) ?? { targets: [], healthChecks: [], resources: [] }]),
    );
  }
}
