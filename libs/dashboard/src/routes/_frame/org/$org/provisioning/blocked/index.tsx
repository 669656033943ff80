import { Button, Stack, Text } from '@mantine/core';
import { IconShieldCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/blocked';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { confirm } from '@/kit/confirm';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/blocked/')({
  validateSearch: listSearch,
  component: Blocked,
  staticData: { action: 'listTombstones' },
});

type Tombstone = components['schemas']['TombstoneView'];

function Blocked() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const mayLift = useMay(org)('deleteTombstone');
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/tombstones', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const id = ({ hardwareId }: Tombstone) => <CopyId id={hardwareId} what={t.columns.hardwareId} />;
  const reason = ({ reason }: Tombstone) => t.reasons[reason] ?? reason;
  const button = ({ hardwareId }: Tombstone) =>
    mayLift && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t.liftOne(hardwareId)}
        onClick={() => lift(org, hardwareId)}
      >
        {t.lift}
      </Button>
    );
  const columns: Column<Tombstone>[] = [
    { key: 'hardwareId', title: t.columns.hardwareId, render: id },
    { key: 'siteName', title: t.columns.site, render: ({ siteName }) => siteName },
    { key: 'reason', title: t.columns.reason, render: reason, width: 110 },
    { key: 'note', title: t.columns.note, render: ({ note }) => note },
    { key: 'createdBy', title: t.columns.by, render: ({ createdBy }) => createdBy },
    {
      key: 'createdAt',
      title: t.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 130,
    },
    ...(mayLift ? [{ key: 'lift', title: ' ', render: button, width: 110 } satisfies Column<Tombstone>] : []),
  ];
  return (
    <ListTable
      id="blocked"
      label={t.list}
      query={query}
      rows={query.data?.tombstones}
      total={query.data?.pagination.total}
      rowId={({ hardwareId }) => hardwareId}
      columns={columns}
      search={search}
      onSearch={(next) => void navigate({ search: next })}
      exported={{ path: `/org/${org}/tombstones` }}
      card={(tombstone) => (
        <Stack gap={6} align="flex-start">
          {id(tombstone)}
          <Text size="sm" c="dimmed" component="div">
            {reason(tombstone)} <Time at={tombstone.createdAt} />
            {tombstone.siteName && ` · ${tombstone.siteName}`}
          </Text>
          {tombstone.note && <Text size="sm">{tombstone.note}</Text>}
          {button(tombstone)}
        </Stack>
      )}
      empty={<EmptyState icon={<IconShieldCheck />} title={t.empty.title} description={t.empty.description} />}
    />
  );
}

function lift(orgId: string, hardwareId: string): void {
  confirm({
    title: t.liftTitle,
    consequence: t.liftConsequence(hardwareId),
    confirmLabel: t.lift,
    onConfirm: async () => {
      await api.DELETE('/org/{orgId}/tombstone/{hardwareId}', { params: { path: { orgId, hardwareId } } });
      toastDone(t.lifted(hardwareId));
      await Promise.all(
        (['/org/{orgId}/tombstones', '/org/{orgId}/rejections'] as const).map((path) =>
          queryClient.invalidateQueries({ queryKey: ['get', path] }),
        ),
      );
    },
  });
}
