import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError, execute, query } from '#platform';
import { RolesService } from '../access/index.js';
import { BulkWrites, type ColumnValues, type Evicted, type Relation, StagedRows } from '../resources/index.js';
import { SiteLifecycleService } from '../sites/index.js';
import { type Applicant, owns, prunes } from './current-state.js';
import { CurrentStateRepository } from './current-state.repository.js';
import type { Plan, PrivateStep, PublicStep } from './plan.types.js';

const DECLARATIONS = {
  public: ['resource_declaration', 'resource_id'],
  private: ['site_resource_declaration', 'site_resource_id'],
} as const;

/** Carries a plan out, in the caller's transaction: a fixed number of statements, whatever the size of the document. */
@Injectable()
export class PlanExecutor {
  constructor(
    private readonly bulk: BulkWrites,
    private readonly staged: StagedRows,
    private readonly states: CurrentStateRepository,
    private readonly roles: RolesService,
    private readonly sites: SiteLifecycleService,
  ) {}

  /** The plan must have no problems. @returns what waited for an approval and gave way. @throws unique violations when somebody took a name or a port at the same moment */
  async run(tx: EntityManager, applicant: Applicant, plan: Plan): Promise<Evicted[]> {
    const { orgId, sourceId } = applicant;
    for (const { siteId, fields } of plan.siteSteps) await this.sites.update(tx, orgId, siteId, fields);
    const touched = new Set<number>();
    const evicted = [
      ...(await this.staged.remove(tx, orgId, 'resource', plan.giveWay.publicIds)),
      ...(await this.staged.remove(tx, orgId, 'site_resource', plan.giveWay.privateIds)),
    ];
    // First, so that what a resource had is free for another one of the same document.
    await this.drop(tx, applicant, plan, touched);
    await this.free(tx, orgId, plan.transferredNames);
    const publicIds = await this.rows(tx, orgId, 'resource', plan.publicSteps);
    const privateIds = await this.rows(tx, orgId, 'site_resource', plan.privateSteps);
    await this.parts(tx, applicant, plan.publicSteps, publicIds, touched);
    await this.relations(tx, applicant, plan, publicIds, privateIds);
    await this.aliasAddresses(
      tx,
      orgId,
      plan.privateSteps.flatMap((step, i) => (step.columns?.['mode'] !== undefined ? [privateIds[i]!] : [])),
    );
    await this.newVersions(
      tx,
      orgId,
      plan.privateSteps.flatMap((step) => (step.id !== null && step.sitesChanged && !step.columns ? [step.id] : [])),
    );
    if (sourceId !== null && owns(applicant.kind)) {
      await this.declare(
        tx,
        'public',
        sourceId,
        plan.publicSteps.flatMap((step, i) => (step.declared ? [{ id: publicIds[i]!, declared: step.declared }] : [])),
      );
      await this.declare(
        tx,
        'private',
        sourceId,
        plan.privateSteps.flatMap((step, i) =>
          step.declared ? [{ id: privateIds[i]!, declared: step.declared }] : [],
        ),
      );
      await this.remember(tx, applicant, 'resource', plan.publicSteps, publicIds);
      await this.remember(tx, applicant, 'site_resource', plan.privateSteps, privateIds);
    }
    for (const step of plan.privateSteps) for (const siteId of step.touchedSites) touched.add(siteId);
    await this.sites.bumpDesired(
      tx,
      orgId,
      [...touched].sort((a, b) => a - b),
    );
    return evicted;
  }

  private async free(tx: EntityManager, orgId: string, transferredNames: Plan['transferredNames']): Promise<void> {
    for (const [table, column] of [
      ['resource', 'full_domain'],
      ['site_resource', 'full_domain'],
      ['site_resource', 'alias'],
    ] as const) {
      const ids = transferredNames.flatMap((one) => (one.table === table && one.column === column ? [one.id] : []));
      if (ids.length > 0)
        await execute(
          tx,
          `UPDATE ${table} SET ${column} = NULL WHERE org_id = $1 AND ${table}_id = ANY ($2::bigint[])`,
          [orgId, ids],
        );
    }
  }

  /** Inserts and updates; @returns the ids in the order of the steps. Updates go by the columns they set. */
  private async rows(
    tx: EntityManager,
    orgId: string,
    table: 'resource' | 'site_resource',
    steps: (PublicStep | PrivateStep)[],
  ): Promise<number[]> {
    const ids = steps.map((step) => step.id);
    const inserts = steps.flatMap((step, i) => (step.id === null ? [i] : []));
    // One row shape for all of them: what a document leaves to the server has the table's default.
    const columns = [...new Set(inserts.flatMap((i) => Object.keys(steps[i]!.columns!)))];
    const defaults: ColumnValues = { maintenance_mode_enabled: false, maintenance_mode_type: 'forced' };
    const made = await this.bulk.insert(
      tx,
      table,
      orgId,
      inserts.map((i) => Object.fromEntries(columns.map((c) => [c, steps[i]!.columns![c] ?? defaults[c] ?? null]))),
    );
    inserts.forEach((i, n) => (ids[i] = made[n]!));
    await this.updates(
      tx,
      table,
      orgId,
      steps.flatMap((step) => (step.id !== null && step.columns ? [{ id: step.id, columns: step.columns }] : [])),
    );
    return ids as number[];
  }

  private async updates(
    tx: EntityManager,
    table: 'resource' | 'site_resource' | 'target' | 'resource_rule',
    orgId: string,
    rows: { id: number; columns: ColumnValues }[],
  ): Promise<void> {
    const byShape = new Map<string, (ColumnValues & { id: number })[]>();
    for (const { id, columns } of rows) {
      const shape = Object.keys(columns).sort().join();
      byShape.set(shape, [...(byShape.get(shape) ?? []), { ...columns, id }]);
    }
    for (const same of byShape.values()) await this.bulk.update(tx, table, orgId, same);
  }

  private async parts(
    tx: EntityManager,
    applicant: Applicant,
    steps: PublicStep[],
    ids: number[],
    touched: Set<number>,
  ): Promise<void> {
    const { orgId, kind, sourceId } = applicant;
    const owner = owns(kind) ? sourceId : null;
    const goneTargets = steps.flatMap((step) => step.goneTargets);
    await this.bulk.delete(
      tx,
      'target',
      orgId,
      goneTargets.map((part) => part.id),
    );
    await this.bulk.delete(
      tx,
      'resource_rule',
      orgId,
      steps.flatMap((step) => step.goneRules),
    );
    await this.updates(
      tx,
      'target',
      orgId,
      steps.flatMap((step) => step.changedTargets),
    );
    await this.updates(
      tx,
      'resource_rule',
      orgId,
      steps.flatMap((step) => step.changedRules),
    );
    const newTargets = steps.flatMap((step, i) =>
      step.newTargets.map((columns): ColumnValues => ({ ...columns, resource_id: ids[i]!, source_id: owner })),
    );
    const ports = await this.freePorts(
      tx,
      newTargets.map((t) => t['site_id'] as number),
    );
    await this.bulk.insert(
      tx,
      'target',
      orgId,
      newTargets.map((columns) => ({
        ...columns,
        internal_port: ports.get(columns['site_id'] as number)?.pop() ?? null,
      })),
    );
    await this.bulk.insert(
      tx,
      'resource_rule',
      orgId,
      steps.flatMap((step, i) =>
        step.newRules.map((columns) => ({ ...columns, resource_id: ids[i]!, source_id: owner })),
      ),
    );
    for (const part of goneTargets) touched.add(part.columns['site_id'] as number);
    for (const columns of newTargets) touched.add(columns['site_id'] as number);
    for (const { columns } of steps.flatMap((step) => step.changedTargets)) touched.add(columns['site_id'] as number);
    const health = steps.flatMap((step, i) =>
      step.newTargets.length + step.changedTargets.length + step.goneTargets.length > 0 ? [ids[i]!] : [],
    );
    await execute(
      tx,
      `UPDATE resource r SET health = s.health FROM (
         SELECT i.id, CASE WHEN count(t.*) = 0 OR bool_and(t.hc_health = 'unknown') THEN 'unknown' WHEN bool_and(t.hc_health = 'healthy') THEN 'healthy'
           WHEN bool_or(t.hc_health = 'healthy') THEN 'degraded' ELSE 'unhealthy' END AS health
         FROM unnest($1::bigint[]) AS i(id) LEFT JOIN target t ON t.resource_id = i.id AND t.enabled AND t.hc_enabled GROUP BY i.id) s
       WHERE r.resource_id = s.id AND r.health <> s.health`,
      [health],
    );
  }

  private async relations(
    tx: EntityManager,
    applicant: Applicant,
    plan: Plan,
    publicIds: number[],
    privateIds: number[],
  ): Promise<void> {
    const { orgId, site } = applicant;
    const names = [...new Set([...plan.publicSteps, ...plan.privateSteps].flatMap((step) => step.grants?.roles ?? []))];
    // What waits for approval makes no roles: they are made, and granted, when the site is approved.
    const roles = site?.pending ? await this.roles.named(tx, orgId, names) : await this.roles.ensure(tx, orgId, names);
    const set = async <Step extends { grants: object | null }>(
      relation: Relation,
      steps: Step[],
      ids: number[],
      keys: (step: Step) => (number | string)[],
      when: (step: Step) => boolean = (s) => s.grants !== null,
    ) => {
      const chosen = steps.flatMap((step, i) => (when(step) ? [{ step, owner: ids[i]! }] : []));
      await this.bulk.relate(
        tx,
        relation,
        orgId,
        chosen.map((c) => c.owner),
        chosen.flatMap(({ step, owner }) => keys(step).map((key) => ({ owner, key }))),
      );
    };
    const roleIds = (step: { grants: { roles: string[] } | null }) => [
      ...new Set(step.grants!.roles.flatMap((name) => roles.get(name) ?? [])),
    ];
    await set('resource_role', plan.publicSteps, publicIds, roleIds);
    await set('resource_user', plan.publicSteps, publicIds, (step) => step.grants!.userIds);
    await set('resource_whitelist', plan.publicSteps, publicIds, (step) => step.grants!.emails);
    await set(
      'site_resource_site',
      plan.privateSteps,
      privateIds,
      (step) => step.siteIds,
      (step) => step.sitesChanged || step.id === null,
    );
    await set('site_resource_role', plan.privateSteps, privateIds, roleIds);
    await set('site_resource_user', plan.privateSteps, privateIds, (step) => step.grants!.userIds);
    await set('site_resource_client', plan.privateSteps, privateIds, (step) => step.grants!.clientIds);
    if (!site?.pending) return;
    const missing = (steps: { grants: { roles: string[] } | null }[], ids: number[]) =>
      steps.flatMap((step, i) =>
        (step.grants?.roles ?? []).filter((name) => !roles.has(name)).map((name) => ({ id: ids[i]!, name })),
      );
    const [publics, privates] = [missing(plan.publicSteps, publicIds), missing(plan.privateSteps, privateIds)];
    const described = (steps: { grants: object | null }[], ids: number[]) =>
      steps.flatMap((step, i) => (step.grants ? [ids[i]!] : []));
    await execute(
      tx,
      'DELETE FROM staged_grant WHERE resource_id = ANY ($1::bigint[]) OR site_resource_id = ANY ($2::bigint[])',
      [described(plan.publicSteps, publicIds), described(plan.privateSteps, privateIds)],
    );
    await execute(
      tx,
      `INSERT INTO staged_grant (site_id, resource_id, site_resource_id, role_name)
       SELECT $1::bigint, r, NULL::bigint, n FROM unnest($2::bigint[], $3::text[]) AS p(r, n) UNION ALL SELECT $1::bigint, NULL::bigint, s, n FROM unnest($4::bigint[], $5::text[]) AS q(s, n)`,
      [
        site.siteId,
        publics.map((p) => p.id),
        publics.map((p) => p.name),
        privates.map((p) => p.id),
        privates.map((p) => p.name),
      ],
    );
  }

  private async declare(
    tx: EntityManager,
    of: 'public' | 'private',
    sourceId: number,
    rows: { id: number; declared: ColumnValues }[],
  ): Promise<void> {
    const [table, id] = DECLARATIONS[of];
    await execute(
      tx,
      `INSERT INTO ${table} (source_id, ${id}, declared) SELECT $1, (r ->> 'id')::bigint, r -> 'declared' FROM jsonb_array_elements($2::jsonb) AS r
       ON CONFLICT (${id}, source_id) DO UPDATE SET declared = excluded.declared`,
      [sourceId, JSON.stringify(rows)],
    );
  }

  /** What the source's document says of targets, rules, sites and grants: as it is now that it was applied. Drift is what differs later. */
  private async remember(
    tx: EntityManager,
    { kind, sourceId }: Applicant,
    table: 'resource' | 'site_resource',
    steps: { saysGrants: boolean }[],
    ids: number[],
  ): Promise<void> {
    if (prunes(kind))
      await execute(tx, `DELETE FROM ${table}_parts WHERE source_id = $1 AND ${table}_id <> ALL ($2::bigint[])`, [
        sourceId,
        ids,
      ]);
    await execute(
      tx,
      `INSERT INTO ${table}_parts (source_id, ${table}_id, parts)
       SELECT $1, i.id, ${table}_parts_now(i.id, $1) - CASE WHEN i.grants THEN '{}'::text[] ELSE '{roles,users,emails,clients}' END FROM unnest($2::bigint[], $3::boolean[]) AS i(id, grants)
       ON CONFLICT (${table}_id, source_id) DO UPDATE SET parts = excluded.parts WHERE ${table}_parts.parts <> excluded.parts`,
      [sourceId, ids, steps.map((step) => step.saysGrants)],
    );
  }

  /** What the document no longer has: goes with its last declaration; what others declare too loses this site's part only. */
  private async drop(
    tx: EntityManager,
    { orgId, site, sourceId }: Applicant,
    plan: Plan,
    touched: Set<number>,
  ): Promise<void> {
    if (sourceId === null) return;
    const { publics, privates } = await this.states.pruned(
      tx,
      orgId,
      plan.dropped.publicKeys,
      plan.dropped.privateKeys,
    );
    const alone = (row: { declarations: { sourceId: number }[] }) =>
      row.declarations.every((d) => d.sourceId === sourceId);
    for (const row of publics)
      for (const part of row.targets)
        if (alone(row) || part.sourceId === sourceId) touched.add(part.columns['site_id'] as number);
    for (const row of privates) for (const siteId of row.siteIds) touched.add(siteId);
    for (const { siteId } of plan.strayTargets) touched.add(siteId);
    const shared = publics.filter((row) => !alone(row));
    await this.bulk.delete(tx, 'target', orgId, [
      ...plan.strayTargets.map((t) => t.id),
      ...shared.flatMap((row) => row.targets.filter((t) => t.sourceId === sourceId).map((t) => t.id)),
    ]);
    await this.bulk.delete(tx, 'resource_rule', orgId, plan.strayRules);
    await execute(tx, 'DELETE FROM resource_rule WHERE source_id = $1 AND resource_id = ANY ($2::bigint[])', [
      sourceId,
      shared.map((row) => row.id),
    ]);
    await execute(tx, 'DELETE FROM resource_declaration WHERE source_id = $1 AND resource_id = ANY ($2::bigint[])', [
      sourceId,
      publics.map((row) => row.id),
    ]);
    await execute(
      tx,
      'DELETE FROM site_resource_declaration WHERE source_id = $1 AND site_resource_id = ANY ($2::bigint[])',
      [sourceId, privates.map((row) => row.id)],
    );
    await execute(tx, 'DELETE FROM site_resource_site WHERE site_id = $1 AND site_resource_id = ANY ($2::bigint[])', [
      site!.siteId,
      privates.filter((row) => !alone(row)).map((row) => row.id),
    ]);
    await this.bulk.delete(
      tx,
      'resource',
      orgId,
      publics.filter(alone).map((row) => row.id),
    );
    await this.bulk.delete(
      tx,
      'site_resource',
      orgId,
      privates.filter(alone).map((row) => row.id),
    );
  }

  /** Internal ports for new targets, random and free at their sites. @throws conflict when a site has none left */
  private async freePorts(tx: EntityManager, siteIds: number[]): Promise<Map<number, number[]>> {
    const wanted = new Map<number, number>();
    for (const siteId of siteIds) wanted.set(siteId, (wanted.get(siteId) ?? 0) + 1);
    if (wanted.size === 0) return new Map();
    const rows = await query<{ siteId: number; local: boolean; ports: (number | string)[] }>(
      tx,
      `SELECT s.site_id AS "siteId", s.type = 'local' AS local, ARRAY(
         SELECT p FROM generate_series(40000, 65534) AS p WHERE NOT EXISTS (SELECT FROM target t WHERE t.site_id = s.site_id AND t.internal_port = p) ORDER BY random() LIMIT w.n) AS ports
       FROM unnest($1::bigint[], $2::int[]) AS w(site_id, n) JOIN site s ON s.site_id = w.site_id`,
      [[...wanted.keys()], [...wanted.values()]],
    );
    for (const row of rows)
      if (!row.local && row.ports.length < wanted.get(row.siteId)!)
        throw new AppError('conflict', 'A site has no internal port left');
    return new Map(rows.filter((row) => !row.local).map((row) => [row.siteId, row.ports.map(Number)]));
  }

  /**
   * Addresses in the utility subnet for those that have none and want one, none for ranges, all in one statement: the function sees what the
   * statement has given away so far. @throws capacity
   */
  private async aliasAddresses(tx: EntityManager, orgId: string, ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    const rows = await query<{ lacking: boolean }>(
      tx,
      `UPDATE site_resource SET alias_address = CASE WHEN mode <> 'cidr' THEN next_alias_address($1) END
       WHERE site_resource_id = ANY ($2::bigint[]) AND (mode = 'cidr') <> (alias_address IS NULL) RETURNING mode <> 'cidr' AND alias_address IS NULL AS lacking`,
      [orgId, ids],
    );
    if (rows.some((row) => row.lacking))
      throw new AppError('capacity', 'The utility subnet of the organization has no free address left', {
        retryAfter: 60,
      });
  }

  /** Other sites are a new version of a resource whose own row stays. */
  private async newVersions(tx: EntityManager, orgId: string, ids: number[]): Promise<void> {
    await execute(
      tx,
      'UPDATE site_resource SET version = version + 1 WHERE org_id = $1 AND site_resource_id = ANY ($2::bigint[])',
      [orgId, ids],
    );
  }
}
