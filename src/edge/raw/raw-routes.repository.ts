import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import { PORT_IS_ANOTHERS } from '../../resources/index.js';
import type { RawRoute } from './raw-route.js';

/** A port that could not be opened. */
export interface PortError {
  resourceId: number;
  error: string;
}

/** All SQL of raw resources' traffic. */
@Injectable()
export class RawRoutesRepository {
  /** All that are in service: enabled, not staged, of an open organization, and with a port that is theirs (docs/adr/0100). */
  inService(em: EntityManager): Promise<RawRoute[]> {
    return prepared(
      em,
      'raw_routes',
      `SELECT r.resource_id AS "resourceId", r.org_id AS "orgId", r.protocol, r.proxy_port AS port,
         CASE WHEN r.proxy_protocol AND r.protocol = 'tcp' THEN r.proxy_protocol_version END AS "proxyVersion",
         (SELECT coalesce(json_agg(json_build_object('targetId', t.target_id, 'siteId', t.site_id, 'ip', t.ip, 'port', t.port, 'priority', t.priority,
              'unhealthy', t.hc_enabled AND t.hc_health = 'unhealthy') ORDER BY t.target_id), '[]')
          FROM target t JOIN site s ON s.site_id = t.site_id AND s.status = 'approved' AND s.revoked_at IS NULL
          WHERE t.resource_id = r.resource_id AND t.enabled) AS targets
       FROM resource r
       WHERE NOT r.http AND r.staged_by IS NULL AND r.enabled AND NOT EXISTS (SELECT FROM closed_org o WHERE o.org_id = r.org_id) AND NOT ${PORT_IS_ANOTHERS}`,
      [],
    );
  }

  /** The ports on which some process may serve one. */
  async ports(em: EntityManager): Promise<number[]> {
    const rows = await query<{ port: number }>(
      em,
      'SELECT DISTINCT r.proxy_port AS port FROM resource r WHERE NOT r.http AND r.staged_by IS NULL AND r.enabled',
    );
    return rows.map(({ port }) => port);
  }

  /** Tells which ports this process cannot open: these, and no others. */
  async tellErrors(em: EntityManager, serverId: string, errors: PortError[]): Promise<void> {
    await execute(
      em,
      `WITH told AS (
         SELECT r.resource_id, e.error FROM unnest($2::bigint[], $3::text[]) AS e(resource_id, error) JOIN resource r ON r.resource_id = e.resource_id
         JOIN server s ON s.server_id = $1),
       gone AS (DELETE FROM raw_port_error e WHERE e.server_id = $1 AND NOT EXISTS (SELECT FROM told t WHERE t.resource_id = e.resource_id))
       INSERT INTO raw_port_error AS e (resource_id, server_id, error) SELECT t.resource_id, $1, t.error FROM told t
       ON CONFLICT (resource_id, server_id) DO UPDATE SET error = excluded.error WHERE e.error <> excluded.error`,
      [serverId, errors.map(({ resourceId }) => resourceId), errors.map(({ error }) => error)],
    );
  }
}
