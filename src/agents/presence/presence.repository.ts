import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SessionEnd, SiteState } from '#contracts';
import { execute, prepared, query } from '#platform';
import type { SiteAtHand } from '../gateway/session.js';

export interface Newcomer {
  id: string;
  siteId: number;
  credentialId: number;
  address: string | null;
}

export interface SiteRow extends SiteAtHand {
  siteId: number;
  orgId: string;
  niceId: string;
  name: string;
  /** The blueprint of its profile was never applied to it. */
  profileDue: boolean;
  /** It was claimed, and no session has come since. */
  claiming: boolean;
  /** Its organization is closed. */
  closed: boolean;
}

export interface PresenceRow {
  siteId: number;
  orgId: string;
  sessionId: string | null;
  serverId: string | null;
  address: string | null;
  takeOvers: number[];
  guardedUntil: number | null;
  /** The database's clock, milliseconds. */
  now: number;
}

export interface Transition {
  siteId: number;
  orgId: string;
  /** After it. */
  state: SiteState;
}

/** Ends the sessions that `gone` names, and says what they ran as. `gone` holds the lock of their sites' presence. */
const ENDED = `
  UPDATE site_session o SET ended_at = now(), end_reason = gone.reason, client_type = gone.client_type,
    client_version = (SELECT r.agent_version FROM agent_report r WHERE r.site_id = gone.site_id)
  FROM gone WHERE o.session_id = gone.session_id AND o.ended_at IS NULL`;

const ids = (rows: { siteId: number }[]) => rows.map((r) => r.siteId);

/**
 * All SQL about presence. Rows are locked in the order of their site ids, everywhere, so that server processes cannot deadlock.
 */
@Injectable()
export class PresenceRepository {
  /** The sites of newcomers whose credential is still good: one query for all that arrived together. */
  usable(tx: EntityManager, newcomers: Newcomer[]): Promise<SiteRow[]> {
    return prepared<SiteRow>(
      tx,
      'presence_usable',
      `SELECT s.site_id AS "siteId", s.org_id AS "orgId", s.nice_id AS "niceId", s.name, s.status, s.desired_version AS version,
              s.docker_socket_enabled AS "takesLabels", extract(epoch FROM c.until - now())::float8 * 1000 AS "endsIn",
              s.claim_id IS NOT NULL AND EXISTS (SELECT FROM claim_window w WHERE w.site_id = s.site_id AND w.connected_at IS NULL) AS claiming,
              EXISTS (SELECT FROM closed_org o WHERE o.org_id = s.org_id) AS closed,
              EXISTS (SELECT FROM provisioning_template t JOIN provisioning_profile f ON f.profile_id = t.profile_id
                      WHERE t.template_id = s.template_id AND f.blueprint IS NOT NULL
                        AND NOT EXISTS (SELECT FROM blueprint_source b WHERE b.site_id = s.site_id AND b.kind = 'profile')) AS "profileDue"
       FROM unnest($1::bigint[], $2::bigint[]) AS i(site_id, credential_id)
       JOIN usable_credential c ON c.credential_id = i.credential_id AND c.site_id = i.site_id
       JOIN site s ON s.site_id = i.site_id AND s.revoked_at IS NULL`,
      [ids(newcomers), newcomers.map((n) => n.credentialId)],
    );
  }

  /** Sessions of closed organizations that this server process has still. */
  ofClosedOrgs(em: EntityManager, serverId: string): Promise<{ siteId: number; sessionId: string }[]> {
    return query(
      em,
      'SELECT site_id AS "siteId", session_id AS "sessionId" FROM site_presence WHERE org_id IN (SELECT org_id FROM closed_org) AND session_id IS NOT NULL AND server_id = $1',
      [serverId],
    );
  }

  lock(tx: EntityManager, siteIds: number[]): Promise<PresenceRow[]> {
    return prepared<PresenceRow>(
      tx,
      'presence_lock',
      `SELECT site_id AS "siteId", org_id AS "orgId", session_id AS "sessionId", server_id AS "serverId", host(address) AS address,
              ARRAY(SELECT extract(epoch FROM t)::float8 * 1000 FROM unnest(takeover_times) t) AS "takeOvers",
              extract(epoch FROM guarded_until)::float8 * 1000 AS "guardedUntil", extract(epoch FROM now())::float8 * 1000 AS now
       FROM site_presence WHERE site_id = ANY($1::bigint[]) ORDER BY site_id FOR UPDATE`,
      [siteIds],
    );
  }

  /** Makes the given sessions the registered ones. The rows are locked. @returns the state that each site has now */
  async register(
    tx: EntityManager,
    serverId: string,
    rows: (Newcomer & { takesOver: boolean })[],
  ): Promise<Map<number, SiteState>> {
    if (rows.length === 0) return new Map();
    const now = await prepared<{ siteId: number; state: SiteState }>(
      tx,
      'presence_register',
      `WITH i AS (SELECT * FROM unnest($2::bigint[], $3::uuid[], $4::inet[], $5::boolean[]) AS i(site_id, session_id, address, takes_over)),
         gone AS (SELECT p.site_id, p.session_id, p.client_type, 'replaced' AS reason FROM site_presence p JOIN i ON i.site_id = p.site_id WHERE i.takes_over),
         ended AS (${ENDED}),
         began AS (INSERT INTO site_session (session_id, site_id, server_id, address) SELECT session_id, site_id, $1, address FROM i)
       UPDATE site_presence p SET session_id = i.session_id, server_id = $1, address = i.address, client_type = 'newt', takes_bundles = false, takes_credentials = false,
              connected_at = now(), last_seen_at = now(), guarded_until = NULL,
              takeover_times = CASE WHEN i.takes_over
                THEN ARRAY(SELECT t FROM unnest(p.takeover_times) t WHERE t > now() - interval '60 seconds') || now()
                ELSE p.takeover_times END
       FROM i WHERE p.site_id = i.site_id RETURNING p.site_id AS "siteId", p.state`,
      [serverId, ids(rows), rows.map((r) => r.id), rows.map((r) => r.address), rows.map((r) => r.takesOver)],
    );
    return new Map(now.map(({ siteId, state }) => [siteId, state]));
  }

  async guard(tx: EntityManager, siteIds: number[]): Promise<void> {
    if (siteIds.length === 0) return;
    await execute(
      tx,
      `UPDATE site_presence SET guarded_until = now() + interval '60 seconds' WHERE site_id = ANY($1::bigint[])`,
      [siteIds],
    );
  }

  /** Sessions that this process holds and that were put offline meanwhile; those registered elsewhere are not touched. */
  restore(
    tx: EntityManager,
    serverId: string,
    rows: { id: string; siteId: number; address: string | null }[],
  ): Promise<Transition[]> {
    return query<Transition>(
      tx,
      `WITH back AS (
         UPDATE site_presence p SET session_id = i.session_id, server_id = $1, address = i.address, last_seen_at = now()
         FROM unnest($2::bigint[], $3::uuid[], $4::inet[]) AS i(site_id, session_id, address)
         WHERE p.site_id = i.site_id AND p.session_id IS NULL RETURNING p.*),
       again AS (
         INSERT INTO site_session (session_id, site_id, server_id, address, connected_at)
         SELECT session_id, site_id, server_id, address, coalesce(connected_at, now()) FROM back
         ON CONFLICT (session_id) DO UPDATE SET ended_at = NULL, end_reason = NULL)
       SELECT site_id AS "siteId", org_id AS "orgId", state FROM back`,
      [serverId, ids(rows), rows.map((r) => r.id), rows.map((r) => r.address)],
    );
  }

  /** Puts sites offline whose registered session is the given one, and ends that. @returns those that this changed. */
  offline(tx: EntityManager, sessions: { id: string; siteId: number; reason: SessionEnd }[]): Promise<Transition[]> {
    return prepared<Transition>(
      tx,
      'presence_offline',
      `WITH gone AS (
         SELECT p.site_id, p.session_id, p.client_type, i.reason FROM site_presence p
         JOIN unnest($1::bigint[], $2::uuid[], $3::text[]) AS i(site_id, session_id, reason) ON p.site_id = i.site_id AND p.session_id = i.session_id
         ORDER BY p.site_id FOR UPDATE OF p),
       ended AS (${ENDED})
       UPDATE site_presence p SET session_id = NULL, server_id = NULL, last_seen_at = now()
       FROM gone WHERE p.site_id = gone.site_id RETURNING p.site_id AS "siteId", p.org_id AS "orgId", p.state`,
      [ids(sessions), sessions.map((s) => s.id), sessions.map((s) => s.reason)],
    );
  }

  /** Puts up to `limit` sites of a server process offline, and ends their sessions. */
  offlineOfServer(tx: EntityManager, serverId: string, limit: number, reason: SessionEnd): Promise<Transition[]> {
    return query<Transition>(
      tx,
      `WITH gone AS (
         SELECT site_id, session_id, client_type, $3::text AS reason FROM site_presence
         WHERE server_id = $1 AND session_id IS NOT NULL ORDER BY site_id LIMIT $2 FOR UPDATE),
       ended AS (${ENDED})
       UPDATE site_presence p SET session_id = NULL, server_id = NULL, last_seen_at = now()
       FROM gone WHERE p.site_id = gone.site_id RETURNING p.site_id AS "siteId", p.org_id AS "orgId", p.state`,
      [serverId, limit, reason],
    );
  }

  /** Writes last-seen of many sites at once. */
  async touch(tx: EntityManager, serverId: string, siteIds: number[]): Promise<void> {
    await prepared(
      tx,
      'presence_touch',
      `WITH seen AS (
         SELECT site_id FROM site_presence WHERE site_id = ANY($2::bigint[]) AND server_id = $1 ORDER BY site_id FOR UPDATE)
       UPDATE site_presence p SET last_seen_at = now() FROM seen WHERE p.site_id = seen.site_id`,
      [serverId, siteIds],
    );
  }

  /** Tells every server process to look at these sites again. */
  async announce(tx: EntityManager, siteIds: number[]): Promise<void> {
    if (siteIds.length === 0) return;
    await query(tx, `SELECT pg_notify('site_changed', id::text) FROM unnest($1::bigint[]) AS id`, [siteIds]);
  }
}
