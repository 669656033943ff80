import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import type { SiteState } from '@/kit/state-badge';
import { useMay } from '@/session/session';

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

export type SiteView = components['schemas']['SiteView'];

export const siteQuery = (siteId: string) =>
  $api.queryOptions('get', '/site/{siteId}', { params: { path: { siteId } } });
