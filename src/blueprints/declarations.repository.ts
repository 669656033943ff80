import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';
import type { ColumnValues, ResourceType } from '../resources/index.js';
import type { DocumentKeys } from './current-state.js';

/** A grant to a role that nobody has made yet. */
export interface StagedGrant {
  type: ResourceType;
  id: number;
  roleName: string;
}

/** Declared by documents of the site $2; `and` compares the site of other documents. */
const DECLARED = (type: ResourceType, site: string) =>
  `SELECT FROM ${type}_declaration d JOIN blueprint_source b USING (source_id) WHERE d.${type}_id = r.${type}_id AND b.site_id ${site}`;

/** What sources declare of resources, and what they left on them. */
@Injectable()
export class DeclarationsRepository {
  async declare(
    tx: EntityManager,
    sourceId: number,
    type: ResourceType,
    rows: { id: number; declared: ColumnValues }[],
  ): Promise<void> {
    if (rows.length === 0) return;
    await execute(
      tx,
      `INSERT INTO ${type}_declaration (source_id, ${type}_id, declared) SELECT $1, (r ->> 'id')::bigint, r -> 'declared' FROM jsonb_array_elements($2::jsonb) AS r
       ON CONFLICT (${type}_id, source_id) DO UPDATE SET declared = excluded.declared`,
      [sourceId, JSON.stringify(rows)],
    );
  }

  async withdraw(tx: EntityManager, sourceId: number, type: ResourceType, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await execute(tx, `DELETE FROM ${type}_declaration WHERE source_id = $1 AND ${type}_id = ANY ($2::bigint[])`, [
      sourceId,
      ids,
    ]);
  }

  /** Resources of which the source owns something, by their keys. */
  async keysOf(tx: EntityManager, sourceId: number): Promise<DocumentKeys> {
    const [row] = await query<DocumentKeys>(
      tx,
      `SELECT ARRAY(SELECT nice_id FROM resource WHERE resource_id IN (
           SELECT resource_id FROM resource_declaration WHERE source_id = $1 UNION SELECT resource_id FROM target WHERE source_id = $1
           UNION SELECT resource_id FROM resource_rule WHERE source_id = $1)) AS resource,
         ARRAY(SELECT r.nice_id FROM site_resource r JOIN site_resource_declaration d USING (site_resource_id) WHERE d.source_id = $1) AS site_resource`,
      [sourceId],
    );
    return row!;
  }

  /** The source owns nothing of these resources any more. They are locked first, in the order of ids. @returns their ids */
  async release(
    tx: EntityManager,
    orgId: string,
    sourceId: number,
    type: ResourceType,
    keys: string[],
  ): Promise<number[]> {
    if (keys.length === 0) return [];
    const rows = await query<{ id: number }>(
      tx,
      `SELECT ${type}_id AS id FROM ${type} WHERE org_id = $1 AND nice_id = ANY ($2) ORDER BY ${type}_id FOR NO KEY UPDATE`,
      [orgId, keys],
    );
    const ids = rows.map(({ id }) => id);
    await this.withdraw(tx, sourceId, type, ids);
    await execute(tx, `DELETE FROM ${type}_parts WHERE source_id = $1 AND ${type}_id = ANY ($2::bigint[])`, [
      sourceId,
      ids,
    ]);
    return ids;
  }

  /**
   * Remembers what the source's document says of targets, rules, sites and grants: as it is now that it was applied. Drift is what differs later.
   * @param whole what it does not name is forgotten
   */
  async rememberParts(
    tx: EntityManager,
    sourceId: number,
    type: ResourceType,
    rows: { id: number; saysGrants: boolean }[],
    whole: boolean,
  ): Promise<void> {
    const ids = rows.map(({ id }) => id);
    if (whole)
      await execute(tx, `DELETE FROM ${type}_parts WHERE source_id = $1 AND ${type}_id <> ALL ($2::bigint[])`, [
        sourceId,
        ids,
      ]);
    await execute(
      tx,
      `INSERT INTO ${type}_parts (source_id, ${type}_id, parts)
       SELECT $1, i.id, ${type}_parts_now(i.id, $1) - CASE WHEN i.grants THEN '{}'::text[] ELSE '{roles,users,emails,clients}' END FROM unnest($2::bigint[], $3::boolean[]) AS i(id, grants)
       ON CONFLICT (${type}_id, source_id) DO UPDATE SET parts = excluded.parts WHERE ${type}_parts.parts <> excluded.parts`,
      [sourceId, ids, rows.map(({ saysGrants }) => saysGrants)],
    );
  }

  /**
   * Resources that documents of this site declare and of no other site. They are locked in the order of ids, with those that others declare
   * too, so that nobody joins or leaves them meanwhile.
   */
  async ownedBy(tx: EntityManager, orgId: string, siteId: number, type: ResourceType): Promise<number[]> {
    const [, rows] = await Promise.all([
      query(
        tx,
        `SELECT FROM ${type} WHERE org_id = $1 AND ${type}_id IN (SELECT ${type}_id FROM ${type}_declaration JOIN blueprint_source USING (source_id) WHERE site_id = $2)
         ORDER BY ${type}_id FOR NO KEY UPDATE`,
        [orgId, siteId],
      ),
      query<{ id: number }>(
        tx,
        `SELECT ${type}_id AS id FROM ${type} r WHERE org_id = $1 AND EXISTS (${DECLARED(type, '= $2')}) AND NOT EXISTS (${DECLARED(type, '<> $2')}) ORDER BY 1`,
        [orgId, siteId],
      ),
    ]);
    return rows.map((row) => row.id);
  }

  /** Those of the resources that no other site serves. */
  async servedAlone(tx: EntityManager, siteId: number, type: ResourceType, ids: number[]): Promise<number[]> {
    const links = type === 'resource' ? 'target' : 'site_resource_site';
    const rows = await query<{ id: number }>(
      tx,
      `SELECT id FROM unnest($2::bigint[]) AS id WHERE NOT EXISTS (SELECT FROM ${links} l WHERE l.${type}_id = id AND l.site_id <> $1)`,
      [siteId, ids],
    );
    return rows.map((row) => row.id);
  }

  /** Replaces the grants that wait for the approval of the site, of all resources that are described. */
  async stageGrants(
    tx: EntityManager,
    siteId: number,
    described: { type: ResourceType; id: number }[],
    grants: StagedGrant[],
  ): Promise<void> {
    const ids = (of: { type: ResourceType; id: number }[], type: ResourceType) =>
      of.flatMap((one) => (one.type === type ? [one.id] : []));
    await execute(
      tx,
      'DELETE FROM staged_grant WHERE resource_id = ANY ($1::bigint[]) OR site_resource_id = ANY ($2::bigint[])',
      [ids(described, 'resource'), ids(described, 'site_resource')],
    );
    await execute(
      tx,
      `INSERT INTO staged_grant (site_id, resource_id, site_resource_id, role_name)
       SELECT $1, CASE WHEN g.type = 'resource' THEN g.id END, CASE WHEN g.type = 'site_resource' THEN g.id END, g.role_name
       FROM unnest($2::text[], $3::bigint[], $4::text[]) AS g(type, id, role_name)`,
      [siteId, grants.map((g) => g.type), grants.map((g) => g.id), grants.map((g) => g.roleName)],
    );
  }

  /** Takes the grants that waited for the approval of the site. */
  takeStagedGrants(tx: EntityManager, siteId: number): Promise<StagedGrant[]> {
    return query(
      tx,
      `DELETE FROM staged_grant WHERE site_id = $1
       RETURNING CASE WHEN resource_id IS NULL THEN 'site_resource' ELSE 'resource' END AS type, coalesce(resource_id, site_resource_id) AS id, role_name AS "roleName"`,
      [siteId],
    );
  }
}
