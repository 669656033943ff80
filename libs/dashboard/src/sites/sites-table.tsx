import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { t } from '@texts/sites';
import type { ReactNode } from 'react';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { formatList, formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { StateBadge } from '@/kit/state-badge';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, placeOf } from '@/list/search';
import { useKeyNames } from '@/provisioning/queries';
import { ActMenu, useActs } from './acts/act-menu';
import { useFilterFields } from './filter-fields';
import { Labels } from './labels';
import { Oddities } from './oddities';
import { type SiteItem, useGroups } from './queries';
import { type SiteFilter, siteFilterOf, siteOrderOf } from './site-filter';

const LABELS_SHOWN = 3;

/** The page of the list that the address names. */
export function useSitePage(org: string, search: ListSearch, fixed: SiteFilter = {}) {
  const filter = { ...siteFilterOf(search), ...fixed };
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', {
      params: {
        path: { orgId: org },
        query: { ...filter, ...siteOrderOf(search), ...placeOf(search), pageSize: PAGE_SIZE },
      },
    }),
  );
  return { query, filter, total: query.data?.pagination.total };
}

/** Sites, with the box that narrows them and what can be done with those that were chosen. */
export function SitesTable({
  id,
  org,
  label,
  search,
  page: { query, filter, total },
  empty,
}: {
  /** For what the browser keeps: which columns are shown. */
  id: string;
  org: string;
  label: string;
  search: ListSearch;
  page: ReturnType<typeof useSitePage>;
  empty: ReactNode;
}) {
  const navigate = useNavigate();
  const zone = useZoneLabel();
  const fields = useFilterFields(org);
  const acts = useActs(org);
  const groups = useGroups(org);
  const keyName = useKeyNames(org);
  const go = (next: ListSearch, replace = false) => void navigate({ to: '.', search: next as never, replace });

  const name = ({ siteId, name }: SiteItem) => (
    <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
      {name}
    </PageLink>
  );
  const groupNames = ({ groupIds }: SiteItem) =>
    formatList(groupIds.map((id) => groups?.find(({ groupId }) => groupId === id)?.name ?? String(id)));
  const number = (value: number) => formatNumber(Math.round(value * 10) / 10);
  const columns: Column<SiteItem>[] = [
    {
      key: 'state',
      title: t.columns.state,
      render: ({ state }) => <StateBadge state={state} />,
      sortable: true,
      width: 150,
    },
    { key: 'name', title: t.columns.name, render: name, sortable: true },
    {
      key: 'hardwareId',
      title: t.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.columns.hardwareId} />,
      width: 190,
    },
    { key: 'groups', title: t.columns.groups, render: groupNames, ellipsis: true, width: 150 },
    {
      key: 'labels',
      title: t.columns.labels,
      render: ({ labels }) => <Labels labels={labels} shown={LABELS_SHOWN} />,
      hidden: true,
      width: 220,
    },
    {
      key: 'agentVersion',
      title: t.columns.agentVersion,
      render: ({ agentVersion }) => agentVersion,
      sortable: true,
      width: 105,
    },
    {
      key: 'lastSeenAt',
      title: t.columns.lastSeenAt,
      render: ({ lastSeenAt }) => <Time at={lastSeenAt} />,
      sortable: true,
      width: 140,
    },
    {
      key: 'createdAt',
      title: `${t.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      sortable: true,
      hidden: true,
      width: 200,
    },
    {
      key: 'niceId',
      title: t.columns.niceId,
      render: ({ niceId }) => <CopyId id={niceId} what={t.columns.niceId} />,
      hidden: true,
    },
    { key: 'address', title: t.columns.address, render: ({ address }) => address, hidden: true },
    { key: 'claimedFrom', title: t.columns.claimedFrom, render: ({ claimedFrom }) => claimedFrom, hidden: true },
    { key: 'description', title: t.columns.description, render: ({ description }) => description, hidden: true },
    {
      key: 'oddities',
      title: t.columns.oddities,
      render: ({ oddities }) => <Oddities oddities={oddities} />,
      hidden: true,
    },
    { key: 'key', title: t.columns.key, render: ({ keyId }) => keyId && keyName(keyId), hidden: true },
    {
      key: 'megabytesIn',
      title: t.columns.megabytesIn,
      render: ({ megabytesIn }) => number(megabytesIn),
      sortable: true,
      hidden: true,
      textAlign: 'right',
    },
    {
      key: 'megabytesOut',
      title: t.columns.megabytesOut,
      render: ({ megabytesOut }) => number(megabytesOut),
      sortable: true,
      hidden: true,
      textAlign: 'right',
    },
    {
      key: 'resourceCount',
      title: t.columns.resources,
      render: ({ resourceCount }) => formatNumber(resourceCount),
      hidden: true,
      textAlign: 'right',
    },
  ];
  return (
    <Stack gap="sm">
      <FilterBox label={label} search={search} fields={fields} onChange={go} />
      <ListTable
        id={id}
        label={label}
        query={query}
        rows={query.data?.sites}
        total={total}
        next={query.data?.next}
        rowId={({ siteId }) => siteId}
        columns={columns}
        search={search}
        onSearch={go}
        exported={{ path: `/org/${org}/sites`, query: filter }}
        beside={acts.length > 0 && !!total && <ActMenu org={org} acts={acts} chosen={{ filter }} count={total} />}
        {...(acts.length > 0
          ? {
              bulk: (ids: (string | number)[], clear: () => void) => (
                <ActMenu
                  org={org}
                  acts={acts}
                  chosen={{ siteIds: ids.map(Number) }}
                  count={ids.length}
                  onStarted={clear}
                />
              ),
            }
          : {})}
        card={(site) => (
          <Stack gap={6}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              {name(site)}
              <StateBadge state={site.state} />
            </Group>
            <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {site.hardwareId}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {t.columns.lastSeenAt} <Time at={site.lastSeenAt} />
            </Text>
          </Stack>
        )}
        empty={empty}
      />
    </Stack>
  );
}
