import { Button, Card, Group, List, Progress, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/provisioning';
import { $api, api } from '@/api/client';
import { formatNumber } from '@/kit/formats';
import { toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';

const SHOWN = 20;
const ENDED = ['succeeded', 'failed', 'cancelled'];

/** How far a job that decides on sites is; at its end what could not be decided, and why. */
export function DecisionJob({
  org,
  jobId,
  decision,
  onClose,
}: {
  org: string;
  jobId: number;
  decision: 'approve' | 'reject';
  onClose: () => void;
}) {
  const may = useMay(org);
  const { data: job } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/jobs/{jobId}', {
      params: { path: { orgId: org, jobId }, query: { pageSize: 1000 } },
    }),
    enabled: may('getJob'),
  });
  if (!job) return null;
  const ended = ENDED.includes(job.status);
  const good = job.done - job.failed;
  const failures = job.results.filter(({ failed }) => failed);
  return (
    <Card withBorder p="md" role="status">
      <Stack gap="xs">
        <Group justify="space-between" gap="sm">
          <Text fw={500}>
            {ended
              ? (decision === 'approve' ? t.pending.job.approved : t.pending.job.rejected)(formatNumber(good))
              : t.pending.job[decision]}
            {!ended && job.total !== null && ` ${t.pending.job.of(formatNumber(job.done), formatNumber(job.total))}`}
          </Text>
          {ended ? (
            <Button size="compact-sm" variant="subtle" color="gray" onClick={onClose}>
              {t.pending.job.close}
            </Button>
          ) : (
            may('updateJob') && (
              <Button
                size="compact-sm"
                variant="default"
                onClick={() =>
                  void api
                    .POST('/org/{orgId}/jobs/{jobId}/cancel', { params: { path: { orgId: org, jobId } } })
                    .catch(toastProblem)
                }
              >
                {t.pending.job.cancel}
              </Button>
            )
          )}
        </Group>
        {!ended && (
          <Progress
            value={job.total ? (100 * job.done) / job.total : 0}
            aria-label={t.pending.job[decision]}
            transitionDuration={200}
          />
        )}
        {ended && job.status !== 'succeeded' && <Text size="sm">{job.error?.message ?? t.pending.job.stopped}</Text>}
        {job.failed > 0 && (
          <>
            <Text size="sm">{t.pending.job.failed(formatNumber(job.failed))}</Text>
            <List size="sm">
              {failures.slice(0, SHOWN).map(({ item, message, outcome }) => (
                <List.Item key={item}>
                  {t.pending.job.site(item)}: {message ?? outcome}
                </List.Item>
              ))}
            </List>
          </>
        )}
      </Stack>
    </Card>
  );
}
