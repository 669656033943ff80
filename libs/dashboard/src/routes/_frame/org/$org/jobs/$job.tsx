import { Alert, Button, Card, Code, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/jobs';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { type Job, JobProgress, JobStatus, jobName } from '@/jobs/job-parts';
import { confirmByName } from '@/kit/confirm';
import { EmptyState } from '@/kit/empty';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

/** What a job has done so far, by itself as it goes on; its results, and what can be done with it. */
export const Route = createFileRoute('/_frame/org/$org/jobs/$job')({
  validateSearch: listSearch,
  component: JobPage,
  staticData: { action: 'getJob' },
});

type JobResult = components['schemas']['JobResult'];

/** Whose items are sites. */
const OF_SITES = ['sites.decide', 'sites.act', 'bundles.rollout', 'credentials.rotate'];

function JobPage() {
  const { org, job: id } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/jobs/{jobId}', {
      params: { path: { orgId: org, jobId: Number(id) }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const { data: job, error, refetch } = query;
  if (error && !job) return <Failure error={error} retry={refetch} />;
  const outcome = ({ failed, outcome }: JobResult) => (
    <Text size="sm" c={failed ? 'red' : undefined}>
      {failed ? `${t.job.results.failed}: ${outcome}` : outcome}
    </Text>
  );
  const item = ({ item }: JobResult) =>
    job && OF_SITES.includes(job.kind) && may('getSite') ? (
      <PageLink to="/org/$org/sites/$site" params={{ org, site: item }}>
        {t.job.results.site(item)}
      </PageLink>
    ) : (
      item
    );
  const columns: Column<JobResult>[] = [
    { key: 'item', title: t.job.results.columns.item, render: item, width: 200 },
    { key: 'outcome', title: t.job.results.columns.outcome, render: outcome, width: 220 },
    { key: 'message', title: t.job.results.columns.message, render: ({ message }) => message },
  ];
  return (
    <>
      <PageHeader
        above={
          may('listJobs') && (
            <PageLink dimmed to="/org/$org/jobs" params={{ org }}>
              {t.job.back}
            </PageLink>
          )
        }
        title={job ? jobName(job) : ' '}
        state={job && <JobStatus status={job.status} />}
        description={job && t.job.by(job.createdBy.name)}
        actions={job && may('updateJob') && <Acts org={org} job={job} />}
      />
      {!job && <Skeleton h={240} />}
      {job && (
        <Stack>
          {job.error && (
            <Alert color="red" variant="outline" icon={<IconAlertCircle />} title={t.job.error}>
              {job.error.message}
            </Alert>
          )}
          <Card withBorder>
            <Title order={2} mb="sm">
              {t.job.progressOf}
            </Title>
            <div role="status">
              <JobProgress {...job} size="lg" />
            </div>
          </Card>
          <section>
            <Group justify="space-between" mb="sm">
              <Title order={2}>{t.job.results.title}</Title>
            </Group>
            <ListTable
              id="job-results"
              label={t.job.results.list}
              query={query}
              rows={job.results}
              total={job.pagination.total}
              rowId={({ item }) => item}
              columns={columns}
              search={search}
              onSearch={(next) => void navigate({ search: next })}
              exported={{ path: `/org/${org}/jobs/${id}` }}
              card={(result) => (
                <Stack gap={4}>
                  <Text fw={500} size="sm" component="div">
                    {item(result)}
                  </Text>
                  {outcome(result)}
                  {result.message && <Text size="sm">{result.message}</Text>}
                </Stack>
              )}
              empty={<EmptyState title={t.job.results.empty.title} description={t.job.results.empty.description} />}
            />
          </section>
          <Facts
            title={t.job.facts}
            facts={[
              [t.job.createdAt, <Time key="created" at={job.createdAt} absolute />],
              [t.job.startedAt, job.startedAt && <Time key="started" at={job.startedAt} absolute />],
              [t.job.finishedAt, job.finishedAt && <Time key="finished" at={job.finishedAt} absolute />],
              [t.job.paceOf, job.pace === null ? undefined : t.job.pace(formatNumber(job.pace))],
              [
                t.job.input,
                <Code
                  key="input"
                  block
                  tabIndex={0}
                  role="region"
                  aria-label={t.job.input}
                  style={{ overflowX: 'auto' }}
                >
                  {JSON.stringify(job.input, null, 2)}
                </Code>,
              ],
            ]}
          />
        </Stack>
      )}
    </>
  );
}

function Acts({ org, job }: { org: string; job: Job }) {
  const [busy, setBusy] = useState(false);
  const path = { params: { path: { orgId: org, jobId: job.jobId } } };
  const calls = {
    pause: { call: () => api.POST('/org/{orgId}/jobs/{jobId}/pause', path), done: t.job.paused },
    resume: { call: () => api.POST('/org/{orgId}/jobs/{jobId}/resume', path), done: t.job.resumed },
    cancel: { call: () => api.POST('/org/{orgId}/jobs/{jobId}/cancel', path), done: t.job.cancelled },
  };
  const act = async (what: keyof typeof calls) => {
    await calls[what].call();
    toastDone(calls[what].done);
    await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/jobs/{jobId}'] });
  };
  const begin = async (what: keyof typeof calls) => {
    setBusy(true);
    try {
      await act(what);
    } catch (error) {
      toastProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const isPaused = job.status === 'paused';
  if (!isPaused && job.status !== 'queued' && job.status !== 'running') return null;
  return (
    <>
      <Button variant="default" loading={busy} onClick={() => void begin(isPaused ? 'resume' : 'pause')}>
        {isPaused ? t.job.resume : t.job.pause}
      </Button>
      <Button
        variant="default"
        c="red"
        onClick={() =>
          confirmByName({
            title: t.job.confirm.title,
            consequence: t.job.confirm.consequence,
            name: String(job.jobId),
            isNumber: true,
            confirmLabel: t.job.cancel,
            gentler: isPaused ? undefined : { label: t.job.confirm.gentler, onChoose: () => begin('pause') },
            onConfirm: () => act('cancel'),
          })
        }
      >
        {t.job.cancel}
      </Button>
    </>
  );
}
