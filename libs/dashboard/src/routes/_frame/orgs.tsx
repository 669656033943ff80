import { Anchor, Badge, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconBuilding, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/orgs';
import { $api } from '@/api/client';
import type { ApiPaths, components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import { Time } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { HitList } from '@/search/hit-list';
import { mayOf, useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/orgs')({ validateSearch: listSearch, component: Organizations });

type Organization = components['schemas']['OrgListItem'];
type Sites = components['schemas']['OrgSiteCounts'];
type Sort = NonNullable<NonNullable<ApiPaths['/orgs']['get']['parameters']['query']>['sort_by']>;

const READ_ANEW_MS = 30_000;

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
    render: ({ counts }) =>
      counts?.attention == null ? null : (
        <Text span size="sm" fw={counts.attention > 0 ? 700 : 400}>
          {formatNumber(counts.attention)}
        </Text>
      ),
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
  const [asked] = useDebouncedValue(search.q?.trim() ?? '', 250);
  // Who has forty of them comes to see where something is wrong.
  const sort = search.sort ?? '-attention';
  const query = useQuery({
    ...$api.queryOptions('get', '/orgs', {
      params: {
        query: {
          ...(asked ? { query: asked } : {}),
          sort_by: sort.replace(/^-/, '') as Sort,
          order: sort.startsWith('-') ? 'desc' : 'asc',
          page: search.page,
          pageSize: PAGE_SIZE,
        },
      },
    }),
    // Of many organizations no stream is followed.
    refetchInterval: READ_ANEW_MS,
  });
  // Those of which one may not read so much are not in the list, and a membership tells their names.
  const others = user.memberships.filter(({ orgId }) => !mayOf(user, orgId, 'getOrg'));
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
            void navigate({
              search: { ...search, page: undefined, q: currentTarget.value || undefined },
              replace: true,
            })
          }
        />
        {asked.length > 1 && <HitList text={asked} />}
        <ListTable
          id="orgs"
          label={t.list}
          query={query}
          rows={query.data?.orgs}
          total={query.data?.pagination.total}
          rowId={({ orgId }) => orgId}
          columns={COLUMNS}
          search={{ ...search, sort }}
          onSearch={(next) => void navigate({ search: next })}
          exported={{ path: '/orgs', query: asked ? { query: asked } : {} }}
          card={(one) => (
            <Stack gap={6}>
              <Name of={one} />
              {!!one.counts?.attention && (
                <Text size="sm" fw={700}>
                  {t.columns.attention}: {formatNumber(one.counts.attention)}
                </Text>
              )}
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
          empty={
            others.length === 0 && (
              <EmptyState icon={<IconBuilding />} title={t.empty.title} description={t.empty.description} />
            )
          }
        />
        {others.length > 0 && (
          <Group gap="md">
            <Text size="sm">{t.others}</Text>
            {others.map(({ orgId, orgName }) => (
              <PageLink key={orgId} to="/org/$org" params={{ org: orgId }}>
                {orgName}
              </PageLink>
            ))}
          </Group>
        )}
      </Stack>
    </>
  );
}
