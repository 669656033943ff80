import { Badge, Card, Group, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/resources';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { BarChart } from '@/charts/charts';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { formatBytes, formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time, useMinute } from '@/kit/time';

type Schemas = components['schemas'];

const texts = t.traffic;
const HOUR = 3_600_000;
const ERRORS = 5;
const HEIGHT = 160;

/** What came through of late, and what went wrong. */
export function ResourceTraffic({ org, resourceId }: { org: string; resourceId: number }) {
  const hour = Math.floor(useMinute() / HOUR) * HOUR;
  const sums = (timeStart?: string) =>
    $api.queryOptions('get', '/org/{orgId}/logs/analytics', {
      params: { path: { orgId: org }, query: { resourceId, timeStart } },
    });
  const week = useQuery(sums());
  const day = useQuery(sums(new Date(hour - 23 * HOUR).toISOString()));
  const errors = useQuery(
    $api.queryOptions('get', '/org/{orgId}/logs/request', {
      params: { path: { orgId: org }, query: { resourceId, status: '5xx', pageSize: ERRORS } },
    }),
  );
  const failed = [week, day, errors].find(({ error, data }) => error && data === undefined);
  if (failed) return <Failure error={failed.error} retry={failed.refetch} />;
  if (!week.data || !day.data || !errors.data) return <Skeleton h={HEIGHT} />;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
      <Stack>
        <Facts
          title={texts.title}
          facts={[
            [texts.lastDay, amountOf(day.data)],
            [texts.lastWeek, amountOf(week.data)],
          ]}
        />
        <Days days={week.data.requestsPerDay} />
      </Stack>
      <Errors org={org} resourceId={resourceId} rows={errors.data.log} />
    </SimpleGrid>
  );
}

const amountOf = ({ totalRequests, bytesIn, bytesOut }: Schemas['LogAnalytics']): string =>
  texts.amount(formatNumber(totalRequests), formatBytes(bytesOut), formatBytes(bytesIn));

function Days({ days }: { days: Schemas['DayTraffic'][] }) {
  return (
    <Card withBorder p="md">
      <Text fw={500} mb="sm" id="requests-by-day">
        {texts.days}
      </Text>
      {days.every(({ totalCount }) => totalCount === 0) ? (
        <Text size="sm" c="dimmed">
          {texts.nothing}
        </Text>
      ) : (
        <figure aria-labelledby="requests-by-day" style={{ margin: 0 }}>
          <BarChart
            h={HEIGHT}
            type="stacked"
            data={days.map(({ day, totalCount, serverErrors }) => ({
              day: day.slice(5),
              answered: totalCount - serverErrors,
              failed: serverErrors,
            }))}
            dataKey="day"
            series={[
              { name: 'answered', color: 'gate.6', label: texts.answered },
              { name: 'failed', color: 'red.6', label: texts.failed },
            ]}
            valueFormatter={formatNumber}
            yAxisProps={{ allowDecimals: false, width: 44 }}
            tickLine="none"
          />
        </figure>
      )}
    </Card>
  );
}

function Errors({ org, resourceId, rows }: { org: string; resourceId: number; rows: Schemas['RequestLogView'][] }) {
  const { columns } = texts;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={2}>{texts.errors}</Title>
        <PageLink
          to="/org/$org/logs/requests"
          params={{ org }}
          search={{ resourceId: String(resourceId), status: '5xx' }}
        >
          {texts.all}
        </PageLink>
      </Group>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.noErrors}
        </Text>
      ) : (
        <RowTable
          label={texts.errors}
          rows={rows}
          rowId={({ id }) => id}
          columns={[
            { title: columns.at, render: ({ at }) => <Time at={at} /> },
            {
              title: columns.status,
              render: ({ status, code }) => (
                <Badge variant="outline" color="red" tt="none" fw={400}>
                  {[status, code].filter(Boolean).join(' ')}
                </Badge>
              ),
            },
            {
              title: columns.request,
              render: ({ method, path, requestId }) => (
                <PageLink
                  to="/org/$org/logs/requests"
                  params={{ org }}
                  search={{ resourceId: String(resourceId), requestId }}
                >
                  {method} {path}
                </PageLink>
              ),
            },
            {
              title: columns.requestId,
              render: ({ requestId }) => <CopyId id={requestId} what={columns.requestId} />,
            },
          ]}
        />
      )}
    </Stack>
  );
}
