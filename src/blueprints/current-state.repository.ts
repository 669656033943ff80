import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Blueprint } from '#blueprint';
import { query } from '#platform';
import { lockNames, reservedRoutes } from '../resources/index.js';
import {
  type Applicant,
  type CurrentState,
  claim,
  type DomainRef,
  type Holder,
  type Mine,
  namesIn,
  type StoredPrivate,
  type StoredPublic,
} from './current-state.js';
import type { Names, Owned } from './export.js';

const PARTS = (table: string, id: string) =>
  `coalesce((SELECT jsonb_agg(jsonb_build_object('id', p.${id}, 'sourceId', p.source_id, 'columns', to_jsonb(p)) ORDER BY p.${id}) FROM ${table} p WHERE p.resource_id = r.resource_id), '[]')`;
const DECLARATIONS = (table: string, id: string) =>
  `coalesce((SELECT jsonb_agg(jsonb_build_object('sourceId', d.source_id, 'kind', b.kind, 'siteId', s.site_id, 'siteName', s.name, 'templateId', s.template_id, 'declared', d.declared, 'proposed', b.proposed -> '${id}' -> r.${id}::text))
     FROM ${table} d JOIN blueprint_source b USING (source_id) JOIN site s ON s.site_id = b.site_id WHERE d.${id} = r.${id}), '[]')`;
const SAID = (table: string) =>
  `coalesce((SELECT jsonb_agg(jsonb_build_object('sourceId', p.source_id, 'parts', p.parts, 'now', ${table}_parts_now(p.${table}_id, p.source_id),
     'userIds', coalesce((SELECT jsonb_agg(u.user_id) FROM jsonb_array_elements_text(p.parts -> 'users') AS n(email) JOIN "user" u USING (email)), '[]')) ORDER BY p.source_id)
     FROM ${table}_parts p WHERE p.${table}_id = r.${table}_id), '[]') AS parts`;
const IDS = (table: string, owner: string, column: string, order = '1') =>
  `ARRAY(SELECT m.${column} FROM ${table} m WHERE m.${owner} = r.${owner} ORDER BY ${order})`;

const MINE = (
  table: string,
) => `SELECT r.nice_id AS key, NOT EXISTS (SELECT FROM ${table}_declaration o WHERE o.${table}_id = r.${table}_id AND o.source_id <> $1) AS alone
  FROM ${table} r JOIN ${table}_declaration d USING (${table}_id) WHERE d.source_id = $1`;

/** Reads all that a document touches: a fixed number of statements, whatever its size. */
@Injectable()
export class CurrentStateRepository {
  /**
   * Resources that the document names, and those of which its source owns something and that it may leave, are locked in the order of their
   * ids: two documents about the same ones do not deadlock, and of two that leave a resource the second one sees that nobody else is left.
   */
  async load(tx: EntityManager, { orgId, sourceId }: Applicant, model: Blueprint): Promise<CurrentState> {
    const names = namesIn(model);
    await query(
      tx,
      `SELECT FROM resource WHERE org_id = $1 AND resource_id IN (
         SELECT resource_id FROM resource WHERE org_id = $1 AND nice_id = ANY ($2)
         UNION SELECT resource_id FROM resource_declaration WHERE source_id = $3
         UNION SELECT resource_id FROM target WHERE source_id = $3
         UNION SELECT resource_id FROM resource_rule WHERE source_id = $3)
       ORDER BY resource_id FOR NO KEY UPDATE`,
      [orgId, names.publicKeys, sourceId],
    );
    await query(
      tx,
      `SELECT FROM site_resource WHERE org_id = $1 AND site_resource_id IN (
         SELECT site_resource_id FROM site_resource WHERE org_id = $1 AND nice_id = ANY ($2)
         UNION SELECT site_resource_id FROM site_resource_declaration WHERE source_id = $3)
       ORDER BY site_resource_id FOR NO KEY UPDATE`,
      [orgId, names.privateKeys, sourceId],
    );
    const [
      sites,
      domains,
      held,
      roles,
      users,
      clients,
      publicRows,
      privateRows,
      taken,
      routes,
      publicKeys,
      privateKeys,
      targets,
      rules,
      [parts],
    ] = await Promise.all([
      query<{ siteId: number; niceId: string; name: string; dockerSocketEnabled: boolean; isLocal: boolean }>(
        tx,
        `SELECT site_id AS "siteId", nice_id AS "niceId", name, docker_socket_enabled AS "dockerSocketEnabled", type = 'local' AS "isLocal" FROM site WHERE org_id = $1 AND nice_id = ANY ($2)
         UNION SELECT site_id, nice_id, name, docker_socket_enabled, type = 'local' FROM site WHERE org_id = $1 AND name = ANY ($2)`,
        [orgId, names.siteRefs],
      ),
      query<DomainRef>(
        tx,
        'SELECT domain_id AS "domainId", base_domain AS "baseDomain", type FROM domain WHERE org_id = $1 AND verified AND base_domain = ANY ($2)',
        [orgId, names.baseDomains],
      ),
      query<{ name: string }>(tx, 'SELECT name FROM unnest($2::text[]) AS n(name) WHERE name_held($1, name)', [
        orgId,
        [...new Set([...names.fullDomains, ...names.privateDomains])],
      ]),
      query<{ name: string; id: number }>(
        tx,
        'SELECT name, role_id AS id FROM role WHERE org_id = $1 AND NOT is_admin AND name = ANY ($2)',
        [orgId, names.roles],
      ),
      query<{ email: string; username: string; id: string }>(
        tx,
        `SELECT u.email, u.username, u.user_id AS id FROM membership m JOIN "user" u USING (user_id) WHERE m.org_id = $1 AND (u.email = ANY ($2) OR u.username = ANY ($3))`,
        [orgId, names.users.map((u) => u.toLowerCase()), names.users],
      ),
      query<{ niceId: string; id: number }>(
        tx,
        'SELECT nice_id AS "niceId", client_id AS id FROM client WHERE org_id = $1 AND nice_id = ANY ($2)',
        [orgId, names.clients],
      ),
      this.publicRows(tx, orgId, names.publicKeys),
      this.privateRows(tx, orgId, names.privateKeys),
      this.taken(tx, orgId, names),
      reservedRoutes(tx, orgId, names.routes),
      query<Mine>(tx, MINE('resource'), [sourceId]),
      query<Mine>(tx, MINE('site_resource'), [sourceId]),
      query<{ id: number; siteId: number; key: string }>(
        tx,
        'SELECT t.target_id AS id, t.site_id AS "siteId", r.nice_id AS key FROM target t JOIN resource r USING (resource_id) WHERE t.source_id = $1 AND r.nice_id <> ALL ($2)',
        [sourceId, names.publicKeys],
      ),
      query<{ id: number; key: string }>(
        tx,
        'SELECT u.rule_id AS id, r.nice_id AS key FROM resource_rule u JOIN resource r USING (resource_id) WHERE u.source_id = $1 AND r.nice_id <> ALL ($2)',
        [sourceId, names.publicKeys],
      ),
      query<{ some: boolean }>(
        tx,
        'SELECT EXISTS (SELECT FROM resource_parts p JOIN resource r USING (resource_id) WHERE p.source_id = $1 AND r.nice_id <> ALL ($2)) AS some',
        [sourceId, names.publicKeys],
      ),
    ]);
    const byRef: CurrentState['sites'] = new Map();
    for (const site of sites)
      for (const ref of new Set([site.niceId, site.name])) byRef.set(ref, [...(byRef.get(ref) ?? []), site]);
    return {
      sites: byRef,
      domains,
      heldByOthers: new Set(held.map((h) => h.name)),
      roles: new Map([
        ...roles.map((r) => [r.name, r.id] as const),
        ...[...publicRows.values()].flatMap((row) => Object.entries(row.roleNames)),
      ]),
      users: new Map(
        users.flatMap(
          (u) =>
            [
              [u.email, u.id],
              [u.username, u.id],
            ] as const,
        ),
      ),
      clients: new Map(clients.map((c) => [c.niceId, c.id])),
      publicResources: publicRows,
      privateResources: privateRows,
      reservedRoutes: new Set(routes),
      taken,
      mine: { publicKeys, privateKeys, strayTargets: targets, strayRules: rules, strayParts: parts!.some },
    };
  }

  /** Of what a source owns something, with the names of what it points to. */
  async owned(em: EntityManager, orgId: string, sourceId: number): Promise<{ owned: Owned; names: Names }> {
    const keys = (text: string) =>
      query<{ key: string }>(em, text, [sourceId]).then((rows) => rows.map((row) => row.key));
    const [publicKeys, privateKeys] = await Promise.all([
      keys(`SELECT r.nice_id AS key FROM resource r WHERE r.resource_id IN (
        SELECT resource_id FROM resource_declaration WHERE source_id = $1 UNION SELECT resource_id FROM target WHERE source_id = $1)`),
      keys(
        'SELECT r.nice_id AS key FROM site_resource r JOIN site_resource_declaration d USING (site_resource_id) WHERE d.source_id = $1',
      ),
    ]);
    const [publicResources, privateResources] = await Promise.all([
      this.publicRows(em, orgId, publicKeys),
      this.privateRows(em, orgId, privateKeys),
    ]);
    const rows = [...publicResources.values(), ...privateResources.values()];
    const named = <Id>(text: string, ids: Id[]) =>
      query<{ id: Id; name: string }>(em, text, [orgId, ids]).then(
        (list) => new Map(list.map(({ id, name }) => [id, name])),
      );
    const [roles, users, clients, sites] = await Promise.all([
      named(
        'SELECT role_id AS id, name FROM role WHERE org_id = $1 AND role_id = ANY ($2::bigint[])',
        rows.flatMap((row) => row.roleIds),
      ),
      named(
        'SELECT user_id AS id, u.email AS name FROM membership m JOIN "user" u USING (user_id) WHERE m.org_id = $1 AND m.user_id = ANY ($2::text[])',
        rows.flatMap((row) => row.userIds),
      ),
      named(
        'SELECT client_id AS id, nice_id AS name FROM client WHERE org_id = $1 AND client_id = ANY ($2::bigint[])',
        [...privateResources.values()].flatMap((row) => row.clientIds),
      ),
      named('SELECT site_id AS id, nice_id AS name FROM site WHERE org_id = $1 AND site_id = ANY ($2::bigint[])', [
        ...[...publicResources.values()].flatMap((row) =>
          row.targets.map(({ columns }) => columns['site_id'] as number),
        ),
        ...[...privateResources.values()].flatMap((row) => row.siteIds),
      ]),
    ]);
    return { owned: { publicResources, privateResources }, names: { roles, users, clients, sites } };
  }

  /** By niceId, in the order in which they were made. */
  private async publicRows(em: EntityManager, orgId: string, keys: string[]): Promise<CurrentState['publicResources']> {
    const rows = await query<StoredPublic & { key: string }>(
      em,
      `SELECT r.nice_id AS key, r.resource_id AS id, to_jsonb(r) AS columns, ${DECLARATIONS('resource_declaration', 'resource_id')} AS declarations, ${SAID('resource')},
         ${PARTS('target', 'target_id')} AS targets, ${PARTS('resource_rule', 'rule_id')} AS rules, ${IDS('resource_role', 'resource_id', 'role_id')} AS "roleIds",
         ${IDS('staged_grant', 'resource_id', 'role_name')} AS "stagedRoles",
         ${IDS('resource_user', 'resource_id', 'user_id')} AS "userIds", ${IDS('resource_whitelist', 'resource_id', 'email', 'm.position, m.email')} AS emails,
         coalesce((SELECT jsonb_object_agg(o.name, o.role_id) FROM resource_role m JOIN role o USING (role_id) WHERE m.resource_id = r.resource_id), '{}') AS "roleNames"
       FROM resource r WHERE r.org_id = $1 AND r.nice_id = ANY ($2) ORDER BY r.resource_id`,
      [orgId, keys],
    );
    return new Map(rows.map((row) => [row.key, { ...row, roleIds: row.roleIds.map(Number) }]));
  }

  private async privateRows(
    em: EntityManager,
    orgId: string,
    keys: string[],
  ): Promise<CurrentState['privateResources']> {
    const rows = await query<StoredPrivate & { key: string }>(
      em,
      `SELECT r.nice_id AS key, r.site_resource_id AS id, to_jsonb(r) AS columns, ${DECLARATIONS('site_resource_declaration', 'site_resource_id')} AS declarations, ${SAID('site_resource')},
         ${IDS('site_resource_site', 'site_resource_id', 'site_id', 'm.position, m.site_id')} AS "siteIds", ${IDS('site_resource_role', 'site_resource_id', 'role_id')} AS "roleIds",
         ${IDS('staged_grant', 'site_resource_id', 'role_name')} AS "stagedRoles",
         ${IDS('site_resource_user', 'site_resource_id', 'user_id')} AS "userIds", ${IDS('site_resource_client', 'site_resource_id', 'client_id')} AS "clientIds"
       FROM site_resource r WHERE r.org_id = $1 AND r.nice_id = ANY ($2) ORDER BY r.site_resource_id`,
      [orgId, keys],
    );
    return new Map(
      rows.map((row) => [
        row.key,
        {
          ...row,
          siteIds: row.siteIds.map(Number),
          roleIds: row.roleIds.map(Number),
          clientIds: row.clientIds.map(Number),
        },
      ]),
    );
  }

  /** Targets of every declared resource that is about to go: their sites change. */
  async pruned(
    tx: EntityManager,
    orgId: string,
    publicKeys: string[],
    privateKeys: string[],
  ): Promise<{ publics: (StoredPublic & { key: string })[]; privates: (StoredPrivate & { key: string })[] }> {
    const publics = await query<StoredPublic & { key: string }>(
      tx,
      `SELECT r.nice_id AS key, r.resource_id AS id, '{}'::jsonb AS columns, ${DECLARATIONS('resource_declaration', 'resource_id')} AS declarations, ${PARTS('target', 'target_id')} AS targets,
         ${PARTS('resource_rule', 'rule_id')} AS rules, '[]'::jsonb AS parts, '{}'::bigint[] AS "roleIds", '{}'::text[] AS "stagedRoles", '{}'::text[] AS "userIds", '{}'::text[] AS emails, '{}'::jsonb AS "roleNames" FROM resource r WHERE r.org_id = $1 AND r.nice_id = ANY ($2)`,
      [orgId, publicKeys],
    );
    const privates = await query<StoredPrivate & { key: string }>(
      tx,
      `SELECT r.nice_id AS key, r.site_resource_id AS id, '{}'::jsonb AS columns, ${DECLARATIONS('site_resource_declaration', 'site_resource_id')} AS declarations,
         ${IDS('site_resource_site', 'site_resource_id', 'site_id', 'm.position, m.site_id')} AS "siteIds", '[]'::jsonb AS parts, '{}'::bigint[] AS "roleIds", '{}'::text[] AS "stagedRoles", '{}'::text[] AS "userIds", '{}'::bigint[] AS "clientIds"
       FROM site_resource r WHERE r.org_id = $1 AND r.nice_id = ANY ($2)`,
      [orgId, privateKeys],
    );
    return { publics, privates: privates.map((row) => ({ ...row, siteIds: row.siteIds.map(Number) })) };
  }

  /**
   * Names of the document that others have: the very name, a wildcard above it, or names below a wildcard. Whoever could give away one of them
   * meanwhile waits for this transaction.
   */
  private async taken(
    tx: EntityManager,
    orgId: string,
    { fullDomains, ports, aliases, privateDomains }: ReturnType<typeof namesIn>,
  ): Promise<CurrentState['taken']> {
    await lockNames(tx, fullDomains);
    const parents = fullDomains.map((name) => `*.${name.slice(name.indexOf('.') + 1)}`);
    const names = query<Holder & { what: 'domain'; value: string }>(
      tx,
      `SELECT 'domain' AS what, 'public-resource' AS type, n.name AS value, r.org_id AS "orgId", r.nice_id AS "niceId", r.resource_id AS id, r.staged_by AS "stagedBy" FROM unnest($1::text[], $2::text[]) AS n(name, parent)
       JOIN resource r ON r.full_domain = n.name OR r.full_domain = n.parent
       UNION ALL
       SELECT 'domain', 'public-resource', n.name, r.org_id, r.nice_id, r.resource_id, r.staged_by FROM unnest($1::text[]) AS n(name)
       JOIN resource r ON n.name LIKE '*.%' AND r.full_domain LIKE '_%' || substr(n.name, 2) AND r.full_domain NOT LIKE '%.%' || substr(n.name, 2)`,
      [fullDomains, parents],
    );
    const others = query<Holder & { what: 'port' | 'alias' | 'private-domain'; value: string }>(
      tx,
      `SELECT 'port' AS what, 'public-resource' AS type, r.protocol || ' ' || r.proxy_port AS value, r.org_id AS "orgId", r.nice_id AS "niceId", r.resource_id AS id,
         r.staged_by AS "stagedBy"
       FROM unnest($2::text[], $3::int[]) AS p(protocol, port) JOIN resource r ON r.org_id = $1 AND r.protocol = p.protocol AND r.proxy_port = p.port
       UNION ALL SELECT 'alias', 'private-resource', lower(alias), org_id, nice_id, site_resource_id, staged_by FROM site_resource WHERE org_id = $1 AND alias IS NOT NULL AND lower(alias) = ANY ($4)
       UNION ALL SELECT 'private-domain', 'private-resource', full_domain, org_id, nice_id, site_resource_id, staged_by FROM site_resource WHERE org_id = $1 AND full_domain = ANY ($5)`,
      [orgId, ports.map((p) => p.protocol), ports.map((p) => p.port), aliases, privateDomains],
    );
    const taken: CurrentState['taken'] = new Map();
    for (const { what, value, ...holder } of (await Promise.all([names, others])).flat())
      taken.set(claim(what, value), [...(taken.get(claim(what, value)) ?? []), holder]);
    return taken;
  }
}
