import { Button, Stack, Text } from '@mantine/core';
import { IconWorld } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { registerDomain } from '@/resources/domain-form';
import { DomainState } from '@/resources/domain-state';
import type { Domain } from '@/resources/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/domains/')({
  validateSearch: listSearch,
  component: Domains,
  staticData: { action: 'listOrgDomains' },
});

const texts = t.domains;

function Domains() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/domains', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const create = may('createOrgDomain') && (
    <Button
      onClick={() =>
        registerDomain(
          org,
          (domain) => void navigate({ to: '/org/$org/resources/domains/$domain', params: { org, domain } }),
        )
      }
    >
      {texts.create}
    </Button>
  );
  const name = ({ domainId, baseDomain }: Domain) => (
    <PageLink to="/org/$org/resources/domains/$domain" params={{ org, domain: domainId }}>
      {baseDomain}
    </PageLink>
  );
  const type = ({ type, configManaged }: Domain) => (configManaged ? texts.byConfiguration : type && texts.types[type]);
  return (
    <>
      <PageHeader title={texts.title} actions={create} />
      <ListTable
        id="domains"
        label={texts.list}
        query={query}
        rows={query.data?.domains}
        total={query.data?.pagination.total}
        rowId={({ domainId }) => domainId}
        columns={[
          { key: 'baseDomain', title: texts.columns.baseDomain, render: name },
          { key: 'type', title: texts.columns.type, render: type, width: 240 },
          { key: 'state', title: texts.columns.state, render: (domain) => <DomainState {...domain} />, width: 200 },
          { key: 'tries', title: texts.columns.tries, render: ({ tries }) => tries, textAlign: 'right', width: 80 },
        ]}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/domains` }}
        card={(domain) => (
          <Stack gap={6}>
            {name(domain)}
            <DomainState {...domain} />
            <Text size="sm" c="dimmed">
              {type(domain)}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconWorld />} title={texts.empty.title} description={texts.empty.description}>
            {create}
          </EmptyState>
        }
      />
    </>
  );
}
