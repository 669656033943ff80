import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { Period } from './log-reads.repository.js';

/** What went through, of a day, of a country, of a resource, or of all: the others are null. */
export interface TrafficSum {
  day: string | null;
  country: string | null;
  resourceId: number | null;
  resourceName: string | null;
  totalCount: number;
  blockedCount: number;
  clientErrors: number;
  serverErrors: number;
  bytesIn: number;
  bytesOut: number;
}

/** Reads of sums of hours: of no request by itself. */
@Injectable()
export class AnalyticsRepository {
  /** @param resourceId null: of all resources */
  sums(em: EntityManager, { orgId, orgUid, from, to }: Period, resourceId: number | null): Promise<TrafficSum[]> {
    return query<TrafficSum>(
      em,
      `SELECT to_char(s.day, 'YYYY-MM-DD') AS day, s.country, s.resource_id AS "resourceId", r.name AS "resourceName", s.requests AS "totalCount",
         s.blocked AS "blockedCount", s.client_errors AS "clientErrors", s.server_errors AS "serverErrors", s.bytes_in AS "bytesIn", s.bytes_out AS "bytesOut"
       FROM (SELECT date_trunc('day', hour, 'UTC') AS day, country, resource_id, sum(requests)::bigint AS requests, sum(blocked)::bigint AS blocked,
           sum(client_errors)::bigint AS client_errors, sum(server_errors)::bigint AS server_errors, sum(bytes_in)::bigint AS bytes_in, sum(bytes_out)::bigint AS bytes_out
         FROM traffic_hour WHERE org_uid = $2 AND hour >= $3 AND hour < $4 AND ($5::bigint IS NULL OR resource_id = $5)
         GROUP BY GROUPING SETS ((1), (2), (3))) s
         LEFT JOIN resource r ON r.resource_id = s.resource_id AND r.org_id = $1
       ORDER BY s.day, s.requests DESC, s.country, s.resource_id`,
      [orgId, orgUid, from, to, resourceId],
    );
  }
}
