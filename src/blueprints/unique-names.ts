import type { Blueprint, PublicResource } from '#blueprint';
import type { ColumnValues } from '../resources/index.js';
import {
  type Applicant,
  type Claimed,
  type CurrentState,
  claim,
  type Holder,
  keeps,
  prunes,
  type Stored,
} from './current-state.js';
import type { Change, Plan, PlanProblem } from './plan.types.js';

interface Step {
  id: number | null;
  columns: ColumnValues | null;
}

/**
 * Whether what only one resource may have (a key, a full domain, a port, an alias) is free for a document, and which rows give it up: staged ones,
 * and those that get something else from the same document.
 */
export class UniqueNames {
  /** What waits for another site's approval and holds what the document wants. */
  readonly evicted: Plan['evicted'] = { publicIds: [], privateIds: [] };
  /** Names that one resource of the document has and another one wants; `path` and `message`: the problem if the first one keeps its name. */
  private readonly passed: (Plan['transferredNames'][number] & PlanProblem)[] = [];

  /** Adds to the changes and problems of the plan. */
  constructor(
    private readonly model: Blueprint,
    private readonly applicant: Applicant,
    private readonly state: CurrentState,
    private readonly changes: Change[],
    private readonly problems: PlanProblem[],
  ) {}

  /** Names that pass from one resource of the document to another, once all steps are known. Adds a problem for each that stays where it is. */
  transferredNames(publicSteps: Step[], privateSteps: Step[]): Plan['transferredNames'] {
    for (const { id, table, column, path, message } of this.passed) {
      const steps = table === 'resource' ? publicSteps : privateSteps;
      if (!steps.some((step) => step.id === id && step.columns && column in step.columns))
        this.problems.push({ path, message });
    }
    return this.passed.map(({ table, column, id }) => ({ table, column, id }));
  }

  /** Whether another resource has the value and keeps it: this document neither deletes nor renames it, and it is not evicted. Adds the problem. */
  isTaken(type: Holder['type'], key: string, path: string, what: Claimed, value: string): boolean {
    const inUse = ({ orgId, niceId }: Holder) =>
      `${value} is already in use${orgId === this.applicant.orgId ? ` by the ${type} ${niceId}` : ''}`;
    const by = (this.state.taken.get(claim(what, value)) ?? []).find((holder) => {
      // What another organization has is taken, staged or not.
      if (holder.orgId !== this.applicant.orgId) return true;
      if (this.yields(holder.stagedBy)) return this.evictStaged(type, holder);
      return (
        holder.niceId !== key &&
        !this.goes(type, holder.niceId) &&
        !this.passesOn(type, holder, what, { path, message: inUse(holder) })
      );
    });
    if (by) this.problems.push({ path, message: inUse(by) });
    return by !== undefined;
  }

  /** Whether the holder gets another value from this document. Never for a port: a raw resource always has one, so two cannot exchange theirs. */
  private passesOn(type: Holder['type'], { id, niceId }: Holder, what: Claimed, problem: PlanProblem): boolean {
    if (what === 'port') return false;
    const column = what === 'alias' ? 'alias' : 'full_domain';
    const [table, stored, wanted] =
      type === 'public-resource'
        ? ([
            'resource',
            this.state.publicResources.get(niceId),
            this.model.publicResources.find((e): e is PublicResource => e.key === niceId && !e.targetsOnly)?.fullDomain,
          ] as const)
        : ([
            'site_resource',
            this.state.privateResources.get(niceId),
            this.model.privateResources.find((e) => e.key === niceId)?.[what === 'alias' ? 'alias' : 'fullDomain'],
          ] as const);
    if (wanted === undefined || !stored || wanted === (stored.columns[column] as string | null)?.toLowerCase())
      return false;
    this.passed.push({ table, column, id, ...problem });
    return true;
  }

  /** Whether a row staged for a site is evicted: it blocks nothing that is in service, but the document of another site that waits. */
  private yields(stagedBy: number | null): boolean {
    return stagedBy !== null && this.applicant.site?.pending !== true && stagedBy !== this.applicant.site?.siteId;
  }

  private evictStaged(type: Holder['type'], { id, niceId }: Pick<Holder, 'id' | 'niceId'>): false {
    const ids = type === 'public-resource' ? this.evicted.publicIds : this.evicted.privateIds;
    if (ids.includes(id)) return false;
    ids.push(id);
    this.changes.push({ action: 'delete', type, key: niceId, fields: [] });
    return false;
  }

  /** The row of this key, unless it is evicted. */
  present<Row extends Stored>(type: Holder['type'], key: string, row: Row | undefined): Row | undefined {
    if (!row || !this.yields(row.columns['staged_by'] as number | null)) return row;
    this.evictStaged(type, { id: row.id, niceId: key });
    return undefined;
  }

  private goes(type: Holder['type'], key: string): boolean {
    const [table, mine, named] =
      type === 'public-resource'
        ? (['resource', this.state.mine.publicKeys, this.model.publicResources] as const)
        : (['site_resource', this.state.mine.privateKeys, this.model.privateResources] as const);
    return (
      prunes(this.applicant) &&
      !keeps(this.applicant, table, key) &&
      mine.some((one) => one.key === key && one.alone) &&
      !named.some((entry) => entry.key === key)
    );
  }

  /** Declared by this source before, and not in its document. */
  dropped(): Plan['dropped'] {
    const { model } = this;
    if (!prunes(this.applicant)) return { publicKeys: [], privateKeys: [] };
    const present = {
      publics: new Set(model.publicResources.map((e) => e.key)),
      privates: new Set(model.privateResources.map((e) => e.key)),
    };
    const publicKeys = this.state.mine.publicKeys.flatMap(({ key }) =>
      present.publics.has(key) || keeps(this.applicant, 'resource', key) ? [] : [key],
    );
    const privateKeys = this.state.mine.privateKeys.flatMap(({ key }) =>
      present.privates.has(key) || keeps(this.applicant, 'site_resource', key) ? [] : [key],
    );
    for (const key of publicKeys) this.changes.push({ action: 'delete', type: 'public-resource', key, fields: [] });
    for (const key of privateKeys) this.changes.push({ action: 'delete', type: 'private-resource', key, fields: [] });
    return { publicKeys, privateKeys };
  }
}
