import { Anchor, Badge, Button, Group, Stack, Text } from '@mantine/core';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/sites';
import { t as states } from '@texts/states';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { type SiteState, StateBadge } from '@/kit/state-badge';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';

export const Route = createFileRoute('/_frame/org/$org/sites/')({
  validateSearch: listSearch,
  component: Sites,
  staticData: { action: 'listSites' },
});

type Site = components['schemas']['SiteItem'];

const FIELDS: FilterField[] = [
  {
    key: 'state',
    label: t.fields.state,
    values: Object.entries(states).map(([value, { label }]) => ({ value, label })),
  },
  { key: 'group', label: t.fields.group },
  { key: 'label', label: t.fields.label },
  { key: 'agentVersion', label: t.fields.agentVersion },
  { key: 'hardwareId', label: t.fields.hardwareId },
  { key: 'keyId', label: t.fields.keyId },
];

/** The address of the list as the API asks for it. */
function queryOf(search: ListSearch) {
  const filters = filtersOf(search).filter(({ negated }) => !negated);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  const labels = filters.filter(({ field }) => field === 'label').map(({ value }) => value);
  return {
    page: search.page,
    pageSize: PAGE_SIZE,
    query: search.q,
    state: of('state') as SiteState | undefined,
    group: of('group'),
    label: labels.length > 0 ? labels : undefined,
    agentVersion: of('agentVersion'),
    hardwareId: of('hardwareId'),
    keyId: of('keyId'),
    ...(search.sort?.replace('-', '') === 'name'
      ? { sort_by: 'name' as const, order: search.sort.startsWith('-') ? ('desc' as const) : ('asc' as const) }
      : {}),
  };
}

function Sites() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/sites', { params: { path: { orgId: org }, query: queryOf(search) } }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const total = query.data?.pagination.total;

  const name = ({ siteId, name }: Site) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => <Link to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} {...props} />}
    >
      {name}
    </Anchor>
  );
  const columns: Column<Site>[] = [
    { key: 'state', title: t.columns.state, render: ({ state }) => <StateBadge state={state} />, width: 160 },
    { key: 'name', title: t.columns.name, render: name, sortable: true },
    {
      key: 'hardwareId',
      title: t.columns.hardwareId,
      render: ({ hardwareId }) => hardwareId && <CopyId id={hardwareId} what={t.columns.hardwareId} />,
    },
    { key: 'labels', title: t.columns.labels, render: ({ labels }) => <Labels labels={labels} /> },
    { key: 'agentVersion', title: t.columns.agentVersion, render: ({ agentVersion }) => agentVersion, width: 110 },
    {
      key: 'lastSeenAt',
      title: t.columns.lastSeenAt,
      render: ({ lastSeenAt }) => <Time at={lastSeenAt} />,
      width: 140,
    },
    {
      key: 'createdAt',
      title: `${t.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
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
  ];
  return (
    <>
      <PageHeader title={t.title} description={total !== undefined && t.counts(formatNumber(total))} />
      <Stack gap="sm">
        <FilterBox label={t.list} search={search} fields={FIELDS} onChange={go} />
        <ListTable
          id="sites"
          label={t.list}
          query={query}
          rows={query.data?.sites}
          total={total}
          rowId={({ siteId }) => siteId}
          columns={columns}
          search={search}
          onSearch={go}
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
          empty={
            <EmptyState icon={<IconDeviceDesktop />} title={t.empty.title} description={t.empty.description}>
              <Button renderRoot={(props) => <Link to="/org/$org" params={{ org }} {...props} />}>
                {t.empty.action}
              </Button>
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}

const SHOWN = 3;

function Labels({ labels }: { labels: Record<string, string> }) {
  const all = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return (
    <Group gap={4} title={all.join('\n')}>
      {all.slice(0, SHOWN).map((label) => (
        <Badge key={label} variant="default" tt="none" fw={400} maw={180}>
          {label}
        </Badge>
      ))}
      {all.length > SHOWN && (
        <Text size="xs" c="dimmed">
          +{all.length - SHOWN}
        </Text>
      )}
    </Group>
  );
}
