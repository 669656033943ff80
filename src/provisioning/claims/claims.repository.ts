import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import { BOUNDED, HELD_BACK } from '../approval-limit.js';
import type { CredentialType, HardwareIdForm, ReclaimPolicy } from '../templates/template.entity.js';
import type { ClaimEndpoint, RefusalReason } from './claim.js';

/** All that decides about a claim by a key: the key, its generations, its template and its profile. */
export interface KeyPolicy {
  keyId: string;
  orgId: string;
  orgUid: string;
  keyName: string;
  templateId: number;
  profileId: number | null;
  maxUses: number | null;
  uses: number;
  expired: boolean;
  disabled: boolean;
  revoked: boolean;
  paused: boolean;
  approve: boolean;
  /** It approves at once also where sites receive secrets (docs/instances.md §2 rule 7). */
  mayDeliver: boolean;
  generations: { generation: number; secretHash: Buffer; retired: boolean }[];
  pattern: string | null;
  hardwareIdForm: HardwareIdForm | null;
  credentialType: CredentialType;
  newtDoor: boolean;
  nameTemplate: string | null;
  reclaimPolicy: ReclaimPolicy;
  ephemeralSeconds: number | null;
  /** Of the credentials that it issues; null: certificates end by themselves, others do not. */
  credentialTtlSeconds: number | null;
  renewGraceSeconds: number;
  groupIds: number[];
  labels: Record<string, string>;
  config: Record<string, unknown>;
  attributes: Record<string, unknown>;
  /** Its profile has a blueprint for new sites. */
  hasBlueprint: boolean;
}

interface PolicyRow extends Omit<KeyPolicy, 'generations'> {
  generations: { generation: number; secretHash: string; retired: boolean }[];
}

const policyText = (profile: string) => `
  SELECT k.key_id AS "keyId", k.org_id AS "orgId", o.org_uid AS "orgUid", k.name AS "keyName", k.template_id AS "templateId", p.profile_id AS "profileId", k.max_uses AS "maxUses", k.uses,
    coalesce(k.expires_at <= clock_timestamp(), false) AS expired, k.disabled_at IS NOT NULL AS disabled, k.revoked_at IS NOT NULL AS revoked,
    (o.claims_paused_at IS NOT NULL OR o.closed_at IS NOT NULL) AS paused, coalesce(k.approve_new_sites, t.approve_new_sites) AND NOT ${HELD_BACK} AS approve, coalesce(k.approve_new_sites, t.approve_new_sites) AND ${BOUNDED} AS "mayDeliver",
    (SELECT jsonb_agg(jsonb_build_object('generation', g.generation, 'secretHash', encode(g.secret_hash, 'hex'), 'retired', coalesce(g.retires_at <= clock_timestamp(), false)))
       FROM provisioning_key_generation g WHERE g.key_id = k.key_id) AS generations,
    t.hardware_id_pattern AS pattern, t.hardware_id_form AS "hardwareIdForm", t.credential_type AS "credentialType", t.newt_door AS "newtDoor", t.name_template AS "nameTemplate",
    t.reclaim_policy AS "reclaimPolicy", t.ephemeral_seconds AS "ephemeralSeconds",
    t.credential_ttl_seconds AS "credentialTtlSeconds", t.renew_grace_seconds AS "renewGraceSeconds",
    ARRAY(SELECT group_id FROM provisioning_template_group tg WHERE tg.template_id = t.template_id
          UNION SELECT group_id FROM provisioning_profile_group pg WHERE pg.profile_id = t.profile_id) AS "groupIds",
    coalesce(p.labels, '{}') AS labels, coalesce(p.config, '{}') AS config, coalesce(p.attributes, '{}') AS attributes,
    p.blueprint IS NOT NULL AS "hasBlueprint"
  FROM provisioning_key k JOIN org o USING (org_id) JOIN provisioning_template t USING (template_id)
    LEFT JOIN ${profile} ON p.profile_id = t.profile_id
  WHERE k.key_id = $1`;
const POLICY = policyText('provisioning_profile p');
/** Sites name the profile: it is there until they are inserted. */
const LOCKED_POLICY = policyText(
  'LATERAL (SELECT * FROM provisioning_profile o WHERE o.profile_id = t.profile_id FOR KEY SHARE) p',
);

/** A site that a hardware id or nonce already belongs to, as far as a re-claim needs it. */
export interface KnownSite {
  siteId: number;
  orgId: string;
  deviceId: string;
  hardwareId: string | null;
  nonceHash: Buffer | null;
  keyId: string | null;
  claimId: number | null;
  revoked: boolean;
  /** The nonce may still ask for the credential again: within 24 h of the first claim, not closed, not too often. */
  windowOpen: boolean;
  authenticated: boolean;
  /** An operator armed one re-issue and it has not run out. */
  armed: boolean;
  newtId: string | null;
  credentialKind: 'api_key' | 'psk' | 'certificate' | 'newt' | null;
}

/** The same of one site, with what it was made as. */
export interface LookedUpSite extends KnownSite {
  ephemeralSeconds: number | null;
  profileId: number | null;
  receivesSecrets: boolean;
}

const KNOWN = `
  SELECT site_id AS "siteId", org_id AS "orgId", device_id AS "deviceId", hardware_id AS "hardwareId", nonce_hash AS "nonceHash", key_id AS "keyId",
    claim_id AS "claimId", revoked, window_open AS "windowOpen", authenticated, armed, newt_id AS "newtId", credential_kind AS "credentialKind"`;

export interface ClaimRow {
  orgId: string | null;
  /** Null: of no organization. */
  orgUid: string | null;
  keyId: string | null;
  generation: number | null;
  templateId: number | null;
  siteId: number | null;
  door: ClaimEndpoint;
  hardwareId: string | null;
  sentHardwareId: string | null;
  address: string;
  outcome: 'created' | 'recognised' | 'reissued' | 'contested' | 'refused' | 'capacity';
  reason: RefusalReason | null;
  count?: number;
}

/** All SQL of claims. */
@Injectable()
export class ClaimsRepository {
  /** The policy of a key, without a lock. */
  async policy(em: EntityManager, keyId: string): Promise<KeyPolicy | undefined> {
    return parse((await prepared<PolicyRow>(em, 'claim-policy', POLICY, [keyId]))[0]);
  }

  /** The same with the rows of key and profile locked: claims on one key decide one batch after the other. */
  async lockPolicy(tx: EntityManager, keyId: string): Promise<KeyPolicy | undefined> {
    const [, policy] = await Promise.all([
      // By itself: the policy is then read as it is once the lock is there, its generations and its template too.
      prepared(tx, 'claim-key-lock', 'SELECT FROM provisioning_key WHERE key_id = $1 FOR UPDATE', [keyId]),
      prepared<PolicyRow>(tx, 'claim-locked-policy', LOCKED_POLICY, [keyId]),
    ]);
    return parse(policy[0]);
  }

  /** Which of these hardware ids (and, for claims without one, nonces) the organization knows, and which are tombstoned. */
  async known(
    tx: EntityManager,
    orgId: string,
    hardwareIds: string[],
    nonceHashes: Buffer[],
  ): Promise<{ sites: KnownSite[]; tombstoned: Set<string>; blockedBefore: Set<string> }> {
    const [sites, stones] = await Promise.all([
      prepared<KnownSite>(tx, 'claim-known', `${KNOWN} FROM known_sites($1, $2, $3)`, [
        orgId,
        hardwareIds,
        nonceHashes,
      ]),
      prepared<{ hardwareId: string; lifted: boolean }>(
        tx,
        'claim-tombstones',
        `SELECT hardware_id AS "hardwareId", false AS lifted FROM tombstone WHERE org_id = $1 AND hardware_id = ANY($2::text[])
         UNION ALL SELECT hardware_id, true FROM lifted_tombstone WHERE org_id = $1 AND hardware_id = ANY($2::text[])`,
        [orgId, hardwareIds],
      ),
    ]);
    const named = (lifted: boolean) => new Set(stones.flatMap((s) => (s.lifted === lifted ? s.hardwareId : [])));
    return { sites, tombstoned: named(false), blockedBefore: named(true) };
  }

  /** Which of these networks the key has made sites from. */
  async keyNetworks(tx: EntityManager, keyId: string, networks: string[]): Promise<Set<string>> {
    const rows = await prepared<{ network: string }>(
      tx,
      'claim-key-networks',
      'SELECT network::text AS network FROM provisioning_key_network WHERE key_id = $1 AND network = ANY ($2::cidr[])',
      [keyId, networks],
    );
    return new Set(rows.map(({ network }) => network));
  }

  async insertKeyNetworks(tx: EntityManager, keyId: string, networks: string[]): Promise<void> {
    await prepared(
      tx,
      'claim-insert-key-networks',
      'INSERT INTO provisioning_key_network (key_id, network) SELECT $1, unnest($2::cidr[]) ON CONFLICT DO NOTHING',
      [keyId, networks],
    );
  }

  /** Which sites these public keys belong to, of any organization; by the hash in hexadecimal digits. */
  async keyOwners(tx: EntityManager, publicKeyHashes: Buffer[]): Promise<Map<string, number>> {
    if (publicKeyHashes.length === 0) return new Map();
    const rows = await prepared<{ hash: string; siteId: number }>(
      tx,
      'claim-key-owners',
      `SELECT encode(public_key_hash, 'hex') AS hash, site_id AS "siteId" FROM device_public_key WHERE public_key_hash = ANY ($1::bytea[])`,
      [publicKeyHashes],
    );
    return new Map(rows.map(({ hash, siteId }) => [hash, siteId]));
  }

  async findSite(em: EntityManager, orgId: string, siteId: number): Promise<LookedUpSite | undefined> {
    const [row] = await prepared<LookedUpSite>(
      em,
      'claim-find-site',
      `SELECT known.*, s.ephemeral_seconds AS "ephemeralSeconds", s.profile_id AS "profileId", EXISTS (SELECT FROM site_with_secrets w WHERE w.site_id = s.site_id) AS "receivesSecrets"
       FROM (${KNOWN} FROM known_site WHERE org_id = $1 AND site_id = $2) known JOIN site s ON s.site_id = known."siteId"`,
      [orgId, siteId],
    );
    return row;
  }

  /** Held for a decision about its credential; after this `findSite` tells what is. */
  async lockSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await prepared(tx, 'claim-lock-site', 'SELECT FROM site WHERE org_id = $1 AND site_id = $2 FOR UPDATE', [
      orgId,
      siteId,
    ]);
  }

  /** Ids for the claims of new sites: drawn first, so that a site is born with its lineage. */
  async drawClaimIds(tx: EntityManager, count: number): Promise<number[]> {
    const rows = await prepared<{ id: number }>(
      tx,
      'claim-draw-ids',
      `SELECT nextval('claim_claim_id_seq') AS id FROM generate_series(1, $1)`,
      [count],
    );
    return rows.map((r) => r.id);
  }

  /** Spends uses of the key and of the generations that were presented, in one statement. */
  async spend(
    tx: EntityManager,
    keyId: string,
    total: number,
    byGeneration: { generation: number; uses: number }[],
    address: string,
  ): Promise<void> {
    await prepared(
      tx,
      'claim-spend',
      `WITH g AS (
         UPDATE provisioning_key_generation g SET uses = g.uses + u.uses, last_used_at = now(), last_used_ip = $5::inet
         FROM unnest($3::int[], $4::int[]) AS u(generation, uses) WHERE g.key_id = $1 AND g.generation = u.generation)
       UPDATE provisioning_key SET uses = uses + $2, last_used_at = now(), last_used_ip = $5::inet WHERE key_id = $1`,
      [keyId, total, byGeneration.map((g) => g.generation), byGeneration.map((g) => g.uses), address],
    );
  }

  /** Claim rows of a batch; `ids` were drawn when the sites were made, so that a site names its claim. */
  async insertCreated(tx: EntityManager, rows: (ClaimRow & { claimId: number })[]): Promise<void> {
    await prepared(
      tx,
      'claim-insert-created',
      `INSERT INTO claim (claim_id, org_id, org_uid, key_id, generation, template_id, site_id, door, hardware_id, sent_hardware_id, address, outcome)
       SELECT id, $2, $10, $3, generation, $4, site_id, door, hardware_id, sent_hardware_id, address::inet, 'created'
       FROM unnest($1::bigint[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::text[], $11::text[])
         AS u(id, generation, site_id, door, hardware_id, address, sent_hardware_id)`,
      [
        rows.map((r) => r.claimId),
        rows[0]!.orgId,
        rows[0]!.keyId,
        rows[0]!.templateId,
        rows.map((r) => r.generation),
        rows.map((r) => r.siteId),
        rows.map((r) => r.door),
        rows.map((r) => r.hardwareId),
        rows.map((r) => r.address),
        rows[0]!.orgUid,
        rows.map((r) => r.sentHardwareId),
      ],
    );
  }

  /** @returns the ids, in order. */
  async insert(em: EntityManager, rows: ClaimRow[]): Promise<number[]> {
    const inserted = await query<{ claimId: number }>(
      em,
      `INSERT INTO claim (org_id, org_uid, key_id, generation, template_id, site_id, door, hardware_id, sent_hardware_id, address, outcome, reason, count)
       SELECT "orgId", "orgUid", "keyId", generation, "templateId", "siteId", door, "hardwareId", "sentHardwareId", address::inet, outcome, reason, coalesce(count, 1)
       FROM jsonb_to_recordset($1::jsonb) AS r("orgId" text, "orgUid" uuid, "keyId" text, generation int, "templateId" bigint, "siteId" bigint, door text,
         "hardwareId" text, "sentHardwareId" text, address text, outcome text, reason text, count int)
       RETURNING claim_id AS "claimId"`,
      [JSON.stringify(rows)],
    );
    return inserted.map((r) => r.claimId);
  }

  async addToCount(em: EntityManager, claimId: number, count: number): Promise<void> {
    await execute(em, 'UPDATE claim SET count = count + $2, last_seen_at = now() WHERE claim_id = $1', [
      claimId,
      count,
    ]);
  }

  /** docs/claims.md rule 4: recognised re-claims of a site are one row a day, with a count; two at the same moment may be two. */
  async recognised(em: EntityManager, row: ClaimRow): Promise<void> {
    await prepared(
      em,
      'claim-recognised',
      `WITH again AS (
         UPDATE claim SET count = count + 1, last_seen_at = now(), address = $9::inet, key_id = $3 WHERE claim_id = (
           SELECT claim_id FROM claim WHERE org_uid = $2 AND site_id = $6 AND outcome = 'recognised' AND created_at > now() - interval '1 day'
           ORDER BY claim_id DESC LIMIT 1) RETURNING 1)
       INSERT INTO claim (org_id, org_uid, key_id, generation, template_id, site_id, door, hardware_id, address, outcome, sent_hardware_id)
       SELECT $1, $2::uuid, $3, $4::int, $5::bigint, $6::bigint, $7, $8, $9::inet, 'recognised', $10 WHERE NOT EXISTS (SELECT FROM again)`,
      [
        row.orgId,
        row.orgUid,
        row.keyId,
        row.generation,
        row.templateId,
        row.siteId,
        row.door,
        row.hardwareId,
        row.address,
        row.sentHardwareId,
      ],
    );
  }

  /** @returns false when a contested claim from there was recorded within the hour; it was counted instead. */
  async firstContest(
    tx: EntityManager,
    orgUid: string,
    siteId: number,
    hardwareId: string | null,
    address: string,
  ): Promise<boolean> {
    const counted = await execute(
      tx,
      `UPDATE claim SET count = count + 1, last_seen_at = now() WHERE org_uid = $1 AND site_id = $2 AND outcome = 'contested' AND address = $3::inet
         AND created_at > now() - interval '1 hour' AND hardware_id IS NOT DISTINCT FROM $4`,
      [orgUid, siteId, address, hardwareId],
    );
    return counted === 0;
  }

  /** Of a site that is there: whether its device is tombstoned, and whether a claim can show that it is the same device. */
  async deviceOf(
    tx: EntityManager,
    orgId: string,
    siteId: number,
  ): Promise<{ buried: boolean; recognisable: boolean }> {
    const [row] = await query<{ buried: boolean; recognisable: boolean }>(
      tx,
      `SELECT EXISTS (SELECT FROM tombstone t WHERE t.org_id = s.org_id AND (t.hardware_id = s.hardware_id OR t.site_id = s.site_id)) AS buried,
         s.hardware_id IS NOT NULL OR EXISTS (SELECT FROM claim_window w WHERE w.site_id = s.site_id AND w.by_nonce) AS recognisable
       FROM site s WHERE s.org_id = $1 AND s.site_id = $2`,
      [orgId, siteId],
    );
    return row!;
  }
}

function parse(row: PolicyRow | undefined): KeyPolicy | undefined {
  if (!row) return undefined;
  return {
    ...row,
    groupIds: row.groupIds.map(Number),
    generations: row.generations.map((g) => ({ ...g, secretHash: Buffer.from(g.secretHash, 'hex') })),
  };
}
