import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SiteState } from '#contracts';
import { type ExportSource, execute, exportOfRows, prepared, query, type Window } from '#platform';
import type { HardwareIdForm } from '../templates/template.entity.js';
import type { DeviceBlock, DeviceSite, KeyArrivals, KeyRefusals, LastRefusal, UnexpectedSite } from './rollout.dto.js';

export interface RolledOutKey {
  maxUses: number | null;
  uses: number;
  expectedCount: number | null;
  hasList: boolean;
  form: HardwareIdForm | null;
}

export interface Progress {
  claimed: number;
  pending: number;
  connected: number;
  configured: number;
}

/** Names under which a device may be known; `n`: which device. */
export interface DeviceNames {
  n: number[];
  hardwareIds: string[];
}

export interface DeviceRow {
  n: number;
  hardwareId: string;
  state: SiteState | null;
  site: DeviceSite | null;
  lastRefusal: LastRefusal | null;
  blocked: DeviceBlock | null;
  /** There were claims of it. */
  seen: boolean;
}

/** All SQL about what came of a key, and of devices that are asked for by their hardware ids. */
@Injectable()
export class RolloutRepository {
  async key(em: EntityManager, orgId: string, keyId: string): Promise<RolledOutKey | undefined> {
    const [row] = await query<RolledOutKey>(
      em,
      `SELECT k.max_uses AS "maxUses", k.uses, k.expected_count AS "expectedCount", t.hardware_id_form AS form,
         EXISTS (SELECT FROM provisioning_key_expected e WHERE e.key_id = k.key_id) AS "hasList"
       FROM provisioning_key k JOIN provisioning_template t USING (template_id) WHERE k.org_id = $1 AND k.key_id = $2`,
      [orgId, keyId],
    );
    return row;
  }

  /** Four counts, each of an index alone. */
  async progress(em: EntityManager, orgId: string, keyId: string): Promise<Progress> {
    const [row] = await prepared<Progress>(
      em,
      'key-progress',
      `SELECT (SELECT count(*) FROM site WHERE org_id = $1 AND key_id = $2) AS claimed,
         (SELECT count(*) FROM site WHERE org_id = $1 AND key_id = $2 AND status = 'pending') AS pending,
         (SELECT count(*) FROM site_progress WHERE org_id = $1 AND key_id = $2 AND connected_at IS NOT NULL) AS connected,
         (SELECT count(*) FROM site_progress WHERE org_id = $1 AND key_id = $2 AND configured_at IS NOT NULL) AS configured`,
      [orgId, keyId],
    );
    return row!;
  }

  async refusals(em: EntityManager, orgUid: string, keyId: string): Promise<KeyRefusals[]> {
    return query<KeyRefusals>(
      em,
      `SELECT what AS reason, sum(n) AS count, max(minute) AS "lastAt" FROM claim_minute
       WHERE key_id = $2 AND org_uid = $1 AND what <> 'created' GROUP BY what ORDER BY sum(n) DESC, what`,
      [orgUid, keyId],
    );
  }

  /** Of so many hours up to the present one, those without any too. */
  async arrivals(em: EntityManager, orgUid: string, keyId: string, hours: number): Promise<KeyArrivals[]> {
    return query<KeyArrivals>(
      em,
      `SELECT h.hour, coalesce(sum(m.n), 0) AS count
       FROM (SELECT date_trunc('hour', now(), 'UTC') - make_interval(hours => back) AS hour FROM generate_series($3 - 1, 0, -1) AS back) h
         LEFT JOIN claim_minute m ON m.key_id = $2 AND m.org_uid = $1 AND m.what = 'created' AND m.minute >= h.hour AND m.minute < h.hour + interval '1 hour'
       GROUP BY h.hour ORDER BY h.hour`,
      [orgUid, keyId, hours],
    );
  }

  /** All of them, or those behind one. */
  async expectedIds(em: EntityManager, keyId: string, after = ''): Promise<string[]> {
    const rows = await query<{ id: string }>(
      em,
      'SELECT hardware_id AS id FROM provisioning_key_expected WHERE key_id = $1 AND hardware_id > $2 ORDER BY hardware_id',
      [keyId, after],
    );
    return rows.map((row) => row.id);
  }

  async expectedPage(em: EntityManager, keyId: string, { limit, offset }: Window): Promise<string[]> {
    const rows = await query<{ id: string }>(
      em,
      'SELECT hardware_id AS id FROM provisioning_key_expected WHERE key_id = $1 ORDER BY hardware_id LIMIT $2 OFFSET $3',
      [keyId, limit, offset],
    );
    return rows.map((row) => row.id);
  }

  allExpected(em: EntityManager, keyId: string): ExportSource<{ hardwareId: string }, unknown[]> {
    return exportOfRows<{ hardwareId: string }, 'hardwareId'>(em, {
      name: `expected-${keyId}`,
      columns: { hardwareId: true },
      by: ['hardwareId'],
      rows: 'SELECT hardware_id AS "hardwareId" FROM provisioning_key_expected WHERE key_id = $1',
      values: [keyId],
    });
  }

  /** In place of what was expected before. The key's row is locked. */
  async expect(tx: EntityManager, keyId: string, count: number | null, hardwareIds: string[]): Promise<void> {
    await execute(tx, 'DELETE FROM provisioning_key_expected WHERE key_id = $1', [keyId]);
    if (hardwareIds.length > 0)
      await execute(tx, 'INSERT INTO provisioning_key_expected (key_id, hardware_id) SELECT $1, unnest($2::text[])', [
        keyId,
        hardwareIds,
      ]);
    await execute(tx, 'UPDATE provisioning_key SET expected_count = $2 WHERE key_id = $1', [keyId, count]);
  }

  /** @returns which of the devices have a site that this key made. */
  async arrived(em: EntityManager, orgId: string, keyId: string, names: DeviceNames): Promise<Set<number>> {
    const rows = await query<{ n: number }>(
      em,
      `SELECT i.n FROM unnest($3::int[], $4::text[]) AS i(n, hardware_id)
       CROSS JOIN LATERAL (SELECT s.key_id FROM site s WHERE s.org_id = $1 AND s.hardware_id = i.hardware_id OFFSET 0) s WHERE s.key_id = $2`,
      [orgId, keyId, names.n, names.hardwareIds],
    );
    return new Set(rows.map((row) => row.n));
  }

  /** The first sites of the key that are none of these devices. */
  async unexpected(
    em: EntityManager,
    orgId: string,
    keyId: string,
    names: DeviceNames,
    limit: number,
  ): Promise<UnexpectedSite[]> {
    return query<UnexpectedSite>(
      em,
      `SELECT site_id AS "siteId", name, hardware_id AS "hardwareId" FROM site
       WHERE org_id = $1 AND key_id = $2 AND (hardware_id IS NULL OR hardware_id NOT IN (SELECT unnest($3::text[])))
       ORDER BY site_id LIMIT $4`,
      [orgId, keyId, names.hardwareIds, limit],
    );
  }

  /** What is known of each device, under the first of its names that is known: a few looks into indexes for each, whatever the number of sites. */
  async lookUp(em: EntityManager, orgId: string, orgUid: string, names: DeviceNames): Promise<DeviceRow[]> {
    const rows = await query<DeviceRow>(
      em,
      `SELECT DISTINCT ON (i.n) i.n, i.hardware_id AS "hardwareId", s.state, s.site, r.refusal AS "lastRefusal", t.block AS blocked, coalesce(c.seen, false) AS seen
       FROM unnest($3::int[], $4::text[]) WITH ORDINALITY AS i(n, hardware_id, place)
         LEFT JOIN LATERAL (
           SELECT jsonb_build_object('siteId', s.site_id, 'niceId', s.nice_id, 'name', s.name, 'siteProvisioningKeyId', s.key_id) AS site, p.state
           FROM site s JOIN site_presence p ON p.site_id = s.site_id WHERE s.org_id = $1 AND s.hardware_id = i.hardware_id OFFSET 0) s ON true
         LEFT JOIN LATERAL (
           SELECT jsonb_build_object('reason', reason, 'note', note, 'createdAt', created_at) AS block
           FROM tombstone t WHERE t.org_id = $1 AND t.hardware_id = i.hardware_id OFFSET 0) t ON true
         LEFT JOIN LATERAL (
           SELECT jsonb_build_object('reason', reason, 'at', last_seen_at, 'count', count, 'siteProvisioningKeyId', key_id, 'address', host(address)) AS refusal
           FROM claim c WHERE c.org_uid = $2 AND c.hardware_id = i.hardware_id AND c.outcome = 'refused' ORDER BY claim_id DESC LIMIT 1) r ON true
         LEFT JOIN LATERAL (SELECT true AS seen FROM claim c WHERE c.org_uid = $2 AND c.hardware_id = i.hardware_id LIMIT 1) c ON true
       ORDER BY i.n, s.site IS NULL, t.block IS NULL, r.refusal IS NULL, c.seen IS NULL, i.place`,
      [orgId, orgUid, names.n, names.hardwareIds],
    );
    return rows.map((row) => ({
      ...row,
      lastRefusal: row.lastRefusal && { ...row.lastRefusal, at: new Date(row.lastRefusal.at) },
      blocked: row.blocked && { ...row.blocked, createdAt: new Date(row.blocked.createdAt) },
    }));
  }
}
