import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RolesService } from '../access/index.js';
import { type Evicted, type ResourceType, ResourceWriter, StagedRows } from '../resources/index.js';
import { SiteLifecycleService } from '../sites/index.js';
import { type Applicant, owns, prunes } from './current-state.js';
import { CurrentStateRepository } from './current-state.repository.js';
import { DeclarationsRepository } from './declarations.repository.js';
import type { Grants, Plan, PrivateStep, PublicStep } from './plan.types.js';

/** A step whose resource is there. */
type Done<Step> = Step & { resourceId: number };

/** Carries a plan out, in the caller's transaction: a fixed number of statements, whatever the size of the document. */
@Injectable()
export class PlanExecutor {
  constructor(
    private readonly writer: ResourceWriter,
    private readonly staged: StagedRows,
    private readonly states: CurrentStateRepository,
    private readonly declarations: DeclarationsRepository,
    private readonly roles: RolesService,
    private readonly sites: SiteLifecycleService,
  ) {}

  /** The plan must have no problems. @returns what waited for an approval and gave way. @throws unique violations when somebody took a name or a port at the same moment */
  async run(tx: EntityManager, applicant: Applicant, plan: Plan): Promise<Evicted[]> {
    const { orgId } = applicant;
    for (const { siteId, fields } of plan.siteSteps) await this.sites.update(tx, orgId, siteId, fields);
    const evicted = [
      ...(await this.staged.remove(tx, orgId, 'resource', plan.evicted.publicIds)),
      ...(await this.staged.remove(tx, orgId, 'site_resource', plan.evicted.privateIds)),
    ];
    // First, so that what a resource had is free for another one of the same document.
    const touched = await this.drop(tx, applicant, plan);
    await this.freeNames(tx, orgId, plan.transferredNames);
    const publics = await this.writePublic(tx, orgId, plan.publicSteps);
    const privates = await this.writePrivate(tx, orgId, plan.privateSteps);
    touched.push(...(await this.writeParts(tx, applicant, publics)));
    // Agents dial the targets of enabled resources only.
    const switched = publics.flatMap(({ id, columns }) =>
      id !== null && columns?.['enabled'] !== undefined ? [id] : [],
    );
    touched.push(...(await this.writer.servingSites(tx, orgId, switched)));
    await this.grant(tx, applicant, publics, privates);
    await this.declare(tx, applicant, 'resource', publics);
    await this.declare(tx, applicant, 'site_resource', privates);
    touched.push(...privates.flatMap((step) => step.touchedSites));
    await this.sites.bumpDesired(tx, orgId, [...new Set(touched)]);
    return evicted;
  }

  /**
   * What the document no longer has: goes with its last declaration; what others declare too loses this site's part only.
   * @returns the sites that serve something else now
   */
  private async drop(tx: EntityManager, { orgId, site, sourceId }: Applicant, plan: Plan): Promise<number[]> {
    if (sourceId === null) return [];
    const { dropped, strayTargets, strayRules } = plan;
    const { publics, privates } = await this.states.pruned(tx, orgId, dropped.publicKeys, dropped.privateKeys);
    const isShared = (row: { declarations: { sourceId: number }[] }) =>
      row.declarations.some((d) => d.sourceId !== sourceId);
    const goes = (row: { declarations: { sourceId: number }[] }) => !isShared(row);
    const idsOf = (rows: { id: number }[]) => rows.map((row) => row.id);
    const own = <Part extends { sourceId: number | null }>(parts: Part[]) =>
      parts.filter((part) => part.sourceId === sourceId);
    const shared = publics.filter(isShared);
    const left = await this.writer.writeTargets(tx, orgId, {
      removed: [...idsOf(strayTargets), ...shared.flatMap((row) => idsOf(own(row.targets)))],
    });
    await this.writer.writeRules(tx, orgId, {
      removed: [...strayRules, ...shared.flatMap((row) => idsOf(own(row.rules)))],
    });
    const links = privates
      .filter(isShared)
      .map(({ id, siteIds }) => ({ id, keys: siteIds.filter((siteId) => siteId !== site!.siteId) }));
    await this.writer.setSites(tx, orgId, links);
    await this.declarations.withdraw(tx, sourceId, 'resource', idsOf(publics));
    await this.declarations.withdraw(tx, sourceId, 'site_resource', idsOf(privates));
    return [
      ...left,
      ...privates.filter(isShared).flatMap((row) => row.siteIds),
      ...(await this.writer.delete(tx, orgId, 'resource', idsOf(publics.filter(goes)))),
      ...(await this.writer.delete(tx, orgId, 'site_resource', idsOf(privates.filter(goes)))),
    ];
  }

  private async freeNames(tx: EntityManager, orgId: string, names: Plan['transferredNames']): Promise<void> {
    for (const [type, column] of [
      ['resource', 'full_domain'],
      ['site_resource', 'full_domain'],
      ['site_resource', 'alias'],
    ] as const) {
      const ids = names.flatMap((one) => (one.table === type && one.column === column ? [one.id] : []));
      await this.writer.freeNames(tx, orgId, type, column, ids);
    }
  }

  private async writePublic(tx: EntityManager, orgId: string, steps: PublicStep[]): Promise<Done<PublicStep>[]> {
    const made = await this.writer.insertPublic(
      tx,
      orgId,
      steps.flatMap((step) => (step.id === null ? [step.columns!] : [])),
    );
    await this.writer.updatePublic(tx, orgId, changesOf(steps));
    return done(steps, made);
  }

  private async writePrivate(tx: EntityManager, orgId: string, steps: PrivateStep[]): Promise<Done<PrivateStep>[]> {
    const made = await this.writer.insertPrivate(
      tx,
      orgId,
      steps.flatMap(({ id, columns, siteIds }) => (id === null ? [{ columns: columns!, siteIds }] : [])),
    );
    await this.writer.updatePrivate(tx, orgId, changesOf(steps));
    const moved = steps.flatMap(({ id, sitesChanged, siteIds }) =>
      id !== null && sitesChanged ? [{ id, keys: siteIds }] : [],
    );
    await this.writer.setSites(tx, orgId, moved);
    return done(steps, made);
  }

  /** Targets and rules. @returns the sites that serve something else now */
  private async writeParts(
    tx: EntityManager,
    { orgId, kind, sourceId }: Applicant,
    steps: Done<PublicStep>[],
  ): Promise<number[]> {
    const owner = owns(kind) ? sourceId : null;
    const added = (of: 'newTargets' | 'newRules') =>
      steps.flatMap((step) =>
        step[of].map((columns) => ({ ...columns, resource_id: step.resourceId, source_id: owner })),
      );
    await this.writer.writeRules(tx, orgId, {
      added: added('newRules'),
      changed: steps.flatMap((step) => step.changedRules),
      removed: steps.flatMap((step) => step.goneRules),
    });
    return this.writer.writeTargets(tx, orgId, {
      added: added('newTargets'),
      changed: steps.flatMap((step) => step.changedTargets),
      removed: steps.flatMap((step) => step.goneTargets.map((part) => part.id)),
    });
  }

  private async grant(
    tx: EntityManager,
    { orgId, site }: Applicant,
    publicSteps: Done<PublicStep>[],
    privateSteps: Done<PrivateStep>[],
  ): Promise<void> {
    const [publics, privates] = [granting(publicSteps), granting(privateSteps)];
    const names = [...new Set([...publics, ...privates].flatMap((step) => step.grants.roles))];
    // What waits for approval makes no roles: they are made, and granted, when the site is approved.
    const roles = site?.pending ? await this.roles.named(tx, orgId, names) : await this.roles.ensure(tx, orgId, names);
    const links = <Step extends { resourceId: number }>(steps: Step[], keys: (step: Step) => (number | string)[]) =>
      steps.map((step) => ({ id: step.resourceId, keys: keys(step) }));
    const roleIds = ({ grants }: { grants: Grants }) => [
      ...new Set(grants.roles.flatMap((name) => roles.get(name) ?? [])),
    ];
    const userIds = ({ grants }: { grants: Grants }) => grants.userIds;
    const { writer } = this;
    await writer.setGrants(tx, orgId, 'resource_role', links(publics, roleIds));
    await writer.setGrants(tx, orgId, 'resource_user', links(publics, userIds));
    await writer.setGrants(
      tx,
      orgId,
      'resource_whitelist',
      links(publics, (step) => step.grants.emails),
    );
    await writer.setGrants(tx, orgId, 'site_resource_role', links(privates, roleIds));
    await writer.setGrants(tx, orgId, 'site_resource_user', links(privates, userIds));
    await writer.setGrants(
      tx,
      orgId,
      'site_resource_client',
      links(privates, (step) => step.grants.clientIds),
    );
    if (!site?.pending) return;
    const described = [
      ...publics.map(({ resourceId: id, grants }) => ({ type: 'resource' as const, id, grants })),
      ...privates.map(({ resourceId: id, grants }) => ({ type: 'site_resource' as const, id, grants })),
    ];
    const unmade = described.flatMap(({ type, id, grants }) =>
      grants.roles.filter((name) => !roles.has(name)).map((roleName) => ({ type, id, roleName })),
    );
    await this.declarations.stageGrants(tx, site.siteId, described, unmade);
  }

  /** What the document of an owning source says from now on. */
  private async declare(
    tx: EntityManager,
    applicant: Applicant,
    type: ResourceType,
    steps: Done<PublicStep | PrivateStep>[],
  ): Promise<void> {
    const { sourceId } = applicant;
    if (sourceId === null || !owns(applicant.kind)) return;
    const declared = steps.flatMap((step) => (step.declared ? [{ id: step.resourceId, declared: step.declared }] : []));
    await this.declarations.declare(tx, sourceId, type, declared);
    const parts = steps.map(({ resourceId: id, saysGrants }) => ({ id, saysGrants }));
    await this.declarations.rememberParts(tx, sourceId, type, parts, prunes(applicant) && applicant.kept === undefined);
  }
}

/** Rows that are there and change. */
const changesOf = (steps: (PublicStep | PrivateStep)[]) =>
  steps.flatMap(({ id, columns }) => (id !== null && columns ? [{ id, columns }] : []));

/** @param made ids of the resources that were not there, in the order of their steps */
function done<Step extends { id: number | null }>(steps: Step[], made: number[]): Done<Step>[] {
  const ids = made.values();
  return steps.map((step) => ({ ...step, resourceId: step.id ?? ids.next().value! }));
}

/** Those whose grants change. */
const granting = <Step extends { grants: Grants | null }>(steps: Step[]) =>
  steps.filter((step): step is Step & { grants: NonNullable<Step['grants']> } => step.grants !== null);
