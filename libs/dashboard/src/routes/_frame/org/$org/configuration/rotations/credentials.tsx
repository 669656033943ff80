import { Button, Group, Stack, Text } from '@mantine/core';
import { IconRotate } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { rotateCredentials } from '@/configuration/credential-rotation-form';
import { rotationColumns } from '@/configuration/rotation-columns';
import { JobStatus } from '@/jobs/job-parts';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/configuration/rotations/credentials')({
  validateSearch: listSearch,
  component: Credentials,
  staticData: { action: 'listSites' },
});

type Rotation = components['schemas']['FleetRotation'];
const texts = t.rotations;

function Credentials() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/credential-rotations', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const what = ({ jobId }: Rotation) => (
    <PageLink to="/org/$org/configuration/rotations/$job" params={{ org, job: String(jobId) }}>
      {texts.credentials(jobId)}
    </PageLink>
  );
  const progress = ({ rotated, total }: Rotation) => texts.of(formatNumber(rotated), formatNumber(total));
  const columns = rotationColumns<Rotation>(what, progress);
  const rotate = useMay(org)('updateSite') && (
    <Button
      onClick={() =>
        rotateCredentials(
          org,
          (jobId) =>
            void navigate({
              to: '/org/$org/configuration/rotations/$job',
              params: { org, job: String(jobId) },
            }),
        )
      }
    >
      {texts.rotate}
    </Button>
  );
  return (
    <ListTable
      id="credential-rotations"
      beside={rotate}
      label={texts.credentialList}
      query={query}
      rows={query.data?.rotations}
      total={query.data?.pagination.total}
      rowId={({ jobId }) => jobId}
      columns={columns}
      search={search}
      onSearch={(next) => void navigate({ search: next })}
      exported={{ path: `/org/${org}/credential-rotations` }}
      card={(rotation) => (
        <Stack gap={6}>
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            {what(rotation)}
            <JobStatus status={rotation.status} />
          </Group>
          <Text size="sm" c="dimmed" component="div">
            {progress(rotation)} · <Time at={rotation.createdAt} />
          </Text>
        </Stack>
      )}
      empty={
        <EmptyState
          icon={<IconRotate />}
          title={texts.emptyCredentials.title}
          description={texts.emptyCredentials.description}
        >
          {rotate}
        </EmptyState>
      }
    />
  );
}
