import { isDeepStrictEqual } from 'node:util';
import type { PrivateEntry } from '#blueprint';
import { asSpelled, privateColumns } from './columns.js';
import type { Drift } from './drift.js';
import type { Ownership } from './ownership.js';
import type { PrivateStep } from './plan.types.js';
import { ADDS_NOTHING, type PlanContext } from './plan-context.js';

/** What becomes of private resources. */
export class PrivatePlan {
  constructor(
    private readonly context: PlanContext,
    private readonly ownership: Ownership,
    private readonly drift: Drift,
  ) {}

  /** @returns undefined where there is a problem */
  resource(entry: PrivateEntry): PrivateStep | undefined {
    const path = `private-resources.${entry.key}`;
    const stored = this.context.names.present(
      'private-resource',
      entry.key,
      this.context.state.privateResources.get(entry.key),
    );
    const domain = this.context.refs.domainOf(`${path}.full-domain`, entry.fullDomain, stored);
    if (domain === undefined) return undefined;
    const isMine = stored?.declarations.some((d) => d.sourceId === this.context.applicant.sourceId) === true;
    const named =
      entry.sites.length > 0
        ? entry.sites.map((ref, i) =>
            this.context.refs.targetSite(
              `${path}.sites[${i}]`,
              ref,
              (siteId) => isMine && stored.siteIds.includes(siteId),
            ),
          )
        : [this.context.refs.targetSite(`${path}.site`, null)];
    const siteIds = [...new Set(named.filter((id) => id !== undefined))];
    if (siteIds.length === 0) return undefined;
    if (this.context.state.reservedRoutes.has(entry.destination))
      return this.context.problem(
        `${path}.destination`,
        `${entry.destination} is an address of the organization's own subnets`,
      );
    if (
      entry.alias !== null &&
      this.context.names.isTaken('private-resource', entry.key, `${path}.alias`, 'alias', entry.alias)
    )
      return undefined;
    if (
      entry.fullDomain !== null &&
      this.context.names.isTaken(
        'private-resource',
        entry.key,
        `${path}.full-domain`,
        'private-domain',
        entry.fullDomain,
      )
    )
      return undefined;
    const wanted = asSpelled(privateColumns(entry, domain), stored);
    const row = this.ownership.decide(path, entry.key, 'private-resource', stored, wanted);
    const clientIds = entry.machines.flatMap(
      (machine, i) =>
        this.context.state.clients.get(machine) ??
        this.context.problem(`${path}.machines[${i}]`, `there is no machine client ${machine}`) ??
        [],
    );
    const said = {
      roles: entry.roles,
      userIds: this.context.refs.users(`${path}.users`, entry.users),
      clientIds: [...new Set(clientIds)].sort((a, b) => a - b),
    };
    const given =
      entry.roles.length + entry.users.length + entry.machines.length > 0
        ? { roles: said.roles, users: said.userIds, clients: entry.machines }
        : null;
    if (!row || (given && row.shares && !this.ownership.agrees(path, stored!, given)))
      return this.ownership.propose('site_resource_id', stored, { columns: wanted, given });
    const saysGrants = row.mayWrite || (row.shares && given !== null);
    const grants = saysGrants ? said : null;
    const grantsChange =
      grants !== null &&
      (this.ownership.grantsDiffer(stored, grants) || !isDeepStrictEqual(stored?.clientIds ?? [], grants.clientIds));
    // Several sources share a resource by naming the same one: each adds its own site.
    const shared = stored !== undefined && !row.mayWrite;
    const all = shared ? [...new Set([...stored.siteIds, ...siteIds])] : siteIds;
    const sitesChanged = !isDeepStrictEqual(stored?.siteIds ?? [], all);
    this.drift.parts('private-resource', entry.key, stored, saysGrants, sitesChanged || grantsChange);
    if (sitesChanged && this.context.isInService(stored)) return this.context.problem(path, ADDS_NOTHING);
    if (stored && (grantsChange || sitesChanged)) {
      this.context.changes.push({
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
}
