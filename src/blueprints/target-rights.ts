import type { Applicant, Declaration, Stored } from './current-state.js';

/** Which sites may add targets by documents of their own: the column `sites_may_add_targets`. */
export type TargetRights = { siteIds: number[] } | { labels: Record<string, string> };

/**
 * What a site's document may do with a resource that is there (docs/adr/0020). It may do everything with its own: one that a document of the
 * site declares, or that is staged for it. An operator may do everything, and so may what an operator wrote into a profile.
 */
export class SiteRights {
  constructor(private readonly applicant: Applicant) {}

  /** Whether the document may add targets: the resource's owners and operators decide it, not the site. */
  mayAddTargets(key: string, stored: Stored | undefined): boolean {
    if (!stored || this.isOperators(key) || this.isOwn(stored)) return true;
    const rights = rightsOf(stored);
    return rights !== null && this.matches(rights);
  }

  /**
   * Whether the document may declare a resource together with those who declare it. Without a word of the operator's: machines that the operator made
   * alike, under one provisioning template or all by hand, are one fleet with one document.
   */
  mayShare(stored: Stored, others: Declaration[]): boolean {
    const { site } = this.applicant;
    if (!site || this.isOwn(stored)) return true;
    const rights = rightsOf(stored);
    return rights === null ? others.some((other) => other.templateId === site.templateId) : this.matches(rights);
  }

  /** Whether an operator wrote the entry: it is the same whatever the site calls itself. */
  isOperators(key: string): boolean {
    return this.applicant.site === null || this.applicant.operatorsKeys?.has(key) === true;
  }

  private isOwn(stored: Stored): boolean {
    const siteId = this.applicant.site?.siteId;
    return (
      stored.columns['staged_by'] === siteId || stored.declarations.some((declaration) => declaration.siteId === siteId)
    );
  }

  private matches(rights: TargetRights): boolean {
    const site = this.applicant.site!;
    if ('siteIds' in rights) return rights.siteIds.includes(site.siteId);
    return Object.entries(rights.labels).every(
      ([name, value]) => Object.hasOwn(site.labels, name) && site.labels[name] === value,
    );
  }
}

const rightsOf = (stored: Stored) => (stored.columns['sites_may_add_targets'] ?? null) as TargetRights | null;
