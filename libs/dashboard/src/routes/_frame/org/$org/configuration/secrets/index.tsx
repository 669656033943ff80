import { Button, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { $api } from '@/api/client';
import type { Secret } from '@/configuration/queries';
import { createSecret } from '@/configuration/secret-forms';
import { EmptyState } from '@/kit/empty';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/configuration/secrets/')({
  validateSearch: listSearch,
  component: Secrets,
  staticData: { action: 'listSecrets' },
});

const texts = t.secrets;

function Secrets() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/secrets', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE, query: search.q } },
    }),
  );
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const create = may('createSecret') && (
    <Button
      onClick={() =>
        createSecret(
          org,
          (name) => void navigate({ to: '/org/$org/configuration/secrets/$name', params: { org, name } }),
        )
      }
    >
      {texts.create}
    </Button>
  );
  const name = ({ name }: Secret) => (
    <PageLink to="/org/$org/configuration/secrets/$name" params={{ org, name }}>
      {name}
    </PageLink>
  );
  const drain = ({ version, settledVersion }: Secret) =>
    version === settledVersion ? texts.settled : texts.draining(settledVersion);
  const columns: Column<Secret>[] = [
    { key: 'name', title: texts.columns.name, render: name },
    { key: 'version', title: texts.columns.version, render: ({ version }) => version, width: 90, textAlign: 'right' },
    { key: 'drain', title: texts.columns.drain, render: drain },
    {
      key: 'profiles',
      title: texts.columns.profiles,
      render: ({ profileIds }) =>
        profileIds === null
          ? texts.allProfiles
          : texts.someProfiles(formatNumber(profileIds.length), profileIds.length),
      width: 140,
    },
    {
      key: 'changedAt',
      title: texts.columns.changedAt,
      render: ({ changedAt }) => <Time at={changedAt} />,
      width: 130,
    },
  ];
  return (
    <>
      <PageHeader title={texts.title} actions={create} />
      <Stack gap="sm">
        <FilterBox search={search} fields={[]} onChange={go} label={texts.search} />
        <ListTable
          id="secrets"
          label={texts.list}
          query={query}
          rows={query.data?.secrets}
          total={query.data?.pagination.total}
          rowId={({ name }) => name}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/secrets`, query: { query: search.q } }}
          card={(secret) => (
            <Stack gap={6}>
              {name(secret)}
              <Text size="sm" c="dimmed">
                {[`${texts.columns.version} ${secret.version}`, drain(secret)].join(' · ')}
              </Text>
            </Stack>
          )}
          empty={
            <EmptyState icon={<IconLock />} title={texts.empty.title} description={texts.empty.description}>
              {create}
            </EmptyState>
          }
        />
      </Stack>
    </>
  );
}
