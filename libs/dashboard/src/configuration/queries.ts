import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import { useMay } from '@/session/session';

type Schemas = components['schemas'];
export type Secret = Schemas['SecretView'];
export type SecretDetails = Schemas['SecretDetails'] & Versioned;
export type SecretUsers = Schemas['SecretUsers'];
export type Bundle = Schemas['BundleItem'];
export type BundleState = Bundle['state'];
export type Rollout = Schemas['RolloutView'];
export type Profile = Schemas['ProfileView'];
export type Bootstrap = Schemas['BootstrapView'] & Versioned;

const ALL = 1000;

export const secretQuery = (orgId: string, name: string) =>
  $api.queryOptions('get', '/org/{orgId}/secret/{name}', { params: { path: { orgId, name }, query: {} } });

export const bootstrapQuery = (orgId: string, profileId: number, revision?: number) =>
  $api.queryOptions('get', '/org/{orgId}/provisioning-profile/{profileId}/bootstrap', {
    params: { path: { orgId, profileId }, query: { revision } },
  });

/** All profiles, for who may list them. */
export function useProfiles(orgId: string): Profile[] | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/provisioning-profiles', {
      params: { path: { orgId }, query: { pageSize: ALL } },
    }),
    enabled: may('listProvisioningProfiles'),
  });
  return data?.provisioningProfiles;
}

export const secretsChanged = (): Promise<unknown> =>
  Promise.all(
    (['/org/{orgId}/secrets', '/org/{orgId}/secret/{name}', '/org/{orgId}/rollouts'] as const).map((path) =>
      queryClient.invalidateQueries({ queryKey: ['get', path] }),
    ),
  );

export const bootstrapChanged = (): Promise<unknown> =>
  Promise.all(
    (
      [
        '/org/{orgId}/provisioning-profile/{profileId}/bootstrap',
        '/org/{orgId}/provisioning-profile/{profileId}/bootstrap/revisions',
        '/org/{orgId}/provisioning-profiles',
        '/org/{orgId}/rollouts',
      ] as const
    ).map((path) => queryClient.invalidateQueries({ queryKey: ['get', path] })),
  );
