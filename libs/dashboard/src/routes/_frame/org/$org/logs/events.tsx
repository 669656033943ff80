import { Button, Code, Group, Select, Skeleton, Stack, Text } from '@mantine/core';
import { IconBolt } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/logs';
import { $api, api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time, useZoneLabel } from '@/kit/time';
import { toastProblem } from '@/kit/toasts';
import { ExportMenu } from '@/list/export-menu';
import { useMay } from '@/session/session';
import { EVENT_TYPES, type EventType } from '../../../../../../../contracts/index.js';

interface Search {
  /** Cursor: what is shown is after it. */
  after?: string;
  type?: EventType;
}

export const Route = createFileRoute('/_frame/org/$org/logs/events')({
  validateSearch: ({ after, type }: Record<string, unknown>): Search => ({
    after: typeof after === 'string' ? after : undefined,
    type: EVENT_TYPES.find((one) => one === type),
  }),
  component: Events,
  staticData: { action: 'listEvents' },
});

const LIMIT = 100;

function Events() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const may = useMay(org);
  const { data, error, isPlaceholderData, refetch } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/events', {
      params: { path: { orgId: org }, query: { ...search, limit: LIMIT } },
    }),
  );
  const events = data?.events;
  const fromNow = async () => {
    try {
      const now = await api.GET('/org/{orgId}/events', { params: { path: { orgId: org }, query: { after: 'now' } } });
      await navigate({ search: { ...search, after: now.data!.next ?? undefined } });
    } catch (problem) {
      toastProblem(problem);
    }
  };
  const isFull = events?.length === LIMIT;
  return (
    <>
      <PageHeader title={t.events.title} description={t.events.hint} />
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="sm">
            <Select
              aria-label={t.events.type}
              placeholder={t.events.anyType}
              searchable
              clearable
              clearButtonProps={{ 'aria-label': t.clear(t.events.type) }}
              data={[...EVENT_TYPES].sort()}
              value={search.type ?? null}
              onChange={(type) =>
                void navigate({ search: { ...search, type: (type as EventType | null) ?? undefined } })
              }
            />
            {search.after !== undefined && (
              <Button variant="default" onClick={() => void navigate({ search: { type: search.type } })}>
                {t.events.oldest}
              </Button>
            )}
            <Button variant="default" onClick={() => void fromNow()}>
              {t.events.fromNow}
            </Button>
          </Group>
          <ExportMenu path={`/org/${org}/events`} query={{ ...search }} />
        </Group>
        {error && !data && <Failure error={error} retry={refetch} />}
        {!data && !error && <Skeleton h={320} />}
        {events?.length === 0 && !isPlaceholderData && (
          <EmptyState
            icon={<IconBolt />}
            title={search.after === undefined ? t.events.empty.title : t.events.emptyAfter}
            description={t.events.empty.description}
          />
        )}
        {events && events.length > 0 && (
          <RowTable
            label={t.events.list}
            rows={events}
            rowId={({ id }) => id}
            columns={[
              {
                title: `${t.events.columns.createdAt} (${zone})`,
                render: ({ createdAt }) => <Time at={createdAt} absolute />,
              },
              { title: t.events.columns.type, render: ({ type }) => type },
              {
                title: t.events.columns.site,
                render: ({ siteId }) =>
                  siteId !== null &&
                  (may('getSite') ? (
                    <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
                      {siteId}
                    </PageLink>
                  ) : (
                    siteId
                  )),
              },
              {
                title: t.events.columns.data,
                render: ({ data: of }) => (
                  <Code style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{JSON.stringify(of)}</Code>
                ),
              },
            ]}
          />
        )}
        {data && !isFull && (
          <Text size="sm" c="dimmed" role="status">
            {t.events.end}
          </Text>
        )}
        {isFull && (
          <Group justify="flex-end">
            <Button
              variant="default"
              onClick={() => void navigate({ search: { ...search, after: data!.next ?? undefined } })}
            >
              {t.events.newer}
            </Button>
          </Group>
        )}
      </Stack>
    </>
  );
}
