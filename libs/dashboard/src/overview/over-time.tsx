import { Card, Group, SegmentedControl, SimpleGrid, Skeleton, Text, Title } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { t } from '@texts/overview';
import { AreaChart, BarChart } from '@/charts/charts';
import { Failure } from '@/kit/failure';
import { formatAbsolute, formatNumber } from '@/kit/formats';
import { useZone, useZoneLabel, type Zone } from '@/kit/time';
import { type Bucket, type Metric, type Stats, statsQuery } from './queries';

export type Period = keyof typeof t.charts.periods;
const BUCKETS: Record<Period, Bucket> = { '24h': 'hour', '30d': 'day' };

const COLORS: Partial<Record<Metric, string>> = {
  online: 'teal.6',
  claims: 'gate.6',
  refusals: 'orange.6',
  connects: 'teal.6',
  disconnects: 'red.6',
};

/** What happened lately: counted by the server, in hours or days of UTC. */
export function OverTime({
  org,
  period,
  onPeriod,
}: {
  org: string;
  period: Period;
  onPeriod: (period: Period) => void;
}) {
  const bucket = BUCKETS[period];
  return (
    <section aria-labelledby="over-time">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="over-time">
          {t.charts.title}
        </Title>
        <SegmentedControl
          size="xs"
          aria-label={t.charts.period}
          value={period}
          onChange={(value) => onPeriod(value as Period)}
          data={Object.entries(t.charts.periods).map(([value, label]) => ({ value, label }))}
        />
      </Group>
      <SimpleGrid cols={{ base: 1, lg: 3 }}>
        <Chart org={org} title={t.charts.online} bucket={bucket} metrics={['online']} isArea />
        <Chart org={org} title={t.charts.claims} bucket={bucket} metrics={['claims', 'refusals']} />
        <Chart org={org} title={t.charts.connections} bucket={bucket} metrics={['connects', 'disconnects']} />
      </SimpleGrid>
    </section>
  );
}

const HEIGHT = 180;

function Chart({
  org,
  title,
  bucket,
  metrics,
  isArea,
}: {
  org: string;
  title: string;
  bucket: Bucket;
  metrics: Metric[];
  isArea?: boolean;
}) {
  const [zone] = useZone();
  const zoneLabel = useZoneLabel();
  const queries = useQueries({ queries: metrics.map((metric) => statsQuery(org, metric, bucket)) });
  const failed = queries.find(({ error, data }) => error && data === undefined);
  const stats = queries.flatMap(({ data }) => data ?? []);
  const Drawn = isArea ? AreaChart : BarChart;
  return (
    <Card withBorder p="md">
      <Text fw={500} id={`chart-${metrics[0]}`}>
        {title}
      </Text>
      <Text size="xs" c="dimmed" mb="sm">
        {bucket === 'hour' ? zoneLabel : stats[0]?.timeZone}
      </Text>
      {failed ? (
        <Failure error={failed.error} retry={failed.refetch} />
      ) : stats.length < metrics.length ? (
        <Skeleton h={HEIGHT} />
      ) : !isArea && stats.every(({ points }) => points.every(({ value }) => !value)) ? (
        <Text size="sm" c="dimmed">
          {t.charts.nothing}
        </Text>
      ) : (
        <figure aria-labelledby={`chart-${metrics[0]}`} style={{ margin: 0 }}>
          <Drawn
            h={HEIGHT}
            data={rowsOf(stats, bucket, zone)}
            dataKey="at"
            series={metrics.map((name) => ({ name, color: COLORS[name]!, label: t.charts.metrics[name] }))}
            valueFormatter={formatNumber}
            withLegend={metrics.length > 1}
            yAxisProps={{ allowDecimals: false, width: 44 }}
            tickLine="none"
            {...(isArea ? { withDots: false } : {})}
          />
        </figure>
      )}
    </Card>
  );
}

/** A row for each bucket: its beginning as the axis says it, and the number of each metric. Where nobody counted there is no number. */
function rowsOf(stats: Stats[], bucket: Bucket, zone: Zone): Record<string, string | number>[] {
  return stats[0]!.points.map(({ at }, i) => {
    const text = formatAbsolute(new Date(at), bucket === 'hour' ? zone : 'utc');
    const row: Record<string, string | number> = { at: bucket === 'hour' ? text.slice(11, 16) : text.slice(5, 10) };
    for (const { metric, points } of stats) {
      const value = points[i]?.value;
      if (value !== null && value !== undefined) row[metric] = value;
    }
    return row;
  });
}
