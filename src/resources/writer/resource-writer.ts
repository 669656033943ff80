import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, execute, query } from '#platform';
import { freePorts, noPort } from './internal-ports.js';
import {
  type ColumnValues,
  grouped,
  type Links,
  type Relation,
  ResourceRows,
  type RowChange,
} from './resource-rows.js';
import { type HealthResult, TargetHealth } from './target-health.js';

/** A public or a private resource, by its table. */
export type ResourceType = 'resource' | 'site_resource';

/** To whom a resource is given. */
export type Grant = Exclude<Relation, 'site_resource_site'>;

/** What hangs on resources and is made, changed and deleted at once. */
export interface RowChanges {
  added?: ColumnValues[];
  changed?: RowChange[];
  removed?: number[];
}

/** docs/integration-api.md §3.6: a target is unknown until its site has told a result. One that moves, or is not checked any more, is so again. */
const HEALTH_OF_CHANGED = `hc_health = CASE WHEN r.hc_enabled AND t.hc_enabled AND coalesce(r.enabled, t.enabled) AND r.site_id = t.site_id THEN t.hc_health ELSE 'unknown' END`;

export const noAliasAddress = () =>
  new AppError('capacity', 'The utility subnet of the organization has no free address left', { retryAfter: 60 });

/**
 * The writes of resources and of what hangs on them, and the rules that each write keeps, for the services of this module and for documents of
 * many resources: the number of statements does not depend on the number of rows. Rows are given by column; who asks has checked the values.
 *
 * Everybody locks in one order: resources by their ids, then their targets, sites last. Methods that change what a site serves return the
 * sites; the caller makes new desired versions of them once, as its last write. Only decisions about a site, and its own documents, have the
 * site before; where they meet others PostgreSQL ends one of both, and `Db.tx` runs it again.
 */
@Injectable()
export class ResourceWriter {
  constructor(
    private readonly rows: ResourceRows,
    private readonly health: TargetHealth,
  ) {}

  /** @returns the ids in the order of the rows. @throws unique violations of names, ports and niceIds */
  insertPublic(tx: EntityManager, orgId: string, rows: ColumnValues[]): Promise<number[]> {
    return this.rows.insert(tx, 'resource', orgId, rows);
  }

  /** With their sites and alias addresses. @returns the ids in the order of the rows. @throws as `insertPublic`; capacity */
  async insertPrivate(
    tx: EntityManager,
    orgId: string,
    rows: { columns: ColumnValues; siteIds: number[] }[],
  ): Promise<number[]> {
    const ids = await this.rows.insert(
      tx,
      'site_resource',
      orgId,
      rows.map(({ columns }) => columns),
    );
    const links = rows.map(({ siteIds }, i) => ({ id: ids[i]!, keys: siteIds }));
    await this.rows.relate(tx, 'site_resource_site', orgId, links);
    await this.assignAliasAddresses(tx, orgId, ids);
    return ids;
  }

  /** @throws unique violations */
  updatePublic(tx: EntityManager, orgId: string, changes: RowChange[]): Promise<void> {
    return this.rows.update(tx, 'resource', orgId, changes);
  }

  /** @throws unique violations; capacity */
  async updatePrivate(tx: EntityManager, orgId: string, changes: RowChange[]): Promise<void> {
    await this.rows.update(tx, 'site_resource', orgId, changes);
    const moved = changes.flatMap(({ id, columns }) => (columns['mode'] === undefined ? [] : [id]));
    await this.assignAliasAddresses(tx, orgId, moved);
  }

  /** Replaces the sites of private resources, which is a new version of each. */
  async setSites(tx: EntityManager, orgId: string, links: Links[]): Promise<void> {
    if (links.length === 0) return;
    await this.rows.relate(tx, 'site_resource_site', orgId, links);
    await execute(
      tx,
      'UPDATE site_resource SET version = version + 1 WHERE org_id = $1 AND site_resource_id = ANY ($2::bigint[])',
      [orgId, links.map(({ id }) => id)],
    );
  }

  /** Deletes resources with all that hangs on them. @returns the sites that served them */
  async delete(tx: EntityManager, orgId: string, type: ResourceType, ids: number[]): Promise<number[]> {
    if (ids.length === 0) return [];
    const links = type === 'resource' ? 'target' : 'site_resource_site';
    const [, sites] = await Promise.all([
      query(
        tx,
        `SELECT FROM ${type} WHERE org_id = $1 AND ${type}_id = ANY ($2::bigint[]) ORDER BY ${type}_id FOR UPDATE`,
        [orgId, ids],
      ),
      query<{ siteId: number }>(
        tx,
        `SELECT DISTINCT l.site_id AS "siteId" FROM ${type} r JOIN ${links} l USING (${type}_id) WHERE r.org_id = $1 AND r.${type}_id = ANY ($2::bigint[])`,
        [orgId, ids],
      ),
      this.rows.delete(tx, type, orgId, ids),
    ]);
    return sites.map((site) => site.siteId);
  }

  /** The sites that have targets of public resources: what they may dial depends on whether a resource is enabled. */
  async servingSites(tx: EntityManager, orgId: string, resourceIds: number[]): Promise<number[]> {
    if (resourceIds.length === 0) return [];
    const rows = await query<{ siteId: number }>(
      tx,
      'SELECT DISTINCT site_id AS "siteId" FROM target WHERE org_id = $1 AND resource_id = ANY ($2::bigint[])',
      [orgId, resourceIds],
    );
    return rows.map((row) => row.siteId);
  }

  /** Takes names away from resources that are to get others, so that another resource of the same document can have them. */
  async freeNames(
    tx: EntityManager,
    orgId: string,
    type: ResourceType,
    column: 'full_domain' | 'alias',
    ids: number[],
  ): Promise<void> {
    if (ids.length === 0) return;
    await execute(tx, `UPDATE ${type} SET ${column} = NULL WHERE org_id = $1 AND ${type}_id = ANY ($2::bigint[])`, [
      orgId,
      ids,
    ]);
  }

  /**
   * Makes, changes and deletes targets, and sums up the health of their resources. A new one gets an internal port; one that changes says its site and whether it is checked. @returns the sites that serve or served them. @throws conflict without a free port
   */
  async writeTargets(
    tx: EntityManager,
    orgId: string,
    { added = [], changed = [], removed = [] }: RowChanges,
  ): Promise<number[]> {
    const ids = [...changed.map(({ id }) => id), ...removed];
    const resourceIds = added.map((columns) => columns['resource_id'] as number);
    if (ids.length + resourceIds.length === 0) return [];
    const before = await this.lockTargets(tx, orgId, ids, resourceIds);
    await this.rows.delete(tx, 'target', orgId, removed);
    await this.rows.update(tx, 'target', orgId, changed, HEALTH_OF_CHANGED);
    await this.rows.insert(tx, 'target', orgId, await this.withPorts(tx, added));
    await this.health.forgetUnknown(
      tx,
      changed.map(({ id }) => id),
    );
    await this.health.sum(tx, [...new Set([...resourceIds, ...before.map((target) => target.resourceId)])]);
    const now = [...added, ...changed.map(({ columns }) => columns)].map((columns) => columns['site_id'] as number);
    return [...new Set([...before.map((target) => target.siteId), ...now])];
  }

  /** Makes, changes and deletes rules. */
  async writeRules(
    tx: EntityManager,
    orgId: string,
    { added = [], changed = [], removed = [] }: RowChanges,
  ): Promise<void> {
    await this.rows.delete(tx, 'resource_rule', orgId, removed);
    await this.rows.update(tx, 'resource_rule', orgId, changed);
    await this.rows.insert(tx, 'resource_rule', orgId, added);
  }

  /** Targets and rules of these resources that a document's source had are the operator's from now on. The resources are locked. */
  async disown(tx: EntityManager, orgId: string, sourceId: number, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    for (const table of ['target', 'resource_rule'])
      await execute(
        tx,
        `UPDATE ${table} SET source_id = NULL WHERE org_id = $1 AND source_id = $2 AND resource_id = ANY ($3::bigint[])`,
        [orgId, sourceId, ids],
      );
  }

  /** Gives each of these resources to exactly these roles, users, e-mails or clients: what else was granted goes. */
  setGrants(tx: EntityManager, orgId: string, relation: Grant, links: Links[]): Promise<void> {
    return this.rows.relate(tx, relation, orgId, links);
  }

  /** Gives resources to roles too. @returns how many of these grants were not there */
  addRoles(tx: EntityManager, type: ResourceType, pairs: { id: number; roleId: number }[]): Promise<number> {
    return execute(
      tx,
      `INSERT INTO ${type}_role (${type}_id, role_id) SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS p(id, role_id) ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
      [pairs.map((p) => p.id), pairs.map((p) => p.roleId)],
    );
  }

  /** @see TargetHealth.record */
  recordHealth(tx: EntityManager, results: HealthResult[]): Promise<void> {
    return this.health.record(tx, results);
  }

  /** The resources first: who changes a resource has its row and comes to its targets later. */
  private async lockTargets(
    tx: EntityManager,
    orgId: string,
    targetIds: number[],
    resourceIds: number[],
  ): Promise<{ resourceId: number; siteId: number }[]> {
    const [, targets] = await Promise.all([
      query(
        tx,
        `SELECT FROM resource WHERE org_id = $1 AND resource_id IN (
           SELECT resource_id FROM target WHERE org_id = $1 AND target_id = ANY ($2::bigint[]) UNION SELECT unnest($3::bigint[])) ORDER BY resource_id FOR NO KEY UPDATE`,
        [orgId, targetIds, resourceIds],
      ),
      query<{ resourceId: number; siteId: number }>(
        tx,
        'SELECT resource_id AS "resourceId", site_id AS "siteId" FROM target WHERE org_id = $1 AND target_id = ANY ($2::bigint[]) ORDER BY target_id FOR NO KEY UPDATE',
        [orgId, targetIds],
      ),
    ]);
    return targets;
  }

  private async withPorts(tx: EntityManager, added: ColumnValues[]): Promise<ColumnValues[]> {
    const bySite = grouped(added, (columns) => columns['site_id'] as number);
    if (bySite.size === 0) return [];
    const free = await freePorts(tx, new Map([...bySite].map(([siteId, targets]) => [siteId, targets.length])));
    for (const [siteId, ports] of free) if (ports.length < bySite.get(siteId)!.length) throw noPort();
    return added.map((columns) => ({
      ...columns,
      internal_port: free.get(columns['site_id'] as number)?.pop() ?? null,
    }));
  }

  /**
   * Addresses in the utility subnet for those that have none and want one, none for ranges, all in one statement: the function sees what the
   * statement has given away so far. @throws capacity
   */
  private async assignAliasAddresses(tx: EntityManager, orgId: string, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    const rows = await query<{ lacking: boolean }>(
      tx,
      `UPDATE site_resource SET alias_address = CASE WHEN mode <> 'cidr' THEN next_alias_address($1) END
       WHERE org_id = $1 AND site_resource_id = ANY ($2::bigint[]) AND (mode = 'cidr') <> (alias_address IS NULL) RETURNING mode <> 'cidr' AND alias_address IS NULL AS lacking`,
      [orgId, ids],
    );
    if (rows.some((row) => row.lacking)) throw noAliasAddress();
  }
}
