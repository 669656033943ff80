import { Anchor, Badge, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { IconWorld } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/logs';
import { useState } from 'react';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Facts } from '@/kit/facts';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { Time, useZoneLabel } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch, placeOf, withFilters } from '@/list/search';
import { TimeRange } from '@/list/time-range';
import { ActionBadge, logFields, logQueryOf, ResourceName, valuesOf } from '@/logs/log-parts';

export const Route = createFileRoute('/_frame/org/$org/logs/requests')({
  validateSearch: listSearch,
  component: Requests,
  staticData: { action: 'viewLogs' },
});

type Entry = components['schemas']['RequestLogView'];

const { columns: titles } = t.requests;
const KNOWN = {
  action: valuesOf(t.requests.actions),
  status: ['2xx', '3xx', '4xx', '5xx'].map((value) => ({ value })),
  method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'].map((value) => ({ value })),
  reason: valuesOf(t.requests.reasons),
};

/** The address of the list as the API asks for it. */
function queryOf(search: ListSearch) {
  const { of, number, common } = logQueryOf(search);
  return {
    ...common,
    method: of('method'),
    reason: number('reason'),
    host: of('host'),
    path: of('path'),
    status: of('status'),
    code: of('code'),
    siteId: number('siteId'),
  };
}

function Requests() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const [shown, setShown] = useState<Entry>();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/logs/request', {
      params: { path: { orgId: org }, query: { ...queryOf(search), ...placeOf(search), pageSize: PAGE_SIZE } },
    }),
  );
  const { data } = query;
  const onSearch = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const attributes = data?.filterAttributes;
  const { actors: actor, hosts: host, paths: path, locations: location } = attributes ?? {};
  const fields = logFields(t.requests.fields, KNOWN, attributes?.resources, { actor, host, path, location });
  const request = (entry: Entry) => (
    <Anchor
      component="button"
      type="button"
      size="sm"
      ta="left"
      style={{ overflowWrap: 'anywhere' }}
      aria-label={t.requests.details(nameOf(entry))}
      onClick={() => setShown(entry)}
    >
      {nameOf(entry)}
    </Anchor>
  );
  const columns: Column<Entry>[] = [
    { key: 'at', title: `${titles.at} (${zone})`, render: ({ at }) => <Time at={at} absolute />, width: 190 },
    { key: 'status', title: titles.status, render: (entry) => <Status entry={entry} />, width: 90 },
    { key: 'request', title: titles.request, render: request },
    {
      key: 'resource',
      title: titles.resource,
      render: ({ resourceId, resourceName }) => <ResourceName org={org} id={resourceId} name={resourceName} />,
    },
    { key: 'ip', title: titles.ip, render: ({ ip }) => ip, width: 150 },
    { key: 'reason', title: titles.reason, render: (entry) => decisionOf(entry) },
    { key: 'actor', title: titles.actor, render: (entry) => entry.actor },
    {
      key: 'duration',
      title: titles.duration,
      render: (entry) => tookOf(entry),
      textAlign: 'right',
      width: 110,
    },
    { key: 'location', title: titles.location, render: (entry) => entry.location, hidden: true },
    {
      key: 'bytesIn',
      title: titles.bytesIn,
      render: ({ bytesIn }) => formatNumber(bytesIn),
      textAlign: 'right',
      hidden: true,
    },
    {
      key: 'bytesOut',
      title: titles.bytesOut,
      render: ({ bytesOut }) => formatNumber(bytesOut),
      textAlign: 'right',
      hidden: true,
    },
    {
      key: 'requestId',
      title: titles.requestId,
      render: ({ requestId }) => <CopyId id={requestId} what={titles.requestId} />,
      hidden: true,
    },
  ];
  return (
    <>
      <PageHeader title={t.requests.title} description={t.requests.hint} />
      <Stack gap="sm">
        <Group align="flex-start" gap="sm">
          <div style={{ flex: '1 1 320px' }}>
            <FilterBox label={t.requests.list} search={search} fields={fields} onChange={onSearch} />
          </div>
          <TimeRange search={search} onChange={onSearch} />
        </Group>
        <ListTable
          id="requests"
          label={t.requests.list}
          query={query}
          rows={data?.log}
          total={data?.pagination.total}
          next={data?.next}
          rowId={({ id }) => id}
          columns={columns}
          search={search}
          onSearch={onSearch}
          exported={{ path: `/org/${org}/logs/request`, query: queryOf(search) }}
          card={(entry) => (
            <Stack gap={4}>
              <Group justify="space-between" wrap="nowrap" align="flex-start">
                {request(entry)}
                <Status entry={entry} />
              </Group>
              <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
                {[entry.actor, entry.ip, decisionOf(entry)].filter(Boolean).join(' · ')}
              </Text>
              <Text size="sm" c="dimmed" component="div">
                <Time at={entry.at} absolute />
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState
              icon={<IconWorld />}
              title={t.requests.empty.title}
              description={t.requests.empty.description}
            />
          }
        />
      </Stack>
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title={shown && t.requests.details(nameOf(shown))}
        size="lg"
      >
        {shown && (
          <Details
            org={org}
            entry={shown}
            onNarrow={(field, value) => {
              setShown(undefined);
              onSearch(withFilters(search, [{ field, value, negated: false }], ''));
            }}
          />
        )}
      </Modal>
    </>
  );
}

function Details({
  org,
  entry,
  onNarrow,
}: {
  org: string;
  entry: Entry;
  onNarrow: (field: string, value: string) => void;
}) {
  const { of } = t.requests;
  const narrow: [label: string, field: string, value: string | null][] = [
    [of.resource, 'resourceId', String(entry.resourceId)],
    [of.ip, 'ip', entry.ip],
    [of.actor, 'actor', entry.actor],
  ];
  return (
    <Stack>
      <Facts
        title={titles.request}
        facts={[
          [titles.url, entry.originalRequestURL],
          [titles.at, <Time key="at" at={entry.at} absolute />],
          [titles.resource, <ResourceName key="resource" org={org} id={entry.resourceId} name={entry.resourceName} />],
          [titles.status, [entry.status || t.requests.noAnswer, entry.code].filter(Boolean).join(' ')],
          [titles.reason, decisionOf(entry)],
          [t.requests.fields.action, <ActionBadge key="action" action={entry.action} texts={t.requests.actions} />],
          [titles.actor, entry.actor],
          [titles.ip, [entry.ip, entry.location].filter(Boolean).join(', ')],
          [titles.duration, tookOf(entry)],
          [titles.bytesIn, formatNumber(entry.bytesIn)],
          [titles.bytesOut, formatNumber(entry.bytesOut)],
          [titles.userAgent, entry.userAgent],
          [titles.requestId, <CopyId key="id" id={entry.requestId} what={titles.requestId} />],
        ]}
      />
      <Group gap="xs">
        {narrow.map(
          ([label, field, value]) =>
            value !== null && (
              <Button key={field} variant="default" size="compact-sm" onClick={() => onNarrow(field, value)}>
                {label}
              </Button>
            ),
        )}
      </Group>
    </Stack>
  );
}

const nameOf = ({ method, host, path }: Entry): string => `${method} ${host}${path}`;

const tookOf = ({ durationMs }: Entry): string => t.requests.milliseconds(formatNumber(durationMs));

const decisionOf = ({ reason, ruleId }: Entry): string =>
  ruleId === null ? (t.requests.reasons[reason] ?? String(reason)) : t.requests.rule(ruleId);

const COLORS = ['gray', 'gray', 'teal', 'gate', 'orange', 'red'];

const Status = ({ entry: { status } }: { entry: Entry }) => (
  <Badge variant="outline" color={COLORS[Math.floor(status / 100)] ?? 'gray'} tt="none" fw={400}>
    {status || t.requests.noAnswer}
  </Badge>
);
