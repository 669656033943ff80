import { Injectable } from '@nestjs/common';
import { RuleSet, type StoredRule } from '../policy/rules.js';
import { HostTable } from './host-table.js';
import { type StoredTarget, TargetSet } from './targets.js';

/** What a public HTTP resource is set to (docs/integration-api.md §3.5), as far as it decides about a request. */
export interface RouteSettings {
  resourceId: number;
  orgId: string;
  name: string;
  /** Lower case; `*.` and a name for all names one label longer. */
  domain: string;
  ssl: boolean;
  blockAccess: boolean;
  stickySession: boolean;
  setHostHeader: string | null;
  tlsServerName: string | null;
  /** From the end of a request to the head of its answer. */
  responseTimeoutSeconds: number;
  /** For how long it is served by what was known last; null: as long as the server serves any. */
  staleSeconds: number | null;
  headers: { name: string; value: string }[] | null;
  postAuthPath: string | null;
  maintenance: {
    type: 'forced' | 'automatic';
    title: string | null;
    message: string | null;
    estimatedTime: string | null;
  } | null;
  /** The ways in; none of the first five: open to all. What they are compared with is not here. */
  protection: {
    sso: boolean;
    password: boolean;
    pincode: boolean;
    headerAuth: boolean;
    whitelist: boolean;
    skipToIdpId: number | null;
  };
}

export interface RoutedTarget extends StoredTarget {
  /** As it was told last, where it is checked. */
  unhealthy: boolean;
}

/** What is known of a site. */
export interface SiteStanding {
  siteId: number;
  approved: boolean;
  /** Of a `local` one the server dials the targets itself. */
  type: 'newt' | 'wireguard' | 'local';
}

/** A resource as the database has it, with what it shares with others. */
export interface RouteRow {
  settings: RouteSettings;
  /** Those that apply: none where the resource does not apply its rules. */
  rules: StoredRule[];
  /** The enabled ones. */
  targets: RoutedTarget[];
  /** Changes when one of these three does. */
  fingerprint: string;
  orgClosed: boolean;
}

/** A resource that is in service. */
export class Route {
  private ruleSet: RuleSet | undefined;
  private targetSet: TargetSet | undefined;
  private unhealthy: Set<number> | undefined;
  private readonly row: Pick<RouteRow, 'settings' | 'rules' | 'targets' | 'fingerprint'>;

  constructor({ settings, rules, targets, fingerprint }: RouteRow) {
    this.row = { settings, rules, targets, fingerprint };
  }

  get settings(): RouteSettings {
    return this.row.settings;
  }

  /** Made when they are first asked for, as the targets are: of many resources few are asked for in one process. */
  get rules(): RuleSet {
    return (this.ruleSet ??= new RuleSet(this.row.rules));
  }

  get targets(): TargetSet {
    return (this.targetSet ??= new TargetSet(this.row.targets));
  }

  isUnhealthy(targetId: number): boolean {
    this.unhealthy ??= new Set(this.row.targets.flatMap((target) => (target.unhealthy ? [target.targetId] : [])));
    return this.unhealthy.has(targetId);
  }

  get siteIds(): Set<number> {
    return new Set(this.row.targets.map(({ siteId }) => siteId));
  }

  get fingerprint(): string {
    return this.row.fingerprint;
  }
}

const UNKNOWN = (siteId: number): SiteStanding => ({ siteId, approved: false, type: 'newt' });

/** What many routes have in common, while any has. */
class Shared<Key, Value> {
  private readonly entries = new Map<Key, { value: Value; uses: number }>();

  get(key: Key): Value | undefined {
    return this.entries.get(key)?.value;
  }

  keys(): Iterable<Key> {
    return this.entries.keys();
  }

  use(key: Key, value: Value): void {
    const entry = this.entries.get(key);
    if (!entry) return void this.entries.set(key, { value, uses: 1 });
    entry.value = value;
    entry.uses++;
  }

  /** Of what is not used there is nothing to know. */
  set(key: Key, value: Value): void {
    const entry = this.entries.get(key);
    if (entry) entry.value = value;
  }

  drop(key: Key): void {
    const entry = this.entries.get(key);
    if (entry && --entry.uses === 0) this.entries.delete(key);
  }
}

/** Which resource a host is, and all that decides about a request to it (docs/adr/0097). Who fills it sees to it that it is right. */
@Injectable()
export class RouteTable {
  private readonly hosts = new HostTable<Route>();
  private readonly byId = new Map<number, Route>();
  private readonly sites = new Shared<number, SiteStanding>();
  private readonly closedOrgs = new Shared<string, boolean>();

  get size(): number {
    return this.byId.size;
  }

  /**
   * @param name of a parsed host
   * @returns undefined where no resource is in service under it. A name of a closed organization is nobody else's
   */
  find(name: string): Route | undefined {
    const route = this.hosts.find(name);
    return route && !this.closedOrgs.get(route.settings.orgId) ? route : undefined;
  }

  /** What every resource is set to that is in service. */
  *served(): Generator<RouteSettings> {
    for (const { settings } of this.byId.values()) if (!this.closedOrgs.get(settings.orgId)) yield settings;
  }

  get(resourceId: number): Route | undefined {
    return this.byId.get(resourceId);
  }

  /** @returns undefined for a site to which no target leads, or one that is gone */
  site(siteId: number): SiteStanding | undefined {
    return this.sites.get(siteId);
  }

  /** Of all resources, or of those of an organization. */
  resourceIds(orgId?: string): number[] {
    if (orgId === undefined) return [...this.byId.keys()];
    return [...this.byId].flatMap(([id, { settings }]) => (settings.orgId === orgId ? [id] : []));
  }

  /** To which a target leads. */
  get siteIds(): Iterable<number> {
    return this.sites.keys();
  }

  /** That have a resource. */
  get orgIds(): Iterable<string> {
    return this.closedOrgs.keys();
  }

  /** Sites to which these lead, and of which nothing is known here. */
  unknownSites(rows: readonly RouteRow[]): number[] {
    const siteIds = new Set(rows.flatMap(({ targets }) => targets.map(({ siteId }) => siteId)));
    return [...siteIds].filter((siteId) => !this.sites.get(siteId));
  }

  /**
   * Takes in what was read.
   * @param asked after which resources; one without a row is not in service (any more)
   * @param sites of the unknown ones; another one is gone
   */
  apply(asked: readonly number[], rows: readonly RouteRow[], sites: readonly SiteStanding[]): void {
    const before = asked.flatMap((id) => this.byId.get(id) ?? []);
    for (const row of rows) this.add(new Route(row), row.orgClosed);
    this.setSites(
      sites.map(({ siteId }) => siteId),
      sites,
    );
    for (const route of before) this.remove(route);
  }

  /** @param found of these; another one is gone */
  setSites(siteIds: readonly number[], found: readonly SiteStanding[]): void {
    const standings = new Map(found.map((site) => [site.siteId, site]));
    for (const siteId of siteIds) {
      const known = this.sites.get(siteId);
      if (known) this.sites.set(siteId, standings.get(siteId) ?? { ...known, approved: false });
    }
  }

  /** @param closed of these; the others are open */
  setOrgs(orgIds: readonly string[], closed: readonly string[]): void {
    for (const orgId of orgIds) this.closedOrgs.set(orgId, closed.includes(orgId));
  }

  private add(route: Route, orgClosed: boolean): void {
    const { resourceId, orgId, domain } = route.settings;
    this.byId.set(resourceId, route);
    this.hosts.set(domain, route);
    this.closedOrgs.use(orgId, orgClosed);
    for (const siteId of route.siteIds) this.sites.use(siteId, this.sites.get(siteId) ?? UNKNOWN(siteId));
  }

  /** Names and ids that others have by now stay theirs. */
  private remove(route: Route): void {
    const { resourceId, orgId, domain } = route.settings;
    if (this.byId.get(resourceId) === route) this.byId.delete(resourceId);
    this.hosts.delete(domain, route);
    this.closedOrgs.drop(orgId);
    for (const siteId of route.siteIds) this.sites.drop(siteId);
  }
}
