import { Card, Group, Progress, Skeleton, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/site';
import { $api } from '@/api/client';
import { formatPercent } from '@/kit/formats';
import { useMinute } from '@/kit/time';
import { spansOf } from './spans';

const WEEK_MS = 7 * 86_400_000;
/** The beginning of the week moves on so often. */
const STEP_MS = 600_000;
const SESSIONS = 1000;

/** When a site was connected in the last seven days, as a strip. */
export function Week({ siteId }: { siteId: string }) {
  const now = useMinute();
  const from = Math.floor((now - WEEK_MS) / STEP_MS) * STEP_MS;
  const { data } = useQuery(
    $api.queryOptions('get', '/site/{siteId}/sessions', {
      params: { path: { siteId }, query: { from: new Date(from).toISOString(), pageSize: SESSIONS } },
    }),
  );
  const spans = data && spansOf(data.sessions, from, now);
  const online = spans?.filter((span) => span.online).reduce((sum, span) => sum + span.part, 0);
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.week.title}</Title>
        {online !== undefined && (
          <Text size="sm" c="dimmed">
            {data!.sessions.length === 0 ? t.week.none : t.week.online(formatPercent(online))}
          </Text>
        )}
      </Group>
      {spans === undefined ? (
        <Skeleton h={20} />
      ) : (
        <div role="img" aria-label={t.week.online(formatPercent(online!))}>
          <Progress.Root size={20} radius="sm">
            {spans.map(({ online, part, start }) => (
              <Progress.Section
                key={start}
                value={100 * part}
                color={online ? 'teal.6' : 'transparent'}
                withAria={false}
              />
            ))}
          </Progress.Root>
        </div>
      )}
      <Group justify="space-between" mt={4}>
        <Text size="xs" c="dimmed">
          {t.week.from}
        </Text>
        <Text size="xs" c="dimmed">
          {t.week.to}
        </Text>
      </Group>
    </Card>
  );
}
