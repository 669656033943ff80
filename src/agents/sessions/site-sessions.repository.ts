import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, type Window } from '#platform';
import type { SiteSession, SiteSessionQuery } from './site-sessions.dto.js';

/** Of the site of this organization alone. */
const OF_SITE = `
  FROM site s JOIN site_session o ON o.site_id = s.site_id
  WHERE s.org_id = $1 AND s.site_id = $2 AND ($3::timestamptz IS NULL OR o.ended_at IS NULL OR o.ended_at >= $3) AND ($4::timestamptz IS NULL OR o.connected_at < $4)`;

const NEWEST = 'o.connected_at DESC, o.session_id DESC';
/** What an open one runs as is told by the site: its row has it once it ends. */
const sessions = (which: string) => `
  SELECT o.session_id AS "sessionId", o.server_id AS "serverId", host(o.address) AS address,
    CASE WHEN o.ended_at IS NULL THEN p.client_type ELSE o.client_type END AS "clientType",
    CASE WHEN o.ended_at IS NULL THEN r.agent_version ELSE o.client_version END AS "clientVersion",
    o.connected_at AS "connectedAt", o.ended_at AS "endedAt", o.end_reason AS "endReason"
  FROM (SELECT o.* ${which}) o
  LEFT JOIN site_presence p ON p.site_id = o.site_id AND p.session_id = o.session_id LEFT JOIN agent_report r ON r.site_id = p.site_id
  ORDER BY ${NEWEST}`;

/** Reads of the sessions of sites; they are written with presence. */
@Injectable()
export class SiteSessionsRepository {
  /** Newest first. */
  async page(
    em: EntityManager,
    orgId: string,
    siteId: number,
    { from = null, to = null }: { [K in keyof SiteSessionQuery]?: SiteSessionQuery[K] | null },
    window: Window,
  ): Promise<{ sessions: SiteSession[]; total: number }> {
    const values = [orgId, siteId, from, to];
    const rows = await query<SiteSession>(em, sessions(`${OF_SITE} ORDER BY ${NEWEST} LIMIT $5 OFFSET $6`), [
      ...values,
      window.limit,
      window.offset,
    ]);
    const [count] = await query<{ total: number }>(em, `SELECT count(*) AS total ${OF_SITE}`, values);
    return { sessions: rows, total: count!.total };
  }

  /** Those before one, newest first. */
  async before(
    em: EntityManager,
    orgId: string,
    siteId: number,
    { from = null, to = null }: { [K in keyof SiteSessionQuery]?: SiteSessionQuery[K] | null },
    newer: SiteSession | undefined,
    limit: number,
  ): Promise<SiteSession[]> {
    // By the row that it is, in the precision of the database.
    const behind = `AND ($5::uuid IS NULL OR (o.connected_at, o.session_id) < (SELECT n.connected_at, n.session_id FROM site_session n WHERE n.session_id = $5))`;
    return query<SiteSession>(em, sessions(`${OF_SITE} ${behind} ORDER BY ${NEWEST} LIMIT $6`), [
      orgId,
      siteId,
      from,
      to,
      newer?.sessionId ?? null,
      limit,
    ]);
  }
}
