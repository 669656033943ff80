import { Group, Stack, Text } from '@mantine/core';
import { IconLogin2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/logs';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch, placeOf } from '@/list/search';
import { TimeRange } from '@/list/time-range';
import { ActionBadge, logFields, logQueryOf, ResourceName, valuesOf } from '@/logs/log-parts';

export const Route = createFileRoute('/_frame/org/$org/logs/logins')({
  validateSearch: listSearch,
  component: Logins,
  staticData: { action: 'exportLogs' },
});

type Entry = components['schemas']['AccessLogView'];

const { columns: titles } = t.logins;
const KNOWN = { action: valuesOf(t.logins.actions), type: valuesOf(t.logins.types) };

/** The address of the list as the API asks for it. */
function queryOf(search: ListSearch) {
  const { of, common } = logQueryOf(search);
  return { ...common, type: of('type') as Entry['type'] | undefined };
}

function Logins() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/logs/access', {
      params: { path: { orgId: org }, query: { ...queryOf(search), ...placeOf(search), pageSize: PAGE_SIZE } },
    }),
  );
  const { data } = query;
  const onSearch = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const attributes = data?.filterAttributes;
  const fields = logFields(t.logins.fields, KNOWN, attributes?.resources, {
    actor: attributes?.actors,
    location: attributes?.locations,
  });
  const columns: Column<Entry>[] = [
    { key: 'at', title: `${titles.at} (${zone})`, render: ({ at }) => <Time at={at} absolute />, width: 190 },
    {
      key: 'action',
      title: titles.action,
      render: ({ action }) => <ActionBadge action={action} texts={t.logins.actions} />,
      width: 110,
    },
    { key: 'actor', title: titles.actor, render: ({ actor }) => actor },
    { key: 'type', title: titles.type, render: ({ type }) => t.logins.types[type] },
    {
      key: 'resource',
      title: titles.resource,
      render: ({ resourceId, resourceName }) => <ResourceName org={org} id={resourceId} name={resourceName} />,
    },
    { key: 'ip', title: titles.ip, render: ({ ip }) => ip, width: 150 },
    { key: 'location', title: titles.location, render: ({ location }) => location, hidden: true },
    { key: 'userAgent', title: titles.userAgent, render: ({ userAgent }) => userAgent, hidden: true },
    {
      key: 'requestId',
      title: titles.requestId,
      render: ({ requestId }) => <CopyId id={requestId} what={titles.requestId} />,
      hidden: true,
    },
  ];
  return (
    <>
      <PageHeader title={t.logins.title} description={t.logins.hint} />
      <Stack gap="sm">
        <Group align="flex-start" gap="sm">
          <div style={{ flex: '1 1 320px' }}>
            <FilterBox label={t.logins.list} search={search} fields={fields} onChange={onSearch} />
          </div>
          <TimeRange search={search} onChange={onSearch} />
        </Group>
        <ListTable
          id="logins"
          label={t.logins.list}
          query={query}
          rows={data?.log}
          total={data?.pagination.total}
          next={data?.next}
          rowId={({ id }) => id}
          columns={columns}
          search={search}
          onSearch={onSearch}
          exported={{ path: `/org/${org}/logs/access`, query: queryOf(search) }}
          card={(entry) => (
            <Stack gap={4}>
              <Group justify="space-between" wrap="nowrap" align="flex-start">
                <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
                  {entry.actor ?? entry.ip}
                </Text>
                <ActionBadge action={entry.action} texts={t.logins.actions} />
              </Group>
              <Text size="sm" component="div">
                <ResourceName org={org} id={entry.resourceId} name={entry.resourceName} /> ·{' '}
                {t.logins.types[entry.type]}
              </Text>
              <Text size="sm" c="dimmed" component="div">
                <Time at={entry.at} absolute />
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconLogin2 />} title={t.logins.empty.title} description={t.logins.empty.description} />
          }
        />
      </Stack>
    </>
  );
}
