import type { Blueprint, Target } from '#blueprint';
import type { LocalTargets, RawPorts } from '../resources/index.js';
import type { Applicant, CurrentState, Stored } from './current-state.js';
import type { Change, PlanProblem } from './plan.types.js';
import { References } from './references.js';
import { SiteRights } from './target-rights.js';
import { UniqueNames } from './unique-names.js';

export const ADDS_NOTHING = 'the site waits for approval and adds nothing to what is in service';

export type LocalTargetRules = Pick<LocalTargets, 'problem'>;
export type RawPortRules = Pick<RawPorts, 'problem'>;

/** Fields of a target as documents name them. */
const KEYS = { ip: 'hostname', port: 'port', hcHostname: 'healthcheck.hostname', hcPort: 'healthcheck.port' } as const;

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
    private readonly localTargets: LocalTargetRules,
    private readonly rawPorts: RawPortRules,
  ) {
    this.names = new UniqueNames(model, applicant, state, this.changes, this.problems);
    this.rights = new SiteRights(applicant);
    this.refs = new References(applicant, state, this.problems);
  }

  /** A target that is made or changed: one of a local site is what the server itself may dial. @returns whether there is a problem */
  isUnlisted(path: string, siteId: number, { hostname, port, healthcheck }: Target): boolean {
    const isLocal = [...this.state.sites.values()].some((sites) =>
      sites.some((site) => site.isLocal && site.siteId === siteId),
    );
    const found =
      isLocal &&
      this.localTargets.problem(this.applicant.orgId, {
        ip: hostname,
        port,
        hcEnabled: healthcheck?.enabled ?? false,
        hcHostname: healthcheck?.hostname ?? null,
        hcPort: healthcheck?.port ?? null,
      });
    if (found) this.problem(`${path}.${KEYS[found.field]}`, found.message);
    return Boolean(found);
  }

  /** A port that the resource does not have yet: one of those on which the server serves raw resources. @returns whether there is a problem */
  isUnserved(path: string, port: number, stored: Stored | undefined): boolean {
    const found = stored?.columns['proxy_port'] === port ? undefined : this.rawPorts.problem(port);
    if (found) this.problem(path, found);
    return found !== undefined;
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
