import { Alert, Button, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { t as jobs } from '@texts/jobs';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { JobProgress, JobStatus } from '@/jobs/job-parts';
import { confirm } from '@/kit/confirm';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

/** One rotation, which is a job: how far it is, and what became of each site. */
export const Route = createFileRoute('/_frame/org/$org/configuration/rotations/$job')({
  validateSearch: listSearch,
  component: Rotation,
  staticData: { action: 'getJob' },
});

const texts = t.rotations.job;
/** The kind of a job that rotates credentials. */
const CREDENTIALS = 'credentials.rotate';

function Rotation() {
  const params = Route.useParams();
  const { org } = params;
  const jobId = Number(params.job);
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const mayChange = useMay(org)('updateJob');
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/jobs/{jobId}', {
      params: { path: { orgId: org, jobId }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const { data: job, error, refetch } = query;
  if (error && !job) return <Failure error={error} retry={refetch} />;
  const path = { orgId: org, jobId };
  const changed = () =>
    Promise.all(
      (['/org/{orgId}/jobs/{jobId}', '/org/{orgId}/rollouts', '/org/{orgId}/credential-rotations'] as const).map(
        (one) => queryClient.invalidateQueries({ queryKey: ['get', one] }),
      ),
    );
  const act = (call: () => Promise<unknown>, done: string) =>
    void call()
      .then(() => toastDone(done))
      .then(changed)
      .catch(toastProblem);
  const site = (item: string) => (
    <PageLink to="/org/$org/sites/$site" params={{ org, site: item }}>
      {t.rotations.site(item)}
    </PageLink>
  );
  const canPause = job?.status === 'queued' || job?.status === 'running';
  const canResume = job?.status === 'paused';
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/configuration/rotations" params={{ org }}>
            {t.rotations.back}
          </PageLink>
        }
        title={texts.title(jobId)}
        state={job && <JobStatus status={job.status} />}
        actions={
          mayChange && (
            <>
              {canPause && (
                <Button
                  variant="default"
                  onClick={() =>
                    act(() => api.POST('/org/{orgId}/jobs/{jobId}/pause', { params: { path } }), jobs.job.paused)
                  }
                >
                  {texts.pause}
                </Button>
              )}
              {canResume && (
                <Button
                  onClick={() =>
                    act(() => api.POST('/org/{orgId}/jobs/{jobId}/resume', { params: { path } }), jobs.job.resumed)
                  }
                >
                  {texts.resume}
                </Button>
              )}
              {(canPause || canResume) && (
                <Button
                  variant="default"
                  c="var(--mantine-color-error)"
                  onClick={() =>
                    confirm({
                      title: texts.cancelTitle,
                      consequence: texts.cancelConsequence,
                      confirmLabel: texts.cancel,
                      isGrave: true,
                      onConfirm: async () => {
                        await api.POST('/org/{orgId}/jobs/{jobId}/cancel', { params: { path } });
                        toastDone(jobs.job.cancelled);
                        await changed();
                      },
                    })
                  }
                >
                  {texts.cancel}
                </Button>
              )}
            </>
          )
        }
      />
      {job ? (
        <Stack>
          {job.error && (
            <Alert color="red" variant="outline">
              {job.error.message}
            </Alert>
          )}
          <JobProgress {...job} size="md" />
          {job.kind === CREDENTIALS && <Drain org={org} jobId={jobId} />}
          <Facts
            title={texts.about}
            facts={[
              [texts.by, job.createdBy.name],
              [texts.createdAt, <Time key="created" absolute at={job.createdAt} />],
              [texts.finishedAt, job.finishedAt && <Time key="finished" absolute at={job.finishedAt} />],
            ]}
          />
          <Title order={2}>{texts.results}</Title>
          <ListTable
            id="rotation-results"
            label={texts.results}
            query={query}
            rows={job.results}
            total={job.pagination.total}
            rowId={({ item }) => item}
            columns={[
              { key: 'item', title: texts.columns.item, render: ({ item }) => site(item) },
              { key: 'outcome', title: texts.columns.outcome, render: outcomeOf, width: 180 },
              { key: 'message', title: texts.columns.message, render: ({ message }) => message },
            ]}
            search={search}
            onSearch={(next) => void navigate({ search: next })}
            exported={{ path: `/org/${org}/jobs/${jobId}` }}
            card={(result) => (
              <>
                {site(result.item)}
                <Text size="sm">{[outcomeOf(result), result.message].filter(Boolean).join(' · ')}</Text>
              </>
            )}
            empty={
              <Text size="sm" c="dimmed">
                {texts.noResults}
              </Text>
            }
          />
        </Stack>
      ) : (
        <Skeleton h={320} />
      )}
    </>
  );
}

const outcomeOf = ({ outcome }: { outcome: string }) => t.rotations.outcomes[outcome] ?? outcome;

/** How many sites still use the credential before, and why. At its end the results name them. */
function Drain({ org, jobId }: { org: string; jobId: number }) {
  const may = useMay(org);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/credential-rotations', {
      params: { path: { orgId: org }, query: { pageSize: 1000 } },
    }),
    enabled: may('listSites'),
  });
  const rotation = data?.rotations.find((one) => one.jobId === jobId);
  if (!rotation) return null;
  const { drain } = t.rotations;
  const left = rotation.total - rotation.rotated - rotation.gone;
  const why = (['waiting', 'cannotTake', 'failed', 'gone'] as const).filter((one) => rotation[one] > 0);
  return (
    <Stack gap={2} role="status">
      <Text fw={500}>{left > 0 ? drain.still(formatNumber(left), formatNumber(rotation.total)) : drain.none}</Text>
      {why.map((one) => (
        <Text key={one} size="sm">
          {drain[one](formatNumber(rotation[one]), rotation[one])}
        </Text>
      ))}
    </Stack>
  );
}
