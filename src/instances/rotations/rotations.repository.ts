import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { RotationCounts, Standing } from './rotation.js';

/** How long a connected agent has from the moment when it was handed its next credential. */
const PATIENCE = `interval '15 minutes'`;
/** How long it is waited that sites which were asked come back, or that the next one of them is handed its credential. */
const OFFER_PATIENCE = `interval '1 minute'`;
/** Sites that were asked and did not use the next credential yet, with what speaks for them. */
const PENDING = 'credential_rotation r LEFT JOIN site_client c ON c.site_id = r.site_id';
const TAKES = 'c.online AND c.takes_credentials';
/** A session is a newt's until its hello is written, moments later. A device that is no newt can renew, whatever it speaks in its session. */
const STANDING = `CASE
  WHEN ${TAKES} THEN CASE WHEN r.offered_at <= now() - ${PATIENCE} THEN 'failed' ELSE 'waiting' END
  WHEN c.online AND c.client_type = 'agent' THEN 'cannot_take'
  WHEN c.client_type = 'newt' AND coalesce(c.connected_at < now() - interval '10 seconds', true)
    AND EXISTS (SELECT FROM site_credential k WHERE k.site_id = r.site_id AND k.kind = 'newt' AND k.stage = 'current' AND k.revoked_at IS NULL) THEN 'cannot_take'
  ELSE 'waiting' END`;

/** What became of sites that jobs asked to take another credential. Those rows are written by `CredentialSuccession`. */
@Injectable()
export class RotationsRepository {
  /** How many agents were handed the next credential, are connected, and do not use it. */
  async failed(em: EntityManager, jobId: number): Promise<number> {
    const [row] = await query<{ n: number }>(
      em,
      `SELECT count(*) AS n FROM ${PENDING} WHERE r.job_id = $1 AND r.offered_at <= now() - ${PATIENCE} AND ${TAKES}`,
      [jobId],
    );
    return row!.n;
  }

  /** Whether some site may be about to use its next credential. Looks at few rows: of those that are away, at the one that was asked last. */
  async isAwaiting(em: EntityManager, jobId: number): Promise<boolean> {
    const [row] = await query<{ awaiting: boolean }>(
      em,
      `SELECT coalesce((SELECT requested_at FROM credential_rotation WHERE job_id = $1 ORDER BY site_id DESC LIMIT 1) > now() - ${OFFER_PATIENCE}, false)
         OR EXISTS (SELECT FROM credential_rotation WHERE job_id = $1 AND offered_at > now() - ${OFFER_PATIENCE})
         OR EXISTS (SELECT FROM ${PENDING} WHERE r.job_id = $1 AND r.offered_at > now() - ${PATIENCE} AND ${TAKES}) AS awaiting`,
      [jobId],
    );
    return row!.awaiting;
  }

  /** Sites that did not use it yet, in the order of their ids. */
  async pending(
    em: EntityManager,
    jobId: number,
    after: number,
    limit: number,
  ): Promise<{ siteId: number; standing: Standing }[]> {
    return query(
      em,
      `SELECT r.site_id AS "siteId", ${STANDING} AS standing FROM ${PENDING} WHERE r.job_id = $1 AND r.site_id > $2 ORDER BY r.site_id LIMIT $3`,
      [jobId, after, limit],
    );
  }

  /** As it is now; `rotated` are those that no step has counted. */
  async counts(em: EntityManager, jobIds: number[]): Promise<Map<number, RotationCounts>> {
    const rows = await query<RotationCounts & { jobId: number }>(
      em,
      `SELECT j.job_id AS "jobId", (SELECT count(*) FROM credential_proof p WHERE p.job_id = j.job_id) AS rotated, s.*
       FROM unnest($1::bigint[]) AS j(job_id) CROSS JOIN LATERAL (
         SELECT count(*) FILTER (WHERE standing = 'cannot_take') AS "cannotTake", count(*) FILTER (WHERE standing = 'failed') AS failed,
           count(*) FILTER (WHERE standing = 'waiting') AS waiting
         FROM (SELECT ${STANDING} AS standing FROM ${PENDING} WHERE r.job_id = j.job_id) p) s`,
      [jobIds],
    );
    return new Map(rows.map(({ jobId, ...counts }) => [jobId, counts]));
  }
}
