import { Button, Group, Stack, Text } from '@mantine/core';
import { IconRoute } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { formatList, formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { Address, HealthBadge } from '@/resources/parts';
import type { Health, ResourceItem } from '@/resources/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/')({
  validateSearch: listSearch,
  component: PublicResources,
  staticData: { action: 'listResources' },
});

const texts = t.public;
const FIELDS: FilterField[] = [
  {
    key: 'health',
    label: texts.fields.health,
    values: Object.entries(t.health).map(([value, { label }]) => ({ value, label })),
  },
  {
    key: 'protection',
    label: texts.fields.protection,
    values: Object.entries(texts.protections).map(([value, label]) => ({ value, label })),
  },
  { key: 'enabled', label: texts.fields.enabled, values: [{ value: 'true' }, { value: 'false' }] },
];

/** The address of the list as the API asks for it; a value that it does not know is one that it refuses. */
function queryOf(search: ListSearch) {
  const filters = filtersOf(search).filter(({ negated }) => !negated);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  const enabled = of('enabled');
  return {
    page: search.page,
    pageSize: PAGE_SIZE,
    query: search.q,
    healthStatus: of('health') as Health | undefined,
    authState: of('protection') as keyof typeof texts.protections | undefined,
    enabled: enabled === undefined ? undefined : enabled === 'true',
    ...(search.sort
      ? { sort_by: 'name' as const, order: search.sort.startsWith('-') ? ('desc' as const) : ('asc' as const) }
      : {}),
  };
}

/** By what visitors prove who they are. */
function protectionOf({ http, sso, passwordId, pincodeId, headerAuthId, whitelist }: ResourceItem): string | undefined {
  if (!http) return undefined;
  const by = [
    ...(sso ? [texts.by.sso] : []),
    ...(passwordId ? [texts.by.password] : []),
    ...(pincodeId ? [texts.by.pincode] : []),
    ...(headerAuthId ? [texts.by.headerAuth] : []),
    ...(whitelist ? [texts.by.whitelist] : []),
  ];
  return by.length > 0 ? formatList(by) : texts.openToAll;
}

function PublicResources() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/resources', { params: { path: { orgId: org }, query: queryOf(search) } }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const create = may('createResource') && (
    <Button renderRoot={(props) => <Link to="/org/$org/resources/public/new" params={{ org }} {...props} />}>
      {texts.create}
    </Button>
  );
  const name = ({ resourceId, name }: ResourceItem) => (
    <PageLink to="/org/$org/resources/public/$resource" params={{ org, resource: String(resourceId) }}>
      {name}
    </PageLink>
  );
  const state = ({ enabled }: ResourceItem) => (enabled ? t.enabled : t.disabled);
  const columns: Column<ResourceItem>[] = [
    { key: 'name', title: texts.columns.name, render: name, sortable: true },
    { key: 'address', title: texts.columns.address, render: (resource) => <Address of={resource} /> },
    {
      key: 'health',
      title: texts.columns.health,
      render: ({ health }) => <HealthBadge health={health} />,
      width: 120,
    },
    {
      key: 'targets',
      title: texts.columns.targets,
      render: ({ targets }) => formatNumber(targets.length),
      textAlign: 'right',
      width: 85,
    },
    {
      key: 'sites',
      title: texts.columns.sites,
      render: ({ sites }) => formatList(sites.map(({ siteName }) => siteName)),
      ellipsis: true,
      width: 125,
    },
    { key: 'protection', title: texts.columns.protection, render: protectionOf, width: 130 },
    { key: 'enabled', title: texts.columns.enabled, render: state, width: 95 },
    {
      key: 'niceId',
      title: texts.columns.niceId,
      render: ({ niceId }) => <CopyId id={niceId} what={texts.columns.niceId} />,
      hidden: true,
    },
  ];
  return (
    <>
      <PageHeader title={texts.title} actions={create} />
      <Stack gap="sm">
        <FilterBox search={search} fields={FIELDS} onChange={go} label={texts.filter} />
        <ListTable
          id="public-resources"
          label={texts.list}
          query={query}
          rows={query.data?.resources}
          total={query.data?.pagination.total}
          rowId={({ resourceId }) => resourceId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/resources`, query: queryOf(search) }}
          card={(resource) => (
            <Stack gap={6}>
              <Group justify="space-between" wrap="nowrap" align="flex-start">
                {name(resource)}
                <HealthBadge health={resource.health} />
              </Group>
              <Address of={resource} />
              <Text size="sm" c="dimmed">
                {[state(resource), protectionOf(resource)].filter(Boolean).join(' · ')}
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconRoute />} title={texts.empty.title} description={texts.empty.description}>
              {create}
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}
