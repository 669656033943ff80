import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Oddity } from '#contracts';
import { execute, prepared, query } from '#platform';

export type SiteType = 'newt' | 'wireguard' | 'local';
export type SiteStatus = 'pending' | 'approved';

/** A site about to be inserted; ids that this server chooses are filled in by the service. */
export interface SiteInsert {
  deviceId: string;
  niceId: string;
  name: string;
  description: string | null;
  type: SiteType;
  status: SiteStatus;
  hardwareId: string | null;
  address: string | null;
  subnet: string | null;
  dockerSocketEnabled: boolean;
  autoUpdateEnabled: boolean;
  autoUpdateOverrideOrg: boolean;
  remoteSubnets: string | null;
  labels: Record<string, string>;
  config: Record<string, unknown>;
  attributes: Record<string, unknown>;
  claimId: number | null;
  keyId: string | null;
  keyGeneration: number | null;
  templateId: number | null;
  profileId: number | null;
  /** How long it may be offline before it is removed; null: for ever. */
  ephemeralSeconds: number | null;
  claimedFrom: string | null;
  /** As far as the caller knows; that a claim brings a name which another site has is found here. */
  oddities: Oddity[];
}

/** Fields of a site that are no decision. */
export interface SiteFields {
  name?: string;
  /** null takes it away. */
  description?: string | null;
  niceId?: string;
  dockerSocketEnabled?: boolean;
  autoUpdateEnabled?: boolean;
  autoUpdateOverrideOrg?: boolean;
  /** null takes them away. */
  remoteSubnets?: string | null;
  labels?: Record<string, string>;
  groupIds?: number[];
  /** What the site is started with (docs/instances.md); null takes it away. */
  profileId?: number | null;
  /** Oddities that somebody has looked into. */
  clearOddities?: Oddity[];
}

/**
 * ON CONFLICT DO NOTHING: the indexes decide whether a hardware id or a niceId is taken, no look beforehand. Names may be taken; that of a claim
 * ($3) is odd then.
 */
const INSERT_MANY = `
  INSERT INTO site (org_id, device_id, nice_id, name, description, type, status, hardware_id, address, subnet, docker_socket_enabled, auto_update_enabled,
    auto_update_override_org, remote_subnets, labels, config, attributes, claim_id, key_id, key_generation, template_id, profile_id, ephemeral_seconds,
    claimed_from, oddities)
  SELECT $1, r."deviceId", r."niceId", r.name, r.description, r.type, r.status, r."hardwareId", r.address, r.subnet, r."dockerSocketEnabled", r."autoUpdateEnabled",
    r."autoUpdateOverrideOrg", r."remoteSubnets", r.labels, r.config, r.attributes, r."claimId", r."keyId", r."keyGeneration", r."templateId", r."profileId", r."ephemeralSeconds",
    r."claimedFrom", CASE WHEN r.name = ANY (ARRAY(SELECT taken_site_names($1, $3))) THEN array_prepend('name_taken'::text, r.oddities) ELSE r.oddities END
  FROM jsonb_to_recordset($2::jsonb) AS r("deviceId" uuid, "niceId" text, name text, description text, type text, status text, "hardwareId" text, address inet, subnet text,
    "dockerSocketEnabled" boolean, "autoUpdateEnabled" boolean, "autoUpdateOverrideOrg" boolean, "remoteSubnets" text, labels jsonb, config jsonb, attributes jsonb, "claimId" bigint, "keyId" text, "keyGeneration" int, "templateId" bigint, "profileId" bigint,
    "ephemeralSeconds" int, "claimedFrom" inet, oddities text[])
  ON CONFLICT DO NOTHING
  RETURNING site_id AS "siteId", device_id AS "deviceId", created_at AS "createdAt"`;

/** All SQL that writes sites. Reads are in site-reads.ts. */
@Injectable()
export class SitesRepository {
  /** Inserts rows in the given order. @returns what was made by device id; a row that met a unique index is not among them. */
  async insertMany(
    tx: EntityManager,
    orgId: string,
    rows: SiteInsert[],
  ): Promise<Map<string, { siteId: number; createdAt: Date }>> {
    const made = await prepared<{ siteId: number; deviceId: string; createdAt: Date }>(
      tx,
      'sites_insert_many',
      INSERT_MANY,
      [orgId, JSON.stringify(rows), rows.flatMap((row) => nameOfClaim(row) ?? [])],
    );
    return new Map(made.map((m) => [m.deviceId, m]));
  }

  /** @returns which of the hardware ids are there. */
  async known(tx: EntityManager, orgId: string, hardwareIds: string[]): Promise<Set<string>> {
    const rows = await query<{ hardwareId: string }>(
      tx,
      'SELECT hardware_id AS "hardwareId" FROM site WHERE org_id = $1 AND hardware_id = ANY($2::text[])',
      [orgId, hardwareIds],
    );
    return new Set(rows.map((r) => r.hardwareId));
  }

  async addToGroups(tx: EntityManager, pairs: { siteId: number; groupId: number }[]): Promise<void> {
    await prepared(
      tx,
      'sites_add_to_groups',
      'INSERT INTO site_group_member (group_id, site_id) SELECT g, s FROM unnest($1::bigint[], $2::bigint[]) AS p(g, s) ON CONFLICT DO NOTHING',
      [pairs.map((p) => p.groupId), pairs.map((p) => p.siteId)],
    );
  }

  async exists(em: EntityManager, orgId: string, siteId: number): Promise<boolean> {
    const [row] = await prepared<{ yes: boolean }>(
      em,
      'site_exists',
      'SELECT EXISTS (SELECT FROM site WHERE org_id = $1 AND site_id = $2) AS yes',
      [orgId, siteId],
    );
    return row!.yes;
  }

  /**
   * Marks sites with an oddity that they do not have yet. `wait` false: a site that somebody holds is passed over, for callers that hold what
   * its holder may wait for.
   */
  async markOdd(tx: EntityManager, siteIds: number[], oddity: Oddity, wait: boolean): Promise<void> {
    await execute(
      tx,
      `WITH mine AS MATERIALIZED (
         SELECT site_id FROM site WHERE site_id = ANY ($1::bigint[]) AND NOT $2 = ANY (oddities) ORDER BY site_id FOR NO KEY UPDATE ${wait ? '' : 'SKIP LOCKED'})
       UPDATE site s SET oddities = array_append(oddities, $2) FROM mine WHERE s.site_id = mine.site_id AND NOT $2 = ANY (oddities)`,
      [siteIds, oddity],
    );
  }

  /** Locks the row until the end of the transaction. @returns null when it is not there. */
  async lockVersion(tx: EntityManager, orgId: string, siteId: number): Promise<number | null> {
    const [row] = await query<{ version: number }>(
      tx,
      'SELECT version FROM site WHERE org_id = $1 AND site_id = $2 FOR NO KEY UPDATE',
      [orgId, siteId],
    );
    return row?.version ?? null;
  }

  /** Locks the row until the end of the transaction. @returns undefined when it is not there. */
  async lockProfile(tx: EntityManager, orgId: string, siteId: number): Promise<number | null | undefined> {
    const [row] = await query<{ profileId: number | null }>(
      tx,
      'SELECT profile_id AS "profileId" FROM site WHERE org_id = $1 AND site_id = $2 FOR NO KEY UPDATE',
      [orgId, siteId],
    );
    return row?.profileId;
  }

  /** Takes a profile from every site that has it, and tells their agents. Locks in the order of ids. @returns the sites */
  async dropProfile(tx: EntityManager, orgId: string, profileId: number): Promise<number[]> {
    const rows = await query<{ siteId: number }>(
      tx,
      `WITH mine AS MATERIALIZED (SELECT site_id FROM site WHERE org_id = $1 AND profile_id = $2 ORDER BY site_id FOR NO KEY UPDATE),
            dropped AS (UPDATE site s SET profile_id = NULL, desired_version = desired_version + 1 FROM mine WHERE s.site_id = mine.site_id RETURNING s.site_id)
       SELECT site_id AS "siteId", pg_notify('site_changed', site_id::text) FROM dropped`,
      [orgId, profileId],
    );
    return rows.map((row) => row.siteId);
  }

  /** Locks in the order of ids, so that two writers of the same sites cannot deadlock. */
  async bumpDesired(tx: EntityManager, orgId: string, siteIds: number[]): Promise<void> {
    // An array of unknown length makes PostgreSQL plan anew each time, and most calls are about one site.
    if (siteIds.length === 1) {
      const bump = `UPDATE site SET desired_version = desired_version + 1 WHERE org_id = $1 AND site_id = $2 RETURNING pg_notify('site_changed', site_id::text)`;
      await prepared(tx, 'site_bump_desired', bump, [orgId, siteIds[0]]);
      return;
    }
    await prepared(
      tx,
      'sites_bump_desired',
      `WITH mine AS MATERIALIZED (SELECT site_id FROM site WHERE org_id = $1 AND site_id = ANY($2::bigint[]) ORDER BY site_id FOR NO KEY UPDATE),
            bumped AS (UPDATE site s SET desired_version = desired_version + 1 FROM mine WHERE s.site_id = mine.site_id RETURNING s.site_id)
       SELECT pg_notify('site_changed', site_id::text) FROM bumped`,
      [orgId, siteIds],
    );
  }

  /**
   * Changes the plain fields that are given; what an agent is told about (name, niceId, Docker) makes a new desired version. `touched`:
   * something that hangs on the site changes too, which is a new version of it.
   * @returns false when the site is not there.
   */
  async update(tx: EntityManager, orgId: string, siteId: number, f: SiteFields, touched: boolean): Promise<boolean> {
    const changed = await execute(
      tx,
      `WITH changed AS (
         UPDATE site SET name = coalesce($3, name), nice_id = coalesce($4, nice_id), docker_socket_enabled = coalesce($5, docker_socket_enabled),
           labels = coalesce($6::jsonb, labels), auto_update_enabled = coalesce($8, auto_update_enabled),
           auto_update_override_org = coalesce($9, auto_update_override_org), remote_subnets = CASE WHEN $10 THEN $11 ELSE remote_subnets END,
           profile_id = CASE WHEN $12 THEN $13::bigint ELSE profile_id END, description = CASE WHEN $14 THEN $15 ELSE description END,
           oddities = CASE WHEN cardinality($16::text[]) = 0 THEN oddities ELSE ARRAY(SELECT o FROM unnest(oddities) o WHERE o <> ALL ($16::text[])) END, desired_version = desired_version + 1, version = version + $7::int
         WHERE org_id = $1 AND site_id = $2 RETURNING site_id
       ) SELECT pg_notify('site_changed', site_id::text) FROM changed`,
      [
        orgId,
        siteId,
        f.name ?? null,
        f.niceId ?? null,
        f.dockerSocketEnabled ?? null,
        f.labels ? JSON.stringify(f.labels) : null,
        touched ? 1 : 0,
        f.autoUpdateEnabled ?? null,
        f.autoUpdateOverrideOrg ?? null,
        f.remoteSubnets !== undefined,
        f.remoteSubnets ?? null,
        f.profileId !== undefined,
        f.profileId ?? null,
        f.description !== undefined,
        f.description ?? null,
        f.clearOddities ?? [],
      ],
    );
    return changed > 0;
  }

  /** Sets a site's groups. @returns how many of them exist in the organization. */
  async setGroups(tx: EntityManager, orgId: string, siteId: number, groupIds: number[]): Promise<number> {
    await execute(tx, 'DELETE FROM site_group_member WHERE site_id = $1 AND group_id <> ALL($2::bigint[])', [
      siteId,
      groupIds,
    ]);
    const rows = await query<{ n: number }>(
      tx,
      `WITH mine AS (SELECT group_id FROM site_group WHERE org_id = $1 AND group_id = ANY($3::bigint[])),
            added AS (INSERT INTO site_group_member (group_id, site_id) SELECT group_id, $2 FROM mine ON CONFLICT DO NOTHING)
       SELECT count(*) AS n FROM mine`,
      [orgId, siteId, groupIds],
    );
    return rows[0]!.n;
  }

  async resetBandwidth(tx: EntityManager, orgId: string): Promise<number> {
    return execute(
      tx,
      `WITH used AS MATERIALIZED (
         SELECT site_id FROM site WHERE org_id = $1 AND (megabytes_in <> 0 OR megabytes_out <> 0) ORDER BY site_id FOR NO KEY UPDATE
       )
       UPDATE site s SET megabytes_in = 0, megabytes_out = 0 FROM used WHERE s.site_id = used.site_id`,
      [orgId],
    );
  }

  /** Deletes some sites of an organization that goes and tells every server process. @returns how many; 0 when none is left. */
  async deleteSome(tx: EntityManager, orgId: string, atMost: number): Promise<number> {
    const rows = await query(
      tx,
      `WITH gone AS (DELETE FROM site WHERE site_id IN (SELECT site_id FROM site WHERE org_id = $1 ORDER BY site_id LIMIT $2) RETURNING site_id)
       SELECT pg_notify('site_changed', site_id::text) FROM gone`,
      [orgId, atMost],
    );
    return rows.length;
  }

  /** Of an organization that goes, once its sites are gone. */
  async deleteCounts(tx: EntityManager, orgId: string): Promise<void> {
    await execute(tx, 'DELETE FROM site_count WHERE org_id = $1', [orgId]);
  }

  /** @returns what the deleted site held, or null when it was not there. */
  async delete(tx: EntityManager, orgId: string, siteId: number): Promise<{ address: string | null } | null> {
    const [row] = await query<{ address: string | null }>(
      tx,
      'DELETE FROM site WHERE org_id = $1 AND site_id = $2 RETURNING host(address) AS address',
      [orgId, siteId],
    );
    return row ?? null;
  }
}

/** The name that a claim brings, when it is not known to be taken yet. */
const nameOfClaim = ({ claimId, name, oddities }: SiteInsert): string | undefined =>
  claimId === null || oddities.includes('name_taken') ? undefined : name;
