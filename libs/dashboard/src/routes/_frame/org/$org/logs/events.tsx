import { Anchor, Button, Card, Code, Group, Select, Skeleton, Stack, Table, Text } from '@mantine/core';
import { IconBolt } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/logs';
import { $api, api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
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
          <Card withBorder p={0}>
            <Table.ScrollContainer minWidth={640}>
              <Table aria-label={t.events.list} verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={190}>{`${t.events.columns.createdAt} (${zone})`}</Table.Th>
                    <Table.Th w={220}>{t.events.columns.type}</Table.Th>
                    <Table.Th w={110}>{t.events.columns.site}</Table.Th>
                    <Table.Th>{t.events.columns.data}</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {events.map(({ id, type, siteId, data: of, createdAt }) => (
                    <Table.Tr key={id}>
                      <Table.Td>
                        <Time at={createdAt} absolute />
                      </Table.Td>
                      <Table.Td>{type}</Table.Td>
                      <Table.Td>
                        {siteId !== null &&
                          (may('getSite') ? (
                            <Anchor
                              size="sm"
                              renderRoot={(props) => (
                                <Link to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} {...props} />
                              )}
                            >
                              {siteId}
                            </Anchor>
                          ) : (
                            siteId
                          ))}
                      </Table.Td>
                      <Table.Td>
                        <Code style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{JSON.stringify(of)}</Code>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Card>
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
