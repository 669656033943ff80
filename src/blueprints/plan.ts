import { isDeepStrictEqual } from 'node:util';
import { type Blueprint, type PrivateEntry, type PublicResource, SECRET, type Target } from '#blueprint';
import { type ColumnValues, driftOf, fieldOf, shownOf } from '../resources/index.js';
import { privateColumns, publicColumns, targetColumns } from './columns.js';
import {
  type Applicant,
  type CurrentState,
  type Declaration,
  type Hashes,
  owns,
  type Part,
  type Proposal,
  prunes,
  type Stored,
  type StoredPublic,
} from './current-state.js';
import type { Change, DriftedField, Grants, Plan, PlanProblem, PrivateStep, PublicStep } from './plan.types.js';
import { References } from './references.js';
import { SiteRights } from './target-rights.js';
import { UniqueNames } from './unique-names.js';

/**
 * Compares a document with what is there (docs/blueprints.md). Pure: the same document, applicant and state make the same plan. A plan
 * with problems is not to be applied; one without changes has nothing to do.
 */
export function makePlan(model: Blueprint, applicant: Applicant, state: CurrentState, hashes: Hashes): Plan {
  return new Planner(model, applicant, state, hashes).plan();
}

const NOT_ITS_OWN = "the resource is not the site's own, and its sitesMayAddTargets does not name the site";
const ADDS_NOTHING = 'the site waits for approval and adds nothing to what is in service';

/** What an applicant may do with a row. */
interface Decision {
  columns: ColumnValues | null;
  declared: ColumnValues | null;
  /** It is the applicant's alone, with all that hangs on it. */
  mayWrite: boolean;
  /** He says the same as its other owners. */
  shares: boolean;
}

class Planner {
  private readonly changes: Change[] = [];
  private readonly drift: DriftedField[] = [];
  private readonly problems: PlanProblem[] = [];
  private readonly names: UniqueNames;
  private readonly rights: SiteRights;
  private readonly refs: References;
  private readonly proposed: Plan['proposed'] = { resource_id: {}, site_resource_id: {} };
  /** What a step leaves behind is not what the source said before, though nothing changes. */
  private resays = false;

  constructor(
    private readonly model: Blueprint,
    private readonly applicant: Applicant,
    private readonly state: CurrentState,
    private readonly hashes: Hashes,
  ) {
    this.names = new UniqueNames(model, applicant, state, this.changes, this.problems);
    this.rights = new SiteRights(applicant);
    this.refs = new References(applicant, state, this.problems);
  }

  plan(): Plan {
    const { model } = this;
    const siteSteps = model.sites.flatMap((entry) => this.site(entry) ?? []);
    const publicSteps = model.publicResources
      .map((entry) => (entry.targetsOnly ? this.targetsOnly(entry.key, entry.targets) : this.publicResource(entry)))
      .filter((step) => step !== undefined);
    const privateSteps = model.privateResources
      .map((entry) => this.privateResource(entry))
      .filter((step) => step !== undefined);
    const transferredNames = this.names.transferredNames(publicSteps, privateSteps);
    const dropped = this.names.dropped();
    const gone = prunes(this.applicant.kind);
    const strayTargets = gone ? this.state.mine.strayTargets.filter((t) => !dropped.publicKeys.includes(t.key)) : [];
    const strayRules = gone ? this.state.mine.strayRules.filter((r) => !dropped.publicKeys.includes(r.key)) : [];
    for (const { key } of strayTargets) this.changes.push({ action: 'delete', type: 'target', key, fields: [] });
    for (const { key } of strayRules) this.changes.push({ action: 'delete', type: 'rule', key, fields: [] });
    this.newRoles([...publicSteps, ...privateSteps]);
    const { changes, drift, problems } = this;
    const redeclares =
      changes.length === 0 &&
      (this.resays ||
        (gone && this.state.mine.strayParts) ||
        [...publicSteps, ...privateSteps].some((step) => step.declared !== null));
    return {
      redeclares,
      changes,
      drift,
      problems,
      publicSteps,
      privateSteps,
      siteSteps,
      dropped,
      giveWay: this.names.giveWay,
      proposed: this.proposed,
      transferredNames,
      strayTargets,
      strayRules: strayRules.map((r) => r.id),
    };
  }

  /** Roles that the document names and nobody has made. For a site that waits they are made on its approval. */
  private newRoles(steps: { grants: Grants | null }[]): void {
    if (this.applicant.site?.pending) return;
    const names = new Set(
      steps.flatMap((step) => step.grants?.roles ?? []).filter((name) => !this.state.roles.has(name)),
    );
    this.changes.unshift(...[...names].map((key): Change => ({ action: 'create', type: 'role', key, fields: [] })));
  }

  private problem(path: string, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }

  private site({
    key,
    name,
    dockerSocketEnabled,
  }: {
    key: string;
    name: string;
    dockerSocketEnabled: boolean;
  }): Plan['siteSteps'] | undefined {
    const path = `sites.${key}`;
    const found = (this.state.sites.get(key) ?? []).find((s) => s.niceId === key);
    if (!found) return this.problem(path, 'there is no site with this niceId');
    const own = this.applicant.site;
    if (own && own.siteId !== found.siteId) return this.problem(path, 'a site describes itself only');
    const fields = {
      ...(found.name === name ? {} : { name }),
      ...(found.dockerSocketEnabled === dockerSocketEnabled ? {} : { dockerSocketEnabled }),
    };
    if (Object.keys(fields).length === 0) return undefined;
    this.changes.push({ action: 'update', type: 'site', key, fields: Object.keys(fields) });
    return [{ siteId: found.siteId, fields }];
  }

  // ------------------------------------------------------------ public resources

  private publicResource(entry: PublicResource): PublicStep | undefined {
    const path = `public-resources.${entry.key}`;
    const stored = this.names.present('public-resource', entry.key, this.state.publicResources.get(entry.key));
    const domain = this.refs.domainOf(`${path}.full-domain`, entry.fullDomain, stored);
    if (domain === undefined) return undefined;
    if (
      entry.fullDomain !== null &&
      this.names.isTaken('public-resource', entry.key, `${path}.full-domain`, 'domain', entry.fullDomain)
    )
      return undefined;
    if (
      entry.proxyPort !== null &&
      this.names.isTaken('public-resource', entry.key, `${path}.proxy-port`, 'port', `${entry.mode} ${entry.proxyPort}`)
    )
      return undefined;
    const wanted = publicColumns(entry, domain, this.hashes.get(entry.key), this.refs.targetRights(path, entry));
    const kind =
      stored && stored.columns['http'] !== wanted['http'] ? 'it is of another mode; delete it first' : undefined;
    if (kind) return this.problem(path, kind);
    const auth = entry.auth;
    const users = this.refs.users(`${path}.auth.sso-users`, auth?.ssoUsers ?? []);
    const emails = auth ? [...new Set(auth.whitelistUsers)] : [];
    const said = auth && { roles: auth.ssoRoles, userIds: users, emails };
    const given = said && { roles: said.roles, users: said.userIds, emails };
    const row = this.decide(path, entry.key, 'public-resource', stored, wanted);
    if (!row || (given && row.shares && !this.agrees(path, stored!, given)))
      return this.propose('resource_id', stored, { columns: wanted, given });
    const saysGrants = said !== null && (row.mayWrite || row.shares);
    const grants = saysGrants ? said : auth === null && row.mayWrite ? this.withoutDeclared(stored) : null;
    this.partDrift('public-resource', entry.key, stored, saysGrants);
    const grantsChange =
      grants !== null &&
      (this.grantsDiffer(stored, grants) ||
        !isDeepStrictEqual([...(stored?.emails ?? [])].sort(), [...grants.emails].sort()));
    if (grantsChange && stored)
      this.changes.push({ action: 'update', type: 'public-resource', key: entry.key, fields: ['auth'] });
    const owned = row.mayWrite || row.shares;
    const parts = {
      ...this.targets(entry.key, entry.targets, stored, !entry.targetsOnly, owned),
      ...this.rules(entry, stored),
    };
    if (!owned && !this.rights.isOperators(entry.key) && parts.newRules.length + parts.changedRules.length > 0)
      return this.problem(`${path}.rules`, "the rules of a resource are its owner's");
    if (Object.values(parts).some((changed) => changed.length > 0) && this.isInService(stored))
      return this.problem(path, ADDS_NOTHING);
    return {
      key: entry.key,
      id: stored?.id ?? null,
      columns: row.columns,
      declared: row.declared,
      ...parts,
      saysGrants,
      grants: grantsChange || !stored ? grants : null,
    };
  }

  /** What is left when a declarative document speaks of access no longer: what it had declared goes, what others granted beside it stays. */
  private withoutDeclared(stored: StoredPublic | undefined): PublicStep['grants'] {
    const said = stored?.parts.find((p) => p.sourceId === this.applicant.sourceId);
    if (!stored || !said || !('roles' in said.parts) || !prunes(this.applicant.kind)) return null;
    const had = (what: string) => said.parts[what] as string[];
    return {
      roles: [...Object.keys(stored.roleNames), ...stored.stagedRoles].filter((name) => !had('roles').includes(name)),
      userIds: stored.userIds.filter((id) => !said.userIds.includes(id)),
      emails: stored.emails.filter((email) => !had('emails').includes(email)),
    };
  }

  private targetsOnly(key: string, targets: Target[]): PublicStep | undefined {
    const stored = this.names.present('public-resource', key, this.state.publicResources.get(key));
    if (!stored)
      return this.problem(`public-resources.${key}`, 'there is no such resource; describe it whole to make it');
    if (this.isInService(stored)) return this.problem(`public-resources.${key}`, ADDS_NOTHING);
    this.partDrift('public-resource', key, stored, false);
    return {
      key,
      id: stored.id,
      columns: null,
      declared: null,
      ...this.targets(key, targets, stored, false, false),
      newRules: [],
      changedRules: [],
      goneRules: [],
      saysGrants: false,
      grants: null,
    };
  }

  /**
   * Targets are the same when they are on the same site, host, port and path; position means nothing. One that is there stays, whoever may add
   * more; `owned`: the applicant describes the resource and is one of its owners.
   */
  private targets(
    key: string,
    targets: Target[],
    stored: StoredPublic | undefined,
    whole: boolean,
    owned: boolean,
  ): Pick<PublicStep, 'newTargets' | 'changedTargets' | 'goneTargets'> {
    const { sourceId } = this.applicant;
    const source = owns(this.applicant.kind) ? sourceId : null;
    const existing = new Map<string, Part[]>();
    for (const part of stored?.targets ?? []) {
      const identity = identityOf(part.columns);
      existing.set(identity, [...(existing.get(identity) ?? []), part]);
    }
    const kept = new Set<number>();
    const newTargets: ColumnValues[] = [];
    const changedTargets: PublicStep['changedTargets'] = [];
    const may = owned || this.rights.mayAddTargets(key, stored);
    targets.forEach((target, i) => {
      const siteId = this.refs.targetSite(`public-resources.${key}.targets[${i}].site`, target.site);
      if (siteId === undefined) return;
      const columns = targetColumns(target, siteId);
      const same = existing.get(identityOf(columns)) ?? [];
      const own = same.find((part) => part.sourceId === source && !kept.has(part.id));
      if (!own) {
        // What another owner has there already serves; it is not made twice, and not overwritten.
        if (same.some((part) => part.sourceId !== source)) return;
        if (!may) return this.problem(`public-resources.${key}.targets[${i}]`, NOT_ITS_OWN);
        newTargets.push(columns);
        this.changes.push({ action: 'create', type: 'target', key, fields: [`${target.hostname}:${target.port}`] });
        return;
      }
      kept.add(own.id);
      const difference = differing(columns, own.columns);
      if (difference.length === 0) return;
      if (!may) return this.problem(`public-resources.${key}.targets[${i}]`, NOT_ITS_OWN);
      changedTargets.push({ id: own.id, columns });
      this.changes.push({ action: 'update', type: 'target', key, fields: difference.map(fieldOf) });
    });
    const surplus = (stored?.targets ?? []).filter((part) => part.sourceId === source && !kept.has(part.id));
    const goneTargets =
      source === null
        ? whole && this.applicant.kind === 'api'
          ? surplus
          : []
        : prunes(this.applicant.kind)
          ? surplus
          : [];
    for (const part of goneTargets)
      this.changes.push({
        action: 'delete',
        type: 'target',
        key,
        fields: [`${part.columns['ip'] as string}:${part.columns['port'] as number}`],
      });
    return { newTargets, changedTargets, goneTargets };
  }

  private rules(
    entry: PublicResource,
    stored: StoredPublic | undefined,
  ): Pick<PublicStep, 'newRules' | 'changedRules' | 'goneRules'> {
    const source = owns(this.applicant.kind) ? this.applicant.sourceId : null;
    const kept = new Set<number>();
    const newRules: ColumnValues[] = [];
    const changedRules: PublicStep['changedRules'] = [];
    for (const rule of entry.rules) {
      const columns: ColumnValues = {
        action: rule.action,
        match: rule.match,
        value: rule.value,
        priority: rule.priority,
        enabled: rule.enabled,
      };
      const same = (stored?.rules ?? []).filter(
        (part) => part.columns['match'] === rule.match && part.columns['value'] === rule.value && !kept.has(part.id),
      );
      const own = same.find((part) => part.sourceId === source);
      if (!own) {
        if (same.some((part) => differing(columns, part.columns).length === 0)) continue;
        newRules.push(columns);
        this.changes.push({
          action: 'create',
          type: 'rule',
          key: entry.key,
          fields: [`${rule.action} ${rule.match} ${rule.value}`],
        });
        continue;
      }
      kept.add(own.id);
      const difference = differing(columns, own.columns);
      if (difference.length === 0) continue;
      changedRules.push({ id: own.id, columns });
      this.changes.push({ action: 'update', type: 'rule', key: entry.key, fields: difference });
    }
    const surplus = (stored?.rules ?? []).filter((part) => part.sourceId === source && !kept.has(part.id));
    const goneRules =
      this.applicant.kind === 'api' || prunes(this.applicant.kind) ? surplus.map((part) => part.id) : [];
    for (const _ of goneRules) this.changes.push({ action: 'delete', type: 'rule', key: entry.key, fields: [] });
    return { newRules, changedRules, goneRules };
  }

  // ------------------------------------------------------------ private resources

  private privateResource(entry: PrivateEntry): PrivateStep | undefined {
    const path = `private-resources.${entry.key}`;
    const stored = this.names.present('private-resource', entry.key, this.state.privateResources.get(entry.key));
    const domain = this.refs.domainOf(`${path}.full-domain`, entry.fullDomain, stored);
    if (domain === undefined) return undefined;
    const named =
      entry.sites.length > 0
        ? entry.sites.map((ref, i) => this.refs.targetSite(`${path}.sites[${i}]`, ref))
        : [this.refs.targetSite(`${path}.site`, null)];
    const siteIds = [...new Set(named.filter((id) => id !== undefined))];
    if (siteIds.length === 0) return undefined;
    if (this.state.ownRoutes.has(entry.destination))
      return this.problem(
        `${path}.destination`,
        `${entry.destination} is an address of the organization's own subnets`,
      );
    if (
      entry.alias !== null &&
      this.names.isTaken('private-resource', entry.key, `${path}.alias`, 'alias', entry.alias)
    )
      return undefined;
    if (
      entry.fullDomain !== null &&
      this.names.isTaken('private-resource', entry.key, `${path}.full-domain`, 'private-domain', entry.fullDomain)
    )
      return undefined;
    const wanted = privateColumns(entry, domain);
    const row = this.decide(path, entry.key, 'private-resource', stored, wanted);
    const clientIds = entry.machines.flatMap(
      (machine, i) =>
        this.state.clients.get(machine) ??
        this.problem(`${path}.machines[${i}]`, `there is no machine client ${machine}`) ??
        [],
    );
    const said = {
      roles: entry.roles,
      userIds: this.refs.users(`${path}.users`, entry.users),
      clientIds: [...new Set(clientIds)].sort((a, b) => a - b),
    };
    const given =
      entry.roles.length + entry.users.length + entry.machines.length > 0
        ? { roles: said.roles, users: said.userIds, clients: entry.machines }
        : null;
    if (!row || (given && row.shares && !this.agrees(path, stored!, given)))
      return this.propose('site_resource_id', stored, { columns: wanted, given });
    const saysGrants = row.mayWrite || (row.shares && given !== null);
    const grants = saysGrants ? said : null;
    const grantsChange =
      grants !== null &&
      (this.grantsDiffer(stored, grants) || !isDeepStrictEqual(stored?.clientIds ?? [], grants.clientIds));
    // Several sources share a resource by naming the same one: each adds its own site.
    const shared = stored !== undefined && !row.mayWrite;
    this.partDrift('private-resource', entry.key, stored, saysGrants);
    const all = shared ? [...new Set([...stored.siteIds, ...siteIds])] : siteIds;
    const sitesChanged = !isDeepStrictEqual(stored?.siteIds ?? [], all);
    if (sitesChanged && this.isInService(stored)) return this.problem(path, ADDS_NOTHING);
    if (stored && (grantsChange || sitesChanged)) {
      this.changes.push({
        action: 'update',
        type: 'private-resource',
        key: entry.key,
        fields: [...(sitesChanged ? ['sites'] : []), ...(grantsChange ? ['access'] : [])],
      });
    }
    const touched =
      row.columns || sitesChanged || grantsChange ? [...new Set([...(stored?.siteIds ?? []), ...all])] : [];
    return {
      key: entry.key,
      id: stored?.id ?? null,
      columns: row.columns,
      declared: row.declared,
      siteIds: all,
      touchedSites: touched,
      sitesChanged,
      saysGrants,
      grants: grantsChange || !stored ? grants : null,
    };
  }

  // ------------------------------------------------------------ what both have in common

  /**
   * Whether this applicant may make the row so, and what would change. Nothing that another owner made is overwritten: saying the same is
   * sharing, saying something else is a conflict that names the owner.
   */
  private decide(
    path: string,
    key: string,
    type: 'public-resource' | 'private-resource',
    stored: Stored | undefined,
    wanted: ColumnValues,
  ): Decision | undefined {
    const { site, kind, sourceId } = this.applicant;
    const declared = owns(kind) ? wanted : null;
    const staging = site?.pending ? { staged_by: site.siteId, enabled: false, staged_enabled: wanted['enabled'] } : {};
    if (!stored) {
      this.changes.push({ action: 'create', type, key, fields: [] });
      return {
        columns: { nice_id: key, ...wanted, staged_by: null, staged_enabled: null, ...staging },
        declared,
        mayWrite: true,
        shares: false,
      };
    }
    const stagedBy = stored.columns['staged_by'];
    if (stagedBy !== null && stagedBy !== site?.siteId)
      return this.problem(path, 'it is staged for another site that waits for approval');
    const staged = stagedBy !== null;
    // Until the approval the document says only what comes after it; an operator may enable a staged resource for a test.
    const { enabled, ...rest } = wanted;
    const target =
      staged || (stored.columns['staged_enabled'] ?? null) !== null ? { ...rest, staged_enabled: enabled } : wanted;
    const difference = differing(target, stored.columns);
    const others = stored.declarations.filter((d) => d.sourceId !== sourceId);
    const mine = stored.declarations.some((d) => d.sourceId === sourceId);
    if (difference.length === 0) {
      // An operator's resource stays the operator's, even if a document describes it as it is.
      const joins = declared !== null && (mine || others.length > 0 || staged);
      if (joins && !mine && type === 'public-resource' && !this.rights.mayShare(stored, others))
        return this.problem(path, notShared(others));
      const declares =
        joins && !isDeepStrictEqual(stored.declarations.find((d) => d.sourceId === sourceId)?.declared, declared);
      if (declares && !mine) this.changes.push({ action: 'update', type, key, fields: ['owner'] });
      const mayWrite = kind === 'api' ? stored.declarations.length === 0 : (mine && others.length === 0) || staged;
      return { columns: null, declared: declares ? declared : null, mayWrite, shares: joins && !mayWrite };
    }
    // Who says what the owners say sets back what was changed since: an operator, for whom it stays theirs, or one who shares it.
    const has = (said: ColumnValues | undefined) =>
      said !== undefined &&
      difference.every(
        (name) =>
          (kind === 'api' && name === OPERATORS) || (name in said && isDeepStrictEqual(said[name], wanted[name])),
      );
    const says = ({ declared: said, proposed }: Declaration) => has(said) || (kind !== 'api' && has(proposed?.columns));
    if ((kind === 'api' || (owns(kind) && !site?.pending)) && others.length > 0 && others.every(says)) {
      if (!mine && type === 'public-resource' && !this.rights.mayShare(stored, others))
        return this.problem(path, notShared(others));
      this.columnDrift(type, key, stored, others[0]!, difference, wanted);
      this.changes.push({ action: 'update', type, key, fields: difference.map(fieldOf) });
      return {
        columns: Object.fromEntries(difference.map((name) => [name, wanted[name]])),
        declared,
        mayWrite: false,
        shares: declared !== null,
      };
    }
    const owner = this.foreignOwner(stored, others, mine, staged);
    if (owner) {
      // A site is not told whether it guessed another's secret.
      const told = difference.filter((name) => kind === 'api' || !name.endsWith('_hash'));
      return this.problem(
        path,
        told.length > 0 ? `${owner}, and differs in ${[...new Set(told.map(fieldOf))].join(', ')}` : owner,
      );
    }
    if (site?.pending && !staged)
      return this.problem(path, 'the site waits for approval and changes nothing that is in service');
    const own = stored.declarations.find((d) => d.sourceId === sourceId);
    if (own) this.columnDrift(type, key, stored, own, difference, wanted);
    this.changes.push({ action: 'update', type, key, fields: [...new Set(difference.map(fieldOf))] });
    return {
      columns: Object.fromEntries(difference.map((name) => [name, target[name as keyof typeof target]])),
      declared,
      mayWrite: true,
      shares: false,
    };
  }

  /** The columns that differ from the document though it says what it said. */
  private columnDrift(
    type: DriftedField['type'],
    key: string,
    stored: Stored,
    { declared }: Declaration,
    difference: string[],
    wanted: ColumnValues,
  ): void {
    for (const column of difference) {
      const name = column === 'staged_enabled' ? 'enabled' : column;
      // A secret has another hash each time: what is there is not what the document left there.
      const same = name.endsWith('_hash')
        ? declared[name] !== stored.columns[name]
        : isDeepStrictEqual(declared[name], wanted[name]);
      if (!(name in declared) || !same) continue;
      this.drift.push({
        type,
        key,
        field: fieldOf(column),
        file: shown(name, wanted[name]),
        current: shown(name, stored.columns[column] ?? null),
      });
    }
  }

  /** Targets, rules and grants that somebody changed since. An operator's plan shows what every owner's next apply sets back. */
  private partDrift(type: DriftedField['type'], key: string, stored: Stored | undefined, saysGrants: boolean): void {
    const { kind, sourceId } = this.applicant;
    const shown = (stored?.parts ?? []).filter((p) => kind === 'api' || p.sourceId === sourceId);
    const drift = shown.flatMap(({ parts, now }) =>
      Object.keys(parts)
        .filter((field) => !isDeepStrictEqual(parts[field], now[field]))
        .map((field) => ({ type, key, field, file: parts[field], current: now[field] })),
    );
    this.drift.push(...driftOf(drift));
    if (owns(kind) && stored)
      this.resays ||= drift.length > 0 || shown.length === 0 || 'roles' in shown[0]!.parts !== saysGrants;
  }

  private foreignOwner(stored: Stored, others: Declaration[], mine: boolean, staged: boolean): string | undefined {
    const [other] = others;
    if (other) return `it belongs to the ${ownerOf(other)}`;
    if (this.applicant.kind === 'api' || staged || mine) return undefined;
    return stored.declarations.length === 0 ? 'it belongs to the operator' : undefined;
  }

  /** Several owners of one resource give it to the same, or it is a conflict; who says nothing of it agrees with all. */
  private agrees(path: string, stored: Stored, said: Record<string, string[]>): boolean {
    const sorted = (list: readonly string[]) => [...new Set(list)].sort();
    for (const { sourceId, siteName, kind, proposed } of stored.declarations) {
      const other =
        sourceId === this.applicant.sourceId ? undefined : stored.parts.find((p) => p.sourceId === sourceId);
      if (!other || !('roles' in other.parts)) continue;
      const lists: Record<string, unknown> = { ...other.parts, users: other.userIds };
      const differs = (from: Record<string, unknown>) =>
        Object.keys(said).find(
          (name) => !isDeepStrictEqual(sorted(said[name]!), sorted((from[name] as string[] | undefined) ?? [])),
        );
      const field = differs(lists);
      if (field === undefined || (proposed?.given && differs(proposed.given) === undefined)) continue;
      this.problem(path, `it belongs to the ${ownerOf({ siteName, kind })}, and differs in ${field}`);
      return false;
    }
    return true;
  }

  /** Remembers what one of several owners wants, for the case that the others come to want it too. */
  private propose(id: keyof Plan['proposed'], stored: Stored | undefined, wanted: Proposal): undefined {
    if (stored?.declarations.some((d) => d.sourceId === this.applicant.sourceId)) this.proposed[id][stored.id] = wanted;
    return undefined;
  }

  /** Whether this site waits for approval while the resource serves others. */
  private isInService(stored: Stored | undefined): boolean {
    const { site } = this.applicant;
    return stored !== undefined && site?.pending === true && stored.columns['staged_by'] !== site.siteId;
  }

  private grantsDiffer(stored: Stored | undefined, grants: Grants): boolean {
    const names = [...new Set(grants.roles)];
    const roleIds = names.flatMap((name) => this.state.roles.get(name) ?? []).sort((a, b) => a - b);
    const unmade = names.filter((name) => !this.state.roles.has(name)).sort();
    const awaited = this.applicant.site?.pending ? [...(stored?.stagedRoles ?? [])].sort() : [];
    return (
      !isDeepStrictEqual(stored?.roleIds ?? [], roleIds) ||
      !isDeepStrictEqual(awaited, unmade) ||
      !isDeepStrictEqual([...(stored?.userIds ?? [])].sort(), [...grants.userIds].sort())
    );
  }
}

/** Of a secret only that it is there. */
const shown = (column: string, value: unknown) =>
  column.endsWith('_hash') && value !== null ? SECRET : shownOf(value);

const differing = (wanted: ColumnValues, current: ColumnValues) =>
  Object.keys(wanted).filter((name) => !isDeepStrictEqual(wanted[name] ?? null, current[name] ?? null));

const identityOf = (c: ColumnValues) =>
  JSON.stringify([c['site_id'], c['ip'], c['port'], c['path'] ?? null, c['path_match_type'] ?? null]);

/** What only an operator says, of a resource that sites declare too. */
const OPERATORS = 'sites_may_add_targets';

const OWNERS: Record<string, string> = { file: 'blueprint file', newt: 'newt', labels: 'containers' };
const notShared = ([other]: Declaration[]) =>
  `it belongs to the ${ownerOf(other!)}, and its sitesMayAddTargets does not name this site`;
const ownerOf = ({ kind, siteName }: Pick<Declaration, 'kind' | 'siteName'>) =>
  `${OWNERS[kind] ?? kind} of the site ${siteName}`;
