import { api } from '@/api/client';
import type { components } from '@/api/types';
import type { Action } from '../../../../contracts/index.js';
import type { SiteFilter } from '../site-filter';

export type ActBody = components['schemas']['SiteActionBody'];
export type ActName = ActBody['action'];
export type Preview = components['schemas']['SiteActionPreview'];
/** Which sites: those that were chosen, or all that match. */
export type Chosen = { siteIds: number[]; filter?: undefined } | { siteIds?: undefined; filter: SiteFilter };

export interface Act {
  name: ActName;
  /** What one must be allowed. */
  needs: Action;
  /** What must be said before anything can be foreseen. */
  field?: 'labels' | 'labelKeys' | 'groupIds' | 'profileId';
  /** What may be said beside it. */
  options?: readonly ('note' | 'expiresInSeconds' | 'tombstone' | 'pace')[];
  /** Cannot be undone: the number of sites is typed. */
  isFinal?: true;
}

/** In the order of the menu. */
export const ACTS: Record<'calm' | 'again' | 'final', readonly Act[]> = {
  calm: [
    { name: 'add_labels', needs: 'updateSite', field: 'labels' },
    { name: 'remove_labels', needs: 'updateSite', field: 'labelKeys' },
    { name: 'add_groups', needs: 'updateSite', field: 'groupIds' },
    { name: 'remove_groups', needs: 'updateSite', field: 'groupIds' },
    { name: 'set_profile', needs: 'updateSite', field: 'profileId' },
  ],
  again: [
    { name: 'suspend', needs: 'updateSite', options: ['note'] },
    { name: 'resume', needs: 'updateSite', options: ['note'] },
    { name: 'restart', needs: 'updateSite', options: ['pace'] },
    { name: 'rotate_credential', needs: 'updateSite', options: ['pace'] },
    { name: 'allow_reclaim', needs: 'allowReclaim', options: ['expiresInSeconds'] },
  ],
  final: [
    { name: 'revoke', needs: 'revokeSite', options: ['note'], isFinal: true },
    { name: 'delete', needs: 'deleteSite', options: ['note', 'tombstone'], isFinal: true },
  ],
};

/** What it would do, without doing it. */
export async function foresee(orgId: string, body: ActBody): Promise<Preview> {
  const { data } = await api.POST('/org/{orgId}/site-actions', {
    params: { path: { orgId } },
    body: { ...body, dryRun: true },
  });
  return data as Preview;
}

/** Which sites are meant: of a filter none that comes after what is foreseen now. */
export async function meant(
  orgId: string,
  chosen: Chosen,
): Promise<Pick<ActBody, 'siteIds' | 'filter' | 'upToSiteId'>> {
  if (chosen.siteIds) return { siteIds: chosen.siteIds };
  const { data } = await api.GET('/org/{orgId}/sites', {
    params: {
      path: { orgId },
      query: { ...chosen.filter, sort_by: 'createdAt', order: 'desc', pageSize: 1 },
    },
  });
  return { filter: chosen.filter, upToSiteId: data?.sites[0]?.siteId };
}
