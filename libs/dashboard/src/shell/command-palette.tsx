import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { t } from '@texts/shell';
import { useState } from 'react';
import { $api } from '@/api/client';
import { StateBadge } from '@/kit/state-badge';
import { useOrganizations } from '@/orgs/queries';
import { useMay } from '@/session/session';
import { routeOf, usePlaces } from './use-places';

const FOUND = 6;

/** Ctrl K: every place that one may see, the organizations, and the sites of this one by what they are called. */
export function CommandPalette({ orgId }: { orgId: string | undefined }) {
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  const [asked] = useDebouncedValue(query.trim(), 200);
  const sections = usePlaces(orgId ?? '');
  const organizations = useOrganizations() ?? [];
  const may = useMay(orgId ?? '');
  const { data: found } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: orgId ?? '' }, query: { query: asked, pageSize: FOUND } },
    }),
    enabled: orgId !== undefined && asked.length > 1 && may('listSites'),
  });

  const places: SpotlightActionData[] =
    orgId === undefined
      ? []
      : sections.flatMap(({ label, icon: Icon, places }) =>
          places.map((place) => ({
            id: place.path,
            label: place.label,
            description: label === place.label ? undefined : label,
            leftSection: <Icon size={20} />,
            onClick: () => void navigate({ to: routeOf(place) as '/org/$org', params: { org: orgId } }),
          })),
        );
  const others: SpotlightActionData[] = organizations
    .filter((one) => one.orgId !== orgId)
    .map(({ orgId: org, name }) => ({
      id: `org ${org}`,
      label: name,
      description: org,
      onClick: () => void navigate({ to: '/org/$org', params: { org } }),
    }));
  const sites: SpotlightActionData[] =
    asked.length > 1 && orgId !== undefined
      ? (found?.sites ?? []).map(({ siteId, name, hardwareId, state }) => ({
          id: `site ${siteId}`,
          label: name,
          // Found by the server, by what the palette does not see.
          keywords: query,
          description: hardwareId ?? undefined,
          rightSection: <StateBadge state={state} />,
          onClick: () => void navigate({ to: '/org/$org/sites/$site', params: { org: orgId, site: String(siteId) } }),
        }))
      : [];
  const actions: SpotlightActionGroupData[] = [
    { group: t.places.sites, actions: sites },
    { group: t.menu, actions: places },
    { group: t.allOrganizations, actions: others },
  ].filter((group) => group.actions.length > 0);
  return (
    <Spotlight
      shortcut={['mod + K']}
      query={query}
      onQueryChange={setQuery}
      actions={actions}
      limit={12}
      highlightQuery
      scrollable
      maxHeight={420}
      nothingFound={t.searchNothing}
      searchProps={{ leftSection: <IconSearch size={20} />, placeholder: t.searchHint, 'aria-label': t.searchHint }}
    />
  );
}
