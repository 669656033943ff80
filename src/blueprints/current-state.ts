import type { Blueprint } from '#blueprint';
import { type ColumnValues, type ResourceType, routeOf } from '../resources/index.js';
import { rolesIn } from './role-names.js';

/** Where a document comes from, and with that what it may do (docs/blueprints.md, Who owns what). */
export type SourceKind = 'api' | 'file' | 'bootstrap' | 'newt' | 'labels' | 'profile';

/** What one document names, by the tables of its resources. */
export type DocumentKeys = Record<ResourceType, string[]>;

/** Who applies a document: an operator, or a site. */
export interface Applicant {
  orgId: string;
  kind: SourceKind;
  /** null for an operator. */
  site: {
    siteId: number;
    niceId: string;
    name: string;
    pending: boolean;
    labels: Record<string, string>;
    templateId: number | null;
  } | null;
  /** Of a newt: the document came on the session of the claim, from either of its files (docs/newt.md §2.8). */
  claiming?: boolean;
  /** Of labels: what stays as it is although the document does not name it, since of that some part is refused. */
  kept?: 'all' | DocumentKeys;
  /** Of a profile: keys of the entries that are the same for every site, whatever it calls itself. */
  operatorsKeys?: ReadonlySet<string>;
  /** The row that remembers this site's documents of this kind; null for an operator, or before the first one. */
  sourceId: number | null;
}

/** Whether resources stay the document's own; those of the other kinds belong to the operator from the start. */
export const owns = (kind: SourceKind) => kind === 'file' || kind === 'newt' || kind === 'labels';
/** Whether what disappears from the document is deleted. On the session of its claim a newt sends both of its files, so nothing is. */
export const prunes = ({ kind, claiming }: Pick<Applicant, 'kind' | 'claiming'>) =>
  owns(kind) && !(kind === 'newt' && claiming === true);

/** Whether what the document does not name of this resource stays all the same. */
export const keeps = ({ kept }: Pick<Applicant, 'kept'>, type: ResourceType, key: string) =>
  kept !== undefined && (kept === 'all' || kept[type].includes(key));

/** A source that declares a resource. */
export interface Declaration {
  sourceId: number;
  kind: SourceKind;
  siteId: number;
  siteName: string;
  /** The provisioning template under which its site was made; null: by hand. */
  templateId: number | null;
  declared: ColumnValues;
  /** What its last document wanted instead, and was refused. */
  proposed: Proposal | null;
}

/** Columns of a resource, and its grants by the names of the lists; null: the document does not speak of access. */
export interface Proposal {
  columns: ColumnValues;
  given: Record<string, string[]> | null;
}

/** Targets, rules, sites and grants of a resource as a source's last document left them, and as they are now: lists by their names. */
export interface Parts {
  sourceId: number;
  parts: Record<string, unknown>;
  now: Record<string, unknown>;
  /** Ids of the users in `parts`. */
  userIds: string[];
}

/** A row of `target` or `resource_rule` by its columns. */
export interface Part {
  id: number;
  sourceId: number | null;
  columns: ColumnValues;
}

export interface Stored {
  id: number;
  columns: ColumnValues;
  declarations: Declaration[];
  parts: Parts[];
  roleIds: number[];
  /** Names of roles that a waiting site's document grants and that are not made yet. */
  stagedRoles: string[];
  userIds: string[];
}

export interface StoredPublic extends Stored {
  targets: Part[];
  rules: Part[];
  emails: string[];
  /** Names of the roles that it is given to, with their ids. */
  roleNames: Record<string, number>;
}

export interface StoredPrivate extends Stored {
  siteIds: number[];
  clientIds: number[];
}

export interface DomainRef {
  domainId: string;
  baseDomain: string;
  type: 'ns' | 'cname' | 'wildcard';
}

/** A key that this source declares; `alone`: nobody else does. */
export interface Mine {
  key: string;
  alone: boolean;
}

export interface Holder {
  id: number;
  /** The waiting site that it is staged for. */
  stagedBy: number | null;
  orgId: string;
  type: 'public-resource' | 'private-resource';
  niceId: string;
}

export type Claimed = 'domain' | 'port' | 'alias' | 'private-domain';

/** What one resource alone may have, as a key of {@link CurrentState.taken}. */
export const claim = (what: Claimed, value: string) => `${what} ${value}`;

/** What a document names and what is there, all of it loaded in a fixed number of statements. */
export interface CurrentState {
  /** By niceId or display name, as documents name them; several sites may have one name. */
  sites: Map<
    string,
    { siteId: number; niceId: string; name: string; dockerSocketEnabled: boolean; isLocal: boolean }[]
  >;
  /** Verified ones under which names of the document could lie. */
  domains: DomainRef[];
  /** Names of the document that lie in what another organization has proven. */
  heldByOthers: Set<string>;
  /** Name → id; Admin is not among them. */
  roles: Map<string, number>;
  /** E-mail address or user name → id, of members. */
  users: Map<string, string>;
  clients: Map<string, number>;
  publicResources: Map<string, StoredPublic>;
  privateResources: Map<string, StoredPrivate>;
  /** Addresses and ranges of the document that are the organization's own. */
  reservedRoutes: Set<string>;
  /** Who has what only one resource may have, see {@link claim}; a wildcard has the names below it too. */
  taken: Map<string, Holder[]>;
  /** What this source declared so far and the document may have dropped. */
  mine: {
    publicKeys: Mine[];
    privateKeys: Mine[];
    strayTargets: { id: number; siteId: number; key: string }[];
    strayRules: { id: number; key: string }[];
    strayParts: boolean;
  };
}

/** bcrypt hashes of a document's secrets by resource, made (or recognised as unchanged) before the transaction. */
export type Hashes = Map<
  string,
  { passwordHash: string | null; pincodeHash: string | null; headerAuthHash: string | null }
>;

/** Everything that a document names, for the look-ups. */
export function namesIn(model: Blueprint) {
  const publicEntries = model.publicResources;
  const full = publicEntries.flatMap((entry) => (entry.targetsOnly ? [] : [entry]));
  const siteRefs = [
    ...model.sites.map((s) => s.key),
    ...full.flatMap((entry) =>
      entry.sitesMayAddTargets && 'sites' in entry.sitesMayAddTargets ? entry.sitesMayAddTargets.sites : [],
    ),
    ...publicEntries.flatMap((entry) => entry.targets.flatMap((t) => t.site ?? [])),
    ...model.privateResources.flatMap((p) => p.sites),
  ];
  const fullDomains = [
    ...full.flatMap((entry) => entry.fullDomain ?? []),
    ...model.privateResources.flatMap((p) => p.fullDomain ?? []),
  ];
  return {
    publicKeys: publicEntries.map((entry) => entry.key),
    privateKeys: model.privateResources.map((p) => p.key),
    siteRefs: [...new Set(siteRefs)],
    fullDomains: [...new Set(full.flatMap((entry) => entry.fullDomain ?? []))],
    ports: full.flatMap((entry) => (entry.proxyPort === null ? [] : [{ protocol: entry.mode, port: entry.proxyPort }])),
    aliases: model.privateResources.flatMap((p) => p.alias ?? []),
    privateDomains: model.privateResources.flatMap((p) => p.fullDomain ?? []),
    baseDomains: [...new Set(fullDomains.flatMap(suffixes))],
    roles: rolesIn(model),
    users: [
      ...new Set([
        ...full.flatMap((entry) => entry.auth?.ssoUsers ?? []),
        ...model.privateResources.flatMap((p) => p.users),
      ]),
    ],
    routes: [...new Set(model.privateResources.flatMap((p) => routeOf(p.destination) ?? []))],
    clients: [...new Set(model.privateResources.flatMap((p) => p.machines))],
  };
}

/** `a.b.c` → `a.b.c`, `b.c`, `c`. */
function suffixes(name: string): string[] {
  const labels = name.replace(/^\*\./, '').split('.');
  return labels.map((_, i) => labels.slice(i).join('.'));
}
