import { Stack, Text } from '@mantine/core';
import { IconPlugConnected } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { formatDuration } from '@/kit/formats';
import { Time, useMinute, useZoneLabel } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import type { SiteSession } from '@/sites/queries';

export const Route = createFileRoute('/_frame/org/$org/sites/$site/sessions')({
  validateSearch: listSearch,
  component: Sessions,
  staticData: { action: 'getSite' },
});

function Sessions() {
  const { site } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const now = useMinute();
  const query = useQuery(
    $api.queryOptions('get', '/site/{siteId}/sessions', {
      params: { path: { siteId: site }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const duration = ({ connectedAt, endedAt }: SiteSession) =>
    formatDuration(Math.max(0, ((endedAt ? Date.parse(endedAt) : now) - Date.parse(connectedAt)) / 1000));
  const end = ({ endedAt, endReason }: SiteSession) =>
    endedAt === null ? t.sessions.open : endReason && t.ends[endReason];
  const client = ({ clientType, clientVersion }: SiteSession) => [clientType, clientVersion].filter(Boolean).join(' ');
  const { columns: titles } = t.sessions;
  const columns: Column<SiteSession>[] = [
    {
      key: 'connectedAt',
      title: `${titles.connectedAt} (${zone})`,
      render: ({ connectedAt }) => <Time at={connectedAt} absolute />,
      width: 210,
    },
    {
      key: 'endedAt',
      title: `${titles.endedAt} (${zone})`,
      render: ({ endedAt }) => endedAt && <Time at={endedAt} absolute />,
      width: 210,
    },
    { key: 'duration', title: titles.duration, render: duration, width: 120 },
    { key: 'endReason', title: titles.endReason, render: end },
    { key: 'address', title: titles.address, render: ({ address }) => address, width: 150 },
    { key: 'client', title: titles.client, render: client, width: 130 },
    { key: 'serverId', title: titles.serverId, render: ({ serverId }) => serverId, hidden: true },
  ];
  return (
    <ListTable
      id="site-sessions"
      label={t.sessions.list}
      query={query}
      rows={query.data?.sessions}
      total={query.data?.pagination.total}
      rowId={({ sessionId }) => sessionId}
      columns={columns}
      search={search}
      onSearch={(next) => void navigate({ search: next })}
      exported={{ path: `/site/${site}/sessions` }}
      card={(session) => (
        <Stack gap={4}>
          <Text size="sm" component="div">
            <Time at={session.connectedAt} absolute />, {duration(session)}
          </Text>
          <Text size="sm" c="dimmed">
            {[end(session), session.address].filter(Boolean).join(' · ')}
          </Text>
        </Stack>
      )}
      empty={
        <EmptyState
          icon={<IconPlugConnected />}
          title={t.sessions.empty.title}
          description={t.sessions.empty.description}
        />
      }
    />
  );
}
