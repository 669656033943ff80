import { Button, Code, Group, Skeleton, Stack } from '@mantine/core';
import { IconBolt } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { RowTable } from '@/kit/row-table';
import { Time, useZoneLabel } from '@/kit/time';
import { ExportMenu } from '@/list/export-menu';

interface Search {
  /** Cursor: what is shown is older. */
  after?: string;
}

export const Route = createFileRoute('/_frame/org/$org/sites/$site/events')({
  validateSearch: ({ after }: Record<string, unknown>): Search => ({
    after: typeof after === 'string' ? after : undefined,
  }),
  component: Events,
  staticData: { action: 'listEvents' },
});

const LIMIT = 50;

function Events() {
  const { org, site } = Route.useParams();
  const { after } = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const filter = { siteId: Number(site), order: 'desc' as const };
  const { data, error, isPlaceholderData, refetch } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/events', {
      params: { path: { orgId: org }, query: { ...filter, after, limit: LIMIT } },
    }),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={320} />;
  if (data.events.length === 0 && !isPlaceholderData)
    return <EmptyState icon={<IconBolt />} title={t.events.empty.title} description={t.events.empty.description} />;
  const { columns } = t.events;
  return (
    <Stack gap="sm">
      <Group justify="flex-end">
        <ExportMenu path={`/org/${org}/events`} query={filter} />
      </Group>
      <RowTable
        label={t.events.list}
        rows={data.events}
        rowId={({ id }) => id}
        columns={[
          { title: `${columns.createdAt} (${zone})`, render: ({ createdAt }) => <Time at={createdAt} absolute /> },
          { title: columns.type, render: ({ type }) => type },
          {
            title: columns.data,
            render: ({ data: of }) => (
              <Code style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{JSON.stringify(of)}</Code>
            ),
          },
        ]}
      />
      <Group justify="flex-end">
        {after !== undefined && (
          <Button variant="default" onClick={() => void navigate({ search: {} })}>
            {t.events.newest}
          </Button>
        )}
        {data.events.length === LIMIT && (
          <Button variant="default" onClick={() => void navigate({ search: { after: data.next ?? undefined } })}>
            {t.events.older}
          </Button>
        )}
      </Group>
    </Stack>
  );
}
