import type { PublicResource } from '#blueprint';
import type { ColumnValues } from '../resources/index.js';
import type { Applicant, CurrentState, DomainRef, Stored } from './current-state.js';
import type { PlanProblem } from './plan.types.js';
import type { TargetRights } from './target-rights.js';

/** Finds what a document means by the names in it: sites, members, domains. A name that does not exist is a problem of the plan. */
export class References {
  constructor(
    private readonly applicant: Applicant,
    private readonly state: CurrentState,
    private readonly problems: PlanProblem[],
  ) {}

  /** Members, by address or user name; a problem for each that is none. */
  users(path: string, refs: string[]): string[] {
    return [
      ...new Set(
        refs.flatMap(
          (ref, i) =>
            this.state.users.get(ref) ??
            this.state.users.get(ref.toLowerCase()) ??
            this.problem(`${path}[${i}]`, `${ref} is not a member of the organization`) ??
            [],
        ),
      ),
    ];
  }

  /** Which sites may add targets, by their ids. */
  targetRights(path: string, { sitesMayAddTargets: said }: PublicResource): TargetRights | null {
    if (said === null || 'labels' in said) return said;
    const siteIds = said.sites.flatMap(
      (ref, i) => this.namedSite(`${path}.sites-may-add-targets.sites[${i}]`, ref) ?? [],
    );
    return { siteIds: [...new Set(siteIds)].sort((a, b) => a - b) };
  }

  private namedSite(path: string, ref: string): number | undefined {
    const found = this.state.sites.get(ref) ?? [];
    const chosen = found.find((s) => s.niceId === ref) ?? found[0];
    if (!chosen) return this.problem(path, `there is no site ${ref}`);
    if (found.length > 1 && chosen.niceId !== ref)
      return this.problem(path, `${found.length} sites are called ${ref}; use a niceId`);
    return chosen.siteId;
  }

  /**
   * A site by niceId, else by its display name; without either the site that sends the document.
   * @param serves whether another site than the sender does already what is asked of it: then nothing is exposed by naming it
   */
  targetSite(path: string, ref: string | null, serves?: (siteId: number) => boolean): number | undefined {
    const own = this.applicant.site;
    if (ref === null) return own?.siteId ?? this.problem(path, 'a site is required here');
    if (own && (ref === own.niceId || ref === own.name)) return own.siteId;
    // A site exposes only itself, so a name that no site has means the sender: fleets of newt write it like that.
    if (own && !this.state.sites.has(ref)) return own.siteId;
    const siteId = this.namedSite(path, ref);
    if (own && siteId !== undefined && siteId !== own.siteId && !serves?.(siteId))
      return this.problem(path, `a site exposes what runs behind itself, not behind ${ref}`);
    return siteId;
  }

  /** The longest verified domain that the name lies on; a cname domain is itself only. A name that the resource has already it keeps. */
  domainOf(path: string, fullDomain: string | null, stored: Stored | undefined): DomainRef | null | undefined {
    if (fullDomain === null) return null;
    const name = fullDomain.replace(/^\*\./, '');
    const [longest] = this.state.domains
      .filter(
        (d) =>
          fullDomain === d.baseDomain ||
          (d.type !== 'cname' && (name === d.baseDomain || name.endsWith(`.${d.baseDomain}`))),
      )
      .sort((a, b) => b.baseDomain.length - a.baseDomain.length);
    if (stored?.columns['full_domain'] === fullDomain) {
      const current = this.state.domains.find(({ domainId }) => domainId === stored.columns['domain_id']);
      return current ?? longest ?? domainIn(stored.columns);
    }
    if (longest === undefined)
      return this.problem(path, `${fullDomain} is not on a verified domain of the organization`);
    if (this.state.heldByOthers.has(fullDomain))
      return this.problem(path, `${fullDomain} lies within a domain that another organization has verified`);
    return longest;
  }

  private problem(path: string, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }
}

/** The domain that a row's name is on, verified or not. */
function domainIn({ domain_id: domainId, full_domain: fullDomain, subdomain }: ColumnValues): DomainRef | null {
  if (domainId === null) return null;
  return {
    domainId: domainId as string,
    baseDomain: (fullDomain as string).slice(subdomain === null ? 0 : (subdomain as string).length + 1),
    type: 'wildcard',
  };
}
