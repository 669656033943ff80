import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Hooks, query } from '#platform';
import { SiteLifecycleService } from '../../sites/index.js';
import { coveredNames, coveringWildcard } from '../domains/domain-names.js';

/** What only one resource may have, as somebody wants it. */
export interface Wanted {
  niceId?: string | null;
  fullDomain?: string | null;
  alias?: string | null;
  port?: { protocol: string; port: number } | null;
  /** The row that is being changed: never in its own way. */
  of?: number;
}

/** A row that made room, for the audit of who took its place. */
export interface Evicted {
  type: 'resource' | 'site_resource';
  niceId: string;
  siteId: number;
}

/** `once`: no document declares it, so it came from one that is applied once. */
type Gone = Omit<Evicted, 'type'> & { once: boolean };

/**
 * Rows that wait for a site's approval block nothing that is in service: they go, with their declarations, when an operator or an approved
 * site of the same organization wants what they hold. What another organization holds is taken, waiting or not. Only ever called where
 * something was in the way.
 */
@Injectable()
export class StagedRows {
  constructor(
    private readonly sites: SiteLifecycleService,
    private readonly hooks: Hooks,
  ) {}

  /** @returns what went; null when no waiting row of the organization was in the way. */
  async evictStaged(
    tx: EntityManager,
    orgId: string,
    type: Evicted['type'],
    wanted: Wanted,
  ): Promise<Evicted[] | null> {
    const ids =
      type === 'resource' ? await this.publicOnes(tx, orgId, wanted) : await this.privateOnes(tx, orgId, wanted);
    if (ids.length === 0) return null;
    return this.remove(tx, orgId, type, ids);
  }

  /** Rows that are no longer staged stay. @returns what went */
  async remove(tx: EntityManager, orgId: string, type: Evicted['type'], ids: number[]): Promise<Evicted[]> {
    if (ids.length === 0) return [];
    const parts = type === 'resource' ? 'target' : 'site_resource_site';
    const served = await query<{ siteId: number }>(
      tx,
      `SELECT DISTINCT p.site_id AS "siteId" FROM ${type} r JOIN ${parts} p USING (${type}_id) WHERE r.org_id = $1 AND r.staged_by IS NOT NULL AND r.${type}_id = ANY ($2::bigint[])
       ORDER BY 1`,
      [orgId, ids],
    );
    const gone = await query<Gone>(
      tx,
      `DELETE FROM ${type} WHERE org_id = $1 AND staged_by IS NOT NULL AND ${type}_id = ANY ($2::bigint[]) RETURNING nice_id AS "niceId", staged_by AS "siteId",
         NOT EXISTS (SELECT FROM ${type}_declaration d WHERE d.${type}_id = ${type}.${type}_id) AS once`,
      [orgId, ids],
    );
    await this.sites.bumpDesired(
      tx,
      orgId,
      served.map((row) => row.siteId),
    );
    await this.hooks.onceStagedGone.run(tx, [...new Set(gone.filter((row) => row.once).map((row) => row.siteId))]);
    return gone.map(({ niceId, siteId }) => ({ type, niceId, siteId }));
  }

  private async publicOnes(
    tx: EntityManager,
    orgId: string,
    { niceId, fullDomain, port, of }: Wanted,
  ): Promise<number[]> {
    const below = fullDomain?.startsWith('*.') ? coveredNames(fullDomain) : [];
    const rows = await query<{ id: number }>(
      tx,
      `SELECT resource_id AS id FROM resource WHERE org_id = $1 AND staged_by IS NOT NULL AND resource_id <> $7 AND (
         full_domain = ANY ($2) OR (full_domain LIKE ($3::text[])[1] AND full_domain NOT LIKE ($3::text[])[2]) OR nice_id = $4 OR (protocol = $5 AND proxy_port = $6::int)
       ) ORDER BY resource_id FOR UPDATE`,
      [
        orgId,
        fullDomain ? [fullDomain, coveringWildcard(fullDomain)] : [],
        below,
        niceId ?? null,
        port?.protocol ?? null,
        port?.port ?? null,
        of ?? 0,
      ],
    );
    return rows.map((row) => row.id);
  }

  private async privateOnes(
    tx: EntityManager,
    orgId: string,
    { niceId, fullDomain, alias, of }: Wanted,
  ): Promise<number[]> {
    const rows = await query<{ id: number }>(
      tx,
      `SELECT site_resource_id AS id FROM site_resource WHERE staged_by IS NOT NULL AND site_resource_id <> $5 AND org_id = $1 AND (nice_id = $2 OR full_domain = $3 OR lower(alias) = lower($4))
       ORDER BY site_resource_id FOR UPDATE`,
      [orgId, niceId ?? null, fullDomain ?? null, alias ?? null, of ?? 0],
    );
    return rows.map((row) => row.id);
  }
}
