import type { Action } from '#contracts';
import { refuseSecrets } from '#platform';
import { whyNotRejected } from '../../approvals/index.js';
import { whyNotReclaimed } from '../../provisioning/index.js';
import type { SiteActionBody, SiteActionName } from './site-actions.dto.js';
import type { SiteFacts } from './site-facts.repository.js';

export const MAX_LABELS_OF_SITE = 32;
export const MAX_GROUPS_OF_SITE = 100;

type Parameter =
  | 'note'
  | 'tombstone'
  | 'labels'
  | 'labelKeys'
  | 'groupIds'
  | 'profileId'
  | 'expiresInSeconds'
  | 'overlapSeconds';
export const PARAMETERS: readonly Parameter[] = [
  'note',
  'tombstone',
  'labels',
  'labelKeys',
  'groupIds',
  'profileId',
  'expiresInSeconds',
  'overlapSeconds',
];

/** What an act is told beside its sites. */
export type SiteAct = Pick<SiteActionBody, 'action' | Parameter>;

/** What each act needs: the action of the route that does it with one site, and what it must and may be told. */
export const ACTS: Record<SiteActionName, { permission: Action; needs?: Parameter; takes?: Parameter[] }> = {
  suspend: { permission: 'updateSite', takes: ['note'] },
  resume: { permission: 'updateSite', takes: ['note'] },
  revoke: { permission: 'revokeSite', takes: ['note'] },
  delete: { permission: 'deleteSite', takes: ['note', 'tombstone'] },
  add_labels: { permission: 'updateSite', needs: 'labels' },
  remove_labels: { permission: 'updateSite', needs: 'labelKeys' },
  add_groups: { permission: 'updateSite', needs: 'groupIds' },
  remove_groups: { permission: 'updateSite', needs: 'groupIds' },
  set_profile: { permission: 'updateSite', needs: 'profileId' },
  restart: { permission: 'updateSite' },
  allow_reclaim: { permission: 'allowReclaim', takes: ['expiresInSeconds'] },
  rotate_credential: { permission: 'updateSite', takes: ['overlapSeconds'] },
};

/** What comes of one site without that anything is done to it. */
export interface NotDone {
  outcome: 'unchanged' | 'not_found' | 'conflict' | 'permission_denied';
  message: string | null;
}

const unchanged = (message: string | null = null): NotDone => ({ outcome: 'unchanged', message });
const refused = (message: string): NotDone => ({ outcome: 'conflict', message });
const REVOKED = 'The site is revoked';

/** The labels and groups of a site after the act; as they were for acts that leave them. */
export function labelsAfter(act: SiteAct, before: Record<string, string>): Record<string, string> {
  if (act.action === 'add_labels') return { ...before, ...act.labels };
  return Object.fromEntries(Object.entries(before).filter(([key]) => !act.labelKeys?.includes(key)));
}
export function groupsAfter(act: SiteAct, before: number[]): number[] {
  if (act.action === 'add_groups') return [...new Set([...before, ...(act.groupIds ?? [])])];
  return before.filter((groupId) => !act.groupIds?.includes(groupId));
}

/**
 * Why the act does nothing to a site, as far as its facts tell. A dry run says it, and the job asks it again before each act, so both say the same.
 * @returns undefined when it is to be done
 */
export function whyNotDone(act: SiteAct, site: SiteFacts | undefined, mayUseSecrets: boolean): NotDone | undefined {
  if (!site) return { outcome: 'not_found', message: 'Site not found' };
  const { status, suspended, revoked } = site;
  const secret: NotDone | undefined =
    site.receives && !mayUseSecrets ? { outcome: 'permission_denied', message: refuseSecrets().message } : undefined;
  switch (act.action) {
    case 'suspend':
      if (revoked) return refused(REVOKED);
      return status === 'approved' ? undefined : unchanged();
    case 'resume':
      if (revoked) return refused(REVOKED);
      if (status === 'approved') return unchanged();
      return suspended ? secret : refused('The site was never approved; approve it instead');
    case 'revoke':
      return revoked ? unchanged() : undefined;
    case 'delete': {
      const against = status === 'approved' || (suspended && revoked) ? undefined : whyNotRejected(site);
      return against === undefined ? undefined : refused(against);
    }
    case 'add_labels': {
      const after = labelsAfter(act, site.labels);
      if (Object.entries(after).every(([key, value]) => site.labels[key] === value)) return unchanged();
      const count = Object.keys(after).length;
      return count > MAX_LABELS_OF_SITE ? refused(`The site would have ${count} labels, of 32 at most`) : undefined;
    }
    case 'remove_labels':
      return act.labelKeys!.some((key) => Object.hasOwn(site.labels, key)) ? undefined : unchanged();
    case 'add_groups': {
      const count = groupsAfter(act, site.groupIds).length;
      if (count === site.groupIds.length) return unchanged();
      return count > MAX_GROUPS_OF_SITE ? refused(`The site would be in ${count} groups, of 100 at most`) : undefined;
    }
    case 'remove_groups':
      return act.groupIds!.some((groupId) => site.groupIds.includes(groupId)) ? undefined : unchanged();
    case 'set_profile':
      return site.profileId === act.profileId ? unchanged() : undefined;
    case 'restart':
      return site.connected ? undefined : unchanged('The site is not connected');
    case 'allow_reclaim': {
      const against = secret ? undefined : whyNotReclaimed(site);
      return against === undefined ? secret : refused(against);
    }
    case 'rotate_credential':
      return revoked ? refused(REVOKED) : undefined;
  }
}
