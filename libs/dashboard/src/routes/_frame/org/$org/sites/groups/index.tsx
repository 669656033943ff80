import { Button, Group, Stack, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconFolders } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/groups';
import { $api, api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time, useZoneLabel } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';
import { GroupForm } from '@/sites/group-form';
import { groupsChanged, type SiteGroup } from '@/sites/queries';

export const Route = createFileRoute('/_frame/org/$org/sites/groups/')({
  validateSearch: listSearch,
  component: Groups,
  staticData: { action: 'listGroups' },
});

function Groups() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const zone = useZoneLabel();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/groups', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const open = () => {
    // One form, one group, however often it is sent.
    const key = newIdempotencyKey();
    const id = modals.open({
      title: t.createTitle,
      children: (
        <GroupForm
          submitLabel={common.create}
          save={async (values) => {
            const { data } = await api.PUT('/org/{orgId}/group', {
              params: { path: { orgId: org }, header: { 'Idempotency-Key': key } },
              body: values,
            });
            modals.close(id);
            toastDone(t.created(values.name));
            await groupsChanged();
            await navigate({ to: '/org/$org/sites/groups/$group', params: { org, group: String(data!.groupId) } });
          }}
        />
      ),
    });
  };
  const create = may('createGroup') && <Button onClick={open}>{t.create}</Button>;
  const name = ({ groupId, name }: SiteGroup) => (
    <PageLink to="/org/$org/sites/groups/$group" params={{ org, group: String(groupId) }}>
      {name}
    </PageLink>
  );
  const columns: Column<SiteGroup>[] = [
    { key: 'name', title: t.columns.name, render: name },
    { key: 'description', title: t.columns.description, render: ({ description }) => description },
    {
      key: 'siteCount',
      title: t.columns.siteCount,
      render: ({ siteCount }) => formatNumber(siteCount),
      textAlign: 'right',
      width: 100,
    },
    {
      key: 'createdAt',
      title: `${t.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      width: 210,
    },
  ];
  return (
    <>
      <PageHeader title={t.title} actions={create} />
      <ListTable
        id="groups"
        label={t.list}
        query={query}
        rows={query.data?.groups}
        total={query.data?.pagination.total}
        rowId={({ groupId }) => groupId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/groups` }}
        card={(group) => (
          <Stack gap={4}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              {name(group)}
              <Text size="sm" style={{ whiteSpace: 'nowrap' }}>
                {t.group.counts(formatNumber(group.siteCount), group.siteCount)}
              </Text>
            </Group>
            <Text size="sm" c="dimmed">
              {group.description}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconFolders />} title={t.empty.title} description={t.empty.description}>
            {create}
          </EmptyState>
        }
      />
    </>
  );
}
