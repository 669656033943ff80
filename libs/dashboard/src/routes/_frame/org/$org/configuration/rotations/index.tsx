import { Group, Stack, Text } from '@mantine/core';
import { IconRotate } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { $api } from '@/api/client';
import type { Rollout } from '@/configuration/queries';
import { rotationColumns } from '@/configuration/rotation-columns';
import { JobStatus } from '@/jobs/job-parts';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';

export const Route = createFileRoute('/_frame/org/$org/configuration/rotations/')({
  validateSearch: listSearch,
  component: Rollouts,
  staticData: { action: 'listSites' },
});

const texts = t.rotations;

function Rollouts() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/rollouts', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const what = ({ jobId, change: { kind, secret, profileId, version } }: Rollout) => (
    <PageLink to="/org/$org/configuration/rotations/$job" params={{ org, job: String(jobId) }}>
      {kind === 'secret' ? texts.secret(secret ?? '?', version) : texts.document(profileId, version)}
    </PageLink>
  );
  const progress = ({ applied, total }: Rollout) => texts.of(formatNumber(applied), formatNumber(total));
  const columns = rotationColumns<Rollout>(what, progress);
  return (
    <ListTable
      id="rollouts"
      label={texts.rolloutList}
      query={query}
      rows={query.data?.rollouts}
      total={query.data?.pagination.total}
      rowId={({ jobId }) => jobId}
      columns={columns}
      search={search}
      onSearch={(next) => void navigate({ search: next })}
      exported={{ path: `/org/${org}/rollouts` }}
      card={(rollout) => (
        <Stack gap={6}>
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            {what(rollout)}
            <JobStatus status={rollout.status} />
          </Group>
          <Text size="sm" c="dimmed" component="div">
            {progress(rollout)} · <Time at={rollout.createdAt} />
          </Text>
        </Stack>
      )}
      empty={
        <EmptyState
          icon={<IconRotate />}
          title={texts.emptyRollouts.title}
          description={texts.emptyRollouts.description}
        />
      }
    />
  );
}
