import { Badge, Progress, Stack, Text } from '@mantine/core';
import { t } from '@texts/jobs';
import { t as acts } from '@texts/site-acts';
import type { components } from '@/api/types';
import { formatNumber } from '@/kit/formats';

export type Job = components['schemas']['JobView'];

const COLORS: Record<Job['status'], string> = {
  queued: 'gray',
  running: 'gate',
  paused: 'orange',
  succeeded: 'teal',
  failed: 'red',
  cancelled: 'gray',
};

export const JobStatus = ({ status }: Pick<Job, 'status'>) => (
  <Badge variant="outline" color={COLORS[status]} tt="none" fw={400}>
    {t.statuses[status]}
  </Badge>
);

/** What a job does, in words, and its number. */
export function jobName({ kind, act, jobId }: Pick<Job, 'kind' | 'act' | 'jobId'>): string {
  const action = kind === 'sites.act' ? (acts.actions as Record<string, string>)[act ?? ''] : undefined;
  const what = action ? t.job.act(action) : kind === 'sites.decide' ? t.decisions[act ?? ''] : undefined;
  return t.job.named(what ?? t.kinds[kind] ?? kind, jobId);
}

/** How many items it went through, of how many when that is known. */
export function JobProgress({
  done,
  total,
  failed,
  size = 'xs',
}: Pick<Job, 'done' | 'total' | 'failed'> & { size?: string }) {
  const text =
    total === null ? t.progressUnknown(formatNumber(done)) : t.progress(formatNumber(done), formatNumber(total));
  const part = (count: number) => (total ? (100 * count) / total : 0);
  return (
    <Stack gap={4}>
      <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {failed > 0 ? `${text}, ${t.job.failed(formatNumber(failed), failed)}` : text}
      </Text>
      {total !== null && (
        <Progress.Root size={size}>
          <Progress.Section value={part(done - failed)} aria-label={`${t.columns.progress}: ${text}`} />
          <Progress.Section
            value={part(failed)}
            color="red.7"
            aria-label={t.job.failed(formatNumber(failed), failed)}
          />
        </Progress.Root>
      )}
    </Stack>
  );
}
