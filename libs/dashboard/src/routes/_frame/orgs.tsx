import { Anchor, TextInput } from '@mantine/core';
import { IconBuilding, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/orgs';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { type Column, ListTable } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/orgs')({ validateSearch: listSearch, component: Organizations });

interface Row {
  orgId: string;
  name: string;
}

const COLUMNS: Column<Row>[] = [
  {
    key: 'name',
    title: t.columns.name,
    render: ({ orgId, name }) => (
      <Anchor renderRoot={(props) => <Link to="/org/$org" params={{ org: orgId }} {...props} />} fw={500}>
        {name}
      </Anchor>
    ),
  },
  { key: 'orgId', title: t.columns.orgId, render: ({ orgId }) => <CopyId id={orgId} what={t.columns.orgId} /> },
];

function Organizations() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const user = useUser();
  const all = useQuery({
    ...$api.queryOptions('get', '/orgs', { params: { query: { pageSize: 1000 } } }),
    enabled: user.serverAdmin,
  });
  const rows: Row[] | undefined = user.serverAdmin
    ? all.data?.orgs
    : user.memberships.map(({ orgId, orgName }) => ({ orgId, name: orgName }));
  const wanted = search.q?.toLowerCase() ?? '';
  const shown = rows?.filter(({ orgId, name }) => `${orgId} ${name}`.toLowerCase().includes(wanted));
  return (
    <>
      <PageHeader title={t.title} />
      <TextInput
        mb="sm"
        maw={420}
        leftSection={<IconSearch size={16} />}
        placeholder={t.search}
        aria-label={t.search}
        value={search.q ?? ''}
        onChange={({ currentTarget }) =>
          void navigate({ search: { ...search, q: currentTarget.value || undefined }, replace: true })
        }
      />
      <ListTable
        id="orgs"
        label={t.list}
        query={all}
        rows={shown}
        total={shown?.length}
        pageSize={1000}
        rowId={({ orgId }) => orgId}
        columns={COLUMNS}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        card={({ orgId, name }) => (
          <Anchor renderRoot={(props) => <Link to="/org/$org" params={{ org: orgId }} {...props} />} fw={500}>
            {name}
          </Anchor>
        )}
        empty={<EmptyState icon={<IconBuilding />} title={t.empty.title} description={t.empty.description} />}
      />
    </>
  );
}
