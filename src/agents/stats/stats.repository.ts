import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { Metric } from './stats.dto.js';

/** One server at a time; the others skip their turn. */
const LOCK = 7_241_975;

/** What there was in the bucket of this number. */
export interface Filled {
  bucket: number;
  value: number;
  min: number | null;
  max: number | null;
}

const EVENTS = { approvals: 'site.approved', connects: 'site.online', disconnects: 'site.offline' } as const;

const COUNTED = `sum(n) AS value, NULL::int AS min, NULL::int AS max`;
const SOURCES: Record<Metric, { select: string; from: string; at: string }> = {
  claims: { select: COUNTED, from: `claim_minute WHERE what = 'created'`, at: 'minute' },
  refusals: { select: COUNTED, from: `claim_minute WHERE what <> 'created'`, at: 'minute' },
  approvals: { select: COUNTED, from: `event_minute WHERE type = '${EVENTS.approvals}'`, at: 'minute' },
  connects: { select: COUNTED, from: `event_minute WHERE type = '${EVENTS.connects}'`, at: 'minute' },
  disconnects: { select: COUNTED, from: `event_minute WHERE type = '${EVENTS.disconnects}'`, at: 'minute' },
  online: {
    select: 'round(avg(n))::int AS value, min(n) AS min, max(n) AS max',
    from: 'online_sample WHERE true',
    at: 'at',
  },
};

/** All SQL about numbers over time. */
@Injectable()
export class StatsRepository {
  /** The buckets in which there was anything, numbered from `from` on. */
  filled(em: EntityManager, orgUid: string, metric: Metric, from: Date, to: Date, seconds: number): Promise<Filled[]> {
    const { select, from: source, at } = SOURCES[metric];
    return query<Filled>(
      em,
      `SELECT floor(extract(epoch FROM ${at} - $2::timestamptz) / $4)::int AS bucket, ${select}
       FROM ${source} AND org_uid = $1 AND ${at} >= $2 AND ${at} < $3 GROUP BY 1`,
      [orgUid, from, to, seconds],
    );
  }

  /** Counts the sites that are online, unless another server has done it for these five minutes. @returns whether it did */
  async sample(tx: EntityManager): Promise<boolean> {
    const sampled = await execute(
      tx,
      `INSERT INTO online_sample (org_uid, at, n)
       SELECT o.org_uid, now.at, coalesce(p.n, 0)
       FROM (SELECT date_bin('5 minutes', now(), 'epoch') AS at WHERE pg_try_advisory_xact_lock($1)) now
         JOIN org o ON NOT EXISTS (SELECT FROM online_sample WHERE at = now.at) AND EXISTS (SELECT FROM site s WHERE s.org_id = o.org_id)
         LEFT JOIN (SELECT org_id, count(*) AS n FROM site_presence WHERE state = 'online' GROUP BY org_id) p ON p.org_id = o.org_id
       ON CONFLICT DO NOTHING`,
      [LOCK],
    );
    return sampled > 0;
  }
}
