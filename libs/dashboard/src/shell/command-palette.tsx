import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { t as search } from '@texts/search';
import { t } from '@texts/shell';
import { useState } from 'react';
import { useOrganizations } from '@/orgs/queries';
import { KINDS, placeOf, useHits } from '@/search/hits';
import { routeOf, usePlaces } from './use-places';

/** Of each kind: what is looked for further down is looked for with more of its name. */
const FOUND = 5;

/** Ctrl K: every place that one may see, the organizations, and what the server finds in all of them, what is in this one first. */
export function CommandPalette({ orgId }: { orgId: string | undefined }) {
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  const [asked] = useDebouncedValue(query, 200);
  const sections = usePlaces(orgId ?? '');
  const organizations = useOrganizations() ?? [];
  const hits = useHits(asked) ?? [];
  const nameOf = (org: string): string => organizations.find((one) => one.orgId === org)?.name ?? org;

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
  const found: SpotlightActionGroupData[] = KINDS.map((kind) => ({
    group: search.kinds[kind],
    actions: hits
      .filter((hit) => hit.kind === kind)
      .sort((a, b) => Number(b.orgId === orgId) - Number(a.orgId === orgId))
      .slice(0, FOUND)
      .map((hit) => ({
        id: `${kind} ${hit.orgId} ${hit.id}`,
        label: hit.name,
        // Found by the server, by what the palette does not see.
        keywords: query,
        description: [hit.note, hit.orgId === orgId ? undefined : nameOf(hit.orgId)].filter(Boolean).join(' · '),
        onClick: () => void navigate(placeOf(hit) as { to: '/org/$org'; params: { org: string } }),
      })),
  }));
  const actions = [...found, { group: t.menu, actions: places }, { group: t.allOrganizations, actions: others }].filter(
    (group) => group.actions.length > 0,
  );
  return (
    <Spotlight
      shortcut={['mod + K']}
      query={query}
      onQueryChange={setQuery}
      actions={actions}
      limit={FOUND * KINDS.length}
      highlightQuery
      scrollable
      maxHeight={420}
      nothingFound={t.searchNothing}
      searchProps={{ leftSection: <IconSearch size={20} />, placeholder: t.searchHint, 'aria-label': t.searchHint }}
    />
  );
}
