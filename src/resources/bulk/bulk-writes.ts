import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';

/** Rows by their column names, as PostgreSQL has them; columns that are absent are NULL on insert and unchanged on update. */
export type ColumnValues = Record<string, unknown>;

/** Tables that documents write, and what a document can set of them. The rest has defaults or belongs to the server. */
const TABLES = {
  resource: {
    id: 'resource_id',
    columns: [
      'nice_id',
      'name',
      'http',
      'protocol',
      'domain_id',
      'subdomain',
      'full_domain',
      'wildcard',
      'proxy_port',
      'ssl',
      'sso',
      'apply_rules',
      'enabled',
      'email_whitelist_enabled',
      'tls_server_name',
      'set_host_header',
      'headers',
      'skip_to_idp_id',
      'proxy_protocol',
      'proxy_protocol_version',
      'maintenance_mode_enabled',
      'maintenance_mode_type',
      'maintenance_title',
      'maintenance_message',
      'maintenance_estimated_time',
      'password_hash',
      'pincode_hash',
      'header_auth_user',
      'header_auth_hash',
      'header_auth_extended',
      'staged_by',
      'staged_enabled',
      'sites_may_add_targets',
    ],
  },
  target: {
    id: 'target_id',
    columns: [
      'resource_id',
      'site_id',
      'ip',
      'port',
      'method',
      'internal_port',
      'enabled',
      'path',
      'path_match_type',
      'rewrite_path',
      'rewrite_path_type',
      'priority',
      'hc_enabled',
      'hc_path',
      'hc_scheme',
      'hc_mode',
      'hc_hostname',
      'hc_port',
      'hc_interval',
      'hc_unhealthy_interval',
      'hc_timeout',
      'hc_headers',
      'hc_follow_redirects',
      'hc_method',
      'hc_status',
      'hc_healthy_threshold',
      'hc_unhealthy_threshold',
      'hc_health',
      'source_id',
    ],
  },
  resource_rule: {
    id: 'rule_id',
    columns: ['resource_id', 'action', 'match', 'value', 'priority', 'enabled', 'source_id'],
  },
  site_resource: {
    id: 'site_resource_id',
    columns: [
      'nice_id',
      'name',
      'mode',
      'destination',
      'destination_port',
      'scheme',
      'ssl',
      'enabled',
      'alias',
      'alias_address',
      'tcp_ports',
      'udp_ports',
      'disable_icmp',
      'domain_id',
      'subdomain',
      'full_domain',
      'staged_by',
      'staged_enabled',
    ],
  },
} as const;

export type BulkTable = keyof typeof TABLES;

/** Who or what a resource is given to; `key` is the column of the grant beside the resource's own. */
const RELATIONS = {
  resource_role: { owner: 'resource_id', key: 'role_id', type: 'bigint' },
  resource_user: { owner: 'resource_id', key: 'user_id', type: 'text' },
  resource_whitelist: { owner: 'resource_id', key: 'email', type: 'text' },
  site_resource_site: { owner: 'site_resource_id', key: 'site_id', type: 'bigint' },
  site_resource_role: { owner: 'site_resource_id', key: 'role_id', type: 'bigint' },
  site_resource_user: { owner: 'site_resource_id', key: 'user_id', type: 'text' },
  site_resource_client: { owner: 'site_resource_id', key: 'client_id', type: 'bigint' },
} as const;

export type Relation = keyof typeof RELATIONS;

/**
 * Writes of whole documents: as many rows as there are in one statement each, so that a document of 500 resources costs as many statements
 * as one of five. The rules are the caller's; unique indexes decide.
 */
@Injectable()
export class BulkWrites {
  /** All rows must have the same columns. @returns the new ids in the order of the rows. @throws unique violations of the table's indexes. */
  async insert(tx: EntityManager, table: BulkTable, orgId: string, rows: ColumnValues[]): Promise<number[]> {
    if (rows.length === 0) return [];
    const { id } = TABLES[table];
    const columns = known(table, Object.keys(rows[0]!));
    const inserted = await query<{ id: number }>(
      tx,
      `INSERT INTO ${table} (org_id, ${columns.join(', ')})
       SELECT $1, ${columns.map((c) => `r.${c}`).join(', ')} FROM ROWS FROM (jsonb_populate_recordset(NULL::${table}, $2::jsonb)) WITH ORDINALITY AS r
       ORDER BY ordinality RETURNING ${id} AS id`,
      [orgId, JSON.stringify(rows)],
    );
    return inserted.map((row) => row.id);
  }

  /** Each row holds its id and the columns to set; all rows the same ones. */
  async update(
    tx: EntityManager,
    table: BulkTable,
    orgId: string,
    rows: (ColumnValues & { id: number })[],
  ): Promise<void> {
    if (rows.length === 0) return;
    const { id } = TABLES[table];
    const columns = known(
      table,
      Object.keys(rows[0]!).filter((name) => name !== 'id'),
    );
    await execute(
      tx,
      `UPDATE ${table} t SET ${columns.map((c) => `${c} = r.${c}`).join(', ')}
       FROM jsonb_populate_recordset(NULL::${table}, $2::jsonb) r WHERE t.org_id = $1 AND t.${id} = r.${id}`,
      [orgId, JSON.stringify(rows.map(({ id: value, ...columnValues }) => ({ ...columnValues, [id]: value })))],
    );
  }

  async delete(tx: EntityManager, table: BulkTable, orgId: string, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await execute(tx, `DELETE FROM ${table} WHERE org_id = $1 AND ${TABLES[table].id} = ANY ($2::bigint[])`, [
      orgId,
      ids,
    ]);
  }

  /** Makes the relation of these owners exactly the pairs, each of which is there once: what is not among them goes. */
  async relate(
    tx: EntityManager,
    relation: Relation,
    orgId: string,
    owners: number[],
    pairs: { owner: number; key: number | string }[],
  ): Promise<void> {
    if (owners.length === 0) return;
    const { owner, key, type } = RELATIONS[relation];
    // A membership is named by organization and user.
    const [extra, value] = key === 'user_id' ? ['org_id, ', '$3::text, '] : ['', ''];
    const columns = [pairs.map((p) => p.owner), pairs.map((p) => p.key)];
    await execute(
      tx,
      `DELETE FROM ${relation} m WHERE m.${owner} = ANY ($1::bigint[])
         AND NOT EXISTS (SELECT 1 FROM unnest($2::bigint[], $3::${type}[]) AS p(o, k) WHERE p.o = m.${owner} AND p.k = m.${key})`,
      [owners, ...columns],
    );
    // Sites and the e-mails of a whitelist keep the order in which they are named.
    const ordered = relation === 'site_resource_site' || relation === 'resource_whitelist';
    const [position, place, conflict] = ordered
      ? [', position', ', n', `(${owner}, ${key}) DO UPDATE SET position = excluded.position`]
      : ['', '', 'DO NOTHING'];
    await execute(
      tx,
      `INSERT INTO ${relation} (${extra}${owner}, ${key}${position})
       SELECT ${value}o, k${place} FROM unnest($1::bigint[], $2::${type}[]) WITH ORDINALITY AS p(o, k, n) ORDER BY o, k ON CONFLICT ${conflict}`,
      [...columns, ...(extra ? [orgId] : [])],
    );
  }
}

/** Names come from code, never from a document; this keeps it so. */
function known(table: BulkTable, names: string[]): string[] {
  const columns: readonly string[] = TABLES[table].columns;
  const unknown = names.filter((name) => !columns.includes(name));
  if (unknown.length > 0) throw new Error(`Documents do not write ${unknown.join(', ')} of ${table}`);
  return names;
}
