import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, prepared, query } from '#platform';
import { coveredNames, coveringWildcard } from '../domains/domain-names.js';
import { driftOf } from '../field-names.js';
import type { HeaderPair } from '../headers.js';
import { PORT_ERROR } from './port-errors.js';
import type { Protocol, ResourceRow, ResourceView, TargetRights } from './resources.dto.js';

/** A row as it is read; `headers` as JSON. */
export interface StoredResource extends Omit<ResourceView, keyof Found> {
  version: number;
}

/** What one that is read by itself says besides. */
export type Found = Pick<ResourceView, 'drift' | 'portError'>;

export interface ResourceInsert {
  niceId: string;
  name: string;
  http: boolean;
  protocol: Protocol;
  domainId: string | null;
  subdomain: string | null;
  fullDomain: string | null;
  wildcard: boolean;
  proxyPort: number | null;
  ssl: boolean;
  sso: boolean;
  stickySession: boolean;
  postAuthPath: string | null;
  sitesMayAddTargets: TargetRights | null;
  enableProxy: boolean;
}

/** Columns that an update may set. */
export type ResourceChanges = Partial<Omit<ResourceInsert, 'http' | 'protocol'>> & {
  blockAccess?: boolean;
  emailWhitelistEnabled?: boolean;
  applyRules?: boolean;
  enabled?: boolean;
  tlsServerName?: string | null;
  responseTimeoutSeconds?: number;
  staleSeconds?: number | null;
  setHostHeader?: string | null;
  skipToIdpId?: number | null;
  headers?: HeaderPair[] | null;
  maintenanceModeEnabled?: boolean;
  maintenanceModeType?: string;
  maintenanceTitle?: string | null;
  maintenanceMessage?: string | null;
  maintenanceEstimatedTime?: string | null;
  proxyProtocol?: boolean;
  proxyProtocolVersion?: number;
  passwordHash?: string | null;
  pincodeHash?: string | null;
  headerAuthUser?: string | null;
  headerAuthHash?: string | null;
  headerAuthExtended?: boolean | null;
};

/** In the contract's order (docs/integration-api.md §3.5). */
const COLUMNS = `
  resource_id AS "resourceId", resource_guid AS "resourceGuid", org_id AS "orgId", nice_id AS "niceId", name, subdomain, full_domain AS "fullDomain",
  domain_id AS "domainId", ssl, block_access AS "blockAccess", sso, http, protocol,
  CASE WHEN http THEN 'http' ELSE protocol END AS mode, proxy_port AS "proxyPort", email_whitelist_enabled AS "emailWhitelistEnabled",
  apply_rules AS "applyRules", enabled, sticky_session AS "stickySession", tls_server_name AS "tlsServerName", set_host_header AS "setHostHeader",
  response_timeout_seconds AS "responseTimeoutSeconds", stale_seconds AS "staleSeconds",
  enable_proxy AS "enableProxy", skip_to_idp_id AS "skipToIdpId", headers, proxy_protocol AS "proxyProtocol", proxy_protocol_version AS "proxyProtocolVersion",
  maintenance_mode_enabled AS "maintenanceModeEnabled", maintenance_mode_type AS "maintenanceModeType", maintenance_title AS "maintenanceTitle",
  maintenance_message AS "maintenanceMessage", maintenance_estimated_time AS "maintenanceEstimatedTime", post_auth_path AS "postAuthPath", health, wildcard,
  CASE WHEN password_hash IS NOT NULL THEN resource_id END AS "passwordId", CASE WHEN pincode_hash IS NOT NULL THEN resource_id END AS "pincodeId",
  CASE WHEN header_auth_hash IS NOT NULL THEN resource_id END AS "headerAuthId", sites_may_add_targets AS "sitesMayAddTargets", version`;

const JSON_FIELDS = new Set(['headers', 'sitesMayAddTargets']);
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** All SQL that writes public resources, and reads one. Lists are in resource-reads.ts. */
@Injectable()
export class ResourcesRepository {
  async orgOf(em: EntityManager, resourceId: number): Promise<string | null> {
    const [row] = await prepared<{ orgId: string }>(
      em,
      'resource_org',
      'SELECT org_id AS "orgId" FROM resource WHERE resource_id = $1',
      [resourceId],
    );
    return row?.orgId ?? null;
  }

  async idOfNiceId(em: EntityManager, orgId: string, niceId: string): Promise<number | null> {
    const [row] = await prepared<{ resourceId: number }>(
      em,
      'resource_by_nice_id',
      'SELECT resource_id AS "resourceId" FROM resource WHERE org_id = $1 AND nice_id = $2',
      [orgId, niceId],
    );
    return row?.resourceId ?? null;
  }

  /** With what a blueprint declares otherwise, and why its port is not served. */
  async find(em: EntityManager, orgId: string, resourceId: number): Promise<(StoredResource & Found) | null> {
    const [row] = await prepared<StoredResource & Found>(
      em,
      'resource_one',
      `SELECT ${COLUMNS}, coalesce((SELECT d.drift FROM resource_drift d WHERE d.resource_id = r.resource_id), '[]') AS drift,
         ${PORT_ERROR} AS "portError"
       FROM resource r WHERE org_id = $1 AND resource_id = $2`,
      [orgId, resourceId],
    );
    return row ? { ...row, drift: driftOf(row.drift) } : null;
  }

  /** Locks the row until the end of the transaction. */
  async lock(tx: EntityManager, orgId: string, resourceId: number): Promise<StoredResource | null> {
    const [row] = await prepared<StoredResource>(
      tx,
      'resource_lock',
      `SELECT ${COLUMNS} FROM resource WHERE org_id = $1 AND resource_id = $2 FOR NO KEY UPDATE`,
      [orgId, resourceId],
    );
    return row ?? null;
  }

  /** @returns the name of another resource that this one's wildcard covers, or whose wildcard covers this one. Equal names are the index's. */
  async findClash(
    tx: EntityManager,
    resourceId: number,
    fullDomain: string,
    wildcard: boolean,
  ): Promise<string | null> {
    const rows = wildcard
      ? await query<{ name: string }>(
          tx,
          `SELECT full_domain AS name FROM resource WHERE full_domain LIKE $1 AND full_domain NOT LIKE $2 AND resource_id <> $3 LIMIT 1`,
          [...coveredNames(fullDomain), resourceId],
        )
      : await prepared<{ name: string }>(
          tx,
          'resource_clash',
          'SELECT full_domain AS name FROM resource WHERE full_domain = $1 AND resource_id <> $2',
          [coveringWildcard(fullDomain), resourceId],
        );
    return rows.find((r) => r.name !== fullDomain)?.name ?? null;
  }

  /**
   * @throws unique violation of `resource_full_domain`, `resource_port` or `resource_org_id_nice_id_key`; not-null violation of `org_id` when a
   * wildcard covers the name, or the wildcard a name.
   */
  async insert(tx: EntityManager, orgId: string, r: ResourceInsert): Promise<StoredResource> {
    const [row] = await prepared<StoredResource>(
      tx,
      `resource_insert_${r.wildcard}`,
      `INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, subdomain, full_domain, wildcard, proxy_port, ssl, sso, sticky_session, post_auth_path, sites_may_add_targets, enable_proxy)
       VALUES (
         CASE WHEN NOT EXISTS (SELECT FROM resource o WHERE ${r.wildcard ? 'o.full_domain LIKE ($15::text[])[1] AND o.full_domain NOT LIKE ($15::text[])[2] AND NOT o.wildcard' : 'o.full_domain = ($15::text[])[1]'}) THEN $1 END,
         $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $16, $17)
       RETURNING ${COLUMNS}`,
      [
        orgId,
        r.niceId,
        r.name,
        r.http,
        r.protocol,
        r.domainId,
        r.subdomain,
        r.fullDomain,
        r.wildcard,
        r.proxyPort,
        r.ssl,
        r.sso,
        r.stickySession,
        r.postAuthPath,
        r.fullDomain === null ? [] : r.wildcard ? coveredNames(r.fullDomain) : [coveringWildcard(r.fullDomain)],
        r.sitesMayAddTargets && JSON.stringify(r.sitesMayAddTargets),
        r.enableProxy,
      ],
    );
    return row!;
  }

  /** Sets the given columns of a row that the transaction holds locked. */
  async update(
    tx: EntityManager,
    orgId: string,
    resourceId: number,
    changes: ResourceChanges,
  ): Promise<StoredResource> {
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    const sets = given.map(([name], i) => `${snake(name)} = $${i + 3}`);
    const values = given.map(([name, value]) =>
      JSON_FIELDS.has(name) && value !== null ? JSON.stringify(value) : value,
    );
    const [row] = await query<StoredResource>(
      tx,
      `UPDATE resource SET ${sets.join(', ')} WHERE org_id = $1 AND resource_id = $2 RETURNING ${COLUMNS}`,
      [orgId, resourceId, ...values],
    );
    return row!;
  }

  /** A site that goes may add nothing any more. */
  async forgetSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await execute(
      tx,
      `UPDATE resource SET sites_may_add_targets = jsonb_build_object('siteIds', (
         SELECT coalesce(jsonb_agg(id), '[]') FROM jsonb_array_elements(sites_may_add_targets -> 'siteIds') AS id WHERE id <> to_jsonb($2::bigint)))
       WHERE org_id = $1 AND sites_may_add_targets @> jsonb_build_object('siteIds', jsonb_build_array($2::bigint))`,
      [orgId, siteId],
    );
  }
}

/** A change answers headers as text, a read as a list. */
export function toRow({ version: _, headers, ...rest }: StoredResource): ResourceRow {
  return { ...rest, headers: headers === null ? null : JSON.stringify(headers) };
}

export function toView({ version: _, ...rest }: StoredResource & Found): Omit<ResourceView, 'url'> {
  return rest;
}
