import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, query } from '#platform';

/** Rows by their column names, as PostgreSQL has them; columns that are absent are NULL on insert and unchanged on update. */
export type ColumnValues = Record<string, unknown>;

/** What can be set of these tables. The rest has the table's default or belongs to the database. */
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
      'response_timeout_seconds',
      'stale_seconds',
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
      'insecure_tls',
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
      'hc_tls_server_name',
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

/** A table of rows with an id of their own. */
export type RowTable = keyof typeof TABLES;

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

/** A row and the columns of it to set. */
export interface RowChange {
  id: number;
  columns: ColumnValues;
}

/** What a resource is related to: roles, users, e-mails, sites, clients. */
export interface Links {
  id: number;
  keys: (number | string)[];
}

/** What a document does not say of some rows and says of others: these columns have no NULL. */
const DEFAULTS: ColumnValues = { maintenance_mode_enabled: false, maintenance_mode_type: 'forced' };

/**
 * Writes many rows with one statement, so that a document of 500 resources costs as many statements as one of five. What a write must keep is
 * the business of ResourceWriter; unique indexes decide between writers.
 */
@Injectable()
export class ResourceRows {
  /** Columns that a row leaves out are NULL or have a default. @returns the ids in the order of the rows. @throws unique violations */
  async insert(tx: EntityManager, table: RowTable, orgId: string, rows: ColumnValues[]): Promise<number[]> {
    if (rows.length === 0) return [];
    const { id } = TABLES[table];
    const columns = known(table, [...new Set(rows.flatMap((row) => Object.keys(row)))]);
    const values = rows.map((row) => Object.fromEntries(columns.map((c) => [c, row[c] ?? DEFAULTS[c] ?? null])));
    const inserted = await query<{ id: number }>(
      tx,
      `INSERT INTO ${table} (org_id, ${columns.join(', ')})
       SELECT $1, ${columns.map((c) => `r.${c}`).join(', ')} FROM ROWS FROM (jsonb_populate_recordset(NULL::${table}, $2::jsonb)) WITH ORDINALITY AS r
       ORDER BY ordinality RETURNING ${id} AS id`,
      [orgId, JSON.stringify(values)],
    );
    return inserted.map((row) => row.id);
  }

  /** One statement for all rows that set the same columns. @param also an assignment from the old row `t` and the new values `r` */
  async update(tx: EntityManager, table: RowTable, orgId: string, rows: RowChange[], also?: string): Promise<void> {
    const { id } = TABLES[table];
    for (const same of grouped(rows, ({ columns }) => Object.keys(columns).sort().join()).values()) {
      const sets = known(table, Object.keys(same[0]!.columns)).map((c) => `${c} = r.${c}`);
      await execute(
        tx,
        `UPDATE ${table} t SET ${[...sets, ...(also ? [also] : [])].join(', ')}
         FROM jsonb_populate_recordset(NULL::${table}, $2::jsonb) r WHERE t.org_id = $1 AND t.${id} = r.${id}`,
        [orgId, JSON.stringify(same.map((row) => ({ ...row.columns, [id]: row.id })))],
      );
    }
  }

  async delete(tx: EntityManager, table: RowTable, orgId: string, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await execute(tx, `DELETE FROM ${table} WHERE org_id = $1 AND ${TABLES[table].id} = ANY ($2::bigint[])`, [
      orgId,
      ids,
    ]);
  }

  /** Makes the relation of these resources exactly the given keys, each of which is there once: what is not among them goes. */
  async relate(tx: EntityManager, relation: Relation, orgId: string, links: Links[]): Promise<void> {
    if (links.length === 0) return;
    const { owner, key, type } = RELATIONS[relation];
    // A membership is named by organization and user.
    const [extra, value] = key === 'user_id' ? ['org_id, ', '$3::text, '] : ['', ''];
    const columns = [links.flatMap(({ id, keys }) => keys.map(() => id)), links.flatMap(({ keys }) => keys)];
    await execute(
      tx,
      `DELETE FROM ${relation} m WHERE m.${owner} = ANY ($1::bigint[])
         AND NOT EXISTS (SELECT 1 FROM unnest($2::bigint[], $3::${type}[]) AS p(o, k) WHERE p.o = m.${owner} AND p.k = m.${key})`,
      [links.map(({ id }) => id), ...columns],
    );
    // Sites and the e-mails of a whitelist keep the order in which they are named.
    const ordered = relation === 'site_resource_site' || relation === 'resource_whitelist';
    const [position, place, conflict] = ordered
      ? [
          ', position',
          ', n',
          `(${owner}, ${key}) DO UPDATE SET position = excluded.position WHERE m.position <> excluded.position`,
        ]
      : ['', '', 'DO NOTHING'];
    await execute(
      tx,
      `INSERT INTO ${relation} AS m (${extra}${owner}, ${key}${position})
       SELECT ${value}o, k${place} FROM unnest($1::bigint[], $2::${type}[]) WITH ORDINALITY AS p(o, k, n) ORDER BY o, k ON CONFLICT ${conflict}`,
      [...columns, ...(extra ? [orgId] : [])],
    );
  }
}

/** Items by what they have in common, in their order. */
export function grouped<Item, Key>(items: Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Names of columns come from code, never from a document; this keeps it so. */
function known(table: RowTable, names: string[]): string[] {
  const columns: readonly string[] = TABLES[table].columns;
  const unknown = names.filter((name) => !columns.includes(name));
  if (unknown.length > 0) throw new Error(`Nobody sets ${unknown.join(', ')} of ${table}`);
  return names;
}
