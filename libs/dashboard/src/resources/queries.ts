import { useQuery } from '@tanstack/react-query';
import { $api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import { useMay } from '@/session/session';

type Schemas = components['schemas'];
export type Resource = Schemas['ResourceView'] & Versioned;
export type ResourceItem = Schemas['ResourceItem'];
export type Target = Schemas['TargetItem'];
export type Rule = Schemas['RuleView'];
export type PrivateResource = Schemas['SiteResourceDetail'] & Versioned;
export type PrivateItem = Schemas['SiteResourceItem'];
export type Domain = Schemas['DomainView'] & Versioned;
export type Health = Resource['health'];

/** Of what a select or a short table offers. */
export const ALL = 1000;

export const resourceQuery = (resourceId: number) =>
  $api.queryOptions('get', '/resource/{resourceId}', { params: { path: { resourceId } } });

export const targetsQuery = (resourceId: number) =>
  $api.queryOptions('get', '/resource/{resourceId}/targets', {
    params: { path: { resourceId }, query: { pageSize: ALL } },
  });

export const rulesQuery = (resourceId: number) =>
  $api.queryOptions('get', '/resource/{resourceId}/rules', {
    params: { path: { resourceId }, query: { pageSize: ALL } },
  });

export const privateQuery = (siteResourceId: number) =>
  $api.queryOptions('get', '/site-resource/{siteResourceId}', { params: { path: { siteResourceId } } });

/** The domains on which a resource can be, for who may list them. */
export function useDomains(orgId: string): Domain[] | undefined {
  const may = useMay(orgId);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/domains', {
      params: { path: { orgId }, query: { pageSize: ALL } },
    }),
    enabled: may('listOrgDomains'),
  });
  return data?.domains;
}

export const resourcesChanged = (): Promise<unknown> =>
  Promise.all(
    (
      [
        '/org/{orgId}/resources',
        '/resource/{resourceId}',
        '/resource/{resourceId}/targets',
        '/resource/{resourceId}/diagnosis',
      ] as const
    ).map((path) => queryClient.invalidateQueries({ queryKey: ['get', path] })),
  );

export const rulesChanged = (): Promise<unknown> =>
  queryClient.invalidateQueries({ queryKey: ['get', '/resource/{resourceId}/rules'] });

export const privateChanged = (): Promise<unknown> =>
  Promise.all(
    (['/org/{orgId}/site-resources', '/site-resource/{siteResourceId}'] as const).map((path) =>
      queryClient.invalidateQueries({ queryKey: ['get', path] }),
    ),
  );

export const domainsChanged = (): Promise<unknown> =>
  Promise.all(
    (
      ['/org/{orgId}/domains', '/org/{orgId}/domain/{domainId}', '/org/{orgId}/domain/{domainId}/dns-records'] as const
    ).map((path) => queryClient.invalidateQueries({ queryKey: ['get', path] })),
  );

/** Where visitors find it: `app.example.com`, or `tcp port 5432`; undefined while it has no name. */
export function addressOf({
  mode,
  fullDomain,
  proxyPort,
}: Pick<Resource, 'mode' | 'fullDomain' | 'proxyPort'>): string | undefined {
  return mode === 'http' ? (fullDomain ?? undefined) : `${mode} ${proxyPort}`;
}
