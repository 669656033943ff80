import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, Hooks, query } from '#platform';
import { SiteLifecycleService } from '../../sites/index.js';
import { coveredNames, coveringWildcard } from '../domains/domain-names.js';
import { type ResourceType, ResourceWriter } from '../writer/resource-writer.js';

/** What only one resource may have, as somebody wants it. */
export interface Wanted {
  niceId?: string | null;
  fullDomain?: string | null;
  alias?: string | null;
  port?: { protocol: string; port: number } | null;
  /** The row that is being changed, which does not count. */
  of?: number;
}

/** A staged row that was deleted because something in service wants what it held; for the audit. */
export interface Evicted {
  type: ResourceType;
  niceId: string;
  siteId: number;
}

/** `once`: no document declares it, so it came from one that is applied once. */
type Gone = Omit<Evicted, 'type'> & { id: number; once: boolean };

/**
 * Rows that wait for a site's approval block nothing that is in service: they go, with their declarations, when an operator or an approved
 * site of the same organization wants what they hold. What another organization holds is taken, waiting or not. Only ever called where
 * something was in the way.
 */
@Injectable()
export class StagedRows {
  constructor(
    private readonly writer: ResourceWriter,
    private readonly sites: SiteLifecycleService,
    private readonly hooks: Hooks,
  ) {}

  /** @returns what went; null when no waiting row of the organization was in the way. */
  async evictStaged(tx: EntityManager, orgId: string, type: ResourceType, wanted: Wanted): Promise<Evicted[] | null> {
    const ids =
      type === 'resource' ? await this.publicOnes(tx, orgId, wanted) : await this.privateOnes(tx, orgId, wanted);
    if (ids.length === 0) return null;
    return this.remove(tx, orgId, type, ids);
  }

  /** Rows that are no longer staged stay. @returns what went */
  async remove(tx: EntityManager, orgId: string, type: ResourceType, ids: number[]): Promise<Evicted[]> {
    if (ids.length === 0) return [];
    const gone = await query<Gone>(
      tx,
      `SELECT r.${type}_id AS id, nice_id AS "niceId", staged_by AS "siteId", NOT EXISTS (SELECT FROM ${type}_declaration d WHERE d.${type}_id = r.${type}_id) AS once
       FROM ${type} r WHERE org_id = $1 AND staged_by IS NOT NULL AND ${type}_id = ANY ($2::bigint[]) ORDER BY ${type}_id FOR UPDATE OF r`,
      [orgId, ids],
    );
    const served = await this.writer.delete(
      tx,
      orgId,
      type,
      gone.map((row) => row.id),
    );
    await this.sites.bumpDesired(tx, orgId, served);
    await this.hooks.onceStagedGone.run(tx, [...new Set(gone.filter((row) => row.once).map((row) => row.siteId))]);
    return gone.map(({ niceId, siteId }) => ({ type, niceId, siteId }));
  }

  /**
   * The site is approved: what was staged for it comes into service, and what was disabled with it is as it was.
   * @param disabled resources that may have been disabled when the site was suspended
   */
  async activate(
    tx: EntityManager,
    orgId: string,
    type: ResourceType,
    siteId: number,
    disabled: number[],
  ): Promise<void> {
    await execute(
      tx,
      `UPDATE ${type} SET enabled = coalesce(staged_enabled, enabled), staged_by = NULL, staged_enabled = NULL
       WHERE org_id = $1 AND (staged_by = $2 OR (${type}_id = ANY ($3::bigint[]) AND staged_by IS NULL AND staged_enabled IS NOT NULL))`,
      [orgId, siteId, disabled],
    );
  }

  /** Disables resources that are in service, until their site is approved again: `activate` restores what they were. */
  async disable(tx: EntityManager, orgId: string, type: ResourceType, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await execute(
      tx,
      `UPDATE ${type} SET staged_enabled = enabled, enabled = false
       WHERE org_id = $1 AND ${type}_id = ANY ($2::bigint[]) AND staged_by IS NULL AND staged_enabled IS NULL`,
      [orgId, ids],
    );
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
