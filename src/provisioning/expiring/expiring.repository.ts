import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query, type Window } from '#platform';
import type { ExpiringKind } from './expiring.dto.js';

export interface ExpiringRow {
  id: string;
  name: string;
  endsAt: Date;
  siteId: number | null;
}

/** Of each kind: what has an end, by organization. Each is read by an index of ends, or there are few of them. */
const SOURCES: Record<Exclude<ExpiringKind, 'certificate_authority'>, { from: string; row: string; end: string }> = {
  site_provisioning_key: {
    from: 'provisioning_key e WHERE e.org_id = $1 AND e.revoked_at IS NULL',
    row: 'e.key_id AS id, e.name, NULL::bigint AS "siteId"',
    end: 'e.expires_at',
  },
  api_key: {
    from: 'api_key e WHERE e.org_id = $1',
    row: 'e.api_key_id AS id, e.name, NULL::bigint AS "siteId"',
    end: 'e.expires_at',
  },
  site_credential: {
    from: `site_credential e WHERE e.org_id = $1 AND e.revoked_at IS NULL AND e.stage = 'current' AND e.expires_at IS NOT NULL`,
    row: 'e.credential_id::text AS id, (SELECT s.name FROM site s WHERE s.site_id = e.site_id) AS name, e.site_id AS "siteId"',
    end: 'e.expires_at',
  },
  invitation: {
    from: 'invitation e WHERE e.org_id = $1',
    row: 'e.invite_id AS id, e.email AS name, NULL::bigint AS "siteId"',
    end: 'e.expires_at',
  },
  access_token: {
    from: 'access_token e WHERE e.org_id = $1',
    row: 'e.access_token_id AS id, coalesce(e.title, (SELECT r.name FROM resource r WHERE r.resource_id = e.resource_id)) AS name, NULL::bigint AS "siteId"',
    end: 'e.expires_at',
  },
};

/** All SQL about what ends. */
@Injectable()
export class ExpiringRepository {
  /** Those that end from now until then: how many, and a page of the earliest. */
  async page(
    em: EntityManager,
    orgId: string,
    kind: keyof typeof SOURCES,
    until: Date,
    { limit, offset }: Window,
  ): Promise<{ total: number; rows: ExpiringRow[] }> {
    const { from, row, end } = SOURCES[kind];
    const where = `${from} AND ${end} > now() AND ${end} <= $2`;
    const [count] = await query<{ total: number }>(em, `SELECT count(*) AS total FROM ${where}`, [orgId, until]);
    const rows = await query<ExpiringRow>(
      em,
      `SELECT ${row}, ${end} AS "endsAt" FROM ${where} ORDER BY ${end}, 1 LIMIT $3 OFFSET $4`,
      [orgId, until, limit, offset],
    );
    return { total: count!.total, rows };
  }

  /** Those behind an id, by id. */
  behind(
    em: EntityManager,
    orgId: string,
    kind: keyof typeof SOURCES,
    until: Date,
    id: string,
    limit: number,
  ): Promise<ExpiringRow[]> {
    const { from, row, end } = SOURCES[kind];
    return query<ExpiringRow>(
      em,
      `SELECT * FROM (SELECT ${row}, ${end} AS "endsAt" FROM ${from} AND ${end} > now() AND ${end} <= $2) AS ending WHERE id > $3 ORDER BY id LIMIT $4`,
      [orgId, until, id, limit],
    );
  }

  /** The authorities that are still trusted: their own ends are in their certificates. */
  authorities(
    em: EntityManager,
    orgUid: string,
  ): Promise<{ caId: string; certificate: string; trustedUntil: Date | null }[]> {
    return query(
      em,
      `SELECT ca_id AS "caId", certificate, trusted_until AS "trustedUntil" FROM device_ca WHERE org_uid = $1 AND coalesce(trusted_until > now(), true)`,
      [orgUid],
    );
  }
}
