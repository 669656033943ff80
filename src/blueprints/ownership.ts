import { isDeepStrictEqual } from 'node:util';
import { type ColumnValues, fieldOf } from '../resources/index.js';
import { type Declaration, owns, type Proposal, type Stored } from './current-state.js';
import type { Drift } from './drift.js';
import type { Grants, Plan } from './plan.types.js';
import type { PlanContext } from './plan-context.js';

/** What an applicant may do with a row. */
export interface Decision {
  columns: ColumnValues | null;
  declared: ColumnValues | null;
  /** It is the applicant's alone, with all that hangs on it. */
  mayWrite: boolean;
  /** The applicant says the same as its other owners. */
  shares: boolean;
}

/** Who may change a resource (docs/blueprints.md, Who owns what), and what several owners want. */
export class Ownership {
  /** What this document, if it is refused, wants of resources that it shares. */
  readonly proposed: Plan['proposed'] = { resource_id: {}, site_resource_id: {} };

  constructor(
    private readonly context: PlanContext,
    private readonly drift: Drift,
  ) {}

  /**
   * Whether this applicant may make the row so, and what would change. Nothing that another owner made is overwritten: saying the same is
   * sharing, saying something else is a conflict that names the owner.
   */
  decide(
    path: string,
    key: string,
    type: 'public-resource' | 'private-resource',
    stored: Stored | undefined,
    wanted: ColumnValues,
  ): Decision | undefined {
    const { site, kind, sourceId } = this.context.applicant;
    const declared = owns(kind) ? wanted : null;
    const staging = site?.pending ? { staged_by: site.siteId, enabled: false, staged_enabled: wanted['enabled'] } : {};
    if (!stored) {
      this.context.changes.push({ action: 'create', type, key, fields: [] });
      return {
        columns: { nice_id: key, ...wanted, staged_by: null, staged_enabled: null, ...staging },
        declared,
        mayWrite: true,
        shares: false,
      };
    }
    const stagedBy = stored.columns['staged_by'];
    if (stagedBy !== null && stagedBy !== site?.siteId)
      return this.context.problem(path, 'it is staged for another site that waits for approval');
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
      if (joins && !mine && type === 'public-resource' && !this.context.rights.mayShare(stored, others))
        return this.context.problem(path, notShared(others));
      const declares =
        joins && !isDeepStrictEqual(stored.declarations.find((d) => d.sourceId === sourceId)?.declared, declared);
      if (declares && !mine) this.context.changes.push({ action: 'update', type, key, fields: ['owner'] });
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
      if (!mine && type === 'public-resource' && !this.context.rights.mayShare(stored, others))
        return this.context.problem(path, notShared(others));
      this.drift.columns(type, key, stored, others[0]!, difference, wanted);
      this.context.changes.push({ action: 'update', type, key, fields: difference.map(fieldOf) });
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
      return this.context.problem(
        path,
        told.length > 0 ? `${owner}, and differs in ${[...new Set(told.map(fieldOf))].join(', ')}` : owner,
      );
    }
    if (site?.pending && !staged)
      return this.context.problem(path, 'the site waits for approval and changes nothing that is in service');
    const own = stored.declarations.find((d) => d.sourceId === sourceId);
    if (own) this.drift.columns(type, key, stored, own, difference, wanted);
    this.context.changes.push({ action: 'update', type, key, fields: [...new Set(difference.map(fieldOf))] });
    return {
      columns: Object.fromEntries(difference.map((name) => [name, target[name as keyof typeof target]])),
      declared,
      mayWrite: true,
      shares: false,
    };
  }

  private foreignOwner(stored: Stored, others: Declaration[], mine: boolean, staged: boolean): string | undefined {
    const [other] = others;
    if (other) return `it belongs to the ${ownerOf(other)}`;
    if (this.context.applicant.kind === 'api' || staged || mine) return undefined;
    return stored.declarations.length === 0 ? 'it belongs to the operator' : undefined;
  }

  /** Several owners of one resource give it to the same, or it is a conflict; who says nothing of it agrees with all. */
  agrees(path: string, stored: Stored, said: Record<string, string[]>): boolean {
    const sorted = (list: readonly string[]) => [...new Set(list)].sort();
    for (const { sourceId, siteName, kind, proposed } of stored.declarations) {
      const other =
        sourceId === this.context.applicant.sourceId ? undefined : stored.parts.find((p) => p.sourceId === sourceId);
      if (!other || !('roles' in other.parts)) continue;
      const lists: Record<string, unknown> = { ...other.parts, users: other.userIds };
      const differs = (from: Record<string, unknown>) =>
        Object.keys(said).find(
          (name) => !isDeepStrictEqual(sorted(said[name]!), sorted((from[name] as string[] | undefined) ?? [])),
        );
      const field = differs(lists);
      if (field === undefined || (proposed?.given && differs(proposed.given) === undefined)) continue;
      this.context.problem(path, `it belongs to the ${ownerOf({ siteName, kind })}, and differs in ${field}`);
      return false;
    }
    return true;
  }

  /** Remembers what one of several owners wants, for the case that the others come to want it too. */
  propose(id: keyof Plan['proposed'], stored: Stored | undefined, wanted: Proposal): undefined {
    if (stored?.declarations.some((d) => d.sourceId === this.context.applicant.sourceId))
      this.proposed[id][stored.id] = wanted;
    return undefined;
  }

  grantsDiffer(stored: Stored | undefined, grants: Grants): boolean {
    const names = [...new Set(grants.roles)];
    const roleIds = names.flatMap((name) => this.context.state.roles.get(name) ?? []).sort((a, b) => a - b);
    const unmade = names.filter((name) => !this.context.state.roles.has(name)).sort();
    const awaited = this.context.applicant.site?.pending ? [...(stored?.stagedRoles ?? [])].sort() : [];
    return (
      !isDeepStrictEqual(stored?.roleIds ?? [], roleIds) ||
      !isDeepStrictEqual(awaited, unmade) ||
      !isDeepStrictEqual([...(stored?.userIds ?? [])].sort(), [...grants.userIds].sort())
    );
  }
}

/** Columns that the document wants otherwise. */
export const differing = (wanted: ColumnValues, current: ColumnValues) =>
  Object.keys(wanted).filter((name) => !isDeepStrictEqual(wanted[name] ?? null, current[name] ?? null));

/** What only an operator says, of a resource that sites declare too. */
const OPERATORS = 'sites_may_add_targets';

const OWNERS: Record<string, string> = { file: 'blueprint file', newt: 'newt', labels: 'containers' };
const notShared = ([other]: Declaration[]) =>
  `it belongs to the ${ownerOf(other!)}, and its sitesMayAddTargets does not name this site`;
const ownerOf = ({ kind, siteName }: Pick<Declaration, 'kind' | 'siteName'>) =>
  `${OWNERS[kind] ?? kind} of the site ${siteName}`;
