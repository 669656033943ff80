import { Anchor, Group, Stack, Text } from '@mantine/core';
import { IconListDetails } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/jobs';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { JobProgress, JobStatus, jobName } from '@/jobs/job-parts';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { Time } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/jobs/')({
  validateSearch: listSearch,
  component: Jobs,
  staticData: { action: 'listJobs' },
});

type Job = components['schemas']['JobItem'];

const FIELDS = [
  {
    key: 'status',
    label: t.fields.status,
    values: Object.entries(t.statuses).map(([value, label]) => ({ value, label })),
  },
];

function Jobs() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const status = filtersOf(search).find(({ field, negated }) => field === 'status' && !negated)?.value;
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/jobs', {
      params: {
        path: { orgId: org },
        query: { status: status as Job['status'] | undefined, page: search.page, pageSize: PAGE_SIZE },
      },
    }),
  );
  const total = query.data?.pagination.total;
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const kind = (job: Job) =>
    may('getJob') ? (
      <Anchor
        fw={500}
        size="sm"
        renderRoot={(props) => <Link to="/org/$org/jobs/$job" params={{ org, job: String(job.jobId) }} {...props} />}
      >
        {jobName(job)}
      </Anchor>
    ) : (
      jobName(job)
    );
  const columns: Column<Job>[] = [
    { key: 'status', title: t.columns.status, render: ({ status }) => <JobStatus status={status} />, width: 120 },
    { key: 'kind', title: t.columns.kind, render: kind },
    { key: 'progress', title: t.columns.progress, render: (job) => <JobProgress {...job} />, width: 200 },
    {
      key: 'failed',
      title: t.columns.failed,
      render: ({ failed }) => formatNumber(failed),
      width: 90,
      textAlign: 'right',
    },
    { key: 'createdBy', title: t.columns.createdBy, render: ({ createdBy }) => createdBy.name },
    { key: 'createdAt', title: t.columns.createdAt, render: ({ createdAt }) => <Time at={createdAt} />, width: 130 },
    {
      key: 'finishedAt',
      title: t.columns.finishedAt,
      render: ({ finishedAt }) => finishedAt && <Time at={finishedAt} />,
      width: 130,
      hidden: true,
    },
  ];
  return (
    <>
      <PageHeader title={t.title} description={total !== undefined && t.counts(formatNumber(total), total)} />
      <Stack gap="sm">
        <FilterBox label={t.list} search={search} fields={FIELDS} onChange={go} />
        <ListTable
          id="jobs"
          label={t.list}
          query={query}
          rows={query.data?.jobs}
          total={total}
          rowId={({ jobId }) => jobId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/jobs`, query: { status } }}
          card={(job) => (
            <Stack gap={6}>
              <Group justify="space-between" wrap="nowrap" align="flex-start">
                {kind(job)}
                <JobStatus status={job.status} />
              </Group>
              <JobProgress {...job} />
              <Text size="sm" c="dimmed" component="div">
                {t.job.by(job.createdBy.name)} <Time at={job.createdAt} />
              </Text>
            </Stack>
          )}
          empty={<EmptyState icon={<IconListDetails />} title={t.empty.title} description={t.empty.description} />}
        />
      </Stack>
    </>
  );
}
