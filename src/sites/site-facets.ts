import { Injectable } from '@nestjs/common';
import type { SiteState } from '#contracts';
import { Db, type Principal, query } from '#platform';
import type { SiteFacets } from './site-facets.dto.js';

/** The most frequent so many of each kind; of the values of one label fewer. */
const TOP = 100;
const TOP_LABELS = 20;
const TOP_VALUES = 20;

/** Each is read out of one index of the organization, but labels, which are read with the rows. */
const STATES = 'SELECT state, count(*) AS count FROM site_presence WHERE org_id = $1 GROUP BY state';
const VERSIONS = `SELECT agent_version AS "agentVersion", count(*) AS count FROM site_presence WHERE org_id = $1 AND agent_version <> ''
  GROUP BY agent_version ORDER BY count DESC, agent_version LIMIT ${TOP}`;
const GROUPS = `SELECT g.group_id AS "groupId", g.name, m.count FROM site_group g
  CROSS JOIN LATERAL (SELECT count(*) AS count FROM site_group_member m WHERE m.group_id = g.group_id) m
  WHERE g.org_id = $1 ORDER BY m.count DESC, g.name LIMIT ${TOP}`;
const lineage = (column: string, as: string) => `SELECT ${column} AS "${as}", count(*) AS count FROM site
  WHERE org_id = $1 AND ${column} IS NOT NULL GROUP BY ${column} ORDER BY count DESC, ${column} LIMIT ${TOP}`;
const LABELS = `
  WITH pair AS (SELECT l.key, l.value, count(*) AS n FROM site s CROSS JOIN LATERAL jsonb_each_text(s.labels) l
                WHERE s.org_id = $1 AND s.labels <> '{}' GROUP BY l.key, l.value),
       ranked AS (SELECT key, value, n, sum(n) OVER (PARTITION BY key) AS total, row_number() OVER (PARTITION BY key ORDER BY n DESC, value) AS place FROM pair),
       top AS (SELECT key, total FROM ranked WHERE place = 1 ORDER BY total DESC, key LIMIT ${TOP_LABELS})
  SELECT r.key, r.total::bigint AS count, jsonb_agg(jsonb_build_object('value', r.value, 'count', r.n) ORDER BY r.place) AS values
  FROM top JOIN ranked r USING (key) WHERE r.place <= ${TOP_VALUES} GROUP BY r.key, r.total ORDER BY r.total DESC, r.key`;

/** How many sites of an organization have what. Whoever asks while the answer is being counted gets that one: it is counted once at a time. */
@Injectable()
export class SiteFacetsService {
  private readonly running = new Map<string, Promise<SiteFacets>>();

  constructor(private readonly db: Db) {}

  /** @throws database_busy when it takes too long */
  facets(_principal: Principal, orgId: string): Promise<SiteFacets> {
    const running = this.running.get(orgId);
    if (running) return running;
    const counting = this.count(orgId).finally(() => this.running.delete(orgId));
    this.running.set(orgId, counting);
    return counting;
  }

  /** One statement after the other: one connection, however many facets there are. */
  private async count(orgId: string): Promise<SiteFacets> {
    const read = <Row extends object>(text: string) => query<Row>(this.db.manager, text, [orgId]);
    const states: SiteFacets['states'] = {
      pending: 0,
      never_connected: 0,
      online: 0,
      offline: 0,
      suspended: 0,
      revoked: 0,
    };
    for (const { state, count } of await read<{ state: SiteState; count: number }>(STATES)) states[state] = count;
    return {
      states,
      groups: await read(GROUPS),
      labels: await read(LABELS),
      agentVersions: await read(VERSIONS),
      templates: await read(lineage('template_id', 'templateId')),
      profiles: await read(lineage('profile_id', 'profileId')),
    };
  }
}
