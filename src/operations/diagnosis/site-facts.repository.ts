import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SessionEnd } from '#contracts';
import { prepared } from '#platform';

/** A time within JSON. */
type At = string;

/** What is known of a site, as its checks need it. */
export interface SiteFacts {
  type: 'newt' | 'wireguard' | 'local';
  status: 'pending' | 'approved';
  createdAt: Date;
  now: Date;
  orgClosedAt: Date | null;
  orgClosedBy: string | null;
  revokedAt: Date | null;
  suspendedAt: Date | null;
  decidedAt: Date | null;
  decidedBy: string | null;
  decisionNote: string | null;
  hardwareId: string | null;
  desiredVersion: number;
  reclaimAllowedUntil: At | null;
  online: boolean;
  address: string | null;
  connectedAt: Date | null;
  lastSeenAt: Date | null;
  clientType: 'newt' | 'agent' | null;
  guardedUntil: Date | null;
  agentVersion: string | null;
  appliedVersion: number | null;
  appliedError: string | null;
  claim: { at: At; address: string | null; keyId: string | null; door: string } | null;
  /** The last session that ended. */
  session: { connectedAt: At; endedAt: At; reason: SessionEnd; address: string | null } | null;
  /** Sessions that began within the last hour, counted up to 100. */
  recentSessions: number;
  /** The credential that counts: a usable one if there is one, else the latest. */
  credential: {
    kind: string;
    createdAt: At;
    usable: boolean;
    until: At | null;
    revokedAt: At | null;
    renewUntil: At | null;
    lastUsedAt: At | null;
    lastUsedAddress: string | null;
  } | null;
  rotation: { requestedAt: At; offeredAt: At | null } | null;
  /** The last use of a superseded credential that was told of. */
  reuse: { at: At; address: string } | null;
  /** The last claim of its machine that did not give it a credential. A refusal without a reason: it is withheld. */
  reclaim: { at: At; outcome: string; reason: string | null; address: string | null; keyId: string | null } | null;
  contest: { at: At; address: string | null } | null;
  clone: { at: At; held: boolean } | null;
  duplicate: { at: At; establishedAddress: string | null; newcomerAddress: string | null } | null;
  bundle: { state: string; reason: string | null; version: number; changedAt: At } | null;
  /** The last document of each kind that was applied to it or could not be. */
  blueprints: { kind: string; succeeded: boolean; message: string; at: At }[];
  /** The blueprint of its profile is still to be applied. */
  blueprintDue: { attempts: number; at: At } | null;
  targets: { enabled: number; unhealthy: { resource: string; ip: string; port: number }[] };
}

/** Bounds of what is looked at, so that a site with a long history costs no more than another. */
const EVENTS = 200;
const SHOWN = 5;

const FACTS = `
  SELECT s.type, s.status, s.created_at AS "createdAt", now() AS now, o.closed_at AS "orgClosedAt", o.closed_by AS "orgClosedBy", s.revoked_at AS "revokedAt", s.suspended_at AS "suspendedAt", s.decided_at AS "decidedAt",
    s.decided_by AS "decidedBy", s.decision_note AS "decisionNote", s.hardware_id AS "hardwareId", s.desired_version AS "desiredVersion",
    s.reclaim_allowed_until::text AS "reclaimAllowedUntil", p.session_id IS NOT NULL AS online, host(p.address) AS address, p.connected_at AS "connectedAt",
    p.last_seen_at AS "lastSeenAt", p.client_type AS "clientType", p.guarded_until AS "guardedUntil", r.agent_version AS "agentVersion",
    r.applied_version AS "appliedVersion", r.applied_error AS "appliedError",
    (SELECT jsonb_build_object('at', c.created_at, 'address', host(c.address), 'keyId', c.key_id, 'door', c.door) FROM claim c WHERE c.claim_id = s.claim_id) AS claim,
    (SELECT jsonb_build_object('connectedAt', e.connected_at, 'endedAt', e.ended_at, 'reason', e.end_reason, 'address', host(e.address))
       FROM site_session e WHERE e.site_id = s.site_id AND e.ended_at IS NOT NULL ORDER BY e.connected_at DESC LIMIT 1) AS session,
    (SELECT count(*) FROM (SELECT FROM site_session e WHERE e.site_id = s.site_id AND e.connected_at > now() - interval '1 hour' LIMIT 100) n) AS "recentSessions",
    (SELECT jsonb_build_object('kind', c.kind, 'createdAt', c.created_at, 'usable', u.credential_id IS NOT NULL, 'until', least(c.ends_at, c.expires_at),
         'revokedAt', c.revoked_at, 'renewUntil', c.renew_until, 'lastUsedAt', c.last_used_at, 'lastUsedAddress', host(c.last_used_address))
       FROM credential_life c LEFT JOIN usable_credential u USING (credential_id) WHERE c.site_id = s.site_id
       ORDER BY u.credential_id IS NOT NULL DESC, c.stage = 'current' DESC, c.credential_id DESC LIMIT 1) AS credential,
    (SELECT jsonb_build_object('requestedAt', o.requested_at, 'offeredAt', o.offered_at) FROM credential_rotation o WHERE o.site_id = s.site_id) AS rotation,
    (SELECT jsonb_build_object('at', u.told_at, 'address', host(u.address)) FROM credential_reuse u WHERE u.site_id = s.site_id ORDER BY u.told_at DESC LIMIT 1) AS reuse,
    (SELECT jsonb_build_object('at', c.last_seen_at, 'outcome', c.outcome, 'reason', c.reason, 'address', host(c.address), 'keyId', c.key_id) FROM (
       (SELECT * FROM claim WHERE org_uid = o.org_uid AND site_id = s.site_id AND outcome IN ('refused', 'contested', 'recognised') ORDER BY claim_id DESC LIMIT ${SHOWN})
       UNION ALL
       (SELECT * FROM claim WHERE org_uid = o.org_uid AND hardware_id = s.hardware_id AND outcome IN ('refused', 'contested', 'recognised') ORDER BY claim_id DESC LIMIT ${SHOWN})
     ) c ORDER BY c.last_seen_at DESC, c.claim_id DESC LIMIT 1) AS reclaim,
    (SELECT jsonb_build_object('at', c.last_seen_at, 'address', host(c.address)) FROM claim c
       WHERE c.org_uid = o.org_uid AND c.site_id = s.site_id AND c.outcome = 'contested' ORDER BY c.claim_id DESC LIMIT 1) AS contest,
    (SELECT jsonb_build_object('at', l.cloned_at, 'held', l.held) FROM site_lease l WHERE l.site_id = s.site_id AND l.cloned_at IS NOT NULL) AS clone,
    (SELECT jsonb_build_object('at', e.created_at) || e.data FROM (
       SELECT type, created_at, data FROM event WHERE org_uid = o.org_uid AND site_id = s.site_id ORDER BY txid DESC, event_id DESC LIMIT ${EVENTS}) e
       WHERE e.type = 'site.duplicate_session' LIMIT 1) AS duplicate,
    (SELECT jsonb_build_object('state', b.state, 'reason', b.reason, 'version', b.version, 'changedAt', b.changed_at)
       FROM site_bundle b WHERE b.site_id = s.site_id AND b.version IS NOT NULL) AS bundle,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', b.kind, 'succeeded', b.succeeded, 'message', left(b.message, 500), 'at', b.created_at) ORDER BY b.created_at DESC), '[]')
       FROM (SELECT DISTINCT ON (kind) * FROM blueprint WHERE site_id = s.site_id AND kind IS NOT NULL ORDER BY kind, blueprint_id DESC) b) AS blueprints,
    (SELECT jsonb_build_object('attempts', d.attempts, 'at', d.due_at) FROM profile_blueprint_due d WHERE d.site_id = s.site_id) AS "blueprintDue",
    (SELECT jsonb_build_object('enabled', count(*), 'unhealthy', coalesce(jsonb_agg(jsonb_build_object('resource', x.name, 'ip', t.ip, 'port', t.port))
         FILTER (WHERE t.hc_enabled AND t.hc_health = 'unhealthy'), '[]'))
       FROM (SELECT * FROM target WHERE site_id = s.site_id AND enabled ORDER BY hc_enabled AND hc_health = 'unhealthy' DESC LIMIT 1000) t
       JOIN resource x ON x.resource_id = t.resource_id AND x.enabled) AS targets
  FROM site s JOIN org o ON o.org_id = s.org_id LEFT JOIN site_presence p ON p.site_id = s.site_id LEFT JOIN agent_report r ON r.site_id = s.site_id
  WHERE s.org_id = $1 AND s.site_id = $2`;

/** Reads everything that the checks of a site are made from, in one statement: the facts are of one moment. */
@Injectable()
export class SiteFactsRepository {
  async of(em: EntityManager, orgId: string, siteId: number): Promise<SiteFacts | undefined> {
    const [row] = await prepared<SiteFacts>(em, 'diagnosis_site', FACTS, [orgId, siteId]);
    return row;
  }
}
