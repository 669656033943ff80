import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { LinkProps } from '@tanstack/react-router';
import { t } from '@texts/search';
import { $api } from '@/api/client';
import type { components } from '@/api/types';

export type Hit = components['schemas']['SearchHit'];
export type Kind = keyof typeof t.kinds;

/** The kinds that have a page, in the order in which they are shown; later versions of the server may find more. */
export const KINDS = Object.keys(t.kinds) as Kind[];

/** What the server asks for at least. */
const SHORTEST = 2;

/** What is found in all of one's organizations; undefined until it is known, and for a text that is too short to be looked for. */
export function useHits(text: string): Hit[] | undefined {
  const query = text.trim();
  const isAsked = query.length >= SHORTEST;
  const { data } = useQuery({
    ...$api.queryOptions('get', '/search', { params: { query: { query } } }),
    enabled: isAsked,
    placeholderData: isAsked ? keepPreviousData : undefined,
  });
  return isAsked ? data?.hits : undefined;
}

/** Where a hit is shown. Clients have no page of their own: their list is narrowed to it. */
export function placeOf({ kind, orgId: org, id, name }: Hit): LinkProps {
  const places: Record<Kind, LinkProps> = {
    site: { to: '/org/$org/sites/$site', params: { org, site: id } },
    publicResource: { to: '/org/$org/resources/public/$resource', params: { org, resource: id } },
    privateResource: { to: '/org/$org/resources/private/$resource', params: { org, resource: id } },
    provisioningKey: { to: '/org/$org/provisioning/keys/$key', params: { org, key: id } },
    apiKey: { to: '/org/$org/access/api-keys/$key', params: { org, key: id } },
    client: { to: '/org/$org/access/clients', params: { org }, search: { q: name } },
    user: { to: '/org/$org/access/people/$person', params: { org, person: id } },
  };
  return places[kind as Kind];
}
