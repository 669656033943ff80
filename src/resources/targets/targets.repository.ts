import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, exportOfRows, prepared, query, type Window } from '#platform';
import type { ResourceMode } from '../public/resources.dto.js';
import { FIRST_PORT, LAST_PORT } from '../writer/internal-ports.js';
import type { TargetItem, TargetView } from './targets.dto.js';

export interface StoredTarget extends TargetView {
  version: number;
}

/** Columns that are given; those that are not are null on insert and stay on update. */
export type TargetColumns = Partial<
  Omit<
    TargetView,
    'targetId' | 'resourceId' | 'orgId' | 'targetHealthCheckId' | 'name' | 'mode' | 'hcLastError' | 'hcToldAt'
  >
>;

export const PORTS_TO_TRY = 8;

/** In the contract's order (docs/integration-api.md §3.6). */
const COLUMNS = `
  t.target_id AS "targetId", t.resource_id AS "resourceId", t.site_id AS "siteId", t.ip,
  (SELECT CASE WHEN r.http THEN 'http' ELSE r.protocol END FROM resource r WHERE r.resource_id = t.resource_id) AS mode, t.method, t.insecure_tls AS "insecureTls", t.port, t.internal_port AS "internalPort", t.enabled, t.path,
  t.path_match_type AS "pathMatchType", t.rewrite_path AS "rewritePath", t.rewrite_path_type AS "rewritePathType", t.priority,
  t.target_id AS "targetHealthCheckId", t.org_id AS "orgId", NULL AS name, t.hc_enabled AS "hcEnabled", t.hc_path AS "hcPath", t.hc_scheme AS "hcScheme",
  t.hc_mode AS "hcMode", t.hc_hostname AS "hcHostname", t.hc_port AS "hcPort", t.hc_interval AS "hcInterval", t.hc_unhealthy_interval AS "hcUnhealthyInterval",
  t.hc_timeout AS "hcTimeout", t.hc_headers AS "hcHeaders", t.hc_follow_redirects AS "hcFollowRedirects", t.hc_method AS "hcMethod", t.hc_status AS "hcStatus",
  t.hc_health AS "hcHealth", t.hc_tls_server_name AS "hcTlsServerName", t.hc_healthy_threshold AS "hcHealthyThreshold",
  t.hc_unhealthy_threshold AS "hcUnhealthyThreshold", (SELECT h.error FROM target_health h WHERE h.target_id = t.target_id) AS "hcLastError",
  (SELECT h.told_at FROM target_health h WHERE h.target_id = t.target_id) AS "hcToldAt", t.version`;

const ITEM_COLUMNS: Columns<TargetItem> = {
  targetId: true,
  resourceId: true,
  siteId: true,
  siteName: true,
  siteType: true,
  ip: true,
  mode: true,
  method: true,
  insecureTls: true,
  port: true,
  enabled: true,
  path: true,
  pathMatchType: true,
  rewritePath: true,
  rewritePathType: true,
  priority: true,
  hcEnabled: true,
  hcPath: true,
  hcScheme: true,
  hcMode: true,
  hcHostname: true,
  hcPort: true,
  hcInterval: true,
  hcUnhealthyInterval: true,
  hcTimeout: true,
  hcHeaders: true,
  hcFollowRedirects: true,
  hcMethod: true,
  hcStatus: true,
  hcHealth: true,
  hcTlsServerName: true,
  hcHealthyThreshold: true,
  hcUnhealthyThreshold: true,
  hcLastError: true,
  hcToldAt: true,
};

const ITEMS = `SELECT ${COLUMNS}, s.type AS "siteType", s.name AS "siteName" FROM target t JOIN site s ON s.site_id = t.site_id
  WHERE t.org_id = $1 AND t.resource_id = $2`;

/** A free port of the site among those given; none for a local site, which no newt listens for. */
const FREE_PORT = (ports: string) => `(
  SELECT p FROM unnest(${ports}::int[]) AS p WHERE NOT EXISTS (SELECT FROM target o WHERE o.site_id = s.site_id AND o.internal_port = p) LIMIT 1)`;

export const somePorts = (): number[] =>
  Array.from({ length: PORTS_TO_TRY }, () => randomInt(FIRST_PORT, LAST_PORT + 1));

/** All SQL about targets. */
@Injectable()
export class TargetsRepository {
  async orgOf(em: EntityManager, targetId: number): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'target_org',
      'SELECT org_id AS "orgId" FROM target WHERE target_id = $1',
      [targetId],
    );
    return row?.orgId ?? null;
  }

  async find(em: EntityManager, orgId: string, targetId: number): Promise<StoredTarget | null> {
    const [row] = await prepared<StoredTarget>(
      em,
      'target_one',
      `SELECT ${COLUMNS} FROM target t WHERE t.org_id = $1 AND t.target_id = $2`,
      [orgId, targetId],
    );
    return row ?? null;
  }

  /** Of a resource; what it is never changes. */
  async modeOf(em: EntityManager, orgId: string, resourceId: number): Promise<ResourceMode | null> {
    const [row] = await query<{ mode: ResourceMode }>(
      em,
      `SELECT CASE WHEN http THEN 'http' ELSE protocol END AS mode FROM resource WHERE org_id = $1 AND resource_id = $2`,
      [orgId, resourceId],
    );
    return row?.mode ?? null;
  }

  /** Its resource first, as ResourceWriter has it. */
  async lock(tx: EntityManager, orgId: string, targetId: number): Promise<StoredTarget | null> {
    const [, [row]] = await Promise.all([
      prepared(
        tx,
        'target_lock_resource',
        'SELECT FROM resource WHERE org_id = $1 AND resource_id = (SELECT resource_id FROM target WHERE target_id = $2) FOR NO KEY UPDATE',
        [orgId, targetId],
      ),
      prepared<StoredTarget>(
        tx,
        'target_lock',
        `SELECT ${COLUMNS} FROM target t WHERE t.org_id = $1 AND t.target_id = $2 FOR NO KEY UPDATE`,
        [orgId, targetId],
      ),
    ]);
    return row ?? null;
  }

  /** Whether the document that declares this target has another one of the same site, host, port and path: it could not say so. */
  async isDeclaredTwice(tx: EntityManager, targetId: number): Promise<boolean> {
    const [row] = await prepared<{ twice: boolean }>(
      tx,
      'target_declared_twice',
      `SELECT EXISTS (SELECT FROM target t JOIN target o USING (resource_id, source_id, site_id, port) WHERE t.target_id = $1 AND o.target_id <> t.target_id
         AND lower(o.ip) = lower(t.ip) AND (o.path, o.path_match_type) IS NOT DISTINCT FROM (t.path, t.path_match_type)) AS twice`,
      [targetId],
    );
    return row!.twice;
  }

  /** @returns null when the organization has no such site. It stays until the end of the transaction. */
  async siteType(tx: EntityManager, orgId: string, siteId: number): Promise<'newt' | 'wireguard' | 'local' | null> {
    const [row] = await prepared<{ type: 'newt' | 'wireguard' | 'local' }>(
      tx,
      'target_site_type',
      'SELECT type FROM site WHERE org_id = $1 AND site_id = $2 FOR KEY SHARE',
      [orgId, siteId],
    );
    return row?.type ?? null;
  }

  /** @throws not-null violation of `site_id` when the site is not there or none of the ports is free; unique violation of `target_internal_port`. */
  async insert(
    tx: EntityManager,
    orgId: string,
    resourceId: number,
    siteId: number,
    ports: number[],
    c: TargetColumns,
  ): Promise<StoredTarget> {
    const [row] = await prepared<StoredTarget>(
      tx,
      'target_insert',
      `INSERT INTO target AS t (org_id, resource_id, site_id, internal_port, ip, method, port, enabled, path, path_match_type, rewrite_path, rewrite_path_type, priority,
         hc_enabled, hc_path, hc_scheme, hc_mode, hc_hostname, hc_port, hc_interval, hc_unhealthy_interval, hc_timeout, hc_headers, hc_follow_redirects, hc_method,
         hc_status, hc_tls_server_name, hc_healthy_threshold, hc_unhealthy_threshold, hc_health, insecure_tls)
       SELECT $1, $2, s.site_id, s.p, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31
       FROM (VALUES (true)) AS always LEFT JOIN (
         SELECT s.site_id, s.type, CASE WHEN s.type <> 'local' THEN ${FREE_PORT('$4')} END AS p FROM site s WHERE s.org_id = $1 AND s.site_id = $3
       ) s ON s.type = 'local' OR s.p IS NOT NULL
       RETURNING ${COLUMNS}`,
      [
        orgId,
        resourceId,
        siteId,
        ports,
        c.ip,
        c.method,
        c.port,
        c.enabled,
        c.path,
        c.pathMatchType,
        c.rewritePath,
        c.rewritePathType,
        c.priority,
        c.hcEnabled,
        c.hcPath,
        c.hcScheme,
        c.hcMode,
        c.hcHostname,
        c.hcPort,
        c.hcInterval,
        c.hcUnhealthyInterval,
        c.hcTimeout,
        c.hcHeaders ? JSON.stringify(c.hcHeaders) : null,
        c.hcFollowRedirects,
        c.hcMethod,
        c.hcStatus,
        c.hcTlsServerName,
        c.hcHealthyThreshold,
        c.hcUnhealthyThreshold,
        c.hcHealth,
        c.insecureTls,
      ].map((value) => value ?? null),
    );
    return row!;
  }

  /** Targets on a site. */
  async onSite(tx: EntityManager, orgId: string, siteId: number): Promise<number[]> {
    const rows = await query<{ id: number }>(
      tx,
      'SELECT target_id AS id FROM target WHERE org_id = $1 AND site_id = $2',
      [orgId, siteId],
    );
    return rows.map((row) => row.id);
  }

  all(em: EntityManager, orgId: string, resourceId: number): ExportSource<TargetItem, unknown[]> {
    const list = { name: `resource-${resourceId}-targets`, columns: ITEM_COLUMNS, rows: ITEMS };
    return exportOfRows(em, { ...list, values: [orgId, resourceId], by: ['targetId'] });
  }

  async list(em: EntityManager, orgId: string, resourceId: number, window: Window): Promise<[TargetItem[], number]> {
    const page = query<StoredTarget & { siteType: TargetItem['siteType']; siteName: string }>(
      em,
      `${ITEMS} ORDER BY t.target_id LIMIT $3 OFFSET $4`,
      [orgId, resourceId, window.limit, window.offset],
    );
    const total = query<{ n: number }>(em, 'SELECT count(*) AS n FROM target WHERE org_id = $1 AND resource_id = $2', [
      orgId,
      resourceId,
    ]);
    const rows = await page;
    return [
      rows.map(
        ({ version: _, internalPort: _port, targetHealthCheckId: _id, orgId: _org, name: _name, ...item }) => item,
      ),
      (await total)[0]!.n,
    ];
  }
}
