import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { useUser } from '@/session/session';

const ALL = 1000;

/** The organizations that one sees: one's own, and all of them for a server administrator; undefined until they are known. */
export function useOrganizations(): { orgId: string; name: string }[] | undefined {
  const user = useUser();
  const all = useQuery({
    ...$api.queryOptions('get', '/orgs', { params: { query: { pageSize: ALL } } }),
    enabled: user.serverAdmin,
  });
  if (!user.serverAdmin) return user.memberships.map(({ orgId, orgName }) => ({ orgId, name: orgName }));
  return all.data?.orgs;
}
