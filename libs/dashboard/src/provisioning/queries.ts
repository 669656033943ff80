import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { useMay } from '@/session/session';

export type Key = components['schemas']['KeyView'];
export type CreatedKey = components['schemas']['CreatedKeyView'];
export type Template = components['schemas']['TemplateView'];

/** Of what a select offers: more keys or templates than that are chosen by their id. */
const ALL = 1000;

export const keyQuery = (orgId: string, siteProvisioningKeyId: string) =>
  $api.queryOptions('get', '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}', {
    params: { path: { orgId, siteProvisioningKeyId } },
  });

/** All templates, for who may list them. */
export function useTemplates(orgId: string): Template[] | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/provisioning-templates', {
      params: { path: { orgId }, query: { pageSize: ALL } },
    }),
    enabled: may('listProvisioningTemplates'),
  });
  return data?.provisioningTemplates;
}

/** All keys, for who may list them. */
export function useKeys(orgId: string): Key[] | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/site-provisioning-keys', {
      params: { path: { orgId }, query: { pageSize: ALL } },
    }),
    enabled: may('listSiteProvisioningKeys'),
  });
  return data?.siteProvisioningKeys;
}

/** The name of a key by its id, where one may list them; the id otherwise. */
export function useKeyNames(orgId: string): (keyId: string) => string {
  const keys = useKeys(orgId);
  return (keyId) => keys?.find(({ siteProvisioningKeyId }) => siteProvisioningKeyId === keyId)?.name ?? keyId;
}

/** How far the machines of a key have come. */
export const ROLLOUT = '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rollout';

/** After a change of a key: what shows it is read anew. */
export const keysChanged = (): Promise<unknown> =>
  Promise.all([
    queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/site-provisioning-keys'] }),
    queryClient.invalidateQueries({
      queryKey: ['get', '/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}'],
    }),
    queryClient.invalidateQueries({ queryKey: ['get', ROLLOUT] }),
  ]);
