import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import { driftOf } from '../field-names.js';
import type { DriftedField } from '../public/resources.dto.js';
import type { SiteResourceRow, SiteResourceView } from './private.dto.js';
import { RESERVED_ROUTE, reservedRoutes } from './reserved-routes.js';

/** Columns that callers set. */
export interface PrivateColumns
  extends Omit<
    SiteResourceRow,
    'siteResourceId' | 'orgId' | 'networkId' | 'defaultNetworkId' | 'proxyPort' | 'aliasAddress'
  > {}

/** What a new resource is granted to and reached through. */
export interface Links {
  siteIds: number[];
  roleIds: number[];
  userIds: string[];
  clientIds: number[];
}

export interface StoredSiteResource extends SiteResourceView {
  version: number;
}

/** An inserted row with how many of each link the organization has, and whether the destination is an address of its own. */
type Inserted = Omit<StoredSiteResource, 'siteId' | 'siteIds'> & {
  sites: number;
  roles: number;
  users: number;
  clients: number;
  own: boolean;
};

/** In the contract's order (docs/integration-api.md §3.4). */
export const ROW = `
  r.site_resource_id AS "siteResourceId", r.org_id AS "orgId", r.site_resource_id AS "networkId", NULL::int AS "defaultNetworkId", r.nice_id AS "niceId", r.name, r.ssl, r.mode,
  r.scheme, r.proxy_port AS "proxyPort", r.destination_port AS "destinationPort", r.destination, r.enabled, r.alias, host(r.alias_address) AS "aliasAddress",
  r.tcp_ports AS "tcpPortRangeString", r.udp_ports AS "udpPortRangeString", r.disable_icmp AS "disableIcmp", r.auth_daemon_port AS "authDaemonPort",
  r.auth_daemon_mode AS "authDaemonMode", r.domain_id AS "domainId", r.subdomain, r.full_domain AS "fullDomain"`;

/** Arrays of int8 arrive as text. */
const SITE_IDS = `ARRAY(SELECT m.site_id FROM site_resource_site m WHERE m.site_resource_id = r.site_resource_id ORDER BY m.position, m.site_id) AS "siteIds"`;
const ONE = `SELECT ${ROW}, ${SITE_IDS}, r.version FROM site_resource r WHERE r.org_id = $1 AND r.site_resource_id = $2`;

const INSERT = `
  WITH r AS (
    INSERT INTO site_resource (org_id, nice_id, name, ssl, mode, scheme, destination_port, destination, enabled, alias, alias_address, tcp_ports, udp_ports, disable_icmp,
      auth_daemon_port, auth_daemon_mode, domain_id, subdomain, full_domain)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $5::text <> 'cidr' THEN next_alias_address($1) END, $11, $12, $13, $14, $15, $16, $17, $18)
    RETURNING *
  ), s AS (
    INSERT INTO site_resource_site (site_resource_id, site_id, position)
    SELECT r.site_resource_id, s.site_id, w.position FROM r, unnest($19::bigint[]) WITH ORDINALITY AS w(site_id, position) JOIN site s ON s.org_id = $1 AND s.site_id = w.site_id
    RETURNING 1
  ), ro AS (
    INSERT INTO site_resource_role (site_resource_id, role_id)
    SELECT r.site_resource_id, o.role_id FROM r JOIN role o ON o.org_id = $1 AND o.role_id = ANY($20::bigint[]) AND NOT o.is_admin RETURNING 1
  ), us AS (
    INSERT INTO site_resource_user (org_id, site_resource_id, user_id)
    SELECT $1, r.site_resource_id, u.user_id FROM r JOIN membership u ON u.org_id = $1 AND u.user_id = ANY($21::text[]) RETURNING 1
  ), cl AS (
    INSERT INTO site_resource_client (site_resource_id, client_id)
    SELECT r.site_resource_id, c.client_id FROM r JOIN client c ON c.org_id = $1 AND c.client_id = ANY($22::bigint[]) AND c.user_id IS NULL RETURNING 1
  )
  SELECT ${ROW}, r.version, (SELECT count(*) FROM s) AS sites, (SELECT count(*) FROM ro) AS roles, (SELECT count(*) FROM us) AS users, (SELECT count(*) FROM cl) AS clients,
    ${RESERVED_ROUTE('$23')} AS own FROM r`;

/** The names of the columns as values of INSERT and UPDATE, in one order. */
const values = (c: PrivateColumns) => [
  c.niceId,
  c.name,
  c.ssl,
  c.mode,
  c.scheme,
  c.destinationPort,
  c.destination,
  c.enabled,
  c.alias,
  c.tcpPortRangeString,
  c.udpPortRangeString,
  c.disableIcmp,
  c.authDaemonPort,
  c.authDaemonMode,
  c.domainId,
  c.subdomain,
  c.fullDomain,
];

/** All SQL that writes private resources, and reads one. Lists are in private-reads.ts, grants in private-grants.repository.ts. */
@Injectable()
export class PrivateRepository {
  async orgOf(em: EntityManager, siteResourceId: number): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'site_resource_org',
      'SELECT org_id AS "orgId" FROM site_resource WHERE site_resource_id = $1',
      [siteResourceId],
    );
    return row?.orgId ?? null;
  }

  /** What blueprint files declare of it and somebody has changed since, under the names of the API. */
  async drift(em: EntityManager, siteResourceId: number): Promise<DriftedField[]> {
    const [row] = await prepared<{ drift: DriftedField[] }>(
      em,
      'site_resource_drift',
      'SELECT drift FROM site_resource_drift WHERE site_resource_id = $1',
      [siteResourceId],
    );
    return driftOf(row?.drift ?? []);
  }

  async find(em: EntityManager, orgId: string, siteResourceId: number): Promise<StoredSiteResource | null> {
    return one(await prepared<StoredSiteResource>(em, 'site_resource_one', ONE, [orgId, siteResourceId]));
  }

  /** Locks the row until the end of the transaction. */
  async lock(tx: EntityManager, orgId: string, siteResourceId: number): Promise<StoredSiteResource | null> {
    // The lock first: what hangs on the row is read after whoever held it has ended.
    await prepared(
      tx,
      'site_resource_lock',
      'SELECT FROM site_resource WHERE org_id = $1 AND site_resource_id = $2 FOR NO KEY UPDATE',
      [orgId, siteResourceId],
    );
    return this.find(tx, orgId, siteResourceId);
  }

  /**
   * Inserts a resource with its links in one statement. Links that the organization does not have are left out and not counted: the caller
   * rolls back. @throws unique violation of `site_resource_alias`, `site_resource_full_domain` or `site_resource_org_id_nice_id_key`.
   */
  async insert(
    tx: EntityManager,
    orgId: string,
    c: PrivateColumns,
    links: Links,
    route: string | null,
  ): Promise<Inserted> {
    const [row] = await prepared<Inserted>(tx, 'site_resource_insert', INSERT, [
      orgId,
      ...values(c),
      links.siteIds,
      links.roleIds,
      links.userIds,
      links.clientIds,
      route,
    ]);
    return row!;
  }

  /** Whether an address of this range is the organization's own. */
  async isOwn(tx: EntityManager, orgId: string, route: string): Promise<boolean> {
    return (await reservedRoutes(tx, orgId, [route])).length > 0;
  }

  /** Sets all columns of a row that the transaction holds locked. @throws as `insert` */
  async update(
    tx: EntityManager,
    orgId: string,
    siteResourceId: number,
    c: PrivateColumns,
  ): Promise<StoredSiteResource> {
    await query(
      tx,
      `UPDATE site_resource SET nice_id = $3, name = $4, ssl = $5, mode = $6, scheme = $7, destination_port = $8, destination = $9, enabled = $10, alias = $11, tcp_ports = $12,
         udp_ports = $13, disable_icmp = $14, auth_daemon_port = $15, auth_daemon_mode = $16, domain_id = $17, subdomain = $18, full_domain = $19,
         alias_address = CASE WHEN $6::text <> 'cidr' THEN coalesce(alias_address, next_alias_address($1)) END
       WHERE org_id = $1 AND site_resource_id = $2`,
      [orgId, siteResourceId, ...values(c)],
    );
    return (await this.find(tx, orgId, siteResourceId))!;
  }

  /** A site that goes leaves the resources on it with a site less, which is a new version of them. */
  async touchOnSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await execute(
      tx,
      `UPDATE site_resource r SET version = version + 1 FROM (
         SELECT o.site_resource_id FROM site_resource o WHERE o.org_id = $1 AND o.site_resource_id IN (SELECT m.site_resource_id FROM site_resource_site m WHERE m.site_id = $2)
         ORDER BY o.site_resource_id FOR NO KEY UPDATE
       ) o WHERE r.site_resource_id = o.site_resource_id`,
      [orgId, siteId],
    );
  }
}

function one([row]: StoredSiteResource[]): StoredSiteResource | null {
  if (!row) return null;
  const { version, siteIds, ...rest } = row;
  const ids = siteIds.map(Number);
  return { ...rest, siteId: ids[0] ?? null, siteIds: ids, version };
}
