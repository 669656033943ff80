import { Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconNetwork } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { formatList } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import type { PrivateItem } from '@/resources/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/private/')({
  validateSearch: listSearch,
  component: PrivateResources,
  staticData: { action: 'listSiteResources' },
});

const texts = t.private;
const FIELDS: FilterField[] = [
  {
    key: 'mode',
    label: texts.fields.mode,
    values: Object.entries(texts.modes).map(([value, label]) => ({ value, label })),
  },
];

function PrivateResources() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const mode = filtersOf(search).find(({ field, negated }) => field === 'mode' && !negated)?.value;
  const asked = { query: search.q, mode: mode as PrivateItem['mode'] | undefined };
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/site-resources', {
      params: {
        path: { orgId: org },
        query: {
          ...asked,
          page: search.page,
          pageSize: PAGE_SIZE,
          ...(search.sort
            ? { sort_by: 'name' as const, order: search.sort.startsWith('-') ? ('desc' as const) : ('asc' as const) }
            : {}),
        },
      },
    }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const create = may('createSiteResource') && (
    <Button renderRoot={(props) => <Link to="/org/$org/resources/private/new" params={{ org }} {...props} />}>
      {texts.create}
    </Button>
  );
  const name = ({ siteResourceId, name }: PrivateItem) => (
    <PageLink to="/org/$org/resources/private/$resource" params={{ org, resource: String(siteResourceId) }}>
      {name}
    </PageLink>
  );
  const destination = ({ destination, destinationPort }: PrivateItem) => (
    <Code>{destinationPort === null ? destination : `${destination}:${destinationPort}`}</Code>
  );
  const state = ({ enabled }: PrivateItem) => (enabled ? t.enabled : t.disabled);
  const ports = ({ mode, tcpPortRangeString: tcp, udpPortRangeString: udp }: PrivateItem) =>
    mode === 'http' ? common.none : [tcp && `tcp ${tcp}`, udp && `udp ${udp}`].filter(Boolean).join(', ');
  const columns: Column<PrivateItem>[] = [
    { key: 'name', title: texts.columns.name, render: name, sortable: true },
    { key: 'mode', title: texts.columns.mode, render: ({ mode }) => texts.modes[mode], width: 130 },
    { key: 'destination', title: texts.columns.destination, render: destination },
    {
      key: 'alias',
      title: texts.columns.alias,
      render: ({ alias, fullDomain }) => alias ?? fullDomain,
    },
    { key: 'sites', title: texts.columns.sites, render: ({ siteNames }) => formatList(siteNames), ellipsis: true },
    { key: 'ports', title: texts.columns.ports, render: ports, hidden: true },
    { key: 'enabled', title: texts.columns.enabled, render: state, width: 110 },
  ];
  return (
    <>
      <PageHeader title={texts.title} actions={create} />
      <Stack gap="sm">
        <FilterBox search={search} fields={FIELDS} onChange={go} label={texts.filter} />
        <ListTable
          id="private-resources"
          label={texts.list}
          query={query}
          rows={query.data?.siteResources}
          total={query.data?.pagination.total}
          rowId={({ siteResourceId }) => siteResourceId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/site-resources`, query: asked }}
          card={(resource) => (
            <Stack gap={6}>
              <Group justify="space-between" wrap="nowrap" align="flex-start">
                {name(resource)}
                <Text size="sm">{state(resource)}</Text>
              </Group>
              {destination(resource)}
              <Text size="sm" c="dimmed">
                {[texts.modes[resource.mode], formatList(resource.siteNames)].filter(Boolean).join(' · ')}
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconNetwork />} title={texts.empty.title} description={texts.empty.description}>
              {create}
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}
