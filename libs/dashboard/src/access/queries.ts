import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { useMay } from '@/session/session';

/** As many roles as a choice of them can show. */
const CHOICES = 200;

/** The roles of an organization, to choose from; empty until they are known, and for who may not list them. */
export function useRoles(orgId: string) {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/roles', { params: { path: { orgId }, query: { pageSize: CHOICES } } }),
    enabled: may('listRoles'),
  });
  return data?.roles ?? [];
}

export const userOfOrgQuery = (orgId: string, userId: string) =>
  $api.queryOptions('get', '/org/{orgId}/user/{userId}', { params: { path: { orgId, userId } } });

export const roleQuery = (roleId: string) =>
  $api.queryOptions('get', '/role/{roleId}', { params: { path: { roleId: Number(roleId) } } });

export const apiKeyQuery = (orgId: string, apiKeyId: string) =>
  $api.queryOptions('get', '/org/{orgId}/api-key/{apiKeyId}', { params: { path: { orgId, apiKeyId } } });
