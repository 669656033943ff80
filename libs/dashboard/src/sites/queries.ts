import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import type { SiteState } from '@/kit/state-badge';
import { useMay } from '@/session/session';

type Schemas = components['schemas'];
export type SiteView = Schemas['SiteView'] & Versioned;
export type SiteItem = Schemas['SiteItem'];
export type SiteGroup = Schemas['GroupView'];
export type Diagnosis = Schemas['Diagnosis'];
export type DiagnosisCheck = Schemas['DiagnosisCheck'];
export type SiteSession = Schemas['SiteSession'];

/** Of what a select offers. */
const ALL = 1000;

/** How many sites are in a state; undefined until it is known, or where one may not list them. */
export function useStateCount(orgId: string, state: SiteState): number | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId }, query: { state, pageSize: 1 } },
    }),
    enabled: may('listSites'),
  });
  return data?.pagination.total;
}

export const usePendingCount = (orgId: string): number | undefined => useStateCount(orgId, 'pending');

export const siteQuery = (siteId: string) =>
  $api.queryOptions('get', '/site/{siteId}', { params: { path: { siteId } } });

export const diagnosisQuery = (siteId: string) =>
  $api.queryOptions('get', '/site/{siteId}/diagnosis', { params: { path: { siteId } } });

export const groupQuery = (orgId: string, groupId: number) =>
  $api.queryOptions('get', '/org/{orgId}/group/{groupId}', { params: { path: { orgId, groupId } } });

/** How many sites have what. */
export const facetsQuery = (orgId: string) =>
  $api.queryOptions('get', '/org/{orgId}/sites/facets', { params: { path: { orgId } } });

/** All groups, for who may list them. */
export function useGroups(orgId: string): SiteGroup[] | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/groups', { params: { path: { orgId }, query: { pageSize: ALL } } }),
    enabled: may('listGroups'),
  });
  return data?.groups;
}

/** After a change of a site: what shows it is read anew. */
export const sitesChanged = (): Promise<unknown> =>
  Promise.all(
    (
      [
        '/org/{orgId}/sites',
        '/org/{orgId}/sites/facets',
        '/org/{orgId}/site-replacements',
        '/site/{siteId}',
        '/site/{siteId}/diagnosis',
        '/site/{siteId}/credentials',
        '/site/{siteId}/bundle',
      ] as const
    ).map((path) => queryClient.invalidateQueries({ queryKey: ['get', path] })),
  );

export const groupsChanged = (): Promise<unknown> =>
  Promise.all(
    (['/org/{orgId}/groups', '/org/{orgId}/group/{groupId}', '/org/{orgId}/sites/facets'] as const).map((path) =>
      queryClient.invalidateQueries({ queryKey: ['get', path] }),
    ),
  );
