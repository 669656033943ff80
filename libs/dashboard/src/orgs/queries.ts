import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { useUser } from '@/session/session';

export type Organization = Pick<components['schemas']['OrgListItem'], 'orgId' | 'name'> &
  Partial<Pick<components['schemas']['OrgListItem'], 'counts' | 'claimsPausedAt' | 'closedAt'>>;

const ALL = 1000;

/** With counts of each, for who may read them. */
export const orgsQuery = $api.queryOptions('get', '/orgs', { params: { query: { pageSize: ALL } } });

/** The organizations that one sees: one's own, and all of them for a server administrator; undefined until they are known. */
export function useOrganizations(): Organization[] | undefined {
  const user = useUser();
  const all = useQuery({ ...orgsQuery, enabled: user.serverAdmin });
  if (!user.serverAdmin) return user.memberships.map(({ orgId, orgName }) => ({ orgId, name: orgName }));
  return all.data?.orgs;
}
