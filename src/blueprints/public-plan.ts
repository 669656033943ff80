import { isDeepStrictEqual } from 'node:util';
import type { PublicResource, Target } from '#blueprint';
import { type ColumnValues, fieldOf } from '../resources/index.js';
import { asSpelled, effectiveTarget, publicColumns, targetColumns } from './columns.js';
import { type Hashes, keeps, owns, type Part, prunes, type StoredPublic } from './current-state.js';
import type { Drift } from './drift.js';
import { differing, type Ownership } from './ownership.js';
import type { PublicStep } from './plan.types.js';
import { ADDS_NOTHING, type PlanContext } from './plan-context.js';

const NOT_ITS_OWN = "the resource is not the site's own, and its sitesMayAddTargets does not name the site";

/** What becomes of public resources, their targets and rules. A method answers undefined where there is a problem. */
export class PublicPlan {
  constructor(
    private readonly context: PlanContext,
    private readonly ownership: Ownership,
    private readonly drift: Drift,
    private readonly hashes: Hashes,
  ) {}

  resource(entry: PublicResource): PublicStep | undefined {
    const path = `public-resources.${entry.key}`;
    const stored = this.context.names.present(
      'public-resource',
      entry.key,
      this.context.state.publicResources.get(entry.key),
    );
    const domain = this.context.refs.domainOf(`${path}.full-domain`, entry.fullDomain, stored);
    if (domain === undefined) return undefined;
    if (
      entry.fullDomain !== null &&
      this.context.names.isTaken('public-resource', entry.key, `${path}.full-domain`, 'domain', entry.fullDomain)
    )
      return undefined;
    const portPath = `${path}.proxy-port`;
    if (
      entry.proxyPort !== null &&
      (this.context.isUnserved(portPath, entry.proxyPort, stored) ||
        this.context.names.isTaken('public-resource', entry.key, portPath, 'port', `${entry.mode} ${entry.proxyPort}`))
    )
      return undefined;
    const rights = this.context.refs.targetRights(path, entry);
    const wanted = asSpelled(publicColumns(entry, domain, this.hashes.get(entry.key), rights), stored);
    const kind =
      stored && stored.columns['http'] !== wanted['http'] ? 'it is of another mode; delete it first' : undefined;
    if (kind) return this.context.problem(path, kind);
    const auth = entry.auth;
    const users = this.context.refs.users(`${path}.auth.sso-users`, auth?.ssoUsers ?? []);
    const emails = auth ? [...new Set(auth.whitelistUsers)] : [];
    const said = auth && { roles: auth.ssoRoles, userIds: users, emails };
    const given = said && { roles: said.roles, users: said.userIds, emails };
    const row = this.ownership.decide(path, entry.key, 'public-resource', stored, wanted);
    if (!row || (given && row.shares && !this.ownership.agrees(path, stored!, given)))
      return this.ownership.propose('resource_id', stored, { columns: wanted, given });
    const saysGrants = said !== null && (row.mayWrite || row.shares);
    const grants = saysGrants ? said : auth === null && row.mayWrite ? this.withoutDeclared(stored) : null;
    const grantsChange =
      grants !== null &&
      (this.ownership.grantsDiffer(stored, grants) ||
        !isDeepStrictEqual([...(stored?.emails ?? [])].sort(), [...grants.emails].sort()));
    if (grantsChange && stored)
      this.context.changes.push({ action: 'update', type: 'public-resource', key: entry.key, fields: ['auth'] });
    const owned = row.mayWrite || row.shares;
    const parts = {
      ...this.targets(entry.key, entry.targets, stored, !entry.targetsOnly, owned),
      ...this.rules(entry, stored),
    };
    const partsChange = Object.values(parts).some((changed) => changed.length > 0);
    this.drift.parts('public-resource', entry.key, stored, saysGrants, partsChange || grantsChange);
    if (!owned && !this.context.rights.isOperators(entry.key) && parts.newRules.length + parts.changedRules.length > 0)
      return this.context.problem(`${path}.rules`, "the rules of a resource are its owner's");
    if (partsChange && this.context.isInService(stored)) return this.context.problem(path, ADDS_NOTHING);
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
    const said = stored?.parts.find((p) => p.sourceId === this.context.applicant.sourceId);
    if (!stored || !said || !('roles' in said.parts) || !prunes(this.context.applicant)) return null;
    const had = (what: string) => said.parts[what] as string[];
    return {
      roles: [...Object.keys(stored.roleNames), ...stored.stagedRoles].filter((name) => !had('roles').includes(name)),
      userIds: stored.userIds.filter((id) => !said.userIds.includes(id)),
      emails: stored.emails.filter((email) => !had('emails').includes(email)),
    };
  }

  targetsOnly(key: string, targets: Target[]): PublicStep | undefined {
    const stored = this.context.names.present('public-resource', key, this.context.state.publicResources.get(key));
    if (!stored)
      return this.context.problem(`public-resources.${key}`, 'there is no such resource; describe it whole to make it');
    if (this.context.isInService(stored)) return this.context.problem(`public-resources.${key}`, ADDS_NOTHING);
    const changed = this.targets(key, targets, stored, false, false);
    this.drift.parts(
      'public-resource',
      key,
      stored,
      false,
      Object.values(changed).some((list) => list.length > 0),
    );
    return {
      key,
      id: stored.id,
      columns: null,
      declared: null,
      ...changed,
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
    const { sourceId } = this.context.applicant;
    const source = owns(this.context.applicant.kind) ? sourceId : null;
    const existing = new Map<string, Part[]>();
    for (const part of stored?.targets ?? []) {
      const identity = identityOf(part.columns);
      existing.set(identity, [...(existing.get(identity) ?? []), part]);
    }
    // Of another mode it is not the same resource: there is a problem already.
    const http = stored?.columns['http'] !== false;
    const kept = new Set<number>();
    const newTargets: ColumnValues[] = [];
    const changedTargets: PublicStep['changedTargets'] = [];
    const may = owned || this.context.rights.mayAddTargets(key, stored);
    targets.forEach((target, i) => {
      const isThere = (site: number) =>
        (existing.get(identityOf(targetColumns(target, site))) ?? []).some((part) => part.sourceId === source);
      const siteId = this.context.refs.targetSite(`public-resources.${key}.targets[${i}].site`, target.site, isThere);
      if (siteId === undefined) return;
      const columns = targetColumns(target, siteId);
      const same = existing.get(identityOf(columns)) ?? [];
      const own = same.find((part) => part.sourceId === source && !kept.has(part.id));
      if (!own) {
        // What another owner has there already serves; it is not made twice, and not overwritten.
        if (same.some((part) => part.sourceId !== source)) return;
        if (!may) return this.context.problem(`public-resources.${key}.targets[${i}]`, NOT_ITS_OWN);
        if (this.context.isUnlisted(`public-resources.${key}.targets[${i}]`, siteId, target)) return;
        newTargets.push(columns);
        this.context.changes.push({
          action: 'create',
          type: 'target',
          key,
          fields: [`${target.hostname}:${target.port}`],
        });
        return;
      }
      kept.add(own.id);
      const difference = differing(effectiveTarget(columns, http), effectiveTarget(own.columns, http));
      if (difference.length === 0) return;
      if (!may) return this.context.problem(`public-resources.${key}.targets[${i}]`, NOT_ITS_OWN);
      if (this.context.isUnlisted(`public-resources.${key}.targets[${i}]`, siteId, target)) return;
      changedTargets.push({ id: own.id, columns });
      this.context.changes.push({ action: 'update', type: 'target', key, fields: difference.map(fieldOf) });
    });
    const surplus = (stored?.targets ?? []).filter((part) => part.sourceId === source && !kept.has(part.id));
    const goneTargets =
      source === null
        ? whole && this.context.applicant.kind === 'api'
          ? surplus
          : []
        : prunes(this.context.applicant) && !keeps(this.context.applicant, 'resource', key)
          ? surplus
          : [];
    for (const part of goneTargets)
      this.context.changes.push({
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
    const source = owns(this.context.applicant.kind) ? this.context.applicant.sourceId : null;
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
        this.context.changes.push({
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
      this.context.changes.push({ action: 'update', type: 'rule', key: entry.key, fields: difference });
    }
    const surplus = (stored?.rules ?? []).filter((part) => part.sourceId === source && !kept.has(part.id));
    const goneRules =
      this.context.applicant.kind === 'api' || prunes(this.context.applicant) ? surplus.map((part) => part.id) : [];
    for (const _ of goneRules)
      this.context.changes.push({ action: 'delete', type: 'rule', key: entry.key, fields: [] });
    return { newRules, changedRules, goneRules };
  }
}

const identityOf = (c: ColumnValues) =>
  JSON.stringify([c['site_id'], c['ip'], c['port'], c['path'] ?? null, c['path_match_type'] ?? null]);
