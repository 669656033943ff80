import { Button, Card, Group, List, Progress, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/jobs';
import { $api, api } from '@/api/client';
import type { Call } from '@/api/written';
import { CopyAsCurl } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';

const SHOWN = 20;
const ENDED = ['succeeded', 'failed', 'cancelled'];

/** How far a job over sites is that was begun on this page; at its end what could not be done, and why. */
export function JobCard({
  org,
  jobId,
  running,
  done,
  call,
  onClose,
}: {
  org: string;
  jobId: number;
  /** What it does: `Approving sites`. */
  running: string;
  /** What it has done: `3 approved`. */
  done: (count: string) => string;
  /** How it was begun, where no form has said it. */
  call?: (() => Promise<Call>) | undefined;
  onClose: () => void;
}) {
  const may = useMay(org);
  const texts = t.card;
  const { data: job } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/jobs/{jobId}', {
      params: { path: { orgId: org, jobId }, query: { pageSize: 1000 } },
    }),
    enabled: may('getJob'),
  });
  if (!job) return null;
  const ended = ENDED.includes(job.status);
  const failures = job.results.filter(({ failed }) => failed);
  return (
    <Card withBorder p="md" role="status">
      <Stack gap="xs">
        <Group justify="space-between" gap="sm">
          <Text fw={500}>
            {ended ? done(formatNumber(job.done - job.failed)) : running}
            {!ended && job.total !== null && ` ${t.progress(formatNumber(job.done), formatNumber(job.total))}`}
          </Text>
          <Group gap="sm">
            {call && <CopyAsCurl call={call} isIcon />}
            <PageLink to="/org/$org/jobs/$job" params={{ org, job: String(jobId) }}>
              {texts.toJob}
            </PageLink>
            {ended ? (
              <Button size="compact-sm" variant="subtle" color="gray" onClick={onClose}>
                {texts.close}
              </Button>
            ) : (
              may('updateJob') && (
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={() =>
                    void api
                      .POST('/org/{orgId}/jobs/{jobId}/cancel', { params: { path: { orgId: org, jobId } } })
                      .then(() => toastDone(t.job.cancelled))
                      .catch(toastProblem)
                  }
                >
                  {texts.stop}
                </Button>
              )
            )}
          </Group>
        </Group>
        {!ended && (
          <Progress
            value={job.total ? (100 * job.done) / job.total : 0}
            aria-label={running}
            transitionDuration={200}
          />
        )}
        {ended && job.status !== 'succeeded' && <Text size="sm">{job.error?.message ?? texts.stopped}</Text>}
        {job.failed > 0 && (
          <>
            <Text size="sm">{texts.failed(formatNumber(job.failed))}</Text>
            <List size="sm">
              {failures.slice(0, SHOWN).map(({ item, message, outcome }) => (
                <List.Item key={item}>
                  {texts.site(item)}: {message ?? outcome}
                </List.Item>
              ))}
            </List>
          </>
        )}
      </Stack>
    </Card>
  );
}
