import type { Blueprint } from '#blueprint';
import type { Applicant, CurrentState, Stored } from './current-state.js';
import type { Change, PlanProblem } from './plan.types.js';
import { References } from './references.js';
import { SiteRights } from './target-rights.js';
import { UniqueNames } from './unique-names.js';

export const ADDS_NOTHING = 'the site waits for approval and adds nothing to what is in service';

/** What the parts of one plan share: what they compare, and the lists that they add to. */
export class PlanContext {
  readonly changes: Change[] = [];
  readonly problems: PlanProblem[] = [];
  readonly names: UniqueNames;
  readonly rights: SiteRights;
  readonly refs: References;

  constructor(
    readonly model: Blueprint,
    readonly applicant: Applicant,
    readonly state: CurrentState,
  ) {
    this.names = new UniqueNames(model, applicant, state, this.changes, this.problems);
    this.rights = new SiteRights(applicant);
    this.refs = new References(applicant, state, this.problems);
  }

  problem(path: string, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }

  /** Whether this site waits for approval while the resource serves others. */
  isInService(stored: Stored | undefined): boolean {
    const { site } = this.applicant;
    return stored !== undefined && site?.pending === true && stored.columns['staged_by'] !== site.siteId;
  }
}
