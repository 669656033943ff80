import { Anchor, Badge, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconBuilding, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/orgs';
import { useLiveEvents } from '@/events/use-live-events';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import { Time } from '@/kit/time';
import { type Column, ListTable } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { type Organization, orgsQuery } from '@/orgs/queries';
import { HitList } from '@/search/hit-list';
import { useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/orgs')({ validateSearch: listSearch, component: Organizations });

type Sites = NonNullable<NonNullable<Organization['counts']>['sites']>;

/** What somebody has to look at: what is offline, what waits, and keys that end. Undefined where one may read none of it. */
function attentionOf({ counts }: Organization): number | undefined {
  if (!counts || (counts.sites === null && counts.keysEnding === null)) return undefined;
  return (counts.sites ? counts.sites.offline + counts.sites.pending : 0) + (counts.keysEnding ?? 0);
}

const ORDERS: Record<string, (one: Organization) => string | number | undefined> = {
  name: ({ name }) => name.toLowerCase(),
  online: ({ counts }) => counts?.sites?.online,
  offline: ({ counts }) => counts?.sites?.offline,
  pending: ({ counts }) => counts?.sites?.pending,
  attention: attentionOf,
  keysEnding: ({ counts }) => counts?.keysEnding ?? undefined,
  lastClaimAt: ({ counts }) => counts?.lastClaimAt ?? undefined,
};

/** In the order of the address; what is not known stands last, whichever way. */
function inOrder(rows: Organization[], sort = 'name'): Organization[] {
  const of = ORDERS[sort.replace(/^-/, '')] ?? ORDERS['name']!;
  const sign = sort.startsWith('-') ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [of(a), of(b)];
    if (one === other) return 0;
    if (one === undefined || other === undefined) return one === undefined ? 1 : -1;
    return one < other ? -sign : sign;
  });
}

function Name({ of: { orgId, name, claimsPausedAt, closedAt } }: { of: Organization }) {
  return (
    <Group gap="xs">
      <PageLink to="/org/$org" params={{ org: orgId }}>
        {name}
      </PageLink>
      {claimsPausedAt && (
        <Badge variant="outline" color="orange" tt="none">
          {t.paused}
        </Badge>
      )}
      {closedAt && (
        <Badge variant="outline" color="gray" tt="none">
          {t.closed}
        </Badge>
      )}
    </Group>
  );
}

/** A number that leads to its rows. */
function Sites({ of: { orgId, counts }, field, state }: { of: Organization; field: keyof Sites; state: SiteState }) {
  const count = counts?.sites?.[field];
  if (count === undefined) return null;
  if (count === 0) return <Text size="sm">0</Text>;
  return (
    <Anchor
      size="sm"
      c="inherit"
      renderRoot={(props) => <Link to="/org/$org/sites" params={{ org: orgId }} search={{ state }} {...props} />}
    >
      {formatNumber(count)}
    </Anchor>
  );
}

const numeric = { textAlign: 'right' as const, sortable: true, width: 110 };
const COLUMNS: Column<Organization>[] = [
  { key: 'name', title: t.columns.name, sortable: true, render: (one) => <Name of={one} /> },
  {
    key: 'attention',
    title: t.columns.attention,
    ...numeric,
    render: (one) => {
      const count = attentionOf(one);
      if (count === undefined) return null;
      return (
        <Text span size="sm" fw={count > 0 ? 700 : 400}>
          {formatNumber(count)}
        </Text>
      );
    },
  },
  {
    key: 'online',
    title: t.columns.online,
    ...numeric,
    render: (one) => <Sites of={one} field="online" state="online" />,
  },
  {
    key: 'offline',
    title: t.columns.offline,
    ...numeric,
    render: (one) => <Sites of={one} field="offline" state="offline" />,
  },
  {
    key: 'pending',
    title: t.columns.pending,
    ...numeric,
    render: (one) => <Sites of={one} field="pending" state="pending" />,
  },
  {
    key: 'keysEnding',
    title: t.columns.keysEnding,
    ...numeric,
    width: 130,
    render: ({ counts }) => (counts?.keysEnding == null ? null : formatNumber(counts.keysEnding)),
  },
  {
    key: 'lastClaimAt',
    title: t.columns.lastClaimAt,
    sortable: true,
    width: 130,
    render: ({ counts }) => counts?.sites !== undefined && <Time at={counts?.lastClaimAt} />,
  },
  {
    key: 'orgId',
    title: t.columns.orgId,
    hidden: true,
    render: ({ orgId }) => <CopyId id={orgId} what={t.columns.orgId} />,
  },
];

/** All that one sees, and what is in them. */
function Organizations() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const user = useUser();
  const query = useQuery(orgsQuery);
  // Of many organizations no stream is followed.
  useLiveEvents('', false);
  const [asked] = useDebouncedValue(search.q ?? '', 250);
  const wanted = search.q?.toLowerCase() ?? '';
  // Also those of which one may not even read the name by itself: a membership tells it.
  const listed = new Set(query.data?.orgs.map(({ orgId }) => orgId));
  const others = user.memberships.filter(({ orgId }) => !listed.has(orgId));
  const rows: Organization[] | undefined = query.data && [
    ...query.data.orgs,
    ...others.map(({ orgId, orgName }) => ({ orgId, name: orgName })),
  ];
  const shown =
    rows && inOrder(rows, search.sort).filter(({ orgId, name }) => `${orgId} ${name}`.toLowerCase().includes(wanted));
  return (
    <>
      <PageHeader title={t.title} />
      <Stack>
        <TextInput
          maw={420}
          leftSection={<IconSearch size={16} />}
          placeholder={t.search}
          aria-label={t.search}
          value={search.q ?? ''}
          onChange={({ currentTarget }) =>
            void navigate({ search: { ...search, q: currentTarget.value || undefined }, replace: true })
          }
        />
        {asked.trim().length > 1 && <HitList text={asked} />}
        <ListTable
          id="orgs"
          label={t.list}
          query={query}
          rows={shown}
          total={shown?.length}
          pageSize={1000}
          rowId={({ orgId }) => orgId}
          columns={COLUMNS}
          search={search}
          onSearch={(next) => void navigate({ search: next })}
          exported={{ path: '/orgs' }}
          card={(one) => (
            <Stack gap={6}>
              <Name of={one} />
              {one.counts?.sites && (
                <Group gap="md">
                  {(['online', 'offline', 'pending'] as const).map((state) => (
                    <Group key={state} gap={6} wrap="nowrap">
                      <StateBadge state={state} />
                      <Text size="sm">{formatNumber(one.counts!.sites![state])}</Text>
                    </Group>
                  ))}
                </Group>
              )}
            </Stack>
          )}
          empty={<EmptyState icon={<IconBuilding />} title={t.empty.title} description={t.empty.description} />}
        />
      </Stack>
    </>
  );
}
