import { Button, Stack, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconShieldCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/blocked')({
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
  const id = ({ hardwareId }: Tombstone) => <CopyId id={hardwareId} what={t.blocked.columns.hardwareId} />;
  const reason = ({ reason }: Tombstone) => t.blocked.reasons[reason] ?? reason;
  const button = ({ hardwareId }: Tombstone) =>
    mayLift && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t.blocked.liftOne(hardwareId)}
        onClick={() => lift(org, hardwareId)}
      >
        {t.blocked.lift}
      </Button>
    );
  const columns: Column<Tombstone>[] = [
    { key: 'hardwareId', title: t.blocked.columns.hardwareId, render: id },
    { key: 'siteName', title: t.blocked.columns.site, render: ({ siteName }) => siteName },
    { key: 'reason', title: t.blocked.columns.reason, render: reason, width: 110 },
    { key: 'note', title: t.blocked.columns.note, render: ({ note }) => note },
    { key: 'createdBy', title: t.blocked.columns.by, render: ({ createdBy }) => createdBy },
    {
      key: 'createdAt',
      title: t.blocked.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 130,
    },
    ...(mayLift ? [{ key: 'lift', title: ' ', render: button, width: 110 } satisfies Column<Tombstone>] : []),
  ];
  return (
    <>
      <PageHeader title={t.blocked.title} description={t.blocked.description} />
      <ListTable
        id="blocked"
        label={t.blocked.list}
        query={query}
        rows={query.data?.tombstones}
        total={query.data?.pagination.total}
        rowId={({ hardwareId }) => hardwareId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
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
        empty={
          <EmptyState
            icon={<IconShieldCheck />}
            title={t.blocked.empty.title}
            description={t.blocked.empty.description}
          />
        }
      />
    </>
  );
}

function lift(orgId: string, hardwareId: string): void {
  modals.openConfirmModal({
    title: t.blocked.liftTitle,
    children: <Text size="sm">{t.blocked.liftConsequence(hardwareId)}</Text>,
    labels: { confirm: t.blocked.lift, cancel: common.cancel },
    onConfirm: () =>
      void api
        .DELETE('/org/{orgId}/tombstone/{hardwareId}', { params: { path: { orgId, hardwareId } } })
        .then(() => {
          toastDone(t.blocked.lifted(hardwareId));
          return queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/tombstones'] });
        })
        .catch(toastProblem),
  });
}
